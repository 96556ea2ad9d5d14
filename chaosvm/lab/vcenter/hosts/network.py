"""The network of a host: at first one switch, two port groups and a VMkernel adapter.

Port groups that clients add are the host's only: no VM can be connected to them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.hosts.system import HostPart, find, object_key
from chaosvm.lab.vcenter.hosts.vmkernel import (
    MANAGEMENT,
    NETMASK,
    STACK,
    address_of,
    mac_address,
    vmkernel_nic,
    vmkernel_nics,
)
from chaosvm.lab.vcenter.managed_object import Call, SoapFault, managed_property, method
from chaosvm.lab.vcenter.serialization import data_object
from chaosvm.lab.vcenter.states import VM_NETWORK

__all__ = ["NIC_PCI_ID", "NetworkSystem"]

_h = vim.host
_SWITCH, _NIC = "vSwitch0", "vmnic0"
NIC_PCI_ID = "0000:03:00.0"
_PORTS = 1536


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
        return _h.IpRouteConfig(defaultGateway=_gateway(address_of(self.host, self.number)))

    @managed_property
    def networkInfo(self, session: Any = None) -> Any:
        return _h.NetworkInfo(
            vswitch=[self._switch(*each) for each in self._switches.items()],
            portgroup=[_port_group(spec) for spec in self._port_groups.values()],
            pnic=[self._nic()],
            vnic=list(vmkernel_nics(self).values()),
            dnsConfig=self.dnsConfig(session),
            ipRouteConfig=self.ipRouteConfig(session),
            ipV6Enabled=False,
            atBootIpV6Enabled=False,
            netStackInstance=[self._stack()],
        )

    @managed_property
    def networkConfig(self, session: Any = None) -> Any:
        return _h.NetworkConfig(
            vswitch=[
                _h.VirtualSwitch.Config(name=name, spec=spec)
                for name, spec in self._switches.items()
            ],
            portgroup=[_h.PortGroup.Config(spec=spec) for spec in self._port_groups.values()],
            pnic=[_h.PhysicalNic.Config(device=_NIC, spec=self._nic().spec)],
            vnic=[
                _h.VirtualNic.Config(device=nic.device, portgroup=nic.portgroup, spec=nic.spec)
                for nic in vmkernel_nics(self).values()
            ],
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

    # Switches and port groups ----------------------------------------------------------

    @property
    def _switches(self) -> dict[str, Any]:
        return self.setting("switches", lambda: {_SWITCH: _switch_spec([_NIC])})

    @property
    def _port_groups(self) -> dict[str, Any]:
        return self.setting(
            "port groups",
            lambda: {name: _port_group_spec(name) for name in (VM_NETWORK, MANAGEMENT)},
        )

    def _switch(self, name: str, spec: Any) -> Any:
        groups = [each.name for each in self._port_groups.values() if each.vswitchName == name]
        nics = spec.bridge.nicDevice if spec.bridge is not None else []
        return _h.VirtualSwitch(
            name=name,
            key=object_key(_h.VirtualSwitch, name),
            numPorts=spec.numPorts,
            numPortsAvailable=spec.numPorts,
            mtu=spec.mtu or 1500,
            portgroup=[object_key(_h.PortGroup, each) for each in groups],
            pnic=[object_key(_h.PhysicalNic, each) for each in nics],
            spec=spec,
        )

    @method("AddVirtualSwitch")
    def add_switch(self, call: Call) -> None:
        _raise_if_taken(self._switches, call.get("vswitchName"))
        self._switches[call.get("vswitchName")] = call.get("spec") or _switch_spec([])

    @method("UpdateVirtualSwitch")
    def update_switch(self, call: Call) -> None:
        find(self._switches, call.get("vswitchName"), "switch")
        self._switches[call.get("vswitchName")] = call.get("spec")

    @method("RemoveVirtualSwitch")
    def remove_switch(self, call: Call) -> None:
        """Its port groups go with it, unless one is in use."""
        name = call.get("vswitchName")
        find(self._switches, name, "switch")
        groups = [each for each in self._port_groups.values() if each.vswitchName == name]
        for each in groups:
            self._raise_if_used(each.name)
        for each in groups:
            del self._port_groups[each.name]
        del self._switches[name]

    @method("AddPortGroup")
    def add_port_group(self, call: Call) -> None:
        spec = call.get("portgrp")
        _raise_if_taken(self._port_groups, spec.name)
        find(self._switches, spec.vswitchName, "switch")
        self._port_groups[spec.name] = spec

    @method("UpdatePortGroup")
    def update_port_group(self, call: Call) -> None:
        name, spec = call.get("pgName"), call.get("portgrp")
        find(self._port_groups, name, "port group")
        find(self._switches, spec.vswitchName, "switch")
        if spec.name != name:
            self._raise_if_used(name)
            _raise_if_taken(self._port_groups, spec.name)
        del self._port_groups[name]
        self._port_groups[spec.name] = spec

    @method("RemovePortGroup")
    def remove_port_group(self, call: Call) -> None:
        find(self._port_groups, call.get("pgName"), "port group")
        self._raise_if_used(call.get("pgName"))
        del self._port_groups[call.get("pgName")]

    def _raise_if_used(self, port_group: str) -> None:
        nics = vmkernel_nics(self).values()
        if port_group == VM_NETWORK or any(nic.portgroup == port_group for nic in nics):
            fault = vim.fault.ResourceInUse(name=port_group)
            raise SoapFault(fault, f"The port group {port_group} is in use.")

    # VMkernel adapters -----------------------------------------------------------------

    @method("AddVirtualNic")
    def add_nic(self, call: Call) -> str:
        nics, port_group = vmkernel_nics(self), call.get("portgroup")
        find(self._port_groups, port_group, "port group")
        device = next(name for number in range(1000) if (name := f"vmk{number}") not in nics)
        nics[device] = vmkernel_nic(device, port_group, call.get("nic"))
        return device

    @method("UpdateVirtualNic")
    def update_nic(self, call: Call) -> None:
        """Change what is given."""
        spec = find(vmkernel_nics(self), call.get("device"), "adapter").spec
        for info in spec._GetPropertyList():
            given = getattr(call.get("nic"), info.name)
            if given not in (None, []):
                setattr(spec, info.name, given)

    @method("RemoveVirtualNic")
    def remove_nic(self, call: Call) -> None:
        find(vmkernel_nics(self), call.get("device"), "adapter")
        del vmkernel_nics(self)[call.get("device")]

    # Others ----------------------------------------------------------------------------

    def _stack(self) -> Any:
        return _h.NetStackInstance(
            key=STACK,
            name=STACK,
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
            mac=mac_address(self.number, "56"),
            autoNegotiateSupported=True,
        )


def _raise_if_taken(names: dict[str, Any], name: str) -> None:
    if name in names:
        raise SoapFault(vim.fault.AlreadyExists(name=name), f"{name} exists.")


def _gateway(address: str) -> str | None:
    """The first address of an IPv4 address's network."""
    if ":" in address:
        return None
    return str(ipaddress.ip_interface(f"{address}/{NETMASK}").network[1])


def _switch_spec(nics: Sequence[str]) -> Any:
    bridge = _h.VirtualSwitch.BondBridge(nicDevice=list(nics)) if nics else None
    return _h.VirtualSwitch.Specification(
        numPorts=_PORTS, bridge=bridge, policy=_policy(nics), mtu=1500
    )


def _port_group_spec(name: str) -> Any:
    return _h.PortGroup.Specification(
        name=name, vlanId=0, vswitchName=_SWITCH, policy=_policy([_NIC])
    )


def _port_group(spec: Any) -> Any:
    computed = _policy([_NIC])
    for info in computed._GetPropertyList():
        given = getattr(spec.policy, info.name)
        if given:
            setattr(computed, info.name, given)
    return _h.PortGroup(
        key=object_key(_h.PortGroup, spec.name),
        vswitch=object_key(_h.VirtualSwitch, spec.vswitchName),
        computedPolicy=computed,
        spec=spec,
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
