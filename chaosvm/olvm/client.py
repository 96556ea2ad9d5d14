"""Connections to an engine: one for each request under way, all with one token.

Reading lends connections and throws them away when anything went wrong on
them. What changes something goes over a new one, and out once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar
from xml.etree.ElementTree import Element, SubElement, tostring

from chaosvm.errors import (
    AnswerLost,
    AnswerTooLarge,
    ConnectionFailed,
    DeadlinePassed,
    LoginFailed,
    PlatformError,
    ProtocolError,
)
from chaosvm.olvm.faults import (
    NotSentInTime,
    RequestNotSent,
    action_refused,
    page_text,
    parsed,
    status_error,
)
from chaosvm.olvm.http import HttpChannel, api_headers, post
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.olvm.sso import fetch_token, revoke_token
from chaosvm.olvm.xml_lists import NotExpected, XmlListParser
from chaosvm.redaction import hide_session
from chaosvm.runtime import Deadline, Login

__all__ = ["OLVMClient"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")


class _TokenRefused(Exception):
    """The engine answered 401: nothing was done, and a new token is needed."""


class OLVMClient:
    """Sends requests as a logged-in user; logs in again when the token is refused."""

    def __init__(self, settings: OLVMSettings) -> None:
        self.settings = settings
        self.address = settings.address
        self._token: str | None = None
        self._lines: list[HttpChannel] = []
        self._lock = threading.Lock()
        self._login = Login(self._fetch_token, self.address, settings.username, settings.password)
        if settings.insecure:
            logger.warning(
                f"the certificate of {self.address} is not verified, because olvm_insecure "
                "is true: anyone in between could read the password"
            )
        if settings.url.startswith("http:"):
            logger.warning(f"{self.address} is spoken to in the clear, the password included")

    def login(self, deadline: Deadline) -> None:
        """Log in, unless that was done; twice if the connection breaks."""
        self._retry_once(lambda: None, deadline)

    # Reading ------------------------------------------------------------------------

    def items(
        self,
        path: str,
        items: Callable[[], XmlListParser[T]],
        deadline: Deadline,
        **query: str,
    ) -> list[T]:
        """A list of the engine's, read as it arrives."""
        found = self.items_if_there(path, items, deadline, **query)
        if found is None:
            raise status_error(404, b"", self.address)
        return found

    def items_if_there(
        self,
        path: str,
        items: Callable[[], XmlListParser[T]],
        deadline: Deadline,
        **query: str,
    ) -> list[T] | None:
        """As items; None for a list of something that does not exist (404)."""
        return self._retry_once(lambda: self._get(path, query, items(), deadline), deadline)

    def item(
        self, path: str, items: Callable[[], XmlListParser[T]], deadline: Deadline
    ) -> T | None:
        """One of the engine's things; None if there is none (404)."""
        found = self.items_if_there(path, items, deadline)
        return found[0] if found else None

    def _retry_once(self, send: Callable[[], T], deadline: Deadline) -> T:
        try:
            return self._authorised(send, deadline)
        except (AnswerTooLarge, DeadlinePassed):
            raise
        except (ConnectionFailed, ProtocolError) as error:
            logger.debug(f"reading once more: {error}")
            return self._authorised(send, deadline)

    # Changing -----------------------------------------------------------------------

    def act(
        self,
        vm_id: str,
        action: str,
        deadline: Deadline,
        correlation_id: str,
        reason: str | None = None,
    ) -> Element:
        """Ask for one action on one VM, never twice; the engine's acceptance of it.

        Raises ActionRefused for a fault, ConnectionFailed if the request never
        left, and AnswerLost if nobody knows what became of it.
        """
        wanted = Element("action")
        if reason is not None:
            SubElement(wanted, "reason").text = reason
        path = f"vms/{vm_id}/{action}"
        try:
            return self._authorised(
                lambda: self._post(path, tostring(wanted), correlation_id, deadline), deadline
            )
        except RequestNotSent:
            raise
        except (ConnectionFailed, ProtocolError) as error:
            raise AnswerLost(f"the answer was lost ({error})") from None

    def _post(self, path: str, body: bytes, correlation_id: str, deadline: Deadline) -> Element:
        if deadline.passed:
            raise NotSentInTime("the time for the call is over")
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
            raise status_error(status, answer, self.address)
        action = parsed(answer)
        if status >= 400:
            raise action_refused(status, answer)
        if status not in (200, 201, 202) or action is None or action.tag != "action":
            raise status_error(status, answer, self.address)
        if action.find("fault") is not None:
            raise action_refused(status, answer)
        return action

    # Logging in and out ----------------------------------------------------------------

    def close(self, deadline: Deadline) -> None:
        """Revoke the token and close the connections."""
        with self._lock:
            lines, self._lines = self._lines, []
            token, self._token = self._token, None
        self._login.forget()
        for line in lines:
            line.close()
        if token is not None:
            try:
                revoke_token(self.settings, token, deadline)
            except PlatformError as error:
                logger.debug(f"the token was not revoked: {error}")

    def _fetch_token(self, deadline: Deadline) -> None:
        self._token = fetch_token(self.settings, deadline)
        hide_session(self._token)

    def _authorised(self, send: Callable[[], T], deadline: Deadline) -> T:
        generation = self._logged_in(deadline)
        try:
            return send()
        except _TokenRefused:
            logger.info(f"{self.address} does not accept the token any more: logging in again")
        self._logged_in(deadline, lost=generation)
        try:
            return send()
        except _TokenRefused as refused:
            words = f": {refused}" if str(refused) else ""
            raise LoginFailed(
                f"the engine does not accept a token, not even a new one{words}"
            ) from None

    def _logged_in(self, deadline: Deadline, lost: int = 0) -> int:
        """What breaks here is the login: the request itself was not sent."""
        try:
            return self._login.ensure(deadline, lost)
        except DeadlinePassed as error:
            raise NotSentInTime(str(error)) from None
        except ConnectionFailed as error:
            raise RequestNotSent(str(error)) from None

    def _get(
        self, path: str, query: dict[str, str], items: XmlListParser[T], deadline: Deadline
    ) -> list[T] | None:
        if deadline.passed:
            raise NotSentInTime("the time for the call is over")
        with self._lock:
            line = self._lines.pop() if self._lines else HttpChannel(self.settings)
        sound = False
        try:
            status, other = line.get(path, query, self._token or "", items.feed, deadline)
            found = items.close() if status == 200 else None
            sound = True
        except NotExpected as error:
            raise ProtocolError(
                f"{self.address} answered with something that is not what was asked for, or "
                f"not all of it: {error}"
            ) from error
        finally:
            if sound:
                with self._lock:
                    self._lines.append(line)
            else:
                line.close()
        if status == 401:
            raise _TokenRefused(page_text(other))
        if status not in (200, 404):
            raise status_error(status, other, self.address)
        return found
