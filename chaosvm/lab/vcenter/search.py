"""The search index: entities by path, UUID, DNS name and address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.compute import Compute
from chaosvm.lab.vcenter.devices import vmx_path
from chaosvm.lab.vcenter.entities import Datacenter, Folder
from chaosvm.lab.vcenter.estate import Estate
from chaosvm.lab.vcenter.machine import VirtualMachine
from chaosvm.lab.vcenter.managed import Call, Managed, Refused, method
from chaosvm.lab.vcenter.properties import bios_uuid
from chaosvm.lab.vcenter.words import escaped_name, tools_running
from chaosvm.lab.world import Machine

__all__ = ["SearchIndex"]


class SearchIndex(Managed):
    kind = vim.SearchIndex

    def __init__(self, estate: Estate) -> None:
        super().__init__("SearchIndex")
        self._estate = estate

    @method("FindByInventoryPath")
    def by_path(self, call: Call) -> Any:
        names = [name for name in (call.get("inventoryPath") or "").split("/") if name]
        at: Managed | None = self._estate.root
        for name in names:
            at = self._child(at, name)
            if at is None:
                return None
        return at.reference if at is not None and names else None

    @method("FindByDatastorePath")
    def by_datastore_path(self, call: Call) -> Any:
        wanted, within = call.get("path"), call.get("datacenter")._moId
        around = self._estate.compute_of
        found = self._estate.machines_where(
            lambda vm: vmx_path(self._estate, vm) == wanted and around(vm).datacenter.moid == within
        )
        return vim.VirtualMachine(found[0].moid) if found else None

    @method("FindChild")
    def child(self, call: Call) -> Any:
        entity = call.get("entity")
        above = self._estate.find(entity._moId)
        if above is None:
            raise Refused(vmodl.fault.ManagedObjectNotFound(obj=entity))
        found = self._child(above, call.get("name"))
        return found.reference if found else None

    @method("FindByUuid")
    def by_uuid(self, call: Call) -> Any:
        return _first(self.all_by_uuid(call))

    @method("FindAllByUuid")
    def all_by_uuid(self, call: Call) -> list[Any]:
        wanted = (call.get("uuid") or "").lower()
        if not call.get("vmSearch"):
            hosts = self._estate.tree.hosts.items()
            return [host.reference for host_id, host in hosts if (host_id or "").lower() == wanted]
        if call.get("instanceUuid"):
            return self._vms(call, lambda vm: vm.id.lower() == wanted)
        return self._vms(call, lambda vm: bios_uuid(vm).lower() == wanted)

    @method("FindByDnsName")
    def by_dns_name(self, call: Call) -> Any:
        return _first(self.all_by_dns_name(call))

    @method("FindAllByDnsName")
    def all_by_dns_name(self, call: Call) -> list[Any]:
        wanted = call.get("dnsName")
        if not call.get("vmSearch"):
            hosts = self._estate.tree.hosts.values()
            return [host.reference for host in hosts if host.plain_name == wanted]
        return self._vms(call, lambda vm: vm.fqdn == wanted and tools_running(vm))

    @method("FindByIp")
    def by_address(self, call: Call) -> Any:
        return _first(self.all_by_address(call))

    @method("FindAllByIp")
    def all_by_address(self, call: Call) -> list[Any]:
        wanted = call.get("ip")
        if not call.get("vmSearch"):
            return []
        return self._vms(call, lambda vm: wanted in vm.ip_addresses and tools_running(vm))

    def _vms(self, call: Call, holds: Callable[[Machine], bool]) -> list[Any]:
        found = self._estate.machines_where(holds)
        within = call.get("datacenter")
        if within is not None:
            around = self._estate.compute_of
            found = [vm for vm in found if around(vm).datacenter.moid == within._moId]
        return [vim.VirtualMachine(vm.moid) for vm in found]

    def _child(self, at: Managed | None, name: str) -> Managed | None:
        below: list[Any] = []
        if isinstance(at, Folder):
            below = list(at.children)
        elif isinstance(at, Datacenter):
            below = [at.vm_folder, at.host_folder, at.datastore_folder, at.network_folder]
        elif isinstance(at, Compute):
            below = [*at.hosts, at.pool]
        machines = self._estate.machines() if isinstance(at, Folder) else {}
        wanted = name.lower()
        for child in below:
            vm = machines.get(child.moid)
            known = vm.name if isinstance(child, VirtualMachine) and vm else child
            if _name_of(known).lower() == wanted:
                return child  # type: ignore[no-any-return]
        return None


def _name_of(thing: Any) -> str:
    return escaped_name(thing if isinstance(thing, str) else getattr(thing, "plain_name", ""))


def _first(found: list[Any]) -> Any:
    return found[0] if found else None
