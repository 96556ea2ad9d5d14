"""Reads requests: parameters in the query, the path and headers, and bodies."""

from __future__ import annotations

import json
import re
import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from inspect import signature

from aiohttp import web
from ovirtsdk4 import types

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.hrefs import PREFIX

__all__ = [
    "action_options",
    "canonical_id",
    "filtered",
    "id_names",
    "is_unique_id",
    "matrix_parameters",
    "parameter",
    "unique_id",
    "whole_number",
]

# The elements of an <action>; others are syntax errors.
_ACTION = {
    name.removesuffix("_")
    for name in signature(types.Action.__init__).parameters
    if name not in ("self", "id", "name")
} | {"id", "name"}

_BOOLEANS = {"async", "force", "pause", "maintenance_enabled"}
# Elements of other types, for which the engine has another error.
_OTHER_ROOTS = {"vm", "host", "cluster", "tag", "template", "event", "disk", "nic", "data_center"}


def parameter(request: web.Request, name: str) -> str | None:
    """A parameter of the query, or of the path: ``/vms;max=1``."""
    if name in request.query:
        return request.query[name]
    return matrix_parameters(request).get(name)


def matrix_parameters(request: web.Request) -> Mapping[str, str]:
    """The parameters that are part of the path."""
    parts = request.path.split("/")[-1].split(";")[1:]
    pairs = (part.partition("=") for part in parts)
    return {key: value for key, _, value in pairs}


def id_names(count: int) -> Sequence[str]:
    """The names of the ids in a path, as routes have them: id, id2, id3."""
    return ["id", *(f"id{number}" for number in range(2, count + 1))][:count]


def whole_number(request: web.Request, name: str) -> int | None:
    """An integer parameter. Invalid values are ignored."""
    value = parameter(request, name) or ""
    return int(value) if re.fullmatch(r"[+-]?\d+", value) else None


def filtered(request: web.Request) -> bool | None:
    """Whether only the user's own objects are requested; None if unspecified."""
    value = request.headers.get("Filter") or parameter(request, "filter")
    return None if value is None else value.lower() in ("", "true")


def unique_id(request: web.Request) -> str:
    """The id in the path. Raises a 404 if it is not a UUID."""
    return canonical_id(request.match_info["id"])


def canonical_id(text: str) -> str:
    """An id in its usual form. Raises a 404 if it is not a UUID."""
    if not is_unique_id(text):
        raise Failure(404)
    return str(uuid.UUID(text))


def is_unique_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


async def action_options(request: web.Request, action: str) -> Mapping[str, str]:
    """The options of an action. Raises the engine's Failure for invalid bodies."""
    kind = request.content_type if "Content-Type" in request.headers else ""
    body = await request.read()
    usage = f"{request.scheme}://{request.host}{PREFIX}/apidoc#services/vm/methods/{action}"
    invalid = Failure(400, f"For correct usage, see: {usage}", "Request syntactically incorrect.")
    if kind == "application/json":
        return _json_options(body, invalid)
    if kind != "application/xml":
        raise Failure(415)
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise invalid from None
    if root.tag != "action" and root.tag not in _OTHER_ROOTS:
        raise invalid
    if root.tag != "action":
        raise web.HTTPInternalServerError(text="argument type mismatch")
    if any(child.tag not in _ACTION for child in root):
        raise invalid
    options = {child.tag: child.text or "" for child in root}
    if (host := root.find("host")) is not None:
        options["host"] = host.get("id") or host.findtext("id") or host.findtext("name") or ""
    for name in _BOOLEANS & options.keys():
        if options[name] not in ("true", "false", "0", "1"):
            raise Failure(
                400,
                f'Value "{options[name]}" isn\'t a valid boolean, it should be "true" , "false", '
                '"0" or "1"',
                "Invalid value",
            )
    return options


def _json_options(body: bytes, invalid: Failure) -> Mapping[str, str]:
    try:
        options = json.loads(body)
    except ValueError:
        raise invalid from None
    if not isinstance(options, dict):
        raise invalid
    for name in options:
        if name not in _ACTION:
            raise web.HTTPBadRequest(
                text=f"Unrecognized field &quot;{name}&quot; (class "
                "org.ovirt.engine.api.model.Action), not marked as ignorable"
            )
    return {name: _text(value) for name, value in options.items()}


def _text(value: object) -> str:
    if isinstance(value, dict):  # a host
        return str(value.get("id") or value.get("name") or "")
    return str(value).lower() if isinstance(value, bool) else str(value)
