"""The VMs that a selection keeps out."""

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
    """What an ``exclude`` keeps out: VMs that are named, and those that fit a glob.

    However their accents are encoded: what looks like the name is kept out.
    """

    def __init__(self, key: str, value: Any) -> None:
        given = values.string_list(key, value)
        self._named = NameMatcher(given)
        self._words = {composed(word) for word in given}
        self._globs = [composed(word) for word in given if _GLOB.search(word)]
        self._literal = [word for word in given if not _GLOB.search(word)]

    def fits(self, vm: VM) -> bool:
        if self._named.matches(vm):
            return True
        known = _composed_words(vm)
        return not known.isdisjoint(self._words) or any(
            fnmatchcase(word, glob) for glob in self._globs for word in known
        )

    def idle(self, vms: Sequence[VM]) -> list[str]:
        """The names in it that no VM has."""
        if not self._literal:
            return []
        directory, known = VMIndex(vms), set().union(*map(_composed_words, vms))
        return [
            word
            for word in self._literal
            if not directory.find(word) and composed(word) not in known
        ]


def _composed_words(vm: VM) -> set[str]:
    known = (vm.name, vm.id, vm.instance_uuid, vm.path, *vm.aliases)
    return {composed(word) for word in known if word}
