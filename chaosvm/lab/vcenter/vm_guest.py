"""What VMware Tools report of a VM's guest, by path below ``guest``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.states import (
    GUEST_STATES,
    POWER_STATES,
    guest_family,
    guest_full_name,
    guest_id,
    tools_running,
)
from chaosvm.lab.vcenter.templated_values import Constant, Details, Leaf, TemplatedValue
from chaosvm.lab.vcenter.vm_config import HARDWARE_VERSION, TOOLS_VERSION

__all__ = ["GUEST"]


def _tools_status(inventory: Inventory, vm: Machine) -> str:
    if not vm.guest.agent:
        return "toolsNotInstalled"
    return "toolsOk" if tools_running(vm) else "toolsNotRunning"


def _version_status(inventory: Inventory, vm: Machine) -> str:
    return "guestToolsCurrent" if vm.guest.agent else "guestToolsNotInstalled"


def _if_tools_running(getter: Callable[[Machine], Any]) -> Leaf:
    """A property that is unset unless VMware Tools are running."""
    return lambda inventory, vm: getter(vm) if tools_running(vm) else None


# All addresses are on the first card.


def _nics(cards: Sequence[tuple[int, bool]], versions: Sequence[int], *texts: str) -> list[Any]:
    macs, networks = texts[: len(cards)], texts[len(cards) : 2 * len(cards)]
    addresses = texts[2 * len(cards) :]
    return [
        vim.vm.GuestInfo.NicInfo(
            network=networks[number],
            macAddress=macs[number],
            connected=connected,
            deviceConfigId=key,
            ipAddress=[] if number else list(addresses),
            ipConfig=vim.net.IpConfigInfo(
                ipAddress=[]
                if number
                else [_address(*each) for each in zip(versions, addresses, strict=True)]
            ),
        )
        for number, (key, connected) in enumerate(cards)
    ]


def _address(version: int, address: str) -> Any:
    return vim.net.IpConfigInfo.IpAddress(
        ipAddress=address, prefixLength=24 if version == 4 else 64, state="preferred"
    )


def _nics_details(inventory: Inventory, vm: Machine) -> Details | None:
    if not tools_running(vm):
        return None
    cards = tuple((nic.key, nic.connected and nic.plugged) for nic in vm.nics)
    addresses = vm.reported_addresses if cards else ()
    versions = tuple(6 if ":" in each else 4 for each in addresses)
    macs, networks = [nic.mac for nic in vm.nics], [nic.network for nic in vm.nics]
    return (cards, versions), (*macs, *networks, *addresses)


def _disks(sizes: tuple[int, ...]) -> list[Any]:
    """Each disk has one file system, which is half full."""
    return [
        vim.vm.GuestInfo.DiskInfo(
            diskPath="/" if not number else f"/data{number}",
            capacity=size,
            freeSpace=size // 2,
            filesystemType="ext4",
        )
        for number, size in enumerate(sizes)
    ]


def _disks_details(inventory: Inventory, vm: Machine) -> Details | None:
    if not tools_running(vm):
        return None
    return (tuple(disk.size_bytes for disk in vm.disks),), ()


def _stack(name: str, domain: str) -> list[Any]:
    dns = vim.net.DnsConfigInfo(dhcp=False, hostName=name, domainName=domain)
    return [vim.vm.GuestInfo.StackInfo(dnsConfig=dns)]


def _stack_details(inventory: Inventory, vm: Machine) -> Details | None:
    if not tools_running(vm):
        return None
    name, _, domain = (vm.fqdn or "").partition(".")
    return (), (name, domain)


GUEST: Mapping[str, Leaf] = {
    "toolsStatus": _tools_status,
    "toolsRunningStatus": lambda inventory, vm: (
        "guestToolsRunning" if tools_running(vm) else "guestToolsNotRunning"
    ),
    "toolsVersionStatus": _version_status,
    "toolsVersionStatus2": _version_status,
    "toolsVersion": lambda inventory, vm: str(TOOLS_VERSION if vm.guest.agent else 0),
    "toolsInstallType": lambda inventory, vm: (
        "guestToolsTypeOpenVMTools" if vm.guest.agent else "guestToolsTypeUnknown"
    ),
    "guestId": _if_tools_running(lambda vm: guest_id(vm.os)),
    "guestFullName": _if_tools_running(lambda vm: guest_full_name(vm.os)),
    "guestFamily": _if_tools_running(lambda vm: guest_family(vm.os)),
    "hostName": _if_tools_running(lambda vm: vm.fqdn),
    "ipAddress": _if_tools_running(lambda vm: next(iter(vm.reported_addresses), None)),
    "net": TemplatedValue(_nics, _nics_details),
    "ipStack": TemplatedValue(_stack, _stack_details),
    "disk": TemplatedValue(_disks, _disks_details),
    "screen": Constant(vim.vm.GuestInfo.ScreenInfo(width=1024, height=768)),
    "guestState": lambda inventory, vm: (
        "running" if tools_running(vm) else GUEST_STATES.get(vm.state, "notRunning")
    ),
    "appHeartbeatStatus": Constant("appStatusGray"),
    "appState": Constant("none"),
    "guestKernelCrashed": lambda inventory, vm: (
        False if POWER_STATES[vm.state] == "poweredOn" else None
    ),
    "guestOperationsReady": lambda inventory, vm: tools_running(vm),
    "interactiveGuestOperationsReady": Constant(False),
    "guestStateChangeSupported": lambda inventory, vm: tools_running(vm),
    "hwVersion": Constant(HARDWARE_VERSION),
    "customizationInfo": Constant(
        vim.vm.GuestInfo.CustomizationInfo(customizationStatus="TOOLSDEPLOYPKG_IDLE")
    ),
}
