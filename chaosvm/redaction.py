"""Keeps the secrets in use out of messages: servers quote what they were sent."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections import OrderedDict
from functools import lru_cache
from urllib.parse import quote, quote_plus

__all__ = ["forget", "hide_password", "hide_session", "printable", "redacted"]

_HIDDEN = "***"
# Sessions come and go; passwords stay.
_MOST_SESSIONS = 1_000
# A shorter one may be part of an ordinary word, and counts only where it stands alone.
_LONG = 8

_passwords: set[str] = set()
_sessions: OrderedDict[str, None] = OrderedDict()
# An interruption may raise an error of ours while another one is made.
_lock = threading.RLock()


def hide_password(password: str, username: str | None = None) -> None:
    """From now on :func:`redacted` hides it."""
    with _lock:
        _passwords.update(_forms(password, username))


def hide_session(token: str) -> None:
    """Likewise, for the token or the name of a session."""
    with _lock:
        for each in _forms(token, None):
            _sessions[each] = None
            _sessions.move_to_end(each)
        while len(_sessions) > _MOST_SESSIONS:
            _sessions.popitem(last=False)


def redacted(text: str) -> str:
    """The text without the secrets in use, and with nothing that UTF-8 cannot hold."""
    with _lock:
        known = frozenset((*_passwords, *_sessions))
    hidden = _pattern(known).sub(_HIDDEN, text) if known else text
    return printable(hidden)


def printable(text: str) -> str:
    """The text with nothing in it that UTF-8 cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def forget() -> None:
    """No secret is in use any more."""
    with _lock:
        _passwords.clear()
        _sessions.clear()


@lru_cache(8)
def _pattern(known: frozenset[str]) -> re.Pattern[str]:
    parts = [
        re.escape(each) if len(each) >= _LONG else rf"(?<!\w){re.escape(each)}(?!\w)"
        for each in sorted(known, key=len, reverse=True)
    ]
    return re.compile("|".join(parts))


def _forms(secret: str, username: str | None) -> set[str]:
    """As requests hold it, and as answers may repeat it."""
    sent = _sent(secret)
    forms = {
        secret,
        quote(sent, safe=""),
        quote(sent),
        quote_plus(sent),
        html.escape(secret, quote=False),
        html.escape(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    }
    if username is not None:
        pair = _sent(username) + b":" + sent
        forms.add(base64.b64encode(pair).decode())
    return forms


def _sent(text: str) -> bytes:
    try:
        # As an environment variable that is not UTF-8 holds it, byte by byte.
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
