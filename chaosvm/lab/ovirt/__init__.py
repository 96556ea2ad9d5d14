"""The lab's oVirt engine: a subset of the API of oVirt 4.5 over a simulation.

It follows recordings of a real engine, which tests/lab/ovirt replays against it, and the
engine's public source where there is no recording. It provides single sign-on by
password with its errors and account locks, the API root, XML and JSON, VMs with their
statistics, tags, NICs, reported devices, boot disk and active snapshot, hosts, clusters,
data centers, tags, events, jobs, the template Blank, search, user roles, and actions on
VMs. Other collections that scripts list are empty; all other paths are faults that say so.

It does not provide other API versions, session cookies, Kerberos, other templates, pools,
disks, more snapshots, networks as objects, changes other than actions on VMs, or actions
on hosts. docs/lab.md lists known differences.
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
