"""Pages of the engine that need no login: its health, and its certificate authority.

Source: the engine's classes HealthStatus and PKIResourceServlet.
"""

from __future__ import annotations

from aiohttp import web

__all__ = ["health", "pki_resource"]

_CERTIFICATES = ("ca-certificate", "engine-certificate")
_CERTIFICATE_TYPE = "application/x-x509-ca-cert"


async def health(request: web.Request) -> web.Response:
    """GET .../services/health"""
    return web.Response(text="DB Up!Welcome to Health Status!", content_type="text/html")


def pki_resource(request: web.Request, certificate: str) -> web.Response:
    """GET .../services/pki-resource: the certificate that clients verify the engine with."""
    resource = request.query.get("resource")
    if resource not in _CERTIFICATES:
        reason = (
            "Missing resource name" if resource is None else f"Resource '{resource}' is invalid"
        )
        return web.Response(status=400, text=reason)
    return web.Response(text=certificate, content_type=_CERTIFICATE_TYPE)
