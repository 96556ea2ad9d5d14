"""VMs that are protected by their name, and the values that switch a protecting mark off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from chaosvm.selection import spellings
from chaosvm.settings import OFF_WORDS
from chaosvm.vm import VM

__all__ = ["disables_protection", "protected_by_name", "unmatched_globs"]


def disables_protection(value: str) -> bool:
    """True if this value of the protecting attribute disables protection."""
    return value.strip().lower() in ("", *OFF_WORDS)


def protected_by_name(vm: VM, globs: Iterable[str]) -> str | None:
    """The reason, if the VM's name, id, UUID or path matches a glob of chaosvm_protect."""
    names = _names_of(vm)
    matching = next((glob for glob in globs if _matches(names, glob)), None)
    return matching and f"is protected: it matches {matching!r} in chaosvm_protect"


def unmatched_globs(vms: Sequence[VM], globs: Iterable[str]) -> list[str]:
    """The globs that match none of these VMs, perhaps because they are misspelled."""
    names = set().union(*map(_names_of, vms)) if (globs := list(globs)) else set()
    return [glob for glob in globs if not _matches(names, glob)]


def _names_of(vm: VM) -> set[str]:
    return set().union(*map(spellings, vm.identifiers))


def _matches(names: set[str], glob: str) -> bool:
    globs = spellings(glob)
    return not globs.isdisjoint(names) or any(
        fnmatchcase(name, each) for each in globs for name in names
    )
