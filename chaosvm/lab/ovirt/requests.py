"""What a request says: parameters in the query, in the path and in headers, and bodies."""

from __future__ import annotations

import json
import re
import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from inspect import signature

from aiohttp import web
from ovirtsdk4 import types

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.hrefs import PREFIX

__all__ = ["action_options", "filtered", "parameter", "unique_id", "whole_number"]

# What an <action> may say; the rest is a syntax error.
_ACTION = {
    name.removesuffix("_")
    for name in signature(types.Action.__init__).parameters
    if name not in ("self", "id", "name")
} | {"id", "name"}


def parameter(request: web.Request, name: str) -> str | None:
    """Of the query, or of the path: ``/vms;max=1``."""
    if name in request.query:
        return request.query[name]
    for part in request.path.split("/")[-1].split(";")[1:]:
        key, _, value = part.partition("=")
        if key == name:
            return value
    return None


def whole_number(request: web.Request, name: str) -> int | None:
    """One that is none is ignored."""
    given = parameter(request, name) or ""
    return int(given) if re.fullmatch(r"[+-]?\d+", given) else None


def filtered(request: web.Request) -> bool | None:
    """Does it want only what the user has rights of its own on? None if it does not say."""
    given = request.headers.get("Filter") or parameter(request, "filter")
    return None if given is None else given.lower() in ("", "true")


def unique_id(request: web.Request) -> str:
    """The id in the path; what is none is not found."""
    try:
        return str(uuid.UUID(request.match_info["id"]))
    except ValueError:
        raise Failure(404) from None


async def action_options(request: web.Request, action: str) -> Mapping[str, str]:
    """What an action is asked with. Raises Failure as the engine does for other bodies."""
    kind = request.content_type if "Content-Type" in request.headers else ""
    body = await request.read()
    usage = f"{request.scheme}://{request.host}{PREFIX}/apidoc#services/vm/methods/{action}"
    wrong = Failure(400, f"For correct usage, see: {usage}", "Request syntactically incorrect.")
    if kind == "application/json":
        return _json_options(body, wrong)
    if kind != "application/xml":
        raise Failure(415)
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise wrong from None
    if root.tag != "action":
        raise web.HTTPInternalServerError(text="argument type mismatch")
    if any(child.tag not in _ACTION for child in root):
        raise wrong
    return {child.tag: child.text or "" for child in root}


def _json_options(body: bytes, wrong: Failure) -> Mapping[str, str]:
    try:
        given = json.loads(body)
    except ValueError:
        raise wrong from None
    if not isinstance(given, dict) or any(name not in _ACTION for name in given):
        raise wrong
    return {name: _text(value) for name, value in given.items()}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
