"""The collections of a VM, by the names of their elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chaosvm.lab.ovirt import representations, vm_parts
from chaosvm.lab.ovirt.markup import Node
from chaosvm.lab.simulation import Machine, World

__all__ = ["LINKS", "PARTS"]

Part = Callable[[World, Machine], Sequence[Node]]
# Empty collections that scripts list.
_EMPTY = (
    "affinity_labels",
    "applications",
    "cdroms",
    "checkpoints",
    "graphics_consoles",
    "host_devices",
    "permissions",
    "sessions",
    "watchdogs",
)

PARTS: Mapping[str, Part] = {
    "statistics": vm_parts.statistics,
    "tags": representations.tags_of,
    "nics": vm_parts.nics,
    "reported_devices": vm_parts.reported_devices,
    "snapshots": vm_parts.active_snapshot,
    "disk_attachments": vm_parts.disk_attachment,
    **dict.fromkeys(_EMPTY, lambda world, vm: ()),
}
# Other links of a VM that can be followed.
LINKS = frozenset(
    (
        *("cluster", "host", "template", "original_template", "cpu_profile", "quota"),
        *("large_icon", "small_icon", "vm_pool", "numa_nodes", "backups", "katello_errata"),
        "mediated_devices",
    )
)
