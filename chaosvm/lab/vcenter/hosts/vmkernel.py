"""The VMkernel adapters of a host, and what they are used for."""

from __future__ import annotations

import ipaddress
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Host
from chaosvm.lab.vcenter.hosts.system import HostPart, find, object_key
from chaosvm.lab.vcenter.managed_object import Call, SoapFault, managed_property, method

__all__ = [
    "MANAGEMENT",
    "NETMASK",
    "STACK",
    "VirtualNicManager",
    "address_of",
    "mac_address",
    "vmkernel_nic",
    "vmkernel_nics",
]

_h = vim.host
MANAGEMENT = "Management Network"
_VMKERNEL_NIC = "vmk0"
STACK = "defaultTcpipStack"
NETMASK = "255.255.0.0"
# What a VMkernel adapter can be used for (HostVirtualNicManagerNicType of the API).
_NIC_TYPES = (
    "faultToleranceLogging",
    "management",
    "vmotion",
    "vSphereProvisioning",
    "vSphereReplication",
    "vSphereReplicationNFC",
    "vsan",
    "vsanWitness",
)


class VirtualNicManager(HostPart):
    """What the VMkernel adapters are used for, the first one for management."""

    @managed_property
    def info(self, session: Any = None) -> Any:
        return _h.VirtualNicManagerInfo(netConfig=[self._config(each) for each in _NIC_TYPES])

    @method("QueryNetConfig")
    def query(self, call: Call) -> Any:
        return self._config(self._type(call))

    @method("SelectVnicForNicType")
    def select(self, call: Call) -> None:
        find(vmkernel_nics(self), call.get("device"), "adapter")
        self._uses(self._type(call)).add(call.get("device"))

    @method("DeselectVnicForNicType")
    def deselect(self, call: Call) -> None:
        find(vmkernel_nics(self), call.get("device"), "adapter")
        self._uses(self._type(call)).discard(call.get("device"))

    def _type(self, call: Call) -> str:
        nic_type: str = call.get("nicType")
        if nic_type not in _NIC_TYPES:
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="nicType"))
        return nic_type

    def _uses(self, nic_type: str) -> set[str]:
        """The adapters that are used for this."""
        uses = self.setting("uses", lambda: {"management": {_VMKERNEL_NIC}})
        return uses.setdefault(nic_type, set())

    def _config(self, nic_type: str) -> Any:
        candidates = [
            # Candidates have keys of their own, as on an ESXi host.
            _h.VirtualNic(
                device=nic.device,
                key=f"{nic_type}.{nic.key}",
                portgroup=nic.portgroup,
                spec=nic.spec,
            )
            for nic in vmkernel_nics(self).values()
        ]
        uses = self._uses(nic_type)
        return _h.VirtualNicManager.NetConfig(
            nicType=nic_type,
            multiSelectAllowed=True,
            candidateVnic=candidates,
            selectedVnic=[each.key for each in candidates if each.device in uses],
        )


def vmkernel_nics(part: HostPart) -> dict[str, Any]:
    """The VMkernel adapters of a host by their devices."""

    def default() -> dict[str, Any]:
        address = address_of(part.host, part.number)
        spec = _h.VirtualNic.Specification(
            ip=_h.IpConfig(dhcp=False, ipAddress=address, subnetMask=NETMASK),
            mac=mac_address(part.number, "60"),
            portgroup=MANAGEMENT,
            mtu=1500,
            tsoEnabled=True,
            netStackInstanceKey=STACK,
        )
        return {_VMKERNEL_NIC: vmkernel_nic(_VMKERNEL_NIC, MANAGEMENT, spec)}

    return part.setting("adapters", default)


def vmkernel_nic(device: str, port_group: str, spec: Any) -> Any:
    return _h.VirtualNic(
        device=device, key=object_key(_h.VirtualNic, device), portgroup=port_group, spec=spec
    )


def mac_address(number: int, last: str) -> str:
    return f"00:50:56:{number >> 8 & 0x3F:02x}:{number & 0xFF:02x}:{last}"


def address_of(host: Host, number: int) -> str:
    """The host's address, or a made-up one if that is a name."""
    try:
        return str(ipaddress.ip_address(host.address))
    except ValueError:
        return f"10.255.{number >> 8 & 0xFF}.{number & 0xFF}"
