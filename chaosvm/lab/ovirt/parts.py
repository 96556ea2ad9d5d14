"""The collections within a VM, by their names in the SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaosvm.lab.ovirt import described
from chaosvm.lab.world import Machine, World

__all__ = ["PARTS"]

Part = Callable[[World, Machine], Sequence[Any]]
# What scripts list, and nothing is modelled of.
_EMPTY = (
    "affinity_labels",
    "applications",
    "cdroms",
    "checkpoints",
    "disk_attachments",
    "graphics_consoles",
    "host_devices",
    "permissions",
    "sessions",
    "watchdogs",
)

PARTS: Mapping[str, Part] = {
    "statistics": described.statistic_types,
    "tags": lambda world, vm: described.tag_types(vm),
    "nics": lambda world, vm: described.nic_types(vm),
    "reported_devices": lambda world, vm: described.reported_device_types(vm),
    "snapshots": lambda world, vm: [described.active_snapshot_type(vm)],
    **dict.fromkeys(_EMPTY, lambda world, vm: ()),
}
