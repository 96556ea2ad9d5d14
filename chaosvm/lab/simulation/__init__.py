"""The simulated world of VMs: its inventory, power operations, outages and users.

It is independent of the protocols that the lab's servers speak.
"""

from __future__ import annotations

from chaosvm.lab.simulation.events import Event, EventKind, Origin
from chaosvm.lab.simulation.machine import (
    Cluster,
    Datacenter,
    Durations,
    Guest,
    Host,
    Machine,
    State,
    Tag,
    Topology,
    tag_id,
)
from chaosvm.lab.simulation.outages import Outages
from chaosvm.lab.simulation.power import Power
from chaosvm.lab.simulation.users import Role, User
from chaosvm.lab.simulation.world import NotFound, World

__all__ = [
    "Origin",
    "Cluster",
    "Datacenter",
    "Durations",
    "Event",
    "EventKind",
    "Guest",
    "Host",
    "Machine",
    "NotFound",
    "Outages",
    "Power",
    "Role",
    "State",
    "Tag",
    "Topology",
    "User",
    "tag_id",
    "World",
]
