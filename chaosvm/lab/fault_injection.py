"""What a server sends in place of its answer when a fault rule applies to a request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

from aiohttp import web

from chaosvm.lab.fault_rules import Rule

__all__ = ["IGNORED", "TASK_RULE", "page", "respond"]

# True while the current request is to be answered without being carried out.
IGNORED: ContextVar[bool] = ContextVar("IGNORED", default=False)
# The rule for the task that the current request begins.
TASK_RULE: ContextVar[Rule | None] = ContextVar("TASK_RULE", default=None)

_DRIP_SECONDS = 0.2
_POLL_SECONDS = 0.05

Respond = Callable[[], Awaitable[web.Response]]


async def respond(
    rule: Rule, request: web.Request, handle: Respond, refuse: Callable[[], web.Response]
) -> web.StreamResponse:
    """Respond to a request as the rule says.

    handle: carries the request out, and returns the usual response.
    refuse: returns the protocol's fault.
    """
    match rule.action:
        case "delay":
            await asyncio.sleep(rule.seconds)
            return await handle()
        case "ignore":
            return await _handle_with(IGNORED, True, handle)
        case "slow_task" | "stuck_task" | "failed_task":
            return await _handle_with(TASK_RULE, rule, handle)
        case "fault":
            return refuse()
        case "status" | "html":
            return page(rule.code or 200, rule.message)
        case "empty":
            return web.Response(content_type="application/xml")
        case "silent":
            return await _until_client_leaves(request)
        case "drop_before":
            return _hang_up(request)
    response = await handle()
    match rule.action:
        case "silent_after":
            return await _until_client_leaves(request)
        case "cut":
            return await _send_half(request, response)
        case "drip":
            return await _drip(request, response, rule.seconds or _DRIP_SECONDS)
    return _hang_up(request)


def page(code: int, message: str = "") -> web.Response:
    """An HTML page such as a web server in front of a platform sends."""
    title = f"{code} {HTTPStatus(code).phrase}"
    text = (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>"
        f"<body><h1>{title}</h1><p>{message}<br></body></html>\n"
    )
    return web.Response(status=code, text=text, content_type="text/html")


async def _handle_with(variable: ContextVar[Any], value: object, handle: Respond) -> web.Response:
    token = variable.set(value)
    try:
        return await handle()
    finally:
        variable.reset(token)


async def _until_client_leaves(request: web.Request) -> web.Response:
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(_POLL_SECONDS)
    return web.Response()


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def _send_headers(
    request: web.Request, response: web.Response
) -> tuple[web.StreamResponse, bytes]:
    """Send the headers only. Returns the started response and the body."""
    body = bytes(response.body) if isinstance(response.body, (bytes, bytearray)) else b""
    started = web.StreamResponse(status=response.status, headers=response.headers)
    started.content_length = len(body)
    await started.prepare(request)
    return started, body


async def _send_half(request: web.Request, response: web.Response) -> web.StreamResponse:
    started, body = await _send_headers(request, response)
    await started.write(body[: len(body) // 2])
    _hang_up(request)
    return started


async def _drip(request: web.Request, response: web.Response, pause: float) -> web.StreamResponse:
    started, body = await _send_headers(request, response)
    for position in range(len(body)):
        await asyncio.sleep(pause)
        await started.write(body[position : position + 1])
    return started
