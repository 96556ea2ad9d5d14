"""Connections to an engine: one for each request under way, all with one token.

The SDK's Connection serves one thread at a time, and can lock up when threads
share one and an answer is cut off. So connections are lent, and thrown away
when anything went wrong on them.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import ovirtsdk4 as sdk
import pycurl
from logzero import logger

from chaosvm import rehearsal
from chaosvm.deadline import Deadline
from chaosvm.errors import (
    AnswerTooLarge,
    ConnectionFailed,
    DeadlinePassed,
    LoginFailed,
    NoAnswer,
    PlatformError,
    ProtocolError,
)
from chaosvm.login import Login
from chaosvm.olvm.faults import NeverSent, platform_error, status_error
from chaosvm.olvm.http import Line
from chaosvm.olvm.items import Items, NotExpected
from chaosvm.olvm.settings import OLVMSettings, address_of
from chaosvm.olvm.sso import fetch_token, revoke_token
from chaosvm.redaction import hide_session

__all__ = ["OLVMClient"]

T = TypeVar("T")
# What the SDK's reader raises for values that are not what they should be.
_MISREAD = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


class _TokenRefused(Exception):
    """The engine answered 401: nothing was done, and a new token is needed."""


class _Connection(sdk.Connection):  # type: ignore[misc]  # untyped
    def send(self, request: Any) -> Any:
        rehearsal.permit(*address_of(self._url))
        return super().send(request)

    def _get_access_token(self) -> str:
        # The SDK would log in here by itself, without a timeout.
        raise _TokenRefused


class OLVMClient:
    """Sends requests as a logged-in user; logs in again when the token is refused."""

    def __init__(self, settings: OLVMSettings) -> None:
        self.settings = settings
        self.address = settings.address
        self._token: str | None = None
        self._idle: list[_Connection] = []
        self._lines: list[Line] = []
        self._lock = threading.Lock()
        self._login = Login(self._fetch_token, self.address)
        if settings.insecure:
            logger.warning(
                f"the certificate of {self.address} is not verified, because olvm_insecure "
                "is true: anyone in between could read the password"
            )
        if settings.url.startswith("http:"):
            logger.warning(f"{self.address} is spoken to in the clear, the password included")

    def login(self, deadline: Deadline) -> None:
        """Log in, unless that was done."""
        self._login.ensure(deadline)

    def read(self, request: Callable[[Any], T], deadline: Deadline) -> T:
        """Send a request that changes nothing, twice if the connection breaks.

        ``request`` gets the SDK's SystemService. Raises PlatformError.
        """
        return self._read(request, deadline, passing=())

    def read_if_there(self, request: Callable[[Any], T], deadline: Deadline) -> T | None:
        """As read; None for what the engine does not have (404)."""
        try:
            return self._read(request, deadline, passing=(404,))
        except sdk.NotFoundError:
            return None

    def change(self, request: Callable[[Any], T], deadline: Deadline, once: bool) -> T:
        """Send a request that changes something, never twice.

        The SDK's errors with a code (400, 404, 409) pass. Raises ConnectionFailed
        if it never left, NoAnswer if nobody knows what became of it. libcurl
        itself repeats a request when a connection that it had used before dies:
        what must reach the engine ``once`` at the most goes over a new one.
        """
        passing = (400, 404, 409)
        try:
            return self._authorised(
                lambda: self._send(request, deadline, fresh=once, passing=passing), deadline
            )
        except NeverSent:
            raise
        except (ConnectionFailed, ProtocolError) as error:
            raise NoAnswer(f"the answer was lost ({error})") from error

    def items(
        self,
        path: str,
        items: Callable[[], Items[T]],
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
        items: Callable[[], Items[T]],
        deadline: Deadline,
        **query: str,
    ) -> list[T] | None:
        """As items; None for a list of something that does not exist (404)."""
        return self._twice(lambda: self._get(path, query, items(), deadline), deadline)

    def item(self, path: str, items: Callable[[], Items[T]], deadline: Deadline) -> T | None:
        """One of the engine's things; None if there is none (404)."""
        found = self.items_if_there(path, items, deadline)
        return found[0] if found else None

    def _read(self, request: Callable[[Any], T], deadline: Deadline, passing: tuple[int, ...]) -> T:
        return self._twice(
            lambda: self._send(request, deadline, fresh=False, passing=passing), deadline
        )

    def _twice(self, send: Callable[[], T], deadline: Deadline) -> T:
        try:
            return self._authorised(send, deadline)
        except (AnswerTooLarge, DeadlinePassed):
            raise
        except (ConnectionFailed, ProtocolError) as error:
            logger.debug(f"reading once more: {error}")
            return self._authorised(send, deadline)

    def close(self, deadline: Deadline) -> None:
        """Revoke the token and close the connections."""
        with self._lock:
            idle, self._idle = self._idle, []
            lines, self._lines = self._lines, []
            token, self._token = self._token, None
        self._login.forget()
        for connection in idle:
            connection.close(logout=False)
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
        except _TokenRefused:
            raise LoginFailed("the engine does not accept a token, not even a new one") from None

    def _logged_in(self, deadline: Deadline, lost: int = 0) -> int:
        try:
            return self._login.ensure(deadline, lost)
        except DeadlinePassed:
            raise
        except ConnectionFailed as error:
            # What broke was the login: the request itself was not sent.
            raise NeverSent(str(error)) from error

    def _send(
        self,
        request: Callable[[Any], T],
        deadline: Deadline,
        fresh: bool,
        passing: tuple[int, ...],
    ) -> T:
        connection = self._lent(deadline, fresh)
        sound = False
        try:
            answer = request(connection.system_service())
            sound = True
            return answer
        except _TokenRefused:
            raise
        except sdk.Error as error:
            sound = error.code is not None
            if error.code in passing:
                raise
            raise platform_error(error, self.address) from error
        except (pycurl.error, *_MISREAD) as error:
            raise platform_error(error, self.address) from error
        except Exception as error:
            if type(error) is not Exception:
                raise
            raise platform_error(error, self.address) from error
        finally:
            self._take_back(connection, sound and not fresh)

    def _get(
        self, path: str, query: dict[str, str], items: Items[T], deadline: Deadline
    ) -> list[T] | None:
        if deadline.passed:
            raise NeverSent("the time for the call is over")
        with self._lock:
            line = self._lines.pop() if self._lines else Line(self.settings)
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
            raise _TokenRefused
        if status not in (200, 404):
            raise status_error(status, other, self.address)
        return found

    def _lent(self, deadline: Deadline, fresh: bool) -> _Connection:
        if deadline.passed:
            raise NeverSent("the time for the call is over")
        with self._lock:
            connection = self._idle.pop() if self._idle and not fresh else None
        if connection is None:
            connection = _Connection(
                url=self.settings.url,
                # The SDK wants a user, but with a token it never uses one.
                username=self.settings.username,
                ca_file=self.settings.ca_file,
                insecure=self.settings.insecure,
            )
        connection._sso_token = self._token
        # The SDK takes whole seconds only.
        connection._timeout = math.ceil(min(self.settings.timeout, deadline.remaining))
        return connection

    def _take_back(self, connection: _Connection, sound: bool) -> None:
        if sound:
            with self._lock:
                self._idle.append(connection)
        else:
            connection.close(logout=False)
