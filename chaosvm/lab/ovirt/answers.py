"""HTTP responses of the engine: headers, XML or JSON, faults and pages.

Source: the recordings ``vms-*``, ``path-*``, ``vm-start-*``, ``api-*`` and
``correlation-*``.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from contextvars import ContextVar

from aiohttp import web

from chaosvm.lab.ovirt.documents import Document, document
from chaosvm.lab.ovirt.markup import Node, node, text, to_json

__all__ = [
    "FAILED",
    "Failure",
    "answer",
    "correlation_id",
    "failed_action",
    "fault",
    "nothing",
    "page",
    "pending_action",
    "is_unacceptable",
    "unauthorized",
]

_XML = "application/xml;charset=UTF-8"
_JSON = "application/json"
_HTML = "text/html;charset=UTF-8"
_MAX_ID_LENGTH = 36
FAILED = "Operation Failed"


# The correlation id of the current request.
_CORRELATION: ContextVar[tuple[web.Request | None, str]] = ContextVar(
    "_CORRELATION", default=(None, "")
)


class Failure(Exception):
    """Ends a request with a status and a fault. Without a detail the response has no body."""

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        reason: str = FAILED,
        *,
        when_off: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.reason = reason
        # The response waits until the VM is down.
        self.when_off = when_off


def correlation_id(request: web.Request) -> str:
    """The request's correlation id without illegal characters, or a generated one."""
    cached_request, correlation = _CORRELATION.get()
    if cached_request is not request:
        header = request.headers.get("Correlation-Id") or request.query.get("correlation_id") or ""
        correlation = re.sub(r"[^0-9a-zA-Z_-]", "", header)[:_MAX_ID_LENGTH] or str(uuid.uuid4())
        _CORRELATION.set((request, correlation))
    return correlation


def _wants_json(request: web.Request) -> bool:
    accepted = _accepted(request)
    return next((kind for kind in accepted if _fits(kind)), "").endswith("json")


def is_unacceptable(request: web.Request) -> bool:
    return not any(map(_fits, _accepted(request)))


def _accepted(request: web.Request) -> Sequence[str]:
    """Accepted media types, the preferred ones first."""
    kinds = [kind.strip().lower() for kind in request.headers.get("Accept", "*/*").split(",")]
    kinds.sort(key=_quality, reverse=True)
    return [kind.partition(";")[0].strip() for kind in kinds]


def _quality(kind: str) -> float:
    match = re.search(r";\s*q=(\d(?:\.\d+)?)", kind)
    return float(match.group(1)) if match else 1.0


def _fits(kind: str) -> bool:
    return kind in ("*/*", "application/*", "application/xml", "application/json")


def answer(
    request: web.Request,
    content: Document,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> web.Response:
    """A document as XML or JSON, with gzip if the client accepts it."""
    if _wants_json(request):
        body = to_json(content.plain())
        return _response(request, status, body, _JSON, headers)
    if "gzip" in request.headers.get("Accept-Encoding", "").lower():
        zipped = {"Content-Encoding": "gzip", **(headers or {})}
        return _response(request, status, content.gzipped(), _XML, zipped)
    return _response(request, status, content.plain(), _XML, headers)


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
    """A response without a body, such as for a missing object."""
    common = {"Correlation-Id": correlation_id(request), **(headers or {})}
    response = web.Response(status=status, headers=common)
    response.headers.popall("Content-Type", None)
    return response


def page(
    request: web.Request, status: int, body: str, headers: dict[str, str] | None = None
) -> web.Response:
    return _response(request, status, body.encode(), _HTML, headers)


def unauthorized(reason: str) -> web.Response:
    """The only response without a correlation id."""
    body = f"<html><head><title>Error</title></head><body>{reason}</body></html>"
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
    """A fault within the failed action."""
    children = [_fault(failure), *echoed, text("status", "failed")]
    children.sort(key=lambda child: child.tag)
    return answer(request, document(node("action", *children)), failure.status)


def pending_action(
    request: web.Request, path: str, action: str, parts: Sequence[Node]
) -> web.Response:
    """An action that an asynchronous task of the engine carries out."""
    task_id = str(uuid.uuid4())
    children = [text("async", True), *(p for p in parts if p.tag != "async")]
    children.append(text("status", "pending"))
    children.sort(key=lambda child: child.tag)
    pending = node(
        "action",
        node("link", href=path, rel="parent"),
        node("link", href=f"{path}/{action}", rel="replay"),
        *children,
        href=f"{path}/{action}/{task_id}",
        id=task_id,
    )
    return answer(request, document(pending), 202)


def _fault(failure: Failure) -> Node:
    return node("fault", text("detail", failure.detail or ""), text("reason", failure.reason))
