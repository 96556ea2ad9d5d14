"""Sessions: login, logout and the objects that belong to a session."""

from __future__ import annotations

import secrets
import threading
import uuid
from typing import Any

from pyVmomi import vim

from chaosvm.lab.credentials import Account, Tokens
from chaosvm.lab.options import Options
from chaosvm.lab.simulation import EventKind, Origin, World
from chaosvm.lab.vcenter import interfaces
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)

__all__ = ["COOKIE", "Session", "SessionManager", "Sessions"]

COOKIE = "vmware_soap_session"
_LOCALE = "en"


class Session:
    """One login, with the views and collectors created in it."""

    def __init__(self, user: str, world: World, client: str) -> None:
        self.key = str(uuid.uuid4())
        self.cookie = secrets.token_hex(20)
        self.user = user
        self._world = world
        self.login_time = world.now
        self.client = client
        self.calls = 0
        self.alive = True
        self._lock = threading.Lock()
        self._objects: dict[str, ManagedObject] = {}

    def find(self, moid: str) -> ManagedObject | None:
        with self._lock:
            return self._objects.get(moid)

    def moids_of(self, kind: type[ManagedObject]) -> list[str]:
        with self._lock:
            return [
                moid
                for moid, managed_object in self._objects.items()
                if isinstance(managed_object, kind)
            ]

    def new_moid(self) -> str:
        return f"session[{self.key}]{uuid.uuid4()}"

    def add(self, managed_object: ManagedObject) -> None:
        with self._lock:
            self._objects[managed_object.moid] = managed_object

    def remove(self, moid: str) -> None:
        with self._lock:
            self._objects.pop(moid, None)

    def end(self) -> None:
        self.alive = False
        with self._lock:
            managed_objects, self._objects = list(self._objects.values()), {}
        for managed_object in managed_objects:
            close = getattr(managed_object, "close", None)
            if close is not None:
                close()

    def user_session(self) -> Any:
        return vim.UserSession(
            key=self.key,
            userName=self.user,
            fullName=self.user,
            loginTime=self._world.date_of(self.login_time),
            lastActiveTime=self._world.date_of(self._world.now),
            locale=_LOCALE,
            messageLocale=_LOCALE,
            extensionSession=False,
            ipAddress="127.0.0.1",
            userAgent=self.client,
            callCount=self.calls,
        )


class Sessions:
    """All SOAP sessions and REST tokens."""

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self.account = Account(options)
        self.tokens = Tokens(world, options)
        self._seconds = options.token_seconds
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}  # by cookie
        self._tickets: dict[str, str] = {}  # user names
        self.logins = 0
        self.logouts = 0

    @property
    def alive(self) -> int:
        with self._lock:
            return sum(self._is_valid(session.login_time) for session in self._sessions.values())

    def all(self) -> list[Session]:
        with self._lock:
            return [each for each in self._sessions.values() if self._is_valid(each.login_time)]

    def expire(self) -> None:
        """End all sessions and discard their objects."""
        with self._lock:
            ended, self._sessions = list(self._sessions.values()), {}
        self.tokens.clear()
        for session in ended:
            session.end()

    def by_cookie(self, cookie: str) -> Session | None:
        """The session of a cookie, None if there is none or it has expired."""
        with self._lock:
            session = self._sessions.get(cookie.strip('"'))
            if session is None or self._is_valid(session.login_time):
                return session
            del self._sessions[session.cookie]
        session.end()
        return None

    def login(self, username: str, password: str, client: str) -> Session | None:
        if not self.account.matches(username, password):
            self._world.record(EventKind.LOGIN_FAILED, origin=Origin(user=username))
            return None
        return self._open(username, client)

    def new_ticket(self, session: interfaces.Session) -> str:
        """A ticket with which another client can log in as the same user, once."""
        ticket = f"cst-VCT-{secrets.token_hex(16)}"
        with self._lock:
            self._tickets[ticket] = session.user
        return ticket

    def clone(self, ticket: str, client: str) -> Session | None:
        """Log in with a ticket; None if it is not valid."""
        with self._lock:
            username = self._tickets.pop(ticket, None)
        return None if username is None else self._open(username, client)

    def _open(self, username: str, client: str) -> Session:
        session = Session(username, self._world, client)
        with self._lock:
            self._sessions[session.cookie] = session
            self.logins += 1
        self._world.record(EventKind.LOGGED_IN, origin=Origin(user=username), detail=session.key)
        return session

    def logout(self, session: interfaces.Session) -> None:
        with self._lock:
            known = self._sessions.pop(session.cookie, None) is not None
            self.logouts += known
        session.end()
        if known:
            self._world.record(EventKind.LOGGED_OUT, origin=Origin(user=session.user))

    def _is_valid(self, login_time: float) -> bool:
        return self._seconds is None or self._world.now - login_time < self._seconds


class SessionManager(ManagedObject):
    kind = vim.SessionManager
    public = True

    def __init__(self, sessions: Sessions) -> None:
        super().__init__("SessionManager")
        self._sessions = sessions

    @managed_property
    def currentSession(self, session: Session | None) -> Any:
        return session.user_session() if session else None

    @managed_property
    def sessionList(self, session: Session | None) -> Any:
        known = self._sessions.all() if session else []
        return vim.UserSession.Array([each.user_session() for each in known])

    @managed_property
    def defaultLocale(self, session: Session | None) -> str:
        return _LOCALE

    @managed_property
    def supportedLocaleList(self, session: Session | None) -> list[str]:
        return [_LOCALE]

    @managed_property
    def messageLocaleList(self, session: Session | None) -> list[str]:
        return [_LOCALE]

    @method("Login")
    def login(self, call: Call) -> Any:
        """As in a vCenter, a session that is already logged in is refused."""
        new_session = None
        if call.session is None:
            name, password = call.get("userName") or "", call.get("password") or ""
            new_session = self._sessions.login(name, password, call.client)
        return self._answer(call, new_session)

    @method("AcquireCloneTicket")
    def acquire_clone_ticket(self, call: Call) -> str:
        assert call.session is not None
        return self._sessions.new_ticket(call.session)

    @method("CloneSession")
    def clone(self, call: Call) -> Any:
        return self._answer(call, self._sessions.clone(call.get("cloneTicket") or "", call.client))

    def _answer(self, call: Call, new_session: Session | None) -> Any:
        if new_session is None:
            raise SoapFault(
                vim.fault.InvalidLogin(),
                "Cannot complete login due to an incorrect user name or password.",
            )
        call.headers["Set-Cookie"] = f'{COOKIE}="{new_session.cookie}"; Path=/; HttpOnly; Secure'
        return new_session.user_session()

    @method("Logout")
    def logout(self, call: Call) -> None:
        assert call.session is not None
        self._sessions.logout(call.session)

    @method("SessionIsActive")
    def is_active(self, call: Call) -> bool:
        requested = (call.get("sessionID"), call.get("userName"))
        return any((each.key, each.user) == requested for each in self._sessions.all())

    @method("TerminateSession")
    def terminate(self, call: Call) -> None:
        """End sessions one after the other, up to the first that does not exist."""
        for key in call.get("sessionId") or ():
            session = next((each for each in self._sessions.all() if each.key == key), None)
            if session is None:
                raise SoapFault(vim.fault.NotFound(), f"The session {key} could not be found.")
            if session is not call.session:
                self._sessions.logout(session)
