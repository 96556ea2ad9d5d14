"""Which VMs a word means: a name, an id, an instance UUID or an inventory path."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from chaosvm.errors import AmbiguousVM, NoSuchVM
from chaosvm.settings import values
from chaosvm.vm import VM

__all__ = ["VMIndex", "NameMatcher", "composed", "find_one", "folded", "spellings"]


def composed(text: str) -> str:
    """One form for texts that look the same: "é" may be one character, or "e" and an accent."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """The same, without regard to upper and lower case."""
    return composed(composed(text).casefold())


def spellings(text: str) -> set[str]:
    """The same, as a pattern may have it: "ß" is one character or, folded, "ss"."""
    if text.isascii():
        return {text.lower()}
    return {folded(text), composed(composed(text).lower())}


class NameMatcher:
    """Many words, each of which may mean a VM (``VM.answers_to``)."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._lower = frozenset(word.lower() for word in self._words)

    def matches(self, vm: VM) -> bool:
        """Does the VM answer to one of them?"""
        words = self._words
        if vm.name in words or vm.id in words or vm.path in words:
            return True
        if vm.instance_uuid is not None and vm.instance_uuid.lower() in self._lower:
            return True
        return not words.isdisjoint(vm.aliases)


class VMIndex:
    """VMs by all that they answer to: a thousand words are found as fast as one."""

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
        """Those that answer to the word or, with ``by_id``, have it as id or instance UUID."""
        named = [vm for vm in self._by_word.get(word, ()) if not by_id or vm.id == word]
        by_uuid = self._by_uuid.get(word.lower(), ())
        return [*named, *(vm for vm in by_uuid if not any(vm is each for each in named))]

    def require(self, words: Iterable[str], by_id: bool = False) -> None:
        """Raises NoSuchVM unless each of the words means a VM."""
        missing = [word for word in words if not self.find(word, by_id)]
        if missing:
            raise _unknown(missing, self._vms)

    def resolve(self, words: Iterable[str], by_id: bool = False) -> set[str]:
        """The ids of the VMs that are meant; raises AmbiguousVM for a word that means two."""
        chosen: set[str] = set()
        for word in words:
            found = self.find(word, by_id)
            if len(found) > 1:
                raise _ambiguous(word, found)
            chosen.update(vm.id for vm in found)
        return chosen


def find_one(inventory: Sequence[VM], vm_name: str, key: str = "vm_name") -> VM:
    """The one VM meant by a name, id, instance UUID or inventory path."""
    wanted = values.string(key, vm_name, "a VM's name, id, UUID or inventory path")
    found = [vm for vm in inventory if vm.answers_to(wanted)]
    if not found:
        raise _unknown([wanted], inventory)
    if len(found) > 1:
        raise _ambiguous(wanted, found)
    return found[0]


def _unknown(missing: Sequence[str], inventory: Sequence[VM]) -> NoSuchVM:
    hint = values.suggestion(missing[0], (vm.name for vm in inventory))
    listed = ", ".join(repr(word) for word in missing)
    return NoSuchVM(f"no VM is called {listed}{hint}: {len(inventory)} VMs are known")


def _ambiguous(wanted: str, found: Sequence[VM]) -> AmbiguousVM:
    by_place = sorted(found, key=lambda vm: (vm.path or vm.name, vm.id))
    places = ", ".join(f"{vm.path or vm.name} (id {vm.id})" for vm in by_place)
    return AmbiguousVM(f"{wanted!r} fits {len(found)} VMs: {places}. Use the path or the id")
