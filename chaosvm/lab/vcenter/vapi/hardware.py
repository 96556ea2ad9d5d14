"""What a VM consists of, and what its guest reports, for the vSphere Automation API."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.vapi.errors import VapiError
from chaosvm.lab.vcenter.vapi.operations import Operation, Request, operation_table
from chaosvm.lab.vcenter.vapi.structures import Map, Structure
from chaosvm.lab.vcenter.virtual_machine import VirtualMachine

__all__ = ["operations", "vm_info"]

_HARDWARE = "com.vmware.vcenter.vm.hardware"
_GUEST = "com.vmware.vcenter.vm.guest"
_NIC_TYPES = {
    vim.vm.device.VirtualVmxnet3: "VMXNET3",
    vim.vm.device.VirtualVmxnet2: "VMXNET2",
    vim.vm.device.VirtualE1000e: "E1000E",
    vim.vm.device.VirtualE1000: "E1000",
    vim.vm.device.VirtualPCNet32: "PCNET32",
}
_SYSTEMS = {"windows2019srv_64Guest": "WINDOWS_SERVER_2019"}
_FAMILIES = {"windowsGuest": "WINDOWS", "linuxGuest": "LINUX"}

Find = Callable[[Request], VirtualMachine]


def operations(find: Find) -> Iterable[Operation]:
    def of_vm(build: Callable[[VirtualMachine], Any]) -> Callable[[Request], Any]:
        return lambda request: build(find(request))

    def one(build: Callable[[VirtualMachine], Map], key: str) -> Callable[[Request], Any]:
        def get(request: Request) -> Any:
            number = request.required(key)
            devices = build(find(request))
            if number not in devices:
                raise VapiError("not_found", f"The virtual machine has no {key} {number!r}.")
            return devices[number]

        return get

    def summaries(build: Callable[[VirtualMachine], Map], key: str) -> Callable[[Request], Any]:
        name = f"{_HARDWARE}.{'ethernet' if key == 'nic' else key}.summary"
        return lambda request: [Structure(name, **{key: number}) for number in build(find(request))]

    root = "/vcenter/vm/{vm}"
    for service, path, build in (
        (f"{_HARDWARE}.cpu", "hardware/cpu", _cpu),
        (f"{_HARDWARE}.memory", "hardware/memory", _memory),
        (f"{_HARDWARE}.boot", "hardware/boot", _boot),
        (_HARDWARE, "hardware", _version),
        ("com.vmware.vcenter.vm.tools", "tools", _tools),
        (f"{_GUEST}.identity", "guest/identity", _identity),
        (f"{_GUEST}.networking", "guest/networking", _networking),
    ):
        yield Operation(service, "get", of_vm(build), "GET", f"{root}/{path}")
    yield Operation(
        f"{_GUEST}.networking.interfaces",
        "list",
        of_vm(_interfaces),
        "GET",
        f"{root}/guest/networking/interfaces",
    )
    for service, key, devices in (("ethernet", "nic", _nics), ("disk", "disk", _disks)):
        yield from operation_table(
            f"{_HARDWARE}.{service}",
            f"{root}/hardware/{service}",
            ("list", "GET", "", None, summaries(devices, key)),
            ("get", "GET", f"/{{{key}}}", None, one(devices, key)),
        )


def vm_info(vm: VirtualMachine, state: str) -> Any:
    empty = ("cdroms", "floppies", "parallel_ports", "serial_ports", "sata_adapters")
    return Structure(
        "com.vmware.vcenter.VM.info",
        name=vm.plain_name,
        guest_OS=_guest_os(vm),
        power_state=state,
        identity=Structure(
            "com.vmware.vcenter.vm.identity.info",
            name=vm.plain_name,
            bios_uuid=vm.get("config.uuid"),
            instance_uuid=vm.get("config.instanceUuid"),
        ),
        instant_clone_frozen=False,
        hardware=_version(vm),
        boot=_boot(vm),
        boot_devices=[],
        cpu=_cpu(vm),
        memory=_memory(vm),
        disks=_disks(vm),
        nics=_nics(vm),
        scsi_adapters=_scsi_adapters(vm),
        nvme_adapters=Map(),
        **{name: Map() for name in empty},
    )


def _guest_os(vm: VirtualMachine) -> str:
    """GuestOS of a guestId: words in upper case with underscores between them."""
    name = str(vm.get("config.guestId"))
    plain = name.replace("Guest", "")
    return _SYSTEMS.get(name) or re.sub("(?<=[a-z])(?=[A-Z0-9])", "_", plain).upper()


def _version(vm: VirtualMachine) -> Any:
    return Structure(
        f"{_HARDWARE}.info",
        version=str(vm.get("config.version")).upper().replace("-", "_"),
        upgrade_policy="NEVER",
        upgrade_status="NONE",
    )


def _boot(vm: VirtualMachine) -> Any:
    return Structure(
        f"{_HARDWARE}.boot.info",
        type="EFI" if vm.get("config.firmware") == "efi" else "BIOS",
        delay=0,
        retry=False,
        retry_delay=10_000,
        enter_setup_mode=False,
    )


def _cpu(vm: VirtualMachine) -> Any:
    return Structure(
        f"{_HARDWARE}.cpu.info",
        count=vm.get("config.hardware.numCPU"),
        cores_per_socket=vm.get("config.hardware.numCoresPerSocket"),
        hot_add_enabled=bool(vm.get("config.cpuHotAddEnabled")),
        hot_remove_enabled=bool(vm.get("config.cpuHotRemoveEnabled")),
    )


def _memory(vm: VirtualMachine) -> Any:
    return Structure(
        f"{_HARDWARE}.memory.info",
        size_MiB=vm.get("config.hardware.memoryMB"),
        hot_add_enabled=bool(vm.get("config.memoryHotAddEnabled")),
    )


def _devices(vm: VirtualMachine, kind: Any) -> Any:
    return [each for each in vm.get("config.hardware.device") or () if isinstance(each, kind)]


def _nics(vm: VirtualMachine) -> Map:
    cards = _devices(vm, vim.vm.device.VirtualEthernetCard)
    return Map({str(card.key): _nic(card) for card in cards})


def _nic(card: Any) -> Any:
    network = getattr(card.backing, "network", None)
    backing = Structure(
        f"{_HARDWARE}.ethernet.backing_info",
        type="STANDARD_PORTGROUP",
        network=network._moId if network is not None else None,
        network_name=getattr(card.backing, "deviceName", None),
    )
    return Structure(
        f"{_HARDWARE}.ethernet.info",
        label=card.deviceInfo.label,
        type=_NIC_TYPES.get(type(card), "VMXNET3"),
        upt_compatibility_enabled=False,
        mac_type=str(card.addressType or "assigned").upper(),
        mac_address=card.macAddress,
        wake_on_lan_enabled=bool(card.wakeOnLanEnabled),
        backing=backing,
        state="CONNECTED" if card.connectable.connected else "NOT_CONNECTED",
        start_connected=card.connectable.startConnected,
        allow_guest_control=card.connectable.allowGuestControl,
    )


def _disks(vm: VirtualMachine) -> Map:
    return Map({str(disk.key): _disk(disk) for disk in _devices(vm, vim.vm.device.VirtualDisk)})


def _disk(disk: Any) -> Any:
    address = Structure(f"{_HARDWARE}.scsi_address_info", bus=0, unit=disk.unitNumber)
    backing = Structure(
        f"{_HARDWARE}.disk.backing_info", type="VMDK_FILE", vmdk_file=disk.backing.fileName
    )
    return Structure(
        f"{_HARDWARE}.disk.info",
        label=disk.deviceInfo.label,
        type="SCSI",
        scsi=address,
        backing=backing,
        capacity=disk.capacityInBytes,
    )


def _scsi_adapters(vm: VirtualMachine) -> Map:
    controllers = _devices(vm, vim.vm.device.VirtualSCSIController)
    return Map({str(each.key): _scsi_adapter(each) for each in controllers})


def _scsi_adapter(controller: Any) -> Any:
    scsi = Structure(
        f"{_HARDWARE}.scsi_address_info",
        bus=controller.busNumber,
        unit=controller.scsiCtlrUnitNumber,
    )
    return Structure(
        f"{_HARDWARE}.adapter.scsi.info",
        label=controller.deviceInfo.label,
        type="PVSCSI",
        scsi=scsi,
        sharing="NONE",
    )


# The guest -------------------------------------------------------------------------------


def _require_tools(vm: VirtualMachine) -> None:
    if vm.get("guest.toolsRunningStatus") != "guestToolsRunning":
        raise VapiError("service_unavailable", "VMware Tools is not running.")


def _tools(vm: VirtualMachine) -> Any:
    running = vm.get("guest.toolsRunningStatus") == "guestToolsRunning"
    installed = vm.get("guest.toolsVersionStatus2") != "guestToolsNotInstalled"
    number = int(vm.get("guest.toolsVersion") or 0)
    return Structure(
        "com.vmware.vcenter.vm.tools.info",
        auto_update_supported=False,
        version_number=number or None,
        version=str(number) if number else None,
        upgrade_policy="MANUAL",
        version_status="CURRENT" if installed else "NOT_INSTALLED",
        install_type="OPEN_VM_TOOLS" if installed else None,
        run_state="RUNNING" if running else "NOT_RUNNING",
    )


def _identity(vm: VirtualMachine) -> Any:
    _require_tools(vm)
    full_name = str(vm.get("guest.guestFullName") or "")
    return Structure(
        f"{_GUEST}.identity.info",
        name=_guest_os(vm),
        family=_FAMILIES.get(str(vm.get("guest.guestFamily")), "OTHER"),
        full_name=Structure(
            "com.vmware.vapi.std.localizable_message",
            id="vmsg.guestos.fullname",
            default_message=full_name,
            args=[],
        ),
        host_name=vm.get("guest.hostName") or "",
        ip_address=vm.get("guest.ipAddress"),
    )


def _networking(vm: VirtualMachine) -> Any:
    _require_tools(vm)
    name, _, domain = str(vm.get("guest.hostName") or "").partition(".")
    return Structure(
        f"{_GUEST}.networking.info",
        dns_values=Structure(f"{_GUEST}.dns_assigned_values", host_name=name, domain_name=domain),
        dns=Structure(f"{_GUEST}.dns_config_info", ip_addresses=[], search_domains=[]),
    )


def _interfaces(vm: VirtualMachine) -> Any:
    _require_tools(vm)
    return [
        Structure(
            f"{_GUEST}.networking.interfaces.info",
            mac_address=nic.macAddress,
            nic=str(nic.deviceConfigId),
            ip=Structure(
                f"{_GUEST}.networking.interfaces.ip_config_info",
                ip_addresses=[_ip_address(address) for address in nic.ipAddress or ()],
            ),
        )
        for nic in vm.get("guest.net") or ()
    ]


def _ip_address(address: str) -> Any:
    return Structure(
        f"{_GUEST}.networking.interfaces.ip_address_info",
        ip_address=address,
        prefix_length=64 if ":" in address else 24,
        state="PREFERRED",
    )
