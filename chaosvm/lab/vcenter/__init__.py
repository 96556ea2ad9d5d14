"""The lab's vCenter: a subset of the vSphere Web Services API (SOAP) over a simulation.

It follows the API's public documentation and govmomi's simulator. What clients change of
VMs, hosts and clusters changes the simulated world; what only a vCenter has, such as
folders and resource pools, is kept here. ``vapi`` has the vSphere Automation API.

It does not provide vApps, distributed switches, more than one datastore and one network
per data center, or namespaces other than vim25 and (to list storage policies) pbm.
Permissions are kept and not enforced, and VMs are idle, so their counters are zero, uptimes
aside. Each property has its declared type, and those that the API always has, a value.
Methods that are not simulated answer MethodNotFound. Messages are the lab's own: clients can
only rely on types and values.
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
