"""The lab's vCenter: a subset of the vSphere Web Services API (SOAP) over a simulation.

It follows the API's public documentation and govmomi's simulator. It provides
service content, sessions, container and list views, the property collector with
traversals, paging and updates, tasks, power and guest operations, events, custom
attributes, the search index and, over REST, the tags of VMs.

It does not provide permissions, changes other than to power and custom attributes,
vApps, snapshots, devices other than one disk and one network card, more than one
datastore and one network per data center, performance counters, alarms, host
operations, or namespaces other than vim25. The managers of these exist and are
empty; methods that are not simulated answer MethodNotFound. Messages are the lab's
own: clients can only rely on types and values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaosvm.lab.options import Options
from chaosvm.lab.simulation import World

if TYPE_CHECKING:
    from chaosvm.lab.http_server import ProtocolServer


def protocol_servers(world: World, options: Options) -> Sequence[ProtocolServer]:
    from chaosvm.lab.vcenter.protocol_server import VCenterServer

    return [VCenterServer(world, options)]
