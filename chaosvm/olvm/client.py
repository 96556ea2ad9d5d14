"""A logged-in client of an engine: one connection per concurrent request, one token for all.

Reads share a pool of connections, and a connection that fails is closed. A
request that changes something uses a new connection and is sent once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from xml.etree.ElementTree import Element, SubElement, tostring

from chaosvm.errors import (
    AnswerLost,
    AnswerTooLarge,
    ConnectionFailed,
    DeadlinePassed,
    LoginFailed,
    NotSentInTime,
    PlatformError,
    ProtocolError,
    RequestNotSent,
)
from chaosvm.olvm.faults import (
    action_refused,
    is_api_missing,
    page_text,
    parse_xml,
    status_error,
)
from chaosvm.olvm.http import HttpChannel, api_headers, post
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.olvm.sso import fetch_token, revoke_token
from chaosvm.olvm.xml_lists import UnexpectedXml, XmlListParser
from chaosvm.redaction import hide_session
from chaosvm.runtime import Deadline, Login

__all__ = ["OLVMClient"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")


class _TokenRefused(Exception):
    """The engine answered 401: nothing was done, and a new token is needed."""


class OLVMClient:
    """Sends requests with a token, and logs in again when the engine refuses it."""

    def __init__(self, settings: OLVMSettings) -> None:
        self.settings = settings
        self.address = settings.address
        self._token: str | None = None
        self._channels: list[HttpChannel] = []
        self._lock = threading.Lock()
        self._login = Login(self._fetch_token, self.address, settings.username, settings.password)
        if settings.insecure:
            logger.warning(
                f"the certificate of {self.address} is not verified, because olvm_insecure "
                "is true: anyone in between could read the password"
            )
        if settings.is_plain:
            logger.warning(
                f"olvm_url begins with http://: the password goes to {self.address} unencrypted"
            )

    def login(self, deadline: Deadline) -> None:
        """Log in unless already logged in; tried twice if the connection breaks."""
        self._retry_once(lambda: None, deadline)

    # Reading ------------------------------------------------------------------------

    def read_list(
        self,
        path: str,
        new_parser: Callable[[], XmlListParser[T]],
        deadline: Deadline,
        **query: str,
    ) -> list[T]:
        """Read a list, parsing it as it arrives."""
        items = self.read_list_if_exists(path, new_parser, deadline, **query)
        if items is None:
            raise PlatformError(self._missing(path))
        return items

    def read_list_if_exists(
        self,
        path: str,
        new_parser: Callable[[], XmlListParser[T]],
        deadline: Deadline,
        **query: str,
    ) -> list[T] | None:
        """As read_list; None for the list of an object that does not exist (404)."""
        return self._retry_once(lambda: self._get(path, query, new_parser(), deadline), deadline)

    def read_one(
        self,
        path: str,
        new_parser: Callable[[], XmlListParser[T]],
        deadline: Deadline,
        **query: str,
    ) -> T | None:
        """Read one object; None if it does not exist (404)."""
        items = self.read_list_if_exists(path, new_parser, deadline, **query)
        return items[0] if items else None

    def _retry_once(self, send: Callable[[], T], deadline: Deadline) -> T:
        try:
            return self._with_token(send, deadline)
        except (AnswerTooLarge, DeadlinePassed):
            raise
        except (ConnectionFailed, ProtocolError) as error:
            logger.debug(f"reading again: {error}")
            return self._with_token(send, deadline)

    def _missing(self, path: str) -> str:
        return (
            f"{self.address} has no /{path} (code 404): is it restarting, or is the path of "
            "olvm_url wrong?"
        )

    # Changing -----------------------------------------------------------------------

    def act(
        self,
        vm_id: str,
        action: str,
        deadline: Deadline,
        correlation_id: str,
        reason: str | None = None,
    ) -> Element:
        """Request an action on a VM, once; returns the engine's answer once it is accepted.

        Raises ActionRefused for a fault, RequestNotSent if the request never
        left, and AnswerLost if it is unknown whether it was carried out.
        """
        request = Element("action")
        if reason is not None:
            SubElement(request, "reason").text = reason
        path = f"vms/{vm_id}/{action}"
        try:
            return self._with_token(
                lambda: self._post(path, tostring(request), correlation_id, deadline), deadline
            )
        except RequestNotSent:
            raise
        except (ConnectionFailed, ProtocolError) as error:
            raise AnswerLost(f"the answer was lost ({error})") from None

    def _post(self, path: str, body: bytes, correlation_id: str, deadline: Deadline) -> Element:
        if deadline.passed:
            raise NotSentInTime("the deadline has passed")
        headers = [
            *api_headers(self._token or ""),
            "Content-Type: application/xml",
            f"Correlation-Id: {correlation_id}",
        ]
        url = f"{self.settings.url}/{path}"
        status, answer = post(self.settings, url, headers, body, deadline)
        if status == 401:
            raise _TokenRefused(page_text(answer))
        if status == 403:
            raise status_error(status, answer, self.settings)
        if is_api_missing(status, answer):
            raise RequestNotSent(self._missing(path))
        action = parse_xml(answer)
        if status >= 400:
            raise action_refused(status, answer)
        if status not in (200, 201, 202) or action is None or action.tag != "action":
            raise status_error(status, answer, self.settings)
        if action.find("fault") is not None:
            raise action_refused(status, answer)
        return action

    # Logging in and out ----------------------------------------------------------------

    def close(self, deadline: Deadline) -> None:
        """Revoke the token and close the connections."""
        with self._lock:
            channels, self._channels = self._channels, []
            token, self._token = self._token, None
        self._login.forget()
        for channel in channels:
            channel.close()
        if token is not None:
            try:
                revoke_token(self.settings, token, deadline)
            except PlatformError as error:
                logger.debug(f"the token was not revoked: {error}")

    def _fetch_token(self, deadline: Deadline) -> None:
        if self._token is not None:
            logger.info(f"{self.address} no longer accepts the token: logging in again")
        self._token = fetch_token(self.settings, deadline)
        hide_session(self._token)

    def _with_token(self, send: Callable[[], T], deadline: Deadline) -> T:
        generation = self._ensure_login(deadline)
        with suppress(_TokenRefused):
            return send()
        self._ensure_login(deadline, lost=generation)
        try:
            return send()
        except _TokenRefused as refused:
            text = f": {refused}" if str(refused) else ""
            raise LoginFailed(
                f"{self.address} accepted the login of user {self.settings.username!r}, but not "
                f"the new token{text}"
            ) from None

    def _ensure_login(self, deadline: Deadline, lost: int = 0) -> int:
        """Raises RequestNotSent if the login fails, as the request itself was not sent."""
        try:
            return self._login.ensure(deadline, lost)
        except DeadlinePassed as error:
            raise NotSentInTime(str(error)) from None
        except ConnectionFailed as error:
            raise RequestNotSent(str(error)) from None

    def _get(
        self, path: str, query: dict[str, str], parser: XmlListParser[T], deadline: Deadline
    ) -> list[T] | None:
        if deadline.passed:
            raise NotSentInTime("the deadline has passed")
        with self._lock:
            channel = self._channels.pop() if self._channels else HttpChannel(self.settings)
        reusable = False
        try:
            status, body = channel.get(path, query, self._token or "", parser.feed, deadline)
            items = parser.close() if status == 200 else None
            reusable = True
        except UnexpectedXml as error:
            raise ProtocolError(
                f"{self.address} sent an unexpected or incomplete answer for /{path}: {error}"
            ) from None
        finally:
            if reusable:
                with self._lock:
                    self._channels.append(channel)
            else:
                channel.close()
        if status == 401:
            raise _TokenRefused(page_text(body))
        if is_api_missing(status, body):
            raise ConnectionFailed(self._missing(path))
        if status not in (200, 404):
            raise status_error(status, body, self.settings)
        return items
