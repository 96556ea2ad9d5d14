"""How the engine answers: headers, XML or JSON, faults and pages.

Source: the recordings ``vms-*``, ``path-*``, ``vm-start-*``, ``api-*`` and
``correlation-*``.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from contextvars import ContextVar

from aiohttp import web

from chaosvm.lab.ovirt.markup import Node, node, text, to_json
from chaosvm.lab.ovirt.xml import Document, document

__all__ = [
    "Failure",
    "answer",
    "correlation_id",
    "failed_action",
    "fault",
    "nothing",
    "page",
    "unacceptable",
    "unauthorized",
    "wants_json",
]

_XML = "application/xml;charset=UTF-8"
_JSON = "application/json"
_HTML = "text/html;charset=UTF-8"
_LONGEST_ID = 36
_REASON = "Operation Failed"


# Of the request that is served.
_CORRELATION: ContextVar[tuple[web.Request | None, str]] = ContextVar(
    "_CORRELATION", default=(None, "")
)


class Failure(Exception):
    """What ends a request: a status, and the detail of a fault, or none for no body at all."""

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        reason: str = _REASON,
        *,
        when_off: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.reason = reason
        # It is only answered when the VM is down.
        self.when_off = when_off


def correlation_id(request: web.Request) -> str:
    """The request's, of letters, digits and two signs, or a new one; the same for all of it."""
    served, known = _CORRELATION.get()
    if served is not request:
        given = request.headers.get("Correlation-Id") or request.query.get("correlation_id") or ""
        known = re.sub(r"[^0-9a-zA-Z_-]", "", given)[:_LONGEST_ID] or str(uuid.uuid4())
        _CORRELATION.set((request, known))
    return known


def wants_json(request: web.Request) -> bool:
    accepted = _accepted(request)
    return next((kind for kind in accepted if _fits(kind)), "").endswith("json")


def unacceptable(request: web.Request) -> bool:
    return not any(map(_fits, _accepted(request)))


def _accepted(request: web.Request) -> Sequence[str]:
    """What is wanted most comes first."""
    given = [kind.strip().lower() for kind in request.headers.get("Accept", "*/*").split(",")]
    given.sort(key=_quality, reverse=True)
    return [kind.partition(";")[0].strip() for kind in given]


def _quality(kind: str) -> float:
    told = re.search(r";\s*q=(\d(?:\.\d+)?)", kind)
    return float(told.group(1)) if told else 1.0


def _fits(kind: str) -> bool:
    return kind in ("*/*", "application/*", "application/xml", "application/json")


def answer(
    request: web.Request,
    shown: Document,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> web.Response:
    """A document, as XML or JSON, compressed if that is taken."""
    if wants_json(request):
        body = to_json(shown.plain())
        return _response(request, status, body, _JSON, headers)
    if "gzip" in request.headers.get("Accept-Encoding", "").lower():
        zipped = {"Content-Encoding": "gzip", **(headers or {})}
        return _response(request, status, shown.gzipped(), _XML, zipped)
    return _response(request, status, shown.plain(), _XML, headers)


def _response(
    request: web.Request, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
) -> web.Response:
    common = {"Content-Encoding": "identity"} if body else {}
    common |= {"Content-Type": kind} if body else {}
    common["Correlation-Id"] = correlation_id(request)
    return web.Response(status=status, body=body, headers=common | (headers or {}))


def nothing(
    request: web.Request, status: int, headers: dict[str, str] | None = None
) -> web.Response:
    """No body, as for a thing that is not there."""
    known = {"Correlation-Id": correlation_id(request), **(headers or {})}
    response = web.Response(status=status, headers=known)
    response.headers.popall("Content-Type", None)
    return response


def page(
    request: web.Request, status: int, body: str, headers: dict[str, str] | None = None
) -> web.Response:
    return _response(request, status, body.encode(), _HTML, headers)


def unauthorized(why: str) -> web.Response:
    """Not even with a correlation id."""
    body = f"<html><head><title>Error</title></head><body>{why}</body></html>"
    headers = {
        "WWW-Authenticate": 'Basic realm="RESTAPI"',
        "Content-Encoding": "identity",
        "Content-Type": _HTML,
    }
    return web.Response(status=401, body=body.encode(), headers=headers)


def fault(request: web.Request, failure: Failure) -> web.Response:
    if failure.detail is None:
        return nothing(request, failure.status)
    return answer(request, document(_fault(failure)), failure.status)


def failed_action(request: web.Request, failure: Failure, echoed: Sequence[Node]) -> web.Response:
    """In the action that was asked for."""
    children = [_fault(failure), *echoed, text("status", "failed")]
    children.sort(key=lambda child: child.tag)
    return answer(request, document(node("action", *children)), failure.status)


def _fault(failure: Failure) -> Node:
    return node("fault", text("detail", failure.detail or ""), text("reason", failure.reason))
