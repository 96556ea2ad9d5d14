"""The lab's oVirt engine: the API of oVirt 4.5 over a world, as far as it is modelled.

It follows the engine's public source and recordings of real engines; it is not
the engine. There are single sign-on by password, the API's root, VMs with
their statistics, tags, NICs, reported devices and one snapshot, hosts, clusters,
data centers, tags, events, the template Blank, search, and the power actions of
VMs. What else scripts list is empty; any other path is a fault that says so.

Not there: JSON, other API versions, session cookies, Kerberos, permissions,
jobs (an action names one, which cannot be read), other templates, pools, disks,
more snapshots, networks as objects of their own, changing or creating anything,
actions on hosts, migration, fencing, and what is missing of the search (users,
events and templates of a VM, times). Texts are the lab's own: only codes and
statuses mean something.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaosvm.lab.options import Options
from chaosvm.lab.world import World

if TYPE_CHECKING:
    from chaosvm.lab.server import Face


def faces(world: World, options: Options) -> Sequence[Face]:
    from chaosvm.lab.ovirt.face import OVirtFace

    return [OVirtFace(world, options)]
