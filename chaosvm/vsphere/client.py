"""One authenticated session with a vCenter, shared by threads, renewed when it is lost."""

from __future__ import annotations

import http.client
import logging
import re
from collections.abc import Callable
from typing import Any, TypeVar

from pyVmomi import vim, vmodl

from chaosvm.errors import (
    AnswerLost,
    AnswerTooLarge,
    CertificateRejected,
    ConnectionFailed,
    DeadlinePassed,
    PlatformError,
    ProtocolError,
)
from chaosvm.redaction import hide_session
from chaosvm.runtime import Deadline, Login
from chaosvm.vsphere.faults import NothingShown, connection_error, platform_error, session_error
from chaosvm.vsphere.settings import VSphereSettings
from chaosvm.vsphere.transport import Transport

__all__ = ["VSphereClient"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")
_SESSION = re.compile(r'vmware_soap_session="?([^";\s]+)')
_BROKEN = (OSError, http.client.HTTPException)
# A dead session gives a fault, or an answer without anything in it.
_SESSION_LOST = (vim.fault.NotAuthenticated, NothingShown)


class VSphereClient:
    """Sends requests as a logged-in user; logs in again when the session has gone."""

    def __init__(self, settings: VSphereSettings, pool_size: int) -> None:
        self.settings = settings
        self.address = f"{settings.server}:{settings.port}"
        self.transport = Transport(settings, pool_size)
        self._content: Any = None
        self._login = Login(self._log_in, self.address, settings.username, settings.password)
        if settings.insecure:
            logger.warning(
                f"the certificate of {self.address} is not verified, because vsphere_insecure "
                "is true: anyone in between could read the password"
            )

    @property
    def generation(self) -> int:
        """Grows with each login: what was made in an older one (collectors) is gone."""
        return self._login.generation

    def login(self, deadline: Deadline) -> None:
        """Log in, unless that was done."""
        with self.transport.within(deadline):
            self._ensure_login(deadline)

    def read(self, request: Callable[[Any], T], deadline: Deadline) -> T:
        """Send a request that changes nothing, twice if the connection breaks.

        ``request`` gets the ServiceContent. Raises PlatformError; faults about
        the objects asked for are left as they are.
        """
        try:
            return self._call(request, deadline)
        except (AnswerTooLarge, CertificateRejected, DeadlinePassed):
            raise
        except (ConnectionFailed, ProtocolError) as error:
            logger.debug(f"reading once more: {error}")
            return self._call(request, deadline)

    def change(self, request: Callable[[Any], T], deadline: Deadline) -> T:
        """Send a request that changes something, never twice.

        Raises ConnectionFailed if it never left, AnswerLost if nobody knows what
        became of it.
        """
        self.transport.sent = False
        try:
            return self._call(request, deadline)
        except (ConnectionFailed, ProtocolError) as error:
            if self.transport.sent:
                raise AnswerLost(f"the answer was lost ({error})") from None
            raise

    def close(self, deadline: Deadline) -> None:
        """Log out and drop the connections."""
        if self._login.valid:
            try:
                with self.transport.within(deadline):
                    self._translated(self._content.sessionManager.Logout)
            except PlatformError as error:
                logger.debug(f"the session was not closed: {error}")
            except vmodl.MethodFault as fault:
                logger.debug(f"the session was gone already: {type(fault).__name__}")
        self._login.forget()
        self.transport.cookie = ""
        self.transport.close()

    def _call(self, request: Callable[[Any], T], deadline: Deadline) -> T:
        with self.transport.within(deadline):
            generation = self._ensure_login(deadline)
            try:
                return self._translated(lambda: request(self._content))
            except _SESSION_LOST:
                # It was refused, so nothing was done: sending it again is safe.
                logger.info(f"the session with {self.address} had ended: logging in again")
            self._ensure_login(deadline, lost=generation)
            try:
                return self._translated(lambda: request(self._content))
            except _SESSION_LOST as error:
                self.transport.sent = False
                raise session_error(error, self.address) from None

    def _ensure_login(self, deadline: Deadline, lost: int = 0) -> int:
        self.transport.sent = False
        try:
            return self._login.ensure(deadline, lost)
        finally:
            # What has left so far was the login, not the caller's request.
            self.transport.sent = False

    def _log_in(self, deadline: Deadline) -> None:
        # A server may take Login with an old session's cookie for a second login.
        self.transport.cookie = ""
        service = vim.ServiceInstance("ServiceInstance", self.transport)
        try:
            if self._content is None:
                self._content = self._translated(service.RetrieveContent)
            if self._content is None:
                raise ProtocolError(f"{self.address} did not say what it is: is it a vCenter?")
            session = self._translated(
                lambda: self._content.sessionManager.Login(
                    self.settings.username, self.settings.password
                )
            )
            _hide(session, self.transport.cookie)
        except vmodl.MethodFault as fault:
            raise platform_error(fault) from None

    def _translated(self, request: Callable[[], T]) -> T:
        """Connection errors become ours; faults pass."""
        try:
            return request()
        except _BROKEN as error:
            raise connection_error(error, self.address) from None


def _hide(session: Any, cookie: str) -> None:
    """Who knows the session is as good as logged in."""
    found = (getattr(session, "key", None), *_SESSION.findall(cookie or ""))
    for each in found:
        if isinstance(each, str) and each:
            hide_session(each)
