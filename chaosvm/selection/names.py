"""Finds VMs by a word: a name, an id, an instance UUID or an inventory path."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence

from chaosvm.errors import AmbiguousVM, NoSuchVM
from chaosvm.settings import values
from chaosvm.vm import VM

__all__ = ["VMIndex", "NameMatcher", "composed", "find_one", "folded", "known_vms", "spellings"]

_WILDCARD = re.compile(r"[*?\[]")


def composed(text: str) -> str:
    """One form for strings that look the same: "é" is one character, or "e" and an accent."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """The composed form, regardless of upper and lower case."""
    return composed(composed(text).casefold())


def spellings(text: str) -> set[str]:
    """The forms that a pattern may match: "ß" is one character or, folded, "ss"."""
    if text.isascii():
        return {text.lower()}
    return {folded(text), composed(composed(text).lower())}


class NameMatcher:
    """Matches VMs against many words at once, as ``VM.answers_to`` does against one."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._lower = frozenset(word.lower() for word in self._words)

    def matches(self, vm: VM) -> bool:
        """True if one of the words is a name, id or the like of the VM."""
        words = self._words
        if vm.name in words or vm.id in words or vm.path in words:
            return True
        if vm.instance_uuid is not None and vm.instance_uuid.lower() in self._lower:
            return True
        return not words.isdisjoint(vm.aliases)


class VMIndex:
    """VMs by name, id, UUID and path, so that many words are looked up quickly."""

    def __init__(self, vms: Sequence[VM]) -> None:
        self._vms = vms
        self._by_word: dict[str | None, list[VM]] = {}
        self._by_uuid: dict[str, list[VM]] = {}
        for vm in vms:
            for word in {vm.name, vm.id, vm.path, *vm.aliases}:
                self._by_word.setdefault(word, []).append(vm)
            if vm.instance_uuid is not None:
                self._by_uuid.setdefault(vm.instance_uuid.lower(), []).append(vm)

    def find(self, word: str, by_id: bool = False) -> list[VM]:
        """The VMs of this name, id, UUID or path or, with ``by_id``, of this id or UUID."""
        named = [vm for vm in self._by_word.get(word, ()) if not by_id or vm.id == word]
        by_uuid = self._by_uuid.get(word.lower(), ())
        return [*named, *(vm for vm in by_uuid if not any(vm is each for each in named))]

    def require(self, words: Iterable[str], by_id: bool = False) -> None:
        """Raises NoSuchVM unless there is a VM for each of the words."""
        missing = [word for word in words if not self.find(word, by_id)]
        if missing:
            raise _no_such_vm(missing, self._vms)

    def resolve(self, words: Iterable[str], by_id: bool = False) -> list[VM]:
        """The VMs, in the order of the words; raises AmbiguousVM for one that fits two of them."""
        found: dict[str, VM] = {}
        for word in words:
            matches = self.find(word, by_id)
            if len(matches) > 1:
                raise _ambiguous(word, matches)
            for vm in matches:
                found.setdefault(vm.id, vm)
        return list(found.values())


def find_one(inventory: Sequence[VM], vm_name: str, key: str = "vm_name") -> VM:
    """The one VM of this name, id, instance UUID or inventory path."""
    word = values.string(key, vm_name, "a VM's name, id, UUID or inventory path")
    matches = [vm for vm in inventory if vm.answers_to(word)]
    if not matches:
        raise _no_such_vm([word], inventory)
    if len(matches) > 1:
        raise _ambiguous(word, matches)
    return matches[0]


def known_vms(inventory: Sequence[VM]) -> str:
    return "1 VM is known" if len(inventory) == 1 else f"{len(inventory)} VMs are known"


def _no_such_vm(missing: Sequence[str], inventory: Sequence[VM]) -> NoSuchVM:
    listed = ", ".join(repr(word) for word in missing)
    known = known_vms(inventory)
    if pattern := next((word for word in missing if _WILDCARD.search(word)), None):
        mapping = json.dumps({"name": pattern}, ensure_ascii=False)
        return NoSuchVM(
            f"no VM is called {listed}: {known}, and vm_name, names and ids take no wildcard: use "
            f"a batch activity with {mapping}"
        )
    hint = values.suggestion(missing[0], (vm.name for vm in inventory))
    return NoSuchVM(f"no VM is called {listed}{hint}: {known}")


def _ambiguous(word: str, matches: Sequence[VM]) -> AmbiguousVM:
    by_path = sorted(matches, key=lambda vm: (vm.path or vm.name, vm.id))
    paths = ", ".join(f"{vm.path or vm.name} (id {vm.id})" for vm in by_path)
    return AmbiguousVM(f"{word!r} matches {len(matches)} VMs: {paths}. Use the path or the id")
