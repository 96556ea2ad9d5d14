"""Error messages about selections that are wrong, or that no VM matches."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.runtime.documents import in_quotes
from chaosvm.selection.keys import FILTERS, KEYS
from chaosvm.selection.names import VMIndex, known_vms
from chaosvm.settings import values
from chaosvm.vm import VM, PowerState

__all__ = [
    "EXAMPLE",
    "all_blocked",
    "bare_list_error",
    "bare_string_error",
    "no_match",
    "too_small_percent",
]

EXAMPLE = '{"name": "web-*", "cluster": "prod", "count": 2}'
_MOST_VALUES = 8
_WILDCARD = re.compile(r"[*?\[]")
_LONGEST_HINT = 200
_LARGEST_FRACTION = 1000  # percentages have three decimals at most


def bare_string_error(key: str, value: str) -> InvalidValue:
    """For a string in place of a mapping: a glob, or the file of a plan."""
    word = values.string(key, value, f"a mapping such as {EXAMPLE}")
    if len(word) > _LONGEST_HINT or in_quotes(word.strip()):
        return values.invalid(key, value, f"a mapping such as {EXAMPLE}")
    mapping = {"plan" if word.endswith(".json") else "name": word}
    return InvalidValue(
        f"{key} is {values.shown(value)}; a bare string is not taken, so that nothing is selected "
        f"by accident: did you mean {json.dumps(mapping, ensure_ascii=False)}?"
    )


def bare_list_error(key: str, items: list[Any]) -> InvalidValue:
    """For a list in place of a mapping: most are names of VMs."""
    example = EXAMPLE
    if items and all(isinstance(item, str) for item in items):
        named = json.dumps({"names": items}, ensure_ascii=False)
        example = named if len(named) <= _LONGEST_HINT else '{"names": [...]}'
    return values.invalid(key, items, f"a mapping such as {example}")


def no_match(spec: Mapping[str, Any], checked: Mapping[str, Any], inventory: Sequence[VM]) -> str:
    """Why no VM matches: the first key that leaves none, and the values that exist."""
    known, matching = known_vms(inventory), list(inventory)
    matched: list[str] = []
    for key in (*FILTERS, "names", "ids"):
        if key not in checked or not inventory:
            continue
        remaining = _remaining(key, checked[key], matching)
        if not remaining:
            before = f"{_vms_match(len(matching))} {' and '.join(matched)}; " if matched else ""
            none = f"none {KEYS[key].verb} {_described(key, spec[key])}"
            hint = _existing_values(key, spec[key], matching) + _without_host(checked, inventory)
            return f"{_no_vm_fits(spec)} ({known}): {before}{none}{hint}"
        matched.append(_described(key, spec[key]))
        matching = remaining
    return f"{_no_vm_fits(spec)}: {known}"


def all_blocked(
    spec: Mapping[str, Any], blocked: Iterable[tuple[VM, str]], inventory: Sequence[VM]
) -> str:
    """Only VMs that may not be touched fit."""
    reasons = "; ".join(f"{vm} {reason}" for vm, reason in blocked)
    return (
        f"{_no_vm_fits(spec)}: {known_vms(inventory)}, and those that match are never touched: "
        f"{reasons}"
    )


def _no_vm_fits(spec: Mapping[str, Any]) -> str:
    return f"no VM matches {json.dumps(spec, ensure_ascii=False, default=str)}"


def _vms_match(number: int) -> str:
    return "1 VM matches" if number == 1 else f"{number} VMs match"


def _remaining(key: str, value: Any, vms: Sequence[VM]) -> list[VM]:
    if key in FILTERS:
        return [vm for vm in vms if FILTERS[key](vm, value)]
    index = VMIndex(vms)
    return [vm for word in value for vm in index.find(word, by_id=key == "ids")]


def _described(key: str, value: Any) -> str:
    words = [value] if isinstance(value, str) else list(value)
    return f"{key} {_shortened(map(repr, words), ' or ')}"


def _existing_values(key: str, wanted: Any, vms: Iterable[VM]) -> str:
    """The values that exist; first those that the requested ones may be misspellings of."""
    existing = sorted({value for vm in vms for value in KEYS[key].values_of(vm) if value})
    words = [wanted] if isinstance(wanted, str) else list(wanted)
    similar = {each for word in words for each in _similar(word, existing)}
    existing.sort(key=lambda value: value not in similar)
    return f". {KEYS[key].plural}: {_shortened(existing, ', ')}" if existing else ""


def _similar(glob: str, existing: Sequence[str]) -> Iterator[str]:
    """The values that begin about as the glob does."""
    start = _WILDCARD.split(glob, maxsplit=1)[0]
    by_start: dict[str, list[str]] = {}
    for value in existing:
        by_start.setdefault(value[: len(start)], []).append(value)
    for each in values.similar(start, by_start, _MOST_VALUES):
        yield from by_start[each]


def _without_host(checked: Mapping[str, Any], inventory: Sequence[VM]) -> str:
    """The VMs that do not match because they are off, on a platform where they are on no host."""
    if "host" not in checked:
        return ""
    off = [vm for vm in inventory if vm.host is None and vm.power_state is PowerState.POWERED_OFF]
    for key in (*FILTERS, "names", "ids"):
        if key in checked and key != "host":
            off = _remaining(key, checked[key], off)
    listed = _shortened([repr(vm.name) for vm in off], ", ")
    return f". Powered off, and so on no host: {listed}" if off else ""


def _shortened(words: Iterable[str], separator: str) -> str:
    listed = list(words)
    more = ["..."] if len(listed) > _MOST_VALUES else []
    return separator.join([*listed[:_MOST_VALUES], *more])


def too_small_percent(percent: float, total: int) -> str:
    """The percentage is less than one VM: how to write one that is not."""
    fraction = 1 if total <= 100 else _LARGEST_FRACTION
    enough = math.ceil(100 * fraction / total) / fraction
    return f"{percent:g} % of {total} VMs rounds down to 0: use {enough:g}, or count: 1"
