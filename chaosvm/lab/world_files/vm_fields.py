"""The fields of a VM in a world file, and the VM that they describe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaosvm.lab.simulation import (
    Allocation,
    Cluster,
    Guest,
    Host,
    Limits,
    Machine,
    World,
    default_disk,
    default_hostname,
    default_nic,
)
from chaosvm.lab.world_files import converters as words
from chaosvm.lab.world_files.entries import Converters
from chaosvm.lab.world_files.guest_fields import guest
from chaosvm.settings import values

__all__ = ["VM", "add_described_vm"]

_PRIORITIES = ("disabled", "lowest", "low", "medium", "high", "highest")
_GIB_IN_MIB = 1024
_NIC: Converters = {
    "name": values.string,
    "network": values.string,
    "mac": values.string,
    **dict.fromkeys(("connected", "plugged"), values.boolean),
}
_DISK: Converters = {
    "name": values.string,
    "size_gb": words.positive_integer(2**20),
    **dict.fromkeys(("bootable", "active"), values.boolean),
}
_SNAPSHOT: Converters = {
    "name": values.string,
    "description": values.string,
    "memory": values.boolean,
}
_ALLOCATION: Converters = {
    "reservation": words.count,
    "limit": words.count,
    "level": lambda key, value: words.one_of(key, value, ("low", "normal", "high", "custom")),
    "shares": words.count,
}
VM: Converters = {
    "name": values.string,
    "id": words.unique_id,
    "moid": words.moid,
    "datacenter": values.string,
    "cluster": values.string,
    "host": values.string,
    "state": words.state,
    "busy_for": words.seconds,
    "up_for": words.seconds,
    "comes_back_after": words.seconds,
    "guest": guest,
    "guest_os": values.string,
    "cpu_count": words.topology,
    "memory_mb": words.positive_integer(2**40),
    "hostname": values.string,
    "ip_addresses": words.ip_addresses,
    "tags": values.string_list,
    "folder": words.folder,
    "attributes": words.text_mapping,
    "managed_by": values.string,
    "question": values.string,
    "description": values.string,
    "comment": values.string,
    "pool_id": words.unique_id,
    "origin": values.string,
    "created": words.date,
    **dict.fromkeys(("stuck", "template", "highly_available", "stateless"), values.boolean),
    **dict.fromkeys(("tells_start", "bootable", "fails_to_start"), values.boolean),
    "host_refuses": values.boolean,
    "restart_priority": lambda key, value: words.one_of(key, value, _PRIORITIES),
    "nics": lambda key, value: _devices(key, value, _NIC, '[{"network": "DMZ"}]'),
    "disks": lambda key, value: _devices(key, value, _DISK, '[{"size_gb": 40}]'),
    "limits": lambda key, value: _limits(key, value),
    "snapshots": lambda key, value: _devices(key, value, _SNAPSHOT, '[{"name": "before"}]'),
}
# Fields that have another name in the simulation.
_NAMES = {
    "cpu_count": "topology",
    "memory_mb": "memory",
    "guest_os": "os",
    "hostname": "fqdn",
}


def _devices(key: str, value: Any, converters: Converters, example: str) -> list[dict[str, Any]]:
    return [
        values.mapping(f"{key}[{number}]", item, converters, example)
        for number, item in enumerate(words.list_items(key, value, example))
    ]


def _limits(key: str, value: Any) -> Limits:
    """Reservation, limit and shares of CPU, in MHz, and memory, in MiB."""

    def allocation(key: str, value: Any) -> Allocation:
        return Allocation(**values.mapping(key, value, _ALLOCATION, '{"limit": 1000}'))

    parts: Converters = {"cpu": allocation, "memory": allocation}
    return Limits(**values.mapping(key, value, parts, '{"cpu": {"limit": 1000}}'))


def add_described_vm(
    world: World, cluster: Cluster | None, host: Host | None, fields: dict[str, Any]
) -> Machine:
    """Add a VM with these fields of a world file."""
    busy_for, stuck = fields.pop("busy_for", 0), fields.pop("stuck", False)
    nics, disks, snapshots = (fields.pop(key, None) for key in ("nics", "disks", "snapshots"))
    if fields.get("guest", Guest()).agent:
        # A guest with an agent reports something, which shows clients that it runs.
        fields.setdefault("hostname", default_hostname(fields["name"]))
    vm = world.add_vm(cluster=cluster, host=host, **words.renamed(fields, _NAMES))
    if nics is not None:
        world.change(vm.id, nics=tuple(_nic(vm, *each) for each in enumerate(nics)))
    if disks is not None:
        world.change(vm.id, disks=tuple(_disk(vm, *each) for each in enumerate(disks)))
    for snapshot in snapshots or ():
        world.snapshots.create(vm.id, **{"name": "snapshot", **snapshot})
    if snapshots:
        world.change(vm.id, busy_until=0.0)
    if stuck:
        world.stick(vm.id, vm.state)
    if busy_for:
        world.occupy(vm.id, busy_for)
    return vm


def _nic(vm: Machine, number: int, fields: dict[str, Any]) -> Any:
    if "connected" in fields:
        fields["start_connected"] = fields["connected"]
    return replace(default_nic(vm.id, vm.moid, number), **fields)


def _disk(vm: Machine, number: int, fields: dict[str, Any]) -> Any:
    if "size_gb" in fields:
        fields["size_bytes"] = fields.pop("size_gb") * _GIB_IN_MIB * words.MIB
    disk = default_disk(vm.id, vm.name, number, bootable=number == 0)
    return replace(disk, **fields)
