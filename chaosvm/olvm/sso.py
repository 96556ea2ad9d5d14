"""The engine's tokens: fetched and revoked by requests of our own, bounded in time."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from chaosvm.errors import ConnectionFailed, LoginFailed, ProtocolError
from chaosvm.olvm.certificate import refuse_common_names
from chaosvm.olvm.http import post
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.runtime import Deadline

__all__ = ["fetch_token", "revoke_token"]

_SCOPE = "ovirt-app-api"
# An engine takes 5 s to refuse a password. Who does not wait for that would take it
# for silence, try again, and have the account locked after five times.
_LEAST_SECONDS = 10.0
_LONGEST_TEXT = 300


def fetch_token(settings: OLVMSettings, deadline: Deadline) -> str:
    """Log in; raises LoginFailed, or what became of the connection."""
    refuse_common_names(settings, deadline)
    form = {
        "grant_type": "password",
        "scope": _SCOPE,
        "username": settings.username,
        "password": settings.password,
    }
    status, answer = _post(settings, "/ovirt-engine/sso/oauth/token", form, deadline)
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if isinstance(token, str) and token:
        return token
    if status >= 500:
        raise ConnectionFailed(f"{settings.address} answered the login with an error: {status}")
    if status in (400, 401, 403) or (isinstance(answer, dict) and "error" in answer):
        raise LoginFailed(_refusal(settings, answer))
    raise ProtocolError(
        f"{settings.address} answered the login with {status} and no token: is it an engine?"
    )


def _refusal(settings: OLVMSettings, answer: Any) -> str:
    """In the engine's own words, which tell a wrong password from a locked account."""
    told = answer.get("error") if isinstance(answer, dict) else None
    words = " ".join(told.split()).rstrip(".") if isinstance(told, str) else ""
    words = words.replace(settings.password, "***")[:_LONGEST_TEXT]
    hint = "" if "@" in settings.username else "; its domain is missing, as in admin@internal"
    said = words or "the user name or password is wrong"
    return f"{settings.address} refused the user {settings.username!r}: {said}{hint}"


def revoke_token(settings: OLVMSettings, token: str, deadline: Deadline) -> None:
    """Log out; raises PlatformError if it does not get that far."""
    form = {"scope": _SCOPE, "token": token}
    _post(settings, "/ovirt-engine/services/sso-logout", form, deadline)


def _post(
    settings: OLVMSettings, path: str, form: dict[str, str], deadline: Deadline
) -> tuple[int, Any]:
    """Status and JSON (None if it is none) of the answer, by the deadline whatever happens."""
    status, body = post(
        settings,
        f"{settings.origin}{path}",
        ["Accept: application/json", "Accept-Language: en-US"],
        urlencode(form).encode(),
        deadline,
        _LEAST_SECONDS,
    )
    try:
        return status, json.loads(body)
    except (ValueError, RecursionError):
        return status, None
