"""Keeps the secrets in use out of messages, as servers quote what they are sent."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections import OrderedDict
from functools import lru_cache
from urllib.parse import quote, quote_plus

__all__ = ["forget", "hide_password", "hide_session", "printable", "redacted", "without_query"]

_HIDDEN = "***"
# Only sessions are dropped when there are too many; passwords are kept.
_MAX_SESSIONS = 1_000
# A shorter secret may be part of an ordinary word, so it is hidden only as a whole word.
_MIN_SUBSTRING_LENGTH = 8

_passwords: set[str] = set()
_sessions: OrderedDict[str, None] = OrderedDict()
# Reentrant, as a signal handler may raise one of this package's errors at any time.
_lock = threading.RLock()


def hide_password(password: str, username: str | None = None) -> None:
    """Have :func:`redacted` hide this password from now on."""
    with _lock:
        _passwords.update(_spellings(password, username))


def hide_session(token: str) -> None:
    """Have :func:`redacted` hide a session's token, or its name, from now on."""
    with _lock:
        for spelling in _spellings(token, None):
            _sessions[spelling] = None
            _sessions.move_to_end(spelling)
        while len(_sessions) > _MAX_SESSIONS:
            _sessions.popitem(last=False)


def redacted(text: str) -> str:
    """Return the text without the secrets in use, and with unencodable characters escaped."""
    with _lock:
        secrets = frozenset((*_passwords, *_sessions))
    return printable(_pattern(secrets).sub(_HIDDEN, text) if secrets else text)


def without_query(url: str) -> str:
    """Return the URL for a message, as its query may hold a token."""
    before, mark, _ = url.partition("?")
    return f"{before}{mark}{_HIDDEN}" if mark else url


def printable(text: str) -> str:
    """Return the text with everything escaped that UTF-8 cannot encode."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def forget() -> None:
    """Forget every secret, as none is in use any longer."""
    with _lock:
        _passwords.clear()
        _sessions.clear()


@lru_cache(8)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str]:
    longest_first = sorted(secrets, key=len, reverse=True)
    return re.compile("|".join(_part(secret) for secret in longest_first))


def _part(secret: str) -> str:
    escaped = re.escape(secret)
    return escaped if len(secret) >= _MIN_SUBSTRING_LENGTH else rf"(?<!\w){escaped}(?!\w)"


def _spellings(secret: str, username: str | None) -> set[str]:
    """Return the secret as requests contain it and as responses may quote it."""
    encoded = _encoded(secret)
    spellings = {
        secret,
        quote(encoded, safe=""),
        quote(encoded),
        quote_plus(encoded),
        html.escape(secret, quote=False),
        html.escape(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    }
    if username is not None:
        pair = _encoded(username) + b":" + encoded
        spellings.add(base64.b64encode(pair).decode())
    return spellings


def _encoded(text: str) -> bytes:
    try:
        # The original bytes of an environment variable that is not UTF-8.
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
