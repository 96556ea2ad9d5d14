"""The network of a host: a switch with two port groups, a network card and a VMkernel one."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Host
from chaosvm.lab.vcenter.hosts.system import HostPart, object_key
from chaosvm.lab.vcenter.managed_object import Call, SoapFault, managed_property, method
from chaosvm.lab.vcenter.serialization import data_object
from chaosvm.lab.vcenter.states import VM_NETWORK

__all__ = ["NIC_PCI_ID", "NetworkSystem", "VirtualNicManager"]

_h = vim.host
_MANAGEMENT = "Management Network"
_SWITCH, _NIC, _VMKERNEL_NIC = "vSwitch0", "vmnic0", "vmk0"
NIC_PCI_ID = "0000:03:00.0"
_PORTS = 1536
_STACK = "defaultTcpipStack"
_NETMASK = "255.255.0.0"
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


class NetworkSystem(HostPart):
    @managed_property
    def capabilities(self, session: Any = None) -> Any:
        return data_object(
            _h.NetCapabilities,
            canSetPhysicalNicLinkSpeed=True,
            supportsNicTeaming=True,
            nicTeamingPolicy=["loadbalance_ip", "loadbalance_srcid", "failover_explicit"],
            supportsVlan=True,
            vswitchConfigSupported=True,
            vnicConfigSupported=True,
            ipRouteConfigSupported=True,
            dnsConfigSupported=True,
            dhcpOnVnicSupported=True,
            ipV6Supported=True,
        )

    @managed_property
    def offloadCapabilities(self, session: Any = None) -> Any:
        return _offload()

    @managed_property
    def dnsConfig(self, session: Any = None) -> Any:
        name, _, domain = self.host.name.partition(".")
        return _h.DnsConfig(dhcp=False, hostName=name, domainName=domain)

    @managed_property
    def ipRouteConfig(self, session: Any = None) -> Any:
        return _h.IpRouteConfig(defaultGateway=_gateway(_address(self.host, self.number)))

    @managed_property
    def networkInfo(self, session: Any = None) -> Any:
        return _h.NetworkInfo(
            vswitch=[_switch()],
            portgroup=[_port_group(VM_NETWORK), _port_group(_MANAGEMENT)],
            pnic=[self._nic()],
            vnic=[vmkernel_nic(self.host, self.number)],
            dnsConfig=self.dnsConfig(session),
            ipRouteConfig=self.ipRouteConfig(session),
            ipV6Enabled=False,
            atBootIpV6Enabled=False,
            netStackInstance=[self._stack()],
        )

    @managed_property
    def networkConfig(self, session: Any = None) -> Any:
        nic = vmkernel_nic(self.host, self.number)
        return _h.NetworkConfig(
            vswitch=[_h.VirtualSwitch.Config(name=_SWITCH, spec=_switch().spec)],
            portgroup=[
                _h.PortGroup.Config(spec=_port_group(name).spec)
                for name in (VM_NETWORK, _MANAGEMENT)
            ],
            pnic=[_h.PhysicalNic.Config(device=_NIC, spec=self._nic().spec)],
            vnic=[_h.VirtualNic.Config(device=nic.device, portgroup=_MANAGEMENT, spec=nic.spec)],
            dnsConfig=self.dnsConfig(session),
            ipRouteConfig=self.ipRouteConfig(session),
            ipV6Enabled=False,
        )

    @method("QueryNetworkHint")
    def network_hints(self, call: Call) -> list[Any]:
        devices = call.get("device") or [_NIC]
        if devices != [_NIC]:
            raise SoapFault(vim.fault.NotFound(), f"There is no network card in {devices}.")
        return [_h.PhysicalNic.NetworkHint(device=_NIC)]

    @method("RefreshNetworkSystem")
    def refresh(self, call: Call) -> None:
        """Nothing is cached."""

    def _stack(self) -> Any:
        return _h.NetStackInstance(
            key=_STACK,
            name=_STACK,
            dnsConfig=self.dnsConfig(),
            ipRouteConfig=self.ipRouteConfig(),
            requestedMaxNumberOfConnections=11_000,
            congestionControlAlgorithm="newreno",
            ipV6Enabled=False,
        )

    def _nic(self) -> Any:
        speed = _h.PhysicalNic.LinkSpeedDuplex(speedMb=10_000, duplex=True)
        return data_object(
            _h.PhysicalNic,
            key=object_key(_h.PhysicalNic, _NIC),
            device=_NIC,
            pci=NIC_PCI_ID,
            driver="lab",
            linkSpeed=speed,
            spec=_h.PhysicalNic.Specification(linkSpeed=speed),
            mac=_mac(self.number, "56"),
            autoNegotiateSupported=True,
        )


class VirtualNicManager(HostPart):
    """What the VMkernel adapter is used for: management."""

    @managed_property
    def info(self, session: Any = None) -> Any:
        return _h.VirtualNicManagerInfo(netConfig=[self._config(each) for each in _NIC_TYPES])

    @method("QueryNetConfig")
    def query(self, call: Call) -> Any:
        if call.get("nicType") not in _NIC_TYPES:
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="nicType"))
        return self._config(call.get("nicType"))

    def _config(self, nic_type: str) -> Any:
        nic = vmkernel_nic(self.host, self.number)
        # Candidates have keys of their own, as on an ESXi host.
        nic.key = f"{nic_type}.{nic.key}"
        return _h.VirtualNicManager.NetConfig(
            nicType=nic_type,
            multiSelectAllowed=True,
            candidateVnic=[nic],
            selectedVnic=[nic.key] if nic_type == "management" else [],
        )


def vmkernel_nic(host: Host, number: int) -> Any:
    address = _h.IpConfig(dhcp=False, ipAddress=_address(host, number), subnetMask=_NETMASK)
    return _h.VirtualNic(
        device=_VMKERNEL_NIC,
        key=object_key(_h.VirtualNic, _VMKERNEL_NIC),
        portgroup=_MANAGEMENT,
        spec=_h.VirtualNic.Specification(
            ip=address,
            mac=_mac(number, "60"),
            portgroup=_MANAGEMENT,
            mtu=1500,
            tsoEnabled=True,
            netStackInstanceKey=_STACK,
        ),
    )


def _mac(number: int, last: str) -> str:
    return f"00:50:56:{number >> 8 & 0x3F:02x}:{number & 0xFF:02x}:{last}"


def _address(host: Host, number: int) -> str:
    """The host's address, or a made-up one if that is a name."""
    try:
        return str(ipaddress.ip_address(host.address))
    except ValueError:
        return f"10.255.{number >> 8 & 0xFF}.{number & 0xFF}"


