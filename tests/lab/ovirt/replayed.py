"""What differs between a recorded answer and the lab's to the same request."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import Any

import requests

from tests.lab.ovirt.recorded import Exchange

__all__ = ["differences"]

# Compared word by word, and those of which it only counts that they are there.
_HEADERS = ("Content-Type", "WWW-Authenticate", "Allow")
_PRESENT = ("Correlation-Id", "Link", "Set-Cookie", "X-FRAME-OPTIONS")
# Elements from the guest or a disk of the recorded VM, which the lab does not simulate.
_UNKNOWN = {
    *("content", "fqdn", "guest_operating_system", "guest_time_zone"),
    *("data_center", "type", "summary", "spm", "address", "port", "certificate"),
}
_SERVER = re.compile(r"https?://127\.0\.0\.1:\d+")


def differences(recorded: Exchange, answered: requests.Response) -> list[str]:
    found = []
    if recorded.status != answered.status_code:
        found.append(f"status {recorded.status} | {answered.status_code}: {answered.text[:300]}")
        return found
    for name in _HEADERS:
        expected, actual = recorded.answer_headers.get(name), answered.headers.get(name)
        if expected != actual:
            found.append(f"{name} {expected!r} | {actual!r}")
    found += [
        f"{name}: only one of both has it"
        for name in _PRESENT
        if (name in recorded.answer_headers) != (name in answered.headers)
    ]
    kind = answered.headers.get("Content-Type", "")
    if recorded.method == "HEAD" or "(cut)" in recorded.answer:
        return found
    if kind.startswith("application/xml"):
        found += _xml(recorded.answer, answered.text)
    elif kind.startswith("application/json"):
        found += _json(recorded.answer, answered.text)
    elif _plain(recorded.answer) != _plain(answered.text):
        found.append(f"body {recorded.answer[:200]!r} | {answered.text[:200]!r}")
    return found


def _plain(text: str) -> str:
    return _SERVER.sub("SERVER", text.strip())


def _xml(recorded: str, answered: str) -> list[str]:
    if not recorded.startswith("<?xml"):
        return []  # compressed, and so not readable
    now = ElementTree.fromstring(answered)
    try:
        before = ElementTree.fromstring(recorded)
    except ElementTree.ParseError:  # of a long answer only the beginning was kept
        return []
    if before.tag != now.tag:
        return [f"<{before.tag}> | <{now.tag}>"]
    found = []
    for fault in (".//detail", ".//reason", "status"):
        expected, actual = before.findtext(fault), now.findtext(fault)
        if fault == "status" and before.tag != "action":
            continue
        if _plain(expected or "") != _plain(actual or ""):
            found.append(f"{fault} {expected!r} | {actual!r}")
    if (len(before) == 0) != (len(now) == 0):
        found.append(f"{len(before)} elements | {len(now)}")
    if before.tag.endswith("s") and len(before) and len(now):
        before, now = _same_one(before, now)
    first, second = _outline(before), _outline(now)
    if first != second:
        found.append(f"elements {_only(first, second)} | {_only(second, first)}")
    return found


def _same_one(before: Any, now: Any) -> tuple[Any, Any]:
    """The first that both have, or else the first of each."""
    named = {name: each for each in now if (name := _name(each))}
    for each in before:
        if (name := _name(each)) in named:
            return each, named[name]
    return before[0], now[0]


def _name(element: Any) -> str | None:
    return element.findtext("name") or element.findtext("description")


def _outline(element: Any, depth: int = 0) -> list[str]:
    out = [f"{depth} {element.tag} {' '.join(sorted(element.attrib))} {element.get('rel', '')}"]
    # The order of links differs with every start of an engine.
    links = [child for child in element if child.tag == "link"]
    links.sort(key=lambda link: link.get("rel", ""))
    ordered = iter(links)
    children = [next(ordered) if child.tag == "link" else child for child in element]
    for child in children:
        if child.tag not in _UNKNOWN:
            out += _outline(child, depth + 1)
    return out


def _only(these: Sequence[str], those: Sequence[str]) -> list[str]:
    rest = [each for each in these if each not in those]
    return rest or ["in another order"]


def _json(recorded: str, answered: str) -> list[str]:
    second = json.loads(answered)
    try:
        first = json.loads(recorded, strict=False)
    except ValueError:  # of a long answer only the beginning was kept
        return []
    found = [
        f"{name} {first.get(name)!r} | {second.get(name)!r}"
        for name in ("error", "error_code", "scope", "status", "fault")
        if first.get(name) != second.get(name)
    ]
    known, shown = _keys(first), _keys(second)
    if known != shown:
        found.append(f"keys {sorted(known - shown)} | {sorted(shown - known)}")
    return found


def _keys(value: Any, path: str = "") -> set[str]:
    if isinstance(value, dict):
        inner = (_keys(each, f"{path}/{key}") for key, each in value.items() if key not in _UNKNOWN)
        return {path}.union(*inner)
    if isinstance(value, list):
        return {path}.union(*(_keys(each, path) for each in value))
    return {f"{path}:{type(value).__name__}"}
