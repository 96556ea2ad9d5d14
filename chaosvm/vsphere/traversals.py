"""Filter specifications for the property collector: which objects and properties to read."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.vsphere.properties import PropertyPaths

__all__ = [
    "hosts_spec",
    "inventory_spec",
    "vms_spec",
    "vms_with_host_spec",
    "vms_with_location_spec",
]

_collector = vmodl.query.PropertyCollector


def inventory_spec(content: Any, paths: PropertyPaths) -> Any:
    """All objects of the types in ``paths`` below the root folder."""
    objects = [
        _collector.ObjectSpec(obj=content.rootFolder, selectSet=traversal)
        for traversal in (_root_to_vms(), _root_to_hosts())
    ]
    return _filter_spec([*objects, *_custom_fields(content, paths)], paths)


def vms_with_location_spec(content: Any, moids: Iterable[str], paths: PropertyPaths) -> Any:
    """These VMs with their parents up to the root folder, hosts and clusters."""
    objects = [
        _collector.ObjectSpec(obj=vim.VirtualMachine(moid), selectSet=_vm_to_parents())
        for moid in moids
    ]
    return _filter_spec([*objects, *_custom_fields(content, paths)], paths)


def hosts_spec(content: Any, paths: PropertyPaths) -> Any:
    """Hosts, clusters and folders: no VMs."""
    root = _collector.ObjectSpec(obj=content.rootFolder, selectSet=_root_to_hosts())
    return _filter_spec([root], paths)


def vms_with_host_spec(content: Any, moids: Iterable[str], paths: PropertyPaths) -> Any:
    """These VMs and their hosts, without those that no longer exist; and the root folder."""
    to_host = [_follow("vm to host", vim.VirtualMachine, "runtime.host")]
    objects = [
        _collector.ObjectSpec(obj=vim.VirtualMachine(moid), selectSet=to_host) for moid in moids
    ]
    spec = _filter_spec([_collector.ObjectSpec(obj=content.rootFolder), *objects], paths)
    spec.reportMissingObjectsInResults = True
    return spec


def vms_spec(moids: Iterable[str], paths: PropertyPaths) -> Any:
    """These VMs only."""
    objects = [_collector.ObjectSpec(obj=vim.VirtualMachine(moid)) for moid in moids]
    return _filter_spec(objects, paths)


def _filter_spec(objects: list[Any], paths: PropertyPaths) -> Any:
    properties = [
        _collector.PropertySpec(type=getattr(vim, kind), pathSet=kind_paths)
        for kind, kind_paths in paths.items()
    ]
    return _collector.FilterSpec(objectSet=objects, propSet=properties)


def _custom_fields(content: Any, paths: PropertyPaths) -> list[Any]:
    """The manager that has the names of custom attributes; an ESXi host has none."""
    manager = content.customFieldsManager
    if manager is None or "CustomFieldsManager" not in paths:
        return []
    return [_collector.ObjectSpec(obj=manager)]


def _follow(name: str, kind: Any, path: str, *next_names: str) -> Any:
    following = [_collector.SelectionSpec(name=next_name) for next_name in next_names]
    return _collector.TraversalSpec(name=name, type=kind, path=path, selectSet=following)


@lru_cache(maxsize=1)
def _root_to_vms() -> list[Any]:
    """Down the VM folders of every datacenter, and into vApps.

    Separate from the traversal to hosts: vcsim follows a path whatever the type
    of the object, and would go from each VM over its pool to all VMs of the pool.
    """
    below = ("vm children", "datacenter to vm folder", "vapp to vms")
    return [
        _follow("vm children", vim.Folder, "childEntity", *below),
        _follow("datacenter to vm folder", vim.Datacenter, "vmFolder", "vm children"),
        _follow("vapp to vms", vim.VirtualApp, "vm"),
    ]


@lru_cache(maxsize=1)
def _root_to_hosts() -> list[Any]:
    """Down the host folders to hosts, clusters, and vApps wherever they are nested."""
    below = ("host children", "datacenter to host folder", "compute to hosts", "compute to pool")
    return [
        _follow("host children", vim.Folder, "childEntity", *below),
        _follow("datacenter to host folder", vim.Datacenter, "hostFolder", "host children"),
        _follow("compute to hosts", vim.ComputeResource, "host"),
        _follow("compute to pool", vim.ComputeResource, "resourcePool", "pool to pools"),
        _follow("pool to pools", vim.ResourcePool, "resourcePool", "pool to pools", "app to vms"),
        _follow("app to vms", vim.VirtualApp, "vm"),
    ]


@lru_cache(maxsize=1)
def _vm_to_parents() -> list[Any]:
    """From a VM up to the root folder, and to its host and the host's parent."""
    up = ("up", "app up", "app to folder")
    return [
        _follow("vm up", vim.VirtualMachine, "parent", *up),
        _follow("vm to app", vim.VirtualMachine, "parentVApp", *up),
        _follow("vm to host", vim.VirtualMachine, "runtime.host", "host up"),
        _follow("up", vim.ManagedEntity, "parent", *up),
        _follow("app up", vim.VirtualApp, "parentVApp", *up),
        _follow("app to folder", vim.VirtualApp, "parentFolder", *up),
        _follow("host up", vim.HostSystem, "parent"),
    ]
