"""The simulated world of VMs: its inventory, power operations, outages and users.

It is independent of the protocols that the lab's servers speak.
"""

from __future__ import annotations

from chaosvm.lab.simulation.availability import Availability, reserved_memory
from chaosvm.lab.simulation.compute import (
    Cluster,
    Datacenter,
    HighAvailability,
    Host,
    ResourceScheduling,
)
from chaosvm.lab.simulation.durations import Durations
from chaosvm.lab.simulation.events import Event, EventKind, Note, Origin
from chaosvm.lab.simulation.guest import Guest, GuestStatus, Service, default_hostname
from chaosvm.lab.simulation.hardware import (
    DEFAULT_NETWORK,
    Allocation,
    Disk,
    Limits,
    Nic,
    Topology,
    default_disk,
    default_nic,
    derived_id,
)
from chaosvm.lab.simulation.host_operations import HostOperations
from chaosvm.lab.simulation.machine import Machine, Snapshot, State
from chaosvm.lab.simulation.outages import Outages
from chaosvm.lab.simulation.power import Power
from chaosvm.lab.simulation.snapshots import Snapshots
from chaosvm.lab.simulation.tags import Tag, tag_id
from chaosvm.lab.simulation.users import Role, User
from chaosvm.lab.simulation.world import NotFound, World

__all__ = [
    "DEFAULT_NETWORK",
    "Allocation",
    "Availability",
    "Cluster",
    "Datacenter",
    "Disk",
    "Durations",
    "Event",
    "EventKind",
    "Guest",
    "GuestStatus",
    "HighAvailability",
    "Host",
    "HostOperations",
    "Limits",
    "Machine",
    "Nic",
    "NotFound",
    "Note",
    "Origin",
    "Outages",
    "Power",
    "ResourceScheduling",
    "Role",
    "Service",
    "Snapshot",
    "Snapshots",
    "State",
    "Tag",
    "Topology",
    "User",
    "World",
    "default_disk",
    "default_hostname",
    "default_nic",
    "derived_id",
    "reserved_memory",
    "tag_id",
]
