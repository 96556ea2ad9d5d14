"""The lab's oVirt engine: the API of oVirt 4.5 over a world, as far as it is modelled.

It follows recordings of a real engine, which tests/lab/test_recorded.py replays
against it, and where there is none the engine's public source; it is not the
engine. There are single sign-on by password with its errors and locks, the API's
root, XML and JSON, VMs with their statistics, tags, NICs, reported devices, the
boot disk and one snapshot, hosts, clusters, data centers, tags, events, jobs, the
template Blank, search, roles of users, and the actions on VMs. What else
scripts list is empty; any other path is a fault that says so.

Not there: other API versions, session cookies, Kerberos, other templates, pools,
disks, more snapshots, networks as objects of their own, changing or creating
anything, actions on hosts. docs/lab.md lists what is known to differ.
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
