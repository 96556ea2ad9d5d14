"""A few VMs by name, without reading everything about all the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pyVmomi import vmodl

from chaosvm.vm import VM
from chaosvm.vsphere.inventory import Objects, read_everything, read_inventory
from chaosvm.vsphere.properties import ALL, Told, wanted_for
from chaosvm.vsphere.retrieval import retrieve
from chaosvm.vsphere.walks import bare_machines, everything, machines

__all__ = ["Lookup", "by_identity"]

_VM = "VirtualMachine"
_PLACES = {kind: paths for kind, paths in ALL.items() if kind != _VM}
# What VM.answers_to() looks at.
_NAMES = wanted_for(("name", "id", "instance_uuid", "path"))
# More are found faster in one reading of everything.
_FEW = 20


class Lookup:
    """Finds VMs, and remembers which one a word meant."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}  # from the word to the moid

    def vms(self, content: Any, only: Sequence[str], remembered: bool) -> list[VM]:
        """Every VM that answers to one of these words, and possibly others.

        With ``remembered``, a word that meant one VM before means the same one
        now, as long as that still answers to it. Otherwise every VM's name is
        read, so that a second one of the same name is seen.
        """
        words = set(only)
        if len(words) > _FEW:
            return read_inventory(content).vms
        found = self._known_vms(content, words) if remembered else None
        return self._fresh(content, words) if found is None else found

    def _known_vms(self, content: Any, words: set[str]) -> list[VM] | None:
        """None where one of them is not known, or not known any more."""
        moids = {word: self._known.get(word) for word in words}
        known = {moid for moid in moids.values() if moid is not None}
        if None in moids.values():
            return None
        try:
            vms = _read(content, known)
        except vmodl.fault.ManagedObjectNotFound:
            vms = []
        answering = {vm.id: vm for vm in vms}
        for word, moid in moids.items():
            vm = answering.get(moid or "")
            if vm is None or not vm.answers_to(word):
                self._known.pop(word, None)
                return None
        return vms

    def _fresh(self, content: Any, words: set[str]) -> list[VM]:
        named = read_everything(content, _NAMES).vms()
        meant = {word: [vm.id for vm in named if vm.answers_to(word)] for word in words}
        if not all(meant.values()):
            # Who asks for what does not exist is told what does.
            return read_inventory(content).vms
        try:
            vms = _read(content, {moid for moids in meant.values() for moid in moids})
        except vmodl.fault.ManagedObjectNotFound:
            return read_inventory(content).vms  # one went just now
        for word, moids in meant.items():
            if len(moids) == 1:
                self._known[word] = moids[0]
        return vms


def _read(content: Any, moids: Iterable[str]) -> list[VM]:
    wanted = set(moids)
    told = _told_of(content, sorted(wanted))
    return [vm for vm in Objects(told).vms() if vm.id in wanted]


def _told_of(content: Any, moids: Sequence[str]) -> dict[str, Told]:
    if len(moids) <= _FEW:
        return retrieve(content, machines(content, moids, ALL))
    # The walk from a VM to its place is in the request once for each. Of many, all
    # places are read instead; apart, as vcsim mixes up what two specifications ask.
    places = retrieve(content, everything(content, _PLACES))
    return places | retrieve(content, bare_machines(moids, {_VM: ALL[_VM]}))


def by_identity(content: Any, moids: Sequence[str]) -> list[VM]:
    """These VMs with all that is told of them; without those that are gone."""
    if not moids:
        return []
    try:
        return _read(content, moids)
    except vmodl.fault.ManagedObjectNotFound:
        # The others are in no such answer.
        return [vm for vm in read_inventory(content).vms if vm.id in set(moids)]
