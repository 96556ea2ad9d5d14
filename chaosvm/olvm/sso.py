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

from chaosvm import rehearsal
from chaosvm.deadline import Deadline
from chaosvm.errors import ConnectionFailed, LoginFailed, ProtocolError
from chaosvm.olvm.faults import curl_error
from chaosvm.olvm.settings import OLVMSettings, address_of

__all__ = ["fetch_token", "revoke_token"]

_SCOPE = "ovirt-app-api"
# Signals reach us between two looks at the connection.
_LOOK_EVERY = 0.25


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
    rehearsal.permit(*address_of(settings.url))
    body = io.BytesIO()
    curl = pycurl.Curl()
    seconds = min(settings.timeout, deadline.remaining)
    try:
        curl.setopt(pycurl.URL, f"{settings.origin}{path}")
        curl.setopt(pycurl.POSTFIELDS, urlencode(form))
        curl.setopt(pycurl.HTTPHEADER, ["Accept: application/json"])
        curl.setopt(pycurl.TIMEOUT_MS, max(1, int(seconds * 1000)))
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.SSL_VERIFYPEER, 0 if settings.insecure else 1)
        curl.setopt(pycurl.SSL_VERIFYHOST, 0 if settings.insecure else 2)
        if settings.ca_file is not None:
            curl.setopt(pycurl.CAINFO, settings.ca_file)
        curl.setopt(pycurl.WRITEDATA, body)
        _perform(curl, settings)
        status = curl.getinfo(pycurl.RESPONSE_CODE)
    finally:
        curl.close()
    try:
        return status, json.loads(body.getvalue())
    except ValueError:
        return status, None


def _perform(curl: Any, settings: OLVMSettings) -> None:
    multi = pycurl.CurlMulti()
    multi.add_handle(curl)
    try:
        _, running = multi.perform()
        while running:
            multi.select(_LOOK_EVERY)
            _, running = multi.perform()
        _, _, failed = multi.info_read()
        for _, code, message in failed:
            raise curl_error(code, message, settings.address)
    finally:
        multi.remove_handle(curl)
        multi.close()
