"""One session with a vCenter, shared by all threads and renewed when it ends."""

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
from chaosvm.vsphere.faults import (
    RootFolderMissing,
    connection_error,
    empty_inventory_error,
    login_refused,
    not_a_vcenter,
    platform_error,
    session_lost_error,
)
from chaosvm.vsphere.settings import VSphereSettings
from chaosvm.vsphere.transport import Transport

__all__ = ["VSphereClient"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")
_SESSION_COOKIE = re.compile(r'vmware_soap_session="?([^";\s]+)')
_CONNECTION_ERRORS = (OSError, http.client.HTTPException)
# In a session that has ended, a request returns a fault or an empty result.
_SESSION_LOST = (vim.fault.NotAuthenticated, RootFolderMissing)


class VSphereClient:
    """Sends requests in a session; logs in again when the session has ended."""

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
        """Counts logins: what an earlier session created (property collectors) is gone."""
        return self._login.generation

    def login(self, deadline: Deadline) -> None:
        """Log in, unless a session exists."""
        with self.transport.within(deadline):
            self._ensure_login(deadline)

    def read(self, request: Callable[[Any], T], deadline: Deadline) -> T:
        """Send a request that changes nothing; retry once if the connection breaks.

        ``request`` takes the ServiceContent. Raises PlatformError; faults about
        the requested objects are passed on.
        """
        try:
            return self._call(request, deadline)
        except (AnswerTooLarge, CertificateRejected, DeadlinePassed):
            raise
        except (ConnectionFailed, ProtocolError) as error:
            logger.debug(f"retrying: {error}")
            return self._call(request, deadline)

    def change(self, request: Callable[[Any], T], deadline: Deadline) -> T:
        """Send a request that changes something; it is never sent twice.

        Raises ConnectionFailed if it was not sent, and AnswerLost if it is
        unknown whether it was carried out.
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
                logger.debug(f"could not log out: {error}")
            except vmodl.MethodFault as fault:
                logger.debug(f"the session had already ended: {type(fault).__name__}")
        self._login.forget()
        self.transport.cookie = ""
        self.transport.close()

    def _call(self, request: Callable[[Any], T], deadline: Deadline) -> T:
        with self.transport.within(deadline):
            generation = self._ensure_login(deadline)
            try:
                return self._translated(lambda: request(self._content))
            except _SESSION_LOST:
                # The request was rejected, so it is safe to send it again.
                logger.info(f"the session with {self.address} had ended: logging in again")
            self._ensure_login(deadline, lost=generation)
            try:
                return self._translated(lambda: request(self._content))
            except _SESSION_LOST as error:
                failure = self._failure_in_new_session(error)
                self.transport.sent = False
                raise failure from None

    def _failure_in_new_session(self, error: Exception) -> PlatformError:
        """An empty result means missing privileges only if the session is still valid."""
        if isinstance(error, RootFolderMissing) and self._session_is_valid():
            return empty_inventory_error(self.address, self.settings.username)
        return session_lost_error(self.address)

    def _session_is_valid(self) -> bool:
        try:
            manager = self._content.sessionManager
            return self._translated(lambda: manager.currentSession) is not None
        except vmodl.MethodFault:
            return False

    def _ensure_login(self, deadline: Deadline, lost: int = 0) -> int:
        self.transport.sent = False
        try:
            return self._login.ensure(deadline, lost)
        finally:
            # What was sent so far is the login, not the caller's request.
            self.transport.sent = False

    def _log_in(self, deadline: Deadline) -> None:
        # With the cookie of an old session, a server may reject this as a second login.
        self.transport.cookie = ""
        try:
            session = self._translated(self._start_session)
        except vmodl.MethodFault as fault:
            raise self._login_error(fault) from None
        _hide_session(session, self.transport.cookie)

    def _start_session(self) -> Any:
        if self._content is None:
            service = vim.ServiceInstance("ServiceInstance", self.transport)
            self._content = service.RetrieveContent()
        if self._content is None:
            raise ProtocolError(not_a_vcenter(self.address, "it has no service content"))
        return self._content.sessionManager.Login(self.settings.username, self.settings.password)

    def _login_error(self, fault: Any) -> PlatformError:
        if not isinstance(fault, vim.fault.InvalidLogin):
            return platform_error(fault)
        about = self._content.about if self._content is not None else None
        is_vcenter = about is None or about.apiType != "HostAgent"
        return login_refused(self.address, self.settings.username, is_vcenter)

    def _translated(self, request: Callable[[], T]) -> T:
        """Translates connection errors; faults pass."""
        try:
            return request()
        except _CONNECTION_ERRORS as error:
            raise connection_error(error, self.address) from None


def _hide_session(session: Any, cookie: str) -> None:
    """Anyone who knows its key can use the session."""
    keys = (getattr(session, "key", None), *_SESSION_COOKIE.findall(cookie or ""))
    for key in keys:
        if isinstance(key, str) and key:
            hide_session(key)
