"""Finds a few VMs by name, without reading all properties of all VMs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pyVmomi import vmodl

from chaosvm.selection import NameMatcher, VMIndex
from chaosvm.vm import IDENTIFYING_FIELDS, VM
from chaosvm.vsphere.inventory import ObjectGraph, read_object_graph
from chaosvm.vsphere.properties import ALL_PATHS, ObjectProperties, PropertyPaths, paths_for_fields
from chaosvm.vsphere.retrieval import retrieve
from chaosvm.vsphere.traversals import vms_spec, vms_with_location_spec

__all__ = ["NameCache", "read_vms_by_id"]

_VM = "VirtualMachine"
_NAME_PATHS = paths_for_fields(IDENTIFYING_FIELDS)
# Up to _MAX_SINGLE VMs are read with a traversal each. More than that, and more than
# 1/_MAX_FRACTION of all, are read with the whole inventory.
_MAX_SINGLE, _MAX_FRACTION = 20, 3


class NameCache:
    """Finds VMs by name, and caches which VM each name refers to.

    A "name" here is anything that ``VM.answers_to`` takes.
    """

    def __init__(self) -> None:
        self._moids: dict[str, str] = {}  # by name

    def vms(
        self,
        content: Any,
        only: Sequence[str],
        allow_cached: bool,
        fields: Collection[str] | None = None,
    ) -> list[VM]:
        """Every VM with one of these names, and possibly others.

        Of the others, only the fields that ``VM.answers_to`` compares may be set.
        With ``allow_cached``, a name refers to the same VM as before, as long as
        that VM still has it. Otherwise the names of all VMs are read, so that a
        second VM with the same name is noticed. ``fields`` are needed in addition
        to the names; None stands for all fields.
        """
        names = set(only)
        paths = ALL_PATHS if fields is None else paths_for_fields({*fields, *IDENTIFYING_FIELDS})
        cached = self._cached_vms(content, names, paths) if allow_cached else None
        return self._find(content, names, paths) if cached is None else cached

    def _cached_vms(self, content: Any, names: set[str], paths: PropertyPaths) -> list[VM] | None:
        """None if one of the names is not cached, or its VM no longer has it."""
        moids = {name: self._moids[name] for name in names if name in self._moids}
        if len(moids) < len(names):
            return None
        try:
            vms = _read_vms(content, set(moids.values()), paths)
        except vmodl.fault.ManagedObjectNotFound:
            vms = []
        by_id = {vm.id: vm for vm in vms}
        for name, moid in moids.items():
            vm = by_id.get(moid)
            if vm is None or not vm.answers_to(name):
                self._moids.pop(name, None)
                return None
        return vms

    def _find(self, content: Any, names: set[str], paths: PropertyPaths) -> list[VM]:
        all_vms = read_object_graph(content, _NAME_PATHS).vms()
        matcher = NameMatcher(names)
        matches = [vm for vm in all_vms if matcher.matches(vm)]
        try:
            vms = _read_matches(content, matches, len(all_vms), paths)
        except vmodl.fault.ManagedObjectNotFound:
            vms = None  # one was deleted just now
        index = VMIndex(matches)
        by_name = {name: index.find(name) for name in names}
        self._moids |= {name: found[0].id for name, found in by_name.items() if len(found) == 1}
        if vms is None:
            return read_object_graph(content, paths).vms()
        if all(by_name.values()):
            return vms
        # The error for a name that does not exist lists those that do.
        by_id = {vm.id: vm for vm in vms}
        return [by_id.get(vm.id, vm) for vm in all_vms]


def _read_matches(
    content: Any, matches: Sequence[VM], total: int, paths: PropertyPaths
) -> list[VM] | None:
    """These properties of the matches; None if reading all VMs is faster."""
    if paths == _NAME_PATHS or not matches:
        return list(matches)
    if len(matches) > max(_MAX_SINGLE, total // _MAX_FRACTION):
        return None
    return _read_vms(content, (vm.id for vm in matches), paths)


def _read_vms(content: Any, moids: Iterable[str], paths: PropertyPaths) -> list[VM]:
    ids = set(moids)
    objects = _retrieve_vms(content, sorted(ids), paths)
    return [vm for vm in ObjectGraph(objects).vms() if vm.id in ids]


def _retrieve_vms(
    content: Any, moids: Sequence[str], paths: PropertyPaths
) -> dict[str, ObjectProperties]:
    if len(moids) <= _MAX_SINGLE:
        return retrieve(content, vms_with_location_spec(content, moids, paths))
    # A request for locations has a traversal for each VM. For many VMs, all locations are
    # read instead, in a request of their own, as vcsim mixes up two filter specifications.
    location_paths = {kind: kind_paths for kind, kind_paths in paths.items() if kind != _VM}
    locations = read_object_graph(content, location_paths).objects
    return locations | retrieve(content, vms_spec(moids, {_VM: paths[_VM]}))


def read_vms_by_id(content: Any, moids: Sequence[str]) -> list[VM]:
    """These VMs with all properties; deleted ones are left out."""
    if not moids:
        return []
    try:
        return _read_vms(content, moids, ALL_PATHS)
    except vmodl.fault.ManagedObjectNotFound:
        # The fault replaces the result for the other VMs.
        ids = set(moids)
        return [vm for vm in read_object_graph(content, ALL_PATHS).vms() if vm.id in ids]
