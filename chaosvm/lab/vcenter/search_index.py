"""SearchIndex: entities by path, UUID, DNS name and IP address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.compute_resources import Compute, ResourcePool
from chaosvm.lab.vcenter.entities import Datacenter, Folder
from chaosvm.lab.vcenter.inventory import Inventory
from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, SoapFault, method
from chaosvm.lab.vcenter.states import escape_name, tools_running
from chaosvm.lab.vcenter.virtual_machine import VirtualMachine
from chaosvm.lab.vcenter.vm_config import bios_uuid
from chaosvm.lab.vcenter.vm_storage import vmx_path

__all__ = ["SearchIndex"]


class SearchIndex(ManagedObject):
    kind = vim.SearchIndex

    def __init__(self, inventory: Inventory) -> None:
        super().__init__("SearchIndex")
        self._inventory = inventory

    @method("FindByInventoryPath")
    def by_path(self, call: Call) -> Any:
        names = [name for name in (call.get("inventoryPath") or "").split("/") if name]
        entity: ManagedObject | None = self._inventory.root
        for name in names:
            entity = self._child(entity, name)
            if entity is None:
                return None
        return entity.reference if entity is not None and names else None

    @method("FindByDatastorePath")
    def by_datastore_path(self, call: Call) -> Any:
        path, datacenter = call.get("path"), call.get("datacenter")._moId
        compute_of = self._inventory.compute_of
        vms = self._inventory.find_machines(
            lambda vm: (
                vmx_path(self._inventory, vm) == path
                and compute_of(vm).datacenter.moid == datacenter
            )
        )
        return vim.VirtualMachine(vms[0].moid) if vms else None

    @method("FindChild")
    def child(self, call: Call) -> Any:
        entity = call.get("entity")
        parent = self._inventory.find(entity._moId)
        if parent is None:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=entity))
        match = self._child(parent, call.get("name"))
        return match.reference if match else None

    @method("FindByUuid")
    def by_uuid(self, call: Call) -> Any:
        return _first(self.all_by_uuid(call))

    @method("FindAllByUuid")
    def all_by_uuid(self, call: Call) -> list[Any]:
        uuid = (call.get("uuid") or "").lower()
        if not call.get("vmSearch"):
            hosts = self._inventory.tree.hosts.items()
            return [host.reference for host_id, host in hosts if (host_id or "").lower() == uuid]
        if call.get("instanceUuid"):
            return self._vms(call, lambda vm: vm.id.lower() == uuid)
        return self._vms(call, lambda vm: bios_uuid(vm).lower() == uuid)

    @method("FindByDnsName")
    def by_dns_name(self, call: Call) -> Any:
        return _first(self.all_by_dns_name(call))

    @method("FindAllByDnsName")
    def all_by_dns_name(self, call: Call) -> list[Any]:
        dns_name = call.get("dnsName")
        if not call.get("vmSearch"):
            hosts = self._inventory.tree.hosts.values()
            return [host.reference for host in hosts if host.plain_name == dns_name]
        return self._vms(call, lambda vm: vm.fqdn == dns_name and tools_running(vm))

    @method("FindByIp")
    def by_address(self, call: Call) -> Any:
        return _first(self.all_by_address(call))

    @method("FindAllByIp")
    def all_by_address(self, call: Call) -> list[Any]:
        ip = call.get("ip")
        if not call.get("vmSearch"):
            return []
        return self._vms(call, lambda vm: ip in vm.reported_addresses)

    def _vms(self, call: Call, predicate: Callable[[Machine], bool]) -> list[Any]:
        vms = self._inventory.find_machines(predicate)
        datacenter = call.get("datacenter")
        if datacenter is not None:
            compute_of = self._inventory.compute_of
            vms = [vm for vm in vms if compute_of(vm).datacenter.moid == datacenter._moId]
        return [vim.VirtualMachine(vm.moid) for vm in vms]

    def _child(self, entity: ManagedObject | None, name: str) -> ManagedObject | None:
        children: list[Any] = []
        if isinstance(entity, Folder):
            children = list(entity.children)
        elif isinstance(entity, Datacenter):
            children = list(entity.folders)
        elif isinstance(entity, Compute):
            children = [*entity.hosts, entity.pool]
        elif isinstance(entity, ResourcePool):
            children = list(entity.pools)
        machines = self._inventory.machines() if isinstance(entity, Folder) else {}
        lowered = name.lower()
        for child in children:
            vm = machines.get(child.moid)
            named = vm.name if isinstance(child, VirtualMachine) and vm else child
            if _name_of(named).lower() == lowered:
                return child  # type: ignore[no-any-return]
        return None


def _name_of(entity: Any) -> str:
    return escape_name(entity if isinstance(entity, str) else getattr(entity, "plain_name", ""))


def _first(references: list[Any]) -> Any:
    return references[0] if references else None
