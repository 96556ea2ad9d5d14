"""What hosts have, the same for each: a switch with two port groups, a card, and the datastore."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pyVmomi import vim

from chaosvm.lab.vcenter.entities import Datastore, references
from chaosvm.lab.vcenter.interfaces import Compute
from chaosvm.lab.vcenter.managed import Managed, prop
from chaosvm.lab.vcenter.values import made
from chaosvm.lab.vcenter.words import VM_NETWORK
from chaosvm.lab.world import Host

__all__ = ["HostSystems"]

_MANAGEMENT = "Management Network"
_SWITCH, _CARD, _INTERFACE, _ADAPTER = "vSwitch0", "vmnic0", "vmk0", "vmhba0"
_PORTS = 1536


@dataclass(frozen=True, slots=True)
class HostSystems:
    """What a host's configuration manager leads to."""

    network: NetworkSystem
    storage: StorageSystem
    datastores: DatastoreSystem

    @classmethod
    def of(cls, host_moid: str, host: Host, compute: Compute) -> HostSystems:
        number = host_moid.rpartition("-")[2]
        store = compute.datacenter.store
        return cls(
            NetworkSystem(number, host),
            StorageSystem(number, store),
            DatastoreSystem(number, store),
        )

    def all(self) -> Sequence[Managed]:
        return self.network, self.storage, self.datastores


class _System(Managed):
    """Numbered as its host is."""

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

    @prop
    def dnsConfig(self, session: Any = None) -> Any:
        name, _, domain = self._host.name.partition(".")
        return vim.host.DnsConfig(dhcp=False, hostName=name, domainName=domain)

    @prop
    def networkInfo(self, session: Any = None) -> Any:
        return vim.host.NetworkInfo(
            vswitch=[_switch()],
            portgroup=[_port_group(VM_NETWORK), _port_group(_MANAGEMENT)],
            pnic=[self._card()],
            vnic=[self._interface()],
            dnsConfig=self.dnsConfig(session),
            ipV6Enabled=False,
        )

    def _card(self) -> Any:
        speed = vim.host.PhysicalNic.LinkSpeedDuplex(speedMb=10_000, duplex=True)
        return made(
            vim.host.PhysicalNic,
            key=_key("PhysicalNic", _CARD),
            device=_CARD,
            pci="0000:03:00.0",
            driver="lab",
            linkSpeed=speed,
            mac=self._mac("56"),
        )

    def _interface(self) -> Any:
        address = vim.host.IpConfig(
            dhcp=False, ipAddress=_address(self._host, self.number), subnetMask="255.255.0.0"
        )
        return vim.host.VirtualNic(
            device=_INTERFACE,
            key=_key("VirtualNic", _INTERFACE),
            portgroup=_MANAGEMENT,
            spec=vim.host.VirtualNic.Specification(
                ip=address, mac=self._mac("60"), portgroup=_MANAGEMENT, mtu=1500
            ),
        )

    def _mac(self, last: str) -> str:
        return f"00:50:56:{self.number >> 8 & 0x3F:02x}:{self.number & 0xFF:02x}:{last}"


def _address(host: Host, number: int) -> str:
    """Its own, where it is known as a number."""
    try:
        return str(ipaddress.ip_address(host.address))
    except ValueError:
        return f"10.255.{number >> 8 & 0xFF}.{number & 0xFF}"


def _switch() -> Any:
    groups = [_key("PortGroup", name) for name in (VM_NETWORK, _MANAGEMENT)]
    bridge = vim.host.VirtualSwitch.BondBridge(nicDevice=[_CARD])
    return vim.host.VirtualSwitch(
        name=_SWITCH,
        key=_key("VirtualSwitch", _SWITCH),
        numPorts=_PORTS,
        numPortsAvailable=_PORTS,
        mtu=1500,
        portgroup=groups,
        pnic=[_key("PhysicalNic", _CARD)],
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

    def __init__(self, number: str, store: Datastore) -> None:
        super().__init__(number)
        self._store = store

    @prop
    def fileSystemVolumeInfo(self, session: Any = None) -> Any:
        mounted = vim.host.FileSystemMountInfo(
            mountInfo=self._store.mount(), volume=self._store.volume()
        )
        return vim.host.FileSystemVolumeInfo(volumeTypeList=["VMFS"], mountInfo=[mounted])

    @prop
    def storageDeviceInfo(self, session: Any = None) -> Any:
        adapter = made(
            vim.host.ParallelScsiHba,
            key=_key("ParallelScsiHba", _ADAPTER),
            device=_ADAPTER,
            status="online",
            model="lab",
        )
        return made(vim.host.StorageDeviceInfo, hostBusAdapter=[adapter])


class DatastoreSystem(_System):
    kind = vim.host.DatastoreSystem
    name = "datastoreSystem"

    def __init__(self, number: str, store: Datastore) -> None:
        super().__init__(number)
        self._store = store

    @prop
    def datastore(self, session: Any = None) -> Any:
        return references(vim.Datastore, [self._store])
