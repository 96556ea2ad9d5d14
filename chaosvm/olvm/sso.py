"""The engine's tokens: fetched and revoked by requests of our own.

The SDK does both as well, but without any timeout: an engine that accepts the
connection and says nothing would hold it for ever.
"""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import urlencode

import pycurl

from chaosvm.deadline import Deadline
from chaosvm.errors import ConnectionFailed, LoginFailed, ProtocolError
from chaosvm.olvm.http import configured, perform
from chaosvm.olvm.settings import OLVMSettings

__all__ = ["fetch_token", "revoke_token"]

_SCOPE = "ovirt-app-api"


def fetch_token(settings: OLVMSettings, deadline: Deadline) -> str:
    """Log in; raises LoginFailed, or what became of the connection."""
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
        raise LoginFailed("the engine refused the user name or password")
    raise ProtocolError(
        f"{settings.address} answered the login with {status} and no token: is it an engine?"
    )


def revoke_token(settings: OLVMSettings, token: str, deadline: Deadline) -> None:
    """Log out; raises PlatformError if it does not get that far."""
    form = {"scope": _SCOPE, "token": token}
    _post(settings, "/ovirt-engine/services/sso-logout", form, deadline)


def _post(
    settings: OLVMSettings, path: str, form: dict[str, str], deadline: Deadline
) -> tuple[int, Any]:
    """Status and JSON (None if it is none) of the answer, by the deadline whatever happens."""
    body = io.BytesIO()
    curl = configured(settings, f"{settings.origin}{path}", ["Accept: application/json"], deadline)
    multi = pycurl.CurlMulti()
    try:
        curl.setopt(pycurl.POSTFIELDS, urlencode(form))
        curl.setopt(pycurl.WRITEDATA, body)
        perform(multi, curl, settings.address)
        status = curl.getinfo(pycurl.RESPONSE_CODE)
    finally:
        curl.close()
        multi.close()
    try:
        return status, json.loads(body.getvalue())
    except (ValueError, RecursionError):
        return status, None
