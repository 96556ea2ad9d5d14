"""vSphere as a platform: what ``chaosvm.power`` needs from a vCenter."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from pyVmomi import vim, vmodl

from chaosvm.deadline import Deadline
from chaosvm.errors import GuestUnavailable, PlatformError
from chaosvm.management import is_at
from chaosvm.names import folded
from chaosvm.order import Operation, Order
from chaosvm.platform import Step, Ticket
from chaosvm.safety import Safety
from chaosvm.settings import load
from chaosvm.verbs import VMPlatform
from chaosvm.vm import VM, PowerState
from chaosvm.vsphere.attributes import marked_by_attribute
from chaosvm.vsphere.busy import read_busy
from chaosvm.vsphere.client import VSphereClient
from chaosvm.vsphere.faults import step_error
from chaosvm.vsphere.inventory import (
    Inventory,
    fault_in_reading,
    read_everything,
    read_inventory,
)
from chaosvm.vsphere.lookup import Lookup, by_identity
from chaosvm.vsphere.properties import ALL, wanted_for
from chaosvm.vsphere.settings import VSphereSettings
from chaosvm.vsphere.tags import SomethingGone, Tag, TagReader
from chaosvm.vsphere.watch import VSphereWatch

__all__ = ["VSpherePlatform"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")

_METHODS = {
    Step.POWER_ON: "PowerOn",
    Step.POWER_OFF: "PowerOff",
    Step.SUSPEND: "Suspend",
    Step.RESET: "Reset",
    Step.SHUTDOWN_GUEST: "ShutdownGuest",
    Step.REBOOT_GUEST: "RebootGuest",
}


# So many seconds after an action began, what it read of a guest is still taken to hold.
_FRESH = 5.0


class VSpherePlatform(VMPlatform):
    """A vCenter (or a single ESXi host).

    >>> with VSpherePlatform("vcenter.example.com", "chaos@vsphere.local", password) as platform:
    ...     platform.power_off("web-01", timeout=120)

    ``timeout`` in seconds bounds each reading, and each single request of an
    action. Safe to use from several threads. Raises InvalidValue for arguments
    that cannot be used. ``safety`` is what the chaosvm_* settings are in an
    experiment; by default it comes from the environment.
    """

    name: ClassVar[str] = "vsphere"
    refuses_what_is_late: ClassVar[bool] = True
    reads_fields: ClassVar[bool] = True
    untouchable_by: ClassVar[tuple[str, ...]] = (
        "template",
        "managed_by",
        "fault_tolerance_role",
        "hostname",
        "ip_addresses",
    )

    def __init__(
        self,
        server: str,
        username: str,
        password: str,
        port: int = 443,
        ca_file: str | None = None,
        insecure: bool = False,
        timeout: float = 60,
        safety: Safety | None = None,
    ) -> None:
        self.settings = VSphereSettings.of(
            server=server,
            username=username,
            password=password,
            port=port,
            ca_file=ca_file,
            insecure=insecure,
            timeout=timeout,
        )
        self._set_up(safety)

    @classmethod
    def from_settings(
        cls, settings: VSphereSettings, safety: Safety | None = None
    ) -> VSpherePlatform:
        platform = cls.__new__(cls)
        platform.settings = settings
        platform._set_up(safety)
        return platform

    def _set_up(self, safety: Safety | None) -> None:
        self.safety = safety or load(Safety, None, None)
        self.timeout = self.settings.timeout
        self._client = VSphereClient(self.settings, pool_size=self.most_parallel)
        self._tag_reader: TagReader | None = None
        self._tag_lock = threading.Lock()
        self._lookup = Lookup()

    # Primitives ------------------------------------------------------------------

    @property
    def address(self) -> str:
        return f"{self.settings.server.lower()}:{self.settings.port}"

    def open(self, deadline: Deadline) -> None:
        self._client.login(deadline)

    def close(self, deadline: Deadline) -> None:
        if self._tag_reader is not None:
            self._tag_reader.close(deadline)
        self._client.close(deadline)

    def inventory(
        self,
        deadline: Deadline,
        only: Sequence[str] | None = None,
        remembered: bool = False,
        fields: Collection[str] | None = None,
    ) -> list[VM]:
        def read(content: Any) -> list[VM]:
            if only:
                return self._lookup.vms(content, only, remembered, fields)
            wanted = ALL if fields is None else wanted_for(fields)
            return read_everything(content, wanted).vms()

        return self._told(read, deadline)

    def in_full(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        return self._told(lambda content: by_identity(content, [vm.id for vm in vms]), deadline)

    def with_tags(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        """Those that were deleted meanwhile are left out, unless that leaves none."""
        try:
            found = self._read_tags(vms, deadline)
        except PlatformError as error:
            logger.warning(f"the tags of VMs are not known: {error}")
            found = None
        if found is None:
            return list(vms)
        return [_tagged(vm, found[vm.id]) for vm in vms if vm.id in found] or list(vms)

    def send(self, vm: VM, step: Step, order: Order, deadline: Deadline) -> Ticket:
        # Tools may have started since: only what was read just now saves the request.
        fresh = deadline.elapsed < _FRESH and not order.restores
        if step.asks_guest and fresh and (deaf := self.guest_unavailable(vm)):
            raise GuestUnavailable(deaf)

        def request(content: Any) -> Any:
            machine = vim.VirtualMachine(vm.id, self._client.transport)
            return getattr(machine, _METHODS[step])()

        try:
            task = self._client.change(request, deadline)
        except vmodl.MethodFault as fault:
            raise step_error(fault) from None
        return Ticket(vm.id, tracked=task is not None, reference=task)

    def watch(self, vms: Sequence[VM], order: Order, deadline: Deadline) -> VSphereWatch:
        return VSphereWatch(self._client, vms, order)

    def busy(self, vms: Sequence[VM], deadline: Deadline) -> set[str]:
        try:
            return self._client.read(
                lambda content: read_busy(content, [vm.id for vm in vms]), deadline
            )
        except vmodl.MethodFault as fault:
            raise fault_in_reading(fault) from None

    def untouchable(self, vm: VM) -> str | None:
        if vm.template:
            return "is a template"
        if owner := vm.metadata.get("managed_by"):
            return f"is managed by {owner}"
        if vm.metadata.get("fault_tolerance_role", 1) > 1:
            return "is the secondary of a fault tolerant VM"
        if is_at(vm, self.settings.server, self._client.transport.peers):
            return "is the vCenter's own VM"
        return None

    def guest_unavailable(self, vm: VM) -> str | None:
        if vm.metadata.get("tools_running_status") == "guestToolsNotRunning":
            return "VMware Tools are not running in the guest"
        return None

    def opted_out(self, vms: Sequence[VM], tag: str, deadline: Deadline) -> dict[str, str]:
        """By a custom attribute, which the inventory has, or a tag, of any category."""
        found = {vm.id: why for vm in vms if (why := marked_by_attribute(vm, tag))}
        tags = self._read_tags([vm for vm in vms if vm.id not in found], deadline)
        for vm_id, carried in (tags or {}).items():
            if any(folded(tag) in (folded(each.name), folded(each.qualified)) for each in carried):
                found[vm_id] = f"has the tag {tag!r}"
        return found

    def refusal(self, vm: VM, order: Order) -> str | None:
        if question := vm.metadata.get("question"):
            return f"waits for an answer to: {question}"
        suspended = vm.power_state is PowerState.SUSPENDED
        if suspended and order.operation in (Operation.POWER_OFF, Operation.REBOOT):
            return f"is suspended, and vSphere refuses {order.operation} then: power it on first"
        tools = vm.metadata.get("tools_running_status")
        if order.operation is Operation.REBOOT and order.graceful and tools != "guestToolsRunning":
            return "has no VMware Tools running that could reboot the guest: use graceful=false"
        return None

    def caution(self, vm: VM, order: Order) -> str | None:
        if order.operation is Operation.POWER_OFF and vm.metadata.get("reverts_at_power_off"):
            return (
                "is set to revert to its snapshot when it is powered off: what it has written "
                "since then is lost, and undo cannot bring it back"
            )
        return None

    def server_info(self, deadline: Deadline) -> dict[str, Any]:
        about = self._client.read(lambda content: content.about, deadline)
        return {
            "server": self.settings.server,
            "product": about.fullName,
            "version": about.version,
            "build": about.build,
        }

    # For discovery ---------------------------------------------------------------

    def system(self) -> dict[str, Any]:
        """The vCenter with its datacenters, clusters, hosts and VMs."""
        deadline = Deadline(self.timeout, self.clock)
        inventory = self._inventory(deadline)
        vms = self.with_tags(inventory.vms, deadline)
        return {
            **self.server_info(deadline),
            "counts": {
                "datacenters": len(inventory.datacenters),
                "clusters": len(inventory.clusters),
                "hosts": len(inventory.hosts),
                "vms": len(inventory.vms),
            },
            "datacenters": sorted(inventory.datacenters),
            "clusters": sorted(inventory.clusters),
            "hosts": sorted(inventory.hosts, key=lambda host: (host["name"], host["id"])),
            "vms": [vm.to_json() for vm in sorted(vms, key=lambda vm: (vm.name, vm.id))],
        }

    def _inventory(self, deadline: Deadline) -> Inventory:
        return self._told(read_inventory, deadline)

    def _told(self, request: Callable[[Any], T], deadline: Deadline) -> T:
        try:
            return self._client.read(request, deadline)
        except vmodl.MethodFault as fault:
            raise fault_in_reading(fault) from None

    def _read_tags(self, vms: Sequence[VM], deadline: Deadline) -> dict[str, list[Tag]] | None:
        """The tags of those that are there; None of a server that has no tags at all."""
        about = self._client.read(lambda content: content.about, deadline)
        # Which it is by what it is: a vCenter that answers as if it had none
        # may be one whose tags cannot be reached at the moment.
        if about.apiType == "HostAgent":
            return None
        reader = self._reader(about.apiVersion)
        moids = [vm.id for vm in vms]
        try:
            found = reader.read(moids, deadline)
        except SomethingGone as error:
            logger.debug(f"reading the tags once more: {error}")
            moids = [vm.id for vm in self.in_full(vms, deadline)]
            found = reader.read(moids, deadline)
        return {moid: found.get(moid, []) for moid in moids}

    def _reader(self, api_version: str) -> TagReader:
        with self._tag_lock:  # not while anything is asked
            if self._tag_reader is None:
                self._tag_reader = TagReader(self._client.transport, self.settings, api_version)
            return self._tag_reader


def _tagged(vm: VM, tags: list[Tag]) -> VM:
    names = tuple(sorted(tag.name for tag in tags))
    if not tags:
        return replace(vm, tags=names)
    qualified = sorted(tag.qualified for tag in tags)
    return replace(vm, tags=names, metadata={**vm.metadata, "qualified_tags": qualified})
