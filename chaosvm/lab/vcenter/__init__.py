"""The lab's vCenter: the vSphere Web Services API (SOAP) over a world, as far as it is modelled.

It follows the API's public documentation and what govmomi's simulator does; it
is not a vCenter. There are service content, sessions, container and list
views, the property collector with traversals, pages and updates that wake,
tasks, the power of VMs, what can be asked of their guests, events, custom
attributes, the search index and, in the REST API, the tags that VMs have.

Not there: permissions, changing or creating anything but power and custom
attributes, vApps, snapshots, devices but a disk and a network card, more storage
and networks than one of each, performance counters, alarms, hosts' own operations,
other namespaces than vim25. Managers of what is not there are, and are empty;
methods that are not there answer MethodNotFound. Texts are the lab's
own: only types and values mean something.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaosvm.lab.options import Options
from chaosvm.lab.world import World

if TYPE_CHECKING:
    from chaosvm.lab.server import Face


def faces(world: World, options: Options) -> Sequence[Face]:
    from chaosvm.lab.vcenter.face import VCenterFace

    return [VCenterFace(world, options)]
