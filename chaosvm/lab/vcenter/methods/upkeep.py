"""The rest of what is done to a VM: Tools, console, customization, upgrades."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.managed_object import Call, SoapFault, method
from chaosvm.lab.vcenter.methods.placement import find_entity
from chaosvm.lab.vcenter.methods.provisioning import ProvisioningMethods
from chaosvm.lab.vcenter.methods.task_method import task_method
from chaosvm.lab.vcenter.states import POWER_STATES, tools_running
from chaosvm.lab.vcenter.vm_config import SETTINGS

__all__ = ["UpkeepMethods"]

_NEWEST_HARDWARE = "vmx-21"
_TOOLS_MOUNTED = "toolsInstallerMounted"


class UpkeepMethods(ProvisioningMethods):
    def _require_power(self, wanted: str) -> None:
        existing = POWER_STATES[self.machine.state]
        if existing != wanted:
            fault = vim.fault.InvalidPowerState(requestedState=wanted, existingState=existing)
            raise SoapFault(fault, f"The virtual machine is {existing}.")

    def _set(self, **settings: Any) -> None:
        vm = self.machine
        data = vm.platform_data
        both = {**data.get(SETTINGS, {}), **settings}
        self.inventory.world.change(vm.id, platform_data={**data, SETTINGS: both})

    # Upgrades --------------------------------------------------------------------------

    @task_method("UpgradeVM_Task")
    def upgrade(self, call: Call) -> None:
        self._require_power("poweredOff")
        version = call.get("version") or _NEWEST_HARDWARE
        current = str(self.get("config.version"))
        if _number(version) is None:
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="version"))
        if _number(version) <= (_number(current) or 0):
            raise SoapFault(vim.fault.AlreadyUpgraded(), f"Its version is {current}.")
        self._set(version=version)

    @task_method("UpgradeTools_Task")
    def upgrade_tools(self, call: Call) -> None:
        self._require_tools()

    @method("MountToolsInstaller")
    def mount_tools(self, call: Call) -> None:
        self._require_power("poweredOn")
        self._set(**{_TOOLS_MOUNTED: True})

    @method("UnmountToolsInstaller")
    def unmount_tools(self, call: Call) -> None:
        self._require_power("poweredOn")
        self._set(**{_TOOLS_MOUNTED: False})

    def _require_tools(self) -> None:
        self._require_power("poweredOn")
        if not tools_running(self.machine):
            raise SoapFault(vim.fault.ToolsUnavailable(), "VMware Tools is not running.")

    # Console ---------------------------------------------------------------------------

    @method("PutUsbScanCodes")
    def put_scan_codes(self, call: Call) -> int:
        """The number of keys that have been sent; the guest does not react to them."""
        self._require_power("poweredOn")
        return len(call.get("spec").keyEvents)

    @method("AcquireTicket")
    def ticket(self, call: Call) -> Any:
        """A ticket for a console that nothing serves."""
        self._require_power("poweredOn")
        host = self._host_name()
        kind, ticket = call.get("ticketType"), secrets.token_hex(8)
        scheme = f"wss://{host}:443/ticket/{ticket}" if kind == "webmks" else None
        return vim.VirtualMachine.Ticket(
            ticket=ticket,
            cfgFile=self.get("config.files.vmPathName"),
            host=host,
            port=443 if kind == "webmks" else 902,
            url=scheme,
        )

    @method("AcquireMksTicket")
    def mks_ticket(self, call: Call) -> Any:
        self._require_power("poweredOn")
        host = self._host_name()
        return vim.VirtualMachine.MksTicket(
            ticket=secrets.token_hex(8),
            cfgFile=self.get("config.files.vmPathName"),
            host=host,
            port=902,
        )

    def _host_name(self) -> str:
        host = self.inventory.world.registered_host(self.machine)
        if host is None:
            raise SoapFault(vmodl.fault.HostNotConnected(), "The virtual machine has no host.")
        return host.name

    @task_method("CreateScreenshot_Task")
    def screenshot(self, call: Call) -> str:
        self._require_power("poweredOn")
        path = str(self.get("config.files.vmPathName")).removesuffix(".vmx")
        return f"{path}-1.png"

    @method("SetScreenResolution")
    def set_resolution(self, call: Call) -> None:
        self._require_tools()

    # Customization and clones ----------------------------------------------------------

    @method("CheckCustomizationSpec")
    def check_customization(self, call: Call) -> None:
        """Every specification suits every guest."""

    @task_method("CustomizeVM_Task")
    def customize(self, call: Call) -> None:
        """The guest's name and addresses, which it reports after its next start."""
        self._require_power("poweredOff")
        spec, fields = call.get("spec"), dict[str, Any]()
        name = getattr(getattr(spec.identity, "hostName", None), "name", None)
        if name is not None:
            fields["fqdn"] = ".".join(filter(None, (name, getattr(spec.identity, "domain", ""))))
        addresses = tuple(_fixed_addresses(spec.nicSettingMap or ()))
        if addresses:
            fields["ip_addresses"] = addresses
        self.inventory.world.change(self.vm_id, **fields)

    @task_method("InstantClone_Task")
    def instant_clone(self, call: Call) -> Any:
        """A running clone of a running VM."""
        self._require_power("poweredOn")
        spec = call.get("spec")
        location = spec.location
        folder = self.inventory.folder_of(self.machine)
        if location.folder is not None:
            folder = find_entity(self.inventory, location.folder, vim.Folder)
        pool = location.pool or self.get("resourcePool")
        clone = self.add_clone(spec.name, folder, pool, location.host)
        self.inventory.world.power.start(clone.vm_id, call.origin)
        return clone.reference

    # What is always up to date ---------------------------------------------------------

    @method("Reload", "RefreshStorageInfo", "ResetGuestInformation")
    def refresh(self, call: Call) -> None:
        """Nothing is cached."""


def _number(version: str) -> Any:
    digits = version.removeprefix("vmx-")
    return int(digits) if digits.isdigit() else None


def _fixed_addresses(adapters: Sequence[Any]) -> list[str]:
    found = (getattr(each.adapter.ip, "ipAddress", None) for each in adapters)
    return [address for address in found if address]
