"""The lab's oVirt engine: a subset of the API of oVirt 4.5 over a simulation.

It follows recordings of a real engine, which tests/lab/ovirt replays against it, and the
engine's public source where there is no recording. It provides single sign-on and basic
authentication with their errors, XML and JSON, search, user roles, and every collection
that the SDK knows. Clients change VMs with their network cards, disks and snapshots, tags,
hosts, clusters, templates, networks, profiles, quotas, affinity, users and permissions.

What the engine shares with other platforms is in the simulated world; ``kinds`` has tables
of what only it has. It does not provide session cookies, Kerberos, the contents of disks,
backups, consoles or external providers. docs/lab-fidelity.md lists known differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaosvm.lab.options import Options
from chaosvm.lab.simulation import World

if TYPE_CHECKING:
    from chaosvm.lab.http_server import ProtocolServer


def protocol_servers(world: World, options: Options) -> Sequence[ProtocolServer]:
    from chaosvm.lab.ovirt.protocol_server import OVirtServer

    return [OVirtServer(world, options)]
