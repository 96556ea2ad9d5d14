"""Which managed objects a reading is about, as the property collector takes it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.vsphere.properties import PropertyPaths

__all__ = ["bare_machines", "everything", "machines"]

_collector = vmodl.query.PropertyCollector


def everything(content: Any, wanted: PropertyPaths) -> Any:
    """All that is below the root folder, of the kinds that are wanted."""
    objects = [
        _collector.ObjectSpec(obj=content.rootFolder, selectSet=walk)
        for walk in (_to_machines(), _to_hosts())
    ]
    return _spec([*objects, *_fields(content, wanted)], wanted)


def machines(content: Any, moids: Iterable[str], wanted: PropertyPaths) -> Any:
    """These VMs, with what is around and above them."""
    objects = [
        _collector.ObjectSpec(obj=vim.VirtualMachine(moid), selectSet=_from_machine())
        for moid in moids
    ]
    return _spec([*objects, *_fields(content, wanted)], wanted)


def bare_machines(moids: Iterable[str], wanted: PropertyPaths) -> Any:
    """These VMs alone."""
    objects = [_collector.ObjectSpec(obj=vim.VirtualMachine(moid)) for moid in moids]
    return _spec(objects, wanted)


def _spec(objects: list[Any], wanted: PropertyPaths) -> Any:
    kinds = [
        _collector.PropertySpec(type=getattr(vim, kind), pathSet=paths)
        for kind, paths in wanted.items()
    ]
    return _collector.FilterSpec(objectSet=objects, propSet=kinds)


def _fields(content: Any, wanted: PropertyPaths) -> list[Any]:
    """Where the names of custom attributes are; an ESXi host has no such thing."""
    manager = content.customFieldsManager
    if manager is None or "CustomFieldsManager" not in wanted:
        return []
    return [_collector.ObjectSpec(obj=manager)]


def _step(name: str, kind: Any, path: str, *then: str) -> Any:
    following = [_collector.SelectionSpec(name=other) for other in then]
    return _collector.TraversalSpec(name=name, type=kind, path=path, selectSet=following)


@lru_cache(maxsize=1)
def _to_machines() -> list[Any]:
    """Down the VM folders of every datacenter, and into vApps.

    Two walks rather than one: vcsim follows a path whatever
    the type of the object, and would go from each VM over its pool to all the
    pool's VMs.
    """
    below = ("vm children", "datacenter to vm folder", "vapp to vms")
    return [
        _step("vm children", vim.Folder, "childEntity", *below),
        _step("datacenter to vm folder", vim.Datacenter, "vmFolder", "vm children"),
        _step("vapp to vms", vim.VirtualApp, "vm"),
    ]


@lru_cache(maxsize=1)
def _to_hosts() -> list[Any]:
    """Down the host folders to hosts, clusters, and vApps wherever they are nested."""
    below = ("host children", "datacenter to host folder", "compute to hosts", "compute to pool")
    return [
        _step("host children", vim.Folder, "childEntity", *below),
        _step("datacenter to host folder", vim.Datacenter, "hostFolder", "host children"),
        _step("compute to hosts", vim.ComputeResource, "host"),
        _step("compute to pool", vim.ComputeResource, "resourcePool", "pool to pools"),
        _step("pool to pools", vim.ResourcePool, "resourcePool", "pool to pools", "app to vms"),
        _step("app to vms", vim.VirtualApp, "vm"),
    ]


@lru_cache(maxsize=1)
def _from_machine() -> list[Any]:
    """From a VM up to the root folder, and to its host and what that is in."""
    up = ("up", "app up", "app to folder")
    return [
        _step("vm up", vim.VirtualMachine, "parent", *up),
        _step("vm to app", vim.VirtualMachine, "parentVApp", *up),
        _step("vm to host", vim.VirtualMachine, "runtime.host", "host up"),
        _step("up", vim.ManagedEntity, "parent", *up),
        _step("app up", vim.VirtualApp, "parentVApp", *up),
        _step("app to folder", vim.VirtualApp, "parentFolder", *up),
        _step("host up", vim.HostSystem, "parent"),
    ]
