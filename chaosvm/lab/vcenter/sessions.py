"""Logging in and out, and what belongs to a session and goes with it."""

from __future__ import annotations

import datetime as dt
import secrets
import threading
import uuid
from typing import Any

from pyVmomi import vim

from chaosvm.lab.credentials import Account, Tokens
from chaosvm.lab.options import Options
from chaosvm.lab.vcenter import interfaces
from chaosvm.lab.vcenter.managed import Call, Managed, Refused, method, prop
from chaosvm.lab.world import Asked, EventKind, World

__all__ = ["COOKIE", "Session", "SessionManager", "Sessions"]

COOKIE = "vmware_soap_session"
_LOCALE = "en"


class Session:
    """One login, and the views and collectors that were made in it."""

    def __init__(self, user: str, now: float, at: dt.datetime, client: str) -> None:
        self.key = str(uuid.uuid4())
        self.cookie = secrets.token_hex(20)
        self.user = user
        self.made = now
        self.at = at
        self.client = client
        self.calls = 0
        self.alive = True
        self._lock = threading.Lock()
        self._objects: dict[str, Managed] = {}

    def find(self, moid: str) -> Managed | None:
        with self._lock:
            return self._objects.get(moid)

    def moids_of(self, kind: type[Managed]) -> list[str]:
        with self._lock:
            return [moid for moid, thing in self._objects.items() if isinstance(thing, kind)]

    def new_moid(self) -> str:
        return f"session[{self.key}]{uuid.uuid4()}"

    def keep(self, thing: Managed) -> None:
        with self._lock:
            self._objects[thing.moid] = thing

    def drop(self, moid: str) -> None:
        with self._lock:
            self._objects.pop(moid, None)

    def end(self) -> None:
        self.alive = False
        with self._lock:
            things, self._objects = list(self._objects.values()), {}
        for thing in things:
            close = getattr(thing, "close", None)
            if close is not None:
                close()

    def told(self) -> Any:
        return vim.UserSession(
            key=self.key,
            userName=self.user,
            fullName=self.user,
            loginTime=self.at,
            lastActiveTime=dt.datetime.now(dt.UTC),
            locale=_LOCALE,
            messageLocale=_LOCALE,
            extensionSession=False,
            ipAddress="127.0.0.1",
            userAgent=self.client,
            callCount=self.calls,
        )


class Sessions:
    """Who is logged in; the REST API has tokens of its own."""

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self.account = Account(options)
        self.tokens = Tokens(world, options)
        self._seconds = options.token_seconds
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}  # by their cookies
        self.logins = 0
        self.logouts = 0

    @property
    def alive(self) -> int:
        with self._lock:
            return sum(self._fresh(session.made) for session in self._sessions.values())

    def all(self) -> list[Session]:
        with self._lock:
            return [each for each in self._sessions.values() if self._fresh(each.made)]

    def expire(self) -> None:
        """Every session so far, and what was made in it, is gone from now on."""
        with self._lock:
            ended, self._sessions = list(self._sessions.values()), {}
        self.tokens.clear()
        for session in ended:
            session.end()

    def of(self, cookie: str) -> Session | None:
        """Who sends this cookie; None if nobody is logged in with it."""
        with self._lock:
            session = self._sessions.get(cookie.strip('"'))
            if session is None or self._fresh(session.made):
                return session
            del self._sessions[session.cookie]
        session.end()
        return None

    def login(self, username: str, password: str, client: str) -> Session | None:
        if not self.account.knows(username, password):
            self._world.record(EventKind.LOGIN_FAILED, asked=Asked(user=username))
            return None
        now = self._world.now
        session = Session(username, now, self._world.moment(now), client)
        with self._lock:
            self._sessions[session.cookie] = session
            self.logins += 1
        self._world.record(EventKind.LOGGED_IN, asked=Asked(user=username))
        return session

    def logout(self, session: interfaces.Session) -> None:
        with self._lock:
            known = self._sessions.pop(session.cookie, None) is not None
            self.logouts += known
        session.end()
        if known:
            self._world.record(EventKind.LOGGED_OUT, asked=Asked(user=session.user))

    def _fresh(self, made: float) -> bool:
        return self._seconds is None or self._world.now - made < self._seconds


class SessionManager(Managed):
    kind = vim.SessionManager
    public = True

    def __init__(self, sessions: Sessions) -> None:
        super().__init__("SessionManager")
        self._sessions = sessions

    @prop
    def currentSession(self, session: Session | None) -> Any:
        return session.told() if session else None

    @prop
    def sessionList(self, session: Session | None) -> Any:
        known = self._sessions.all() if session else []
        return vim.UserSession.Array([each.told() for each in known])

    @prop
    def defaultLocale(self, session: Session | None) -> str:
        return _LOCALE

    @prop
    def supportedLocaleList(self, session: Session | None) -> list[str]:
        return [_LOCALE]

    @prop
    def messageLocaleList(self, session: Session | None) -> list[str]:
        return [_LOCALE]

    @method("Login")
    def login(self, call: Call) -> Any:
        """A session that is logged in already is refused, as vCenters do."""
        made = None
        if call.session is None:
            name, password = call.get("userName") or "", call.get("password") or ""
            made = self._sessions.login(name, password, call.client)
        if made is None:
            raise Refused(
                vim.fault.InvalidLogin(),
                "Cannot complete login due to an incorrect user name or password.",
            )
        call.headers["Set-Cookie"] = f'{COOKIE}="{made.cookie}"; Path=/; HttpOnly; Secure'
        return made.told()

    @method("Logout")
    def logout(self, call: Call) -> None:
        assert call.session is not None
        self._sessions.logout(call.session)

    @method("SessionIsActive")
    def is_active(self, call: Call) -> bool:
        wanted = (call.get("sessionID"), call.get("userName"))
        return any((each.key, each.user) == wanted for each in self._sessions.all())

    @method("TerminateSession")
    def terminate(self, call: Call) -> None:
        for session in self._sessions.all():
            if session.key in (call.get("sessionId") or ()) and session is not call.session:
                self._sessions.logout(session)
