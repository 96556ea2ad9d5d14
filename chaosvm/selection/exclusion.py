"""The VMs that a selection excludes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from chaosvm.selection.names import NameMatcher, VMIndex, composed
from chaosvm.settings import values
from chaosvm.vm import VM

__all__ = ["Exclusion"]

_GLOB = re.compile(r"[*?\[]")


class Exclusion:
    """The names and globs of an ``exclude``.

    Accents match however they are encoded, so that a VM whose name looks the same
    is excluded.
    """

    def __init__(self, key: str, value: Any) -> None:
        words = values.string_list(key, value)
        self._named = NameMatcher(words)
        self._words = {composed(word) for word in words}
        self._globs = [composed(word) for word in words if _GLOB.search(word)]
        self._literal = [word for word in words if not _GLOB.search(word)]

    def matches(self, vm: VM) -> bool:
        if self._named.matches(vm):
            return True
        names = _composed_names(vm)
        return not names.isdisjoint(self._words) or any(
            fnmatchcase(name, glob) for glob in self._globs for name in names
        )

    def unmatched_names(self, vms: Sequence[VM]) -> list[str]:
        """The names in it, other than globs, that no VM has."""
        if not self._literal:
            return []
        index, names = VMIndex(vms), set().union(*map(_composed_names, vms))
        return [
            word for word in self._literal if not index.find(word) and composed(word) not in names
        ]


def _composed_names(vm: VM) -> set[str]:
    return set(map(composed, vm.identifiers))
