"""The lab's model: a world of virtual machines that knows no protocol."""

from __future__ import annotations

from chaosvm.lab.simulation.events import Asked, Event, EventKind
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
from chaosvm.lab.simulation.world import NoSuchThing, World

__all__ = [
    "Asked",
    "Cluster",
    "Datacenter",
    "Durations",
    "Event",
    "EventKind",
    "Guest",
    "Host",
    "Machine",
    "NoSuchThing",
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
