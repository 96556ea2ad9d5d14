"""The keys of a selection: how each is checked, and which VMs it matches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from chaosvm.errors import SelectionError
from chaosvm.selection.exclusion import Exclusion
from chaosvm.settings import values
from chaosvm.vm import IDENTIFYING_FIELDS, VM, PowerState

__all__ = ["FILTERS", "KEYS", "SelectionKey"]


@dataclass(frozen=True)
class SelectionKey:
    """One key: its validation, the fields of a VM that it reads and, for a filter, its test."""

    convert: Callable[[str, Any], Any]
    fields: tuple[str, ...] = ("id",)
    matches: Callable[[VM, Any], bool] | None = None
    # For the message when no VM matches: "none is in cluster 'prd'. Clusters: prod".
    verb: str = "matches"
    plural: str = ""
    values_of: Callable[[VM], Iterable[str | None]] = lambda vm: ()


def _regex(key: str, value: Any) -> re.Pattern[str]:
    try:
        return re.compile(values.string(key, value, "a regular expression"))
    except (re.error, OverflowError, RecursionError) as error:
        raise values.invalid(key, value, f"a regular expression ({error})") from None


def _power_states(key: str, value: Any) -> tuple[PowerState, ...]:
    words = values.string_list(key, value, "a power state, or a list of them")
    return tuple(values.choice(key, word, PowerState) for word in words)


def _all(key: str, value: Any) -> bool:
    if values.boolean(key, value) is not True:
        raise values.invalid(key, value, "true; otherwise leave the key out")
    return True


def _matches_any(globs: Iterable[str], candidates: Iterable[str | None]) -> bool:
    present = [candidate for candidate in candidates if candidate is not None]
    return any(fnmatchcase(candidate, glob) for glob in globs for candidate in present)


def _field(name: str, verb: str, plural: str) -> SelectionKey:
    """A key whose globs are compared with one field."""

    def value(vm: VM) -> tuple[str | None]:
        return (getattr(vm, name),)

    def matches(vm: VM, globs: Sequence[str]) -> bool:
        return _matches_any(globs, value(vm))

    return SelectionKey(values.string_list, (name,), matches, verb, plural, value)


def _folder_matches(vm: VM, globs: Sequence[str]) -> bool:
    """By the folder's inventory path, or by its own name."""
    if vm.folder is None:
        return False
    return _matches_any(globs, (vm.folder, vm.folder.rsplit("/", 1)[-1]))


def _tag_matches(vm: VM, globs: Sequence[str]) -> bool:
    if vm.tags is None:
        listed = ", ".join(repr(glob) for glob in globs)
        raise SelectionError(f"tag {listed} cannot be looked for: {vm.platform} returned no tags")
    # Two categories may have a tag of the same name: "category/tag" distinguishes them.
    return _matches_any(globs, (*vm.tags, *vm.metadata.get("qualified_tags", ())))


def _guest_os_matches(vm: VM, globs: Sequence[str]) -> bool:
    return _matches_any((glob.lower() for glob in globs), (vm.guest_os and vm.guest_os.lower(),))


KEYS: dict[str, SelectionKey] = {
    "names": SelectionKey(values.string_list, IDENTIFYING_FIELDS),
    "name": _field("name", "matches", "Names"),
    "regex": SelectionKey(
        _regex,
        ("name",),
        lambda vm, pattern: pattern.fullmatch(vm.name) is not None,
        plural="Names",
        values_of=lambda vm: (vm.name,),
    ),
    "ids": SelectionKey(values.string_list, IDENTIFYING_FIELDS),
    "datacenter": _field("datacenter", "is in", "Datacenters"),
    "cluster": _field("cluster", "is in", "Clusters"),
    "host": _field("host", "is on", "Hosts"),
    "folder": SelectionKey(
        values.string_list,
        ("folder",),
        _folder_matches,
        "is in",
        "Folders",
        lambda vm: (vm.folder,),
    ),
    # Tags are read in a request of their own, by id.
    "tag": SelectionKey(
        values.string_list, ("id",), _tag_matches, "has", "Tags", lambda vm: vm.tags or ()
    ),
    "guest_os": SelectionKey(
        values.string_list,
        ("guest_os",),
        _guest_os_matches,
        "has",
        "Guest systems",
        lambda vm: (vm.guest_os,),
    ),
    "power_state": SelectionKey(
        _power_states,
        ("power_state",),
        lambda vm, states: vm.power_state in states,
        "has",
        "Power states",
        lambda vm: (vm.power_state.value,),
    ),
    "exclude": SelectionKey(
        Exclusion,
        IDENTIFYING_FIELDS,
        lambda vm, exclusion: not exclusion.matches(vm),
        "is left by",
    ),
    "count": SelectionKey(lambda key, value: values.integer(key, value, 1, 1_000_000)),
    "percent": SelectionKey(lambda key, value: values.number(key, value, 0.001, 100)),
    "seed": SelectionKey(lambda key, value: values.integer(key, value, 0, 2**63 - 1)),
    "all": SelectionKey(_all),
}
FILTERS: dict[str, Callable[[VM, Any], bool]] = {
    name: key.matches for name, key in KEYS.items() if key.matches is not None
}
