"""A few VMs by name, without reading everything about all the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pyVmomi import vmodl

from chaosvm.selection import NameMatcher, VMIndex
from chaosvm.vm import VM
from chaosvm.vsphere.inventory import ObjectGraph, read_everything
from chaosvm.vsphere.properties import ALL, ObjectProperties, PropertyPaths, wanted_for
from chaosvm.vsphere.retrieval import retrieve
from chaosvm.vsphere.traversals import bare_machines, machines

__all__ = ["NameCache", "by_identity"]

_VM = "VirtualMachine"
# What VM.answers_to() looks at.
_WORDS = ("name", "id", "instance_uuid", "path")
_NAMES = wanted_for(_WORDS)
# More than a few are read another way, and more than a third of all with all the others.
_FEW, _THIRD = 20, 3


class NameCache:
    """Finds VMs, and remembers which one a word meant."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}  # from the word to the moid

    def vms(
        self,
        content: Any,
        only: Sequence[str],
        allow_cached: bool,
        fields: Collection[str] | None = None,
    ) -> list[VM]:
        """Every VM that answers to one of these words, and possibly others.

        Of the others, nothing may be known but what they answer to. With
        ``remembered``, a word that meant one VM before means the same one now,
        as long as that still answers to it. Otherwise every VM's name is read,
        so that a second one of the same name is seen. ``fields`` are those that
        are needed beside what a VM answers to; all, if there are none.
        """
        words = set(only)
        wanted = ALL if fields is None else wanted_for({*fields, *_WORDS})
        found = self._known_vms(content, words, wanted) if allow_cached else None
        return self._fresh(content, words, wanted) if found is None else found

    def _known_vms(self, content: Any, words: set[str], wanted: PropertyPaths) -> list[VM] | None:
        """None where one of them is not known, or not known any more."""
        moids = {word: self._known.get(word) for word in words}
        known = {moid for moid in moids.values() if moid is not None}
        if None in moids.values():
            return None
        try:
            vms = _read(content, known, wanted)
        except vmodl.fault.ManagedObjectNotFound:
            vms = []
        answering = {vm.id: vm for vm in vms}
        for word, moid in moids.items():
            vm = answering.get(moid or "")
            if vm is None or not vm.answers_to(word):
                self._known.pop(word, None)
                return None
        return vms

    def _fresh(self, content: Any, words: set[str], wanted: PropertyPaths) -> list[VM]:
        named = read_everything(content, _NAMES).vms()
        mentioned = NameMatcher(words)
        meant = [vm for vm in named if mentioned.matches(vm)]
        try:
            found = _more(content, named, meant, wanted)
        except vmodl.fault.ManagedObjectNotFound:
            found = None  # one went just now
        directory = VMIndex(meant)
        answers = {word: directory.find(word) for word in words}
        self._known |= {word: vms[0].id for word, vms in answers.items() if len(vms) == 1}
        if found is None:
            return read_everything(content, wanted).vms()
        if all(answers.values()):
            return found
        # Who asks for what does not exist is told what does.
        by_id = {vm.id: vm for vm in found}
        return [by_id.get(vm.id, vm) for vm in named]


def _more(
    content: Any, named: Sequence[VM], meant: Sequence[VM], wanted: PropertyPaths
) -> list[VM] | None:
    """All that is wanted of those that are meant; None where it is better read of all."""
    if wanted == _NAMES or not meant:
        return list(meant)
    if len(meant) > max(_FEW, len(named) // _THIRD):
        return None
    return _read(content, (vm.id for vm in meant), wanted)


def _read(content: Any, moids: Iterable[str], wanted: PropertyPaths) -> list[VM]:
    those = set(moids)
    told = _told_of(content, sorted(those), wanted)
    return [vm for vm in ObjectGraph(told).vms() if vm.id in those]


def _told_of(
    content: Any, moids: Sequence[str], wanted: PropertyPaths
) -> dict[str, ObjectProperties]:
    if len(moids) <= _FEW:
        return retrieve(content, machines(content, moids, wanted))
    # The walk from a VM to its place is in the request once for each. Of many, all
    # places are read instead; apart, as vcsim mixes up what two specifications ask.
    places = {kind: paths for kind, paths in wanted.items() if kind != _VM}
    told = read_everything(content, places).told
    return told | retrieve(content, bare_machines(moids, {_VM: wanted[_VM]}))


def by_identity(content: Any, moids: Sequence[str]) -> list[VM]:
    """These VMs with all that is told of them; without those that are gone."""
    if not moids:
        return []
    try:
        return _read(content, moids, ALL)
    except vmodl.fault.ManagedObjectNotFound:
        # The others are in no such answer.
        those = set(moids)
        return [vm for vm in read_everything(content, ALL).vms() if vm.id in those]
