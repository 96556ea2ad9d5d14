"""The lab's model: a world of virtual machines that knows no protocol."""

from __future__ import annotations

from chaosvm.lab.world.events import Asked, Event, EventKind
from chaosvm.lab.world.machine import (
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
from chaosvm.lab.world.outages import Outages
from chaosvm.lab.world.power import Power
from chaosvm.lab.world.users import Role, User
from chaosvm.lab.world.world import NoSuchThing, World

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
