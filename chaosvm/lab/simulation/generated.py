"""Generated worlds of any size, with the gaps and oddities of real ones."""

from __future__ import annotations

import random
from typing import Any

from chaosvm.lab.simulation.compute import Cluster
from chaosvm.lab.simulation.guest import Guest
from chaosvm.lab.simulation.hardware import GIB, Topology
from chaosvm.lab.simulation.inventory import Inventory
from chaosvm.lab.simulation.machine import State

__all__ = ["populate"]

_ROLES = ("web", "app", "db", "cache", "queue", "build", "mail", "report")
_SYSTEMS = ("rhel_9x64", "ol_8x64", "other_linux", "windows_2019x64", "debian_9", "other")
_TAGS = ("production", "staging", "backup", "critical")


def populate(
    world: Inventory,
    vms: int,
    *,
    clusters: int = 2,
    hosts: int = 0,
    running: float = 0.8,
    seed: int = 0,
) -> None:
    """Add VMs to a world.

    hosts: per cluster; 0 means one for every forty VMs, and at least two.
    running: the fraction of VMs that are running.
    """
    chance = random.Random(seed)
    hosts = hosts or max(2, -(-vms // (40 * clusters)))
    added = [_add_cluster(world, number, hosts) for number in range(1, clusters + 1)]
    width = max(2, len(str(vms)))
    for number in range(vms):
        role = _ROLES[number % len(_ROLES)]
        name = f"{role}-{number // len(_ROLES) + 1:0{width}}"
        state = State.RUNNING if chance.random() < running else State.OFF
        up_for = chance.uniform(100, 10_000_000)
        fields = _random_fields(chance, name)
        world.add_vm(name, state, cluster=added[number % clusters], up_for=up_for, **fields)


def _add_cluster(world: Inventory, number: int, hosts: int) -> Cluster:
    datacenter = world.add_datacenter(f"dc-{number}")
    cluster = world.add_cluster(f"cluster-{number}", datacenter)
    for host in range(1, hosts + 1):
        world.add_host(f"host-{number}-{host}", cluster)
    return cluster


def _random_fields(chance: random.Random, name: str) -> dict[str, Any]:
    agent = chance.random() < 0.7
    address = f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
    return {
        "topology": Topology(chance.choice((1, 2, 4)), chance.choice((1, 2)), 1),
        "memory": chance.choice((1, 2, 4, 8, 16)) * GIB,
        "os": chance.choice(_SYSTEMS),
        "description": chance.choice((None, "", f"the {name} server")),
        "comment": chance.choice((None, "", "made by hand")),
        "fqdn": f"{name}.lab.example" if agent and chance.random() < 0.5 else None,
        "ip_addresses": (address,) if agent else (),
        "tags": tuple(tag for tag in _TAGS if chance.random() < 0.15),
        "highly_available": chance.random() < 0.2,
        "guest": Guest() if agent else Guest.without_agent(),
        "tells_start": chance.random() < 0.2,
    }
