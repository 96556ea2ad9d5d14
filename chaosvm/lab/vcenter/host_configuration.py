"""Configuration of hosts, alike for all: a switch, two port groups, a NIC and the datastore."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pyVmomi import vim

from chaosvm.lab.simulation import Host
from chaosvm.lab.vcenter.entities import Datastore, references
from chaosvm.lab.vcenter.interfaces import Compute
from chaosvm.lab.vcenter.managed_object import ManagedObject, managed_property
from chaosvm.lab.vcenter.serialization import data_object
from chaosvm.lab.vcenter.states import VM_NETWORK

__all__ = ["HostConfiguration"]

_MANAGEMENT = "Management Network"
_SWITCH, _NIC, _VMKERNEL_NIC, _ADAPTER = "vSwitch0", "vmnic0", "vmk0", "vmhba0"
_PORTS = 1536


@dataclass(frozen=True, slots=True)
class HostConfiguration:
    """The objects that a host's configManager refers to."""

    network: NetworkSystem
    storage: StorageSystem
    datastores: DatastoreSystem

    @classmethod
    def of(cls, host_moid: str, host: Host, compute: Compute) -> HostConfiguration:
        number = host_moid.rpartition("-")[2]
        datastore = compute.datacenter.store
        return cls(
            NetworkSystem(number, host),
            StorageSystem(number, datastore),
            DatastoreSystem(number, datastore),
        )

    def all(self) -> Sequence[ManagedObject]:
        return self.network, self.storage, self.datastores


class _System(ManagedObject):
    """A configuration object with the number of its host."""

    name: ClassVar[str]

    def __init__(self, number: str) -> None:
        super().__init__(f"{self.name}-{number}")
        self.number = int(number)


class NetworkSystem(_System):
    kind = vim.host.NetworkSystem
    name = "networkSystem"

    def __init__(self, number: str, host: Host) -> None:
        super().__init__(number)
        self._host = host

    @managed_property
    def dnsConfig(self, session: Any = None) -> Any:
        name, _, domain = self._host.name.partition(".")
        return vim.host.DnsConfig(dhcp=False, hostName=name, domainName=domain)

    @managed_property
    def networkInfo(self, session: Any = None) -> Any:
        return vim.host.NetworkInfo(
            vswitch=[_switch()],
            portgroup=[_port_group(VM_NETWORK), _port_group(_MANAGEMENT)],
            pnic=[self._nic()],
            vnic=[self._vmkernel_nic()],
            dnsConfig=self.dnsConfig(session),
            ipV6Enabled=False,
        )

    def _nic(self) -> Any:
        speed = vim.host.PhysicalNic.LinkSpeedDuplex(speedMb=10_000, duplex=True)
        return data_object(
            vim.host.PhysicalNic,
            key=_key("PhysicalNic", _NIC),
            device=_NIC,
            pci="0000:03:00.0",
            driver="lab",
            linkSpeed=speed,
            mac=self._mac("56"),
        )

    def _vmkernel_nic(self) -> Any:
        address = vim.host.IpConfig(
            dhcp=False, ipAddress=_address(self._host, self.number), subnetMask="255.255.0.0"
        )
        return vim.host.VirtualNic(
            device=_VMKERNEL_NIC,
            key=_key("VirtualNic", _VMKERNEL_NIC),
            portgroup=_MANAGEMENT,
            spec=vim.host.VirtualNic.Specification(
                ip=address, mac=self._mac("60"), portgroup=_MANAGEMENT, mtu=1500
            ),
        )

    def _mac(self, last: str) -> str:
        return f"00:50:56:{self.number >> 8 & 0x3F:02x}:{self.number & 0xFF:02x}:{last}"


def _address(host: Host, number: int) -> str:
    """The host's address, or a made-up one if that is a name."""
    try:
        return str(ipaddress.ip_address(host.address))
    except ValueError:
        return f"10.255.{number >> 8 & 0xFF}.{number & 0xFF}"


def _switch() -> Any:
    groups = [_key("PortGroup", name) for name in (VM_NETWORK, _MANAGEMENT)]
    bridge = vim.host.VirtualSwitch.BondBridge(nicDevice=[_NIC])
    return vim.host.VirtualSwitch(
        name=_SWITCH,
        key=_key("VirtualSwitch", _SWITCH),
        numPorts=_PORTS,
        numPortsAvailable=_PORTS,
        mtu=1500,
        portgroup=groups,
        pnic=[_key("PhysicalNic", _NIC)],
        spec=vim.host.VirtualSwitch.Specification(numPorts=_PORTS, bridge=bridge, policy=_policy()),
    )


def _port_group(name: str) -> Any:
    return vim.host.PortGroup(
        key=_key("PortGroup", name),
        vswitch=_key("VirtualSwitch", _SWITCH),
        computedPolicy=_policy(),
        spec=vim.host.PortGroup.Specification(
            name=name, vlanId=0, vswitchName=_SWITCH, policy=_policy()
        ),
    )


def _policy() -> Any:
    security = vim.host.NetworkPolicy.SecurityPolicy(
        allowPromiscuous=False, macChanges=False, forgedTransmits=False
    )
    return vim.host.NetworkPolicy(security=security)


def _key(kind: str, name: str) -> str:
    return f"key-vim.host.{kind}-{name}"


class StorageSystem(_System):
    kind = vim.host.StorageSystem
    name = "storageSystem"

    def __init__(self, number: str, datastore: Datastore) -> None:
        super().__init__(number)
        self._datastore = datastore

    @managed_property
    def fileSystemVolumeInfo(self, session: Any = None) -> Any:
        mount = vim.host.FileSystemMountInfo(
            mountInfo=self._datastore.mount(), volume=self._datastore.volume()
        )
        return vim.host.FileSystemVolumeInfo(volumeTypeList=["VMFS"], mountInfo=[mount])

    @managed_property
    def storageDeviceInfo(self, session: Any = None) -> Any:
        adapter = data_object(
            vim.host.ParallelScsiHba,
            key=_key("ParallelScsiHba", _ADAPTER),
            device=_ADAPTER,
            status="online",
            model="lab",
        )
        return data_object(vim.host.StorageDeviceInfo, hostBusAdapter=[adapter])


class DatastoreSystem(_System):
    kind = vim.host.DatastoreSystem
    name = "datastoreSystem"

    def __init__(self, number: str, datastore: Datastore) -> None:
        super().__init__(number)
        self._datastore = datastore

    @managed_property
    def datastore(self, session: Any = None) -> Any:
        return references(vim.Datastore, [self._datastore])