def _gateway(address: str) -> str | None:
    """The first address of an IPv4 address's network."""
    if ":" in address:
        return None
    return str(ipaddress.ip_interface(f"{address}/{_NETMASK}").network[1])


def _switch() -> Any:
    groups = [object_key(_h.PortGroup, name) for name in (VM_NETWORK, _MANAGEMENT)]
    bridge = _h.VirtualSwitch.BondBridge(nicDevice=[_NIC])
    return _h.VirtualSwitch(
        name=_SWITCH,
        key=object_key(_h.VirtualSwitch, _SWITCH),
        numPorts=_PORTS,
        numPortsAvailable=_PORTS,
        mtu=1500,
        portgroup=groups,
        pnic=[object_key(_h.PhysicalNic, _NIC)],
        spec=_h.VirtualSwitch.Specification(
            numPorts=_PORTS, bridge=bridge, policy=_policy([_NIC]), mtu=1500
        ),
    )


def _port_group(name: str) -> Any:
    return _h.PortGroup(
        key=object_key(_h.PortGroup, name),
        vswitch=object_key(_h.VirtualSwitch, _SWITCH),
        computedPolicy=_policy([_NIC]),
        spec=_h.PortGroup.Specification(
            name=name, vlanId=0, vswitchName=_SWITCH, policy=_policy([_NIC])
        ),
    )


def _policy(nics: Sequence[str]) -> Any:
    """The defaults of a standard switch."""
    policy = _h.NetworkPolicy
    return policy(
        security=policy.SecurityPolicy(
            allowPromiscuous=False, macChanges=False, forgedTransmits=False
        ),
        nicTeaming=policy.NicTeamingPolicy(
            policy="loadbalance_srcid",
            reversePolicy=True,
            notifySwitches=True,
            rollingOrder=False,
            failureCriteria=policy.NicFailureCriteria(
                checkSpeed="minimum",
                speed=10,
                checkDuplex=False,
                fullDuplex=False,
                checkErrorPercent=False,
                percentage=0,
                checkBeacon=False,
            ),
            nicOrder=policy.NicOrderPolicy(activeNic=list(nics)),
        ),
        offloadPolicy=_offload(),
        shapingPolicy=policy.TrafficShapingPolicy(enabled=False),
    )


def _offload() -> Any:
    return _h.NetOffloadCapabilities(csumOffload=True, tcpSegmentation=True, zeroCopyXmit=True)
