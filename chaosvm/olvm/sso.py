"""Fetches and revokes the engine's access tokens."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from chaosvm.errors import ConnectionFailed, LoginFailed
from chaosvm.olvm.certificate import refuse_common_names
from chaosvm.olvm.faults import not_an_engine
from chaosvm.olvm.http import post
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.runtime import Deadline

__all__ = ["fetch_token", "revoke_token"]

_SCOPE = "ovirt-app-api"
# An engine takes 5 s to refuse a password. With a shorter timeout the refusal would look
# like a broken connection, and repeated attempts would lock the account.
_MIN_SECONDS = 10.0
_MAX_TEXT = 300


def fetch_token(settings: OLVMSettings, deadline: Deadline) -> str:
    """Log in and return the token; raises LoginFailed if the user is refused."""
    refuse_common_names(settings, deadline)
    form = {
        "grant_type": "password",
        "scope": _SCOPE,
        "username": settings.username,
        "password": settings.password,
    }
    status, answer = _post(settings, "/ovirt-engine/sso/oauth/token", form, deadline)
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if isinstance(token, str) and token and token.isascii():  # as headers have to be
        return token
    if status >= 500:
        raise ConnectionFailed(f"{settings.address} answered the login with an error: {status}")
    # A TLS port answers plain HTTP with a page and 400; the engine refuses in JSON.
    plain_to_tls = settings.is_plain and status == 400 and answer is None
    refused = status in (400, 401, 403) or (isinstance(answer, dict) and "error" in answer)
    if refused and not plain_to_tls:
        raise LoginFailed(_refusal(settings, answer))
    raise not_an_engine(settings, f"no token, code {status}")


def _refusal(settings: OLVMSettings, answer: Any) -> str:
    """Quotes the engine, whose text distinguishes a wrong password from a locked account."""
    error = answer.get("error") if isinstance(answer, dict) else None
    text = " ".join(error.split()).rstrip(".") if isinstance(error, str) else ""
    text = text.replace(settings.password, "***")[:_MAX_TEXT] or "wrong user name or password"
    hint = "" if "@" in settings.username else "; the domain is missing (as in admin@internal)"
    return f"{settings.address} refused user {settings.username!r}: {text}{hint}"


def revoke_token(settings: OLVMSettings, token: str, deadline: Deadline) -> None:
    """Log out; raises PlatformError if the request fails."""
    form = {"scope": _SCOPE, "token": token}
    _post(settings, "/ovirt-engine/services/sso-logout", form, deadline)


def _post(
    settings: OLVMSettings, path: str, form: dict[str, str], deadline: Deadline
) -> tuple[int, Any]:
    """Status and parsed JSON of the answer; None in place of what is not JSON."""
    status, body = post(
        settings,
        f"{settings.origin}{path}",
        ["Accept: application/json", "Accept-Language: en-US"],
        urlencode(form).encode(),
        deadline,
        _MIN_SECONDS,
    )
    try:
        return status, json.loads(body)
    except (ValueError, RecursionError):
        return status, None
