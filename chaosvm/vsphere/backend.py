"""The backend for vSphere: reads, commands and watches of a vCenter."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from pyVmomi import vim, vmodl

from chaosvm.backend import (
    Alarm,
    Backend,
    ClusterStatus,
    CommandHandle,
    GuestStatus,
    HostStatus,
    OnTimeout,
    Operation,
    Order,
    PowerCommand,
    ServerEvent,
    ServerTime,
    events_of,
    runs_server,
)
from chaosvm.errors import GuestUnavailable, ObjectDeleted, PlatformError
from chaosvm.runtime import Deadline
from chaosvm.selection import folded
from chaosvm.vm import VM, PowerState
from chaosvm.vsphere.client import VSphereClient
from chaosvm.vsphere.custom_attributes import protection_reason
from chaosvm.vsphere.events import read_events
from chaosvm.vsphere.faults import command_error
from chaosvm.vsphere.guest_status import read_guest_statuses
from chaosvm.vsphere.host_status import read_alarms, read_clusters, read_hosts
from chaosvm.vsphere.inventory import (
    Inventory,
    read_error,
    read_object_graph,
)
from chaosvm.vsphere.inventory import (
    read_inventory as read_whole_inventory,
)
from chaosvm.vsphere.name_cache import NameCache, read_vms_by_id
from chaosvm.vsphere.properties import ALL_PATHS, paths_for_fields
from chaosvm.vsphere.running_tasks import vms_with_running_tasks
from chaosvm.vsphere.settings import VSphereSettings
from chaosvm.vsphere.tags import Tag, TagReader
from chaosvm.vsphere.uptimes import GuestUptimes
from chaosvm.vsphere.watch import VSphereWatch

__all__ = ["VSphereBackend"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")

_METHODS = {
    PowerCommand.POWER_ON: "PowerOn",
    PowerCommand.POWER_OFF: "PowerOff",
    PowerCommand.SUSPEND: "Suspend",
    PowerCommand.RESET: "Reset",
    PowerCommand.SHUTDOWN_GUEST: "ShutdownGuest",
    PowerCommand.REBOOT_GUEST: "RebootGuest",
}
# Seconds after the start of an action for which the status of VMware Tools is taken as current.
_TOOLS_STATUS_TTL = 5.0
# Why the state of a VM is unknown, by VirtualMachineConnectionState.
_CONNECTION_PROBLEMS = {
    "disconnected": "its host is not connected",
    "inaccessible": "its host cannot access its files",
    "orphaned": "it is no longer registered on its host",
    "invalid": "its configuration is invalid",
}


class VSphereBackend(Backend):
    """The primitives of a vCenter (or a single ESXi host): see :class:`chaosvm.backend.Backend`."""

    name: ClassVar[str] = "vsphere"
    rejects_stale_state: ClassVar[bool] = True
    supports_partial_reads: ClassVar[bool] = True
    immutable_fields: ClassVar[tuple[str, ...]] = (
        "template",
        "managed_by",
        "fault_tolerance_role",
        "hostname",
        "ip_addresses",
    )

    def __init__(self, settings: VSphereSettings) -> None:
        self.settings = settings
        self.timeout = self.settings.timeout
        self._client = VSphereClient(self.settings, pool_size=self.max_parallel)
        self._tag_reader: TagReader | None = None
        self._tag_lock = threading.Lock()
        self._name_cache = NameCache()
        self._uptimes = GuestUptimes()

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
        allow_cached: bool = False,
        fields: Collection[str] | None = None,
    ) -> list[VM]:
        def read(content: Any) -> list[VM]:
            if only:
                return self._name_cache.vms(content, only, allow_cached, fields)
            paths = ALL_PATHS if fields is None else paths_for_fields(fields)
            return read_object_graph(content, paths).vms()

        return self._read(read, deadline)

    def hydrate(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        return self._read(lambda content: read_vms_by_id(content, [vm.id for vm in vms]), deadline)

    def with_tags(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        """Those that were deleted meanwhile are left out, unless that leaves none."""
        try:
            tags = self._read_tags(vms, deadline)
        except PlatformError as error:
            logger.warning(f"the tags of VMs could not be read: {error}")
            tags = None
        if tags is None:
            return list(vms)
        return [_tagged(vm, tags[vm.id]) for vm in vms if vm.id in tags] or list(vms)

    def send(
        self, vm: VM, command: PowerCommand, order: Order, deadline: Deadline
    ) -> CommandHandle:
        # VMware Tools may have started since: an older status does not save the request.
        is_current = deadline.elapsed < _TOOLS_STATUS_TTL and not order.is_restore
        if command.is_guest_command and is_current and (reason := self.guest_unavailable(vm)):
            raise GuestUnavailable(reason)

        def request(content: Any) -> Any:
            machine = vim.VirtualMachine(vm.id, self._client.transport)
            return getattr(machine, _METHODS[command])()

        try:
            task = self._client.change(request, deadline)
        except vmodl.MethodFault as fault:
            raise command_error(fault) from None
        return CommandHandle(vm.id, tracked=task is not None, reference=task)

    def watch(self, vms: Sequence[VM], order: Order, deadline: Deadline) -> VSphereWatch:
        return VSphereWatch(self._client, vms, order)

    def busy_vms(self, vms: Sequence[VM], deadline: Deadline) -> set[str]:
        return self._read(
            lambda content: vms_with_running_tasks(content, [vm.id for vm in vms]), deadline
        )

    def guest_statuses(self, vms: Sequence[VM], deadline: Deadline) -> dict[str, GuestStatus]:
        if not vms:
            return {}
        return self._read(
            lambda content: read_guest_statuses(content, vms, self._uptimes), deadline
        )

    def hosts(self, deadline: Deadline) -> list[HostStatus]:
        return self._read(read_hosts, deadline)

    def clusters(self, deadline: Deadline) -> list[ClusterStatus]:
        return self._read(read_clusters, deadline)

    def events(
        self, since: dt.datetime, deadline: Deadline, vms: Sequence[VM] | None = None
    ) -> list[ServerEvent]:
        found = self._read(lambda content: read_events(content, since, vms, self.address), deadline)
        return events_of(found, vms, since)

    def alarms(self, deadline: Deadline) -> list[Alarm]:
        return self._read(read_alarms, deadline)

    def server_time(self, deadline: Deadline) -> ServerTime:
        self.open(deadline)  # which takes longer than reading the time
        instance = vim.ServiceInstance("ServiceInstance", self._client.transport)
        return ServerTime.measured(lambda: self._read(lambda _: instance.CurrentTime(), deadline))

    def immutable_reason(self, vm: VM) -> str | None:
        if vm.template:
            return "is a template"
        if owner := vm.metadata.get("managed_by"):
            return f"is managed by {owner}"
        if vm.metadata.get("fault_tolerance_role", 1) > 1:
            return "is the secondary of a fault tolerant VM"
        if runs_server(vm, self.settings.server, self._client.transport.peers):
            return "is the vCenter's own VM"
        return None

    def guest_unavailable(self, vm: VM) -> str | None:
        if vm.metadata.get("tools_running_status") == "guestToolsNotRunning":
            return "VMware Tools are not running in the guest"
        return None

    def protected_by_tag(self, vms: Sequence[VM], tag: str, deadline: Deadline) -> dict[str, str]:
        """By a custom attribute, which the inventory has, or a tag in any category."""
        reasons = {vm.id: reason for vm in vms if (reason := protection_reason(vm, tag))}
        tags = self._read_tags([vm for vm in vms if vm.id not in reasons], deadline)
        for vm_id, vm_tags in (tags or {}).items():
            if any(folded(tag) in (folded(each.name), folded(each.qualified)) for each in vm_tags):
                reasons[vm_id] = f"has the tag {tag!r}"
        return reasons

    def refusal_reason(self, vm: VM, order: Order) -> str | None:
        if vm.power_state is PowerState.UNKNOWN:
            problem = _CONNECTION_PROBLEMS.get(vm.metadata.get("connection_state", ""))
            return f"is in an unknown power state: {problem}" if problem else None
        if question := vm.metadata.get("question"):
            return f"waits for an answer to: {question}"
        suspended = vm.power_state is PowerState.SUSPENDED
        if suspended and order.operation in (Operation.POWER_OFF, Operation.REBOOT):
            return f"is suspended, and vSphere refuses {order.operation} then: power it on first"
        tools = vm.metadata.get("tools_running_status")
        asks_guest = order.operation is Operation.REBOOT and order.graceful
        if asks_guest and order.on_timeout is OnTimeout.FAIL and tools != "guestToolsRunning":
            return (
                "has no VMware Tools running that could reboot the guest: use graceful=false, or "
                "on_timeout=reset"
            )
        return None

    def warning_for(self, vm: VM, order: Order) -> str | None:
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

    def read_inventory(self, deadline: Deadline) -> Inventory:
        return self._read(read_whole_inventory, deadline)

    def _read(self, request: Callable[[Any], T], deadline: Deadline) -> T:
        try:
            return self._client.read(request, deadline)
        except vmodl.MethodFault as fault:
            raise read_error(fault) from None

    def _read_tags(self, vms: Sequence[VM], deadline: Deadline) -> dict[str, list[Tag]] | None:
        """The tags of the VMs that exist; None if the server is an ESXi host, without tags."""
        about = self._client.read(lambda content: content.about, deadline)
        # Decided by the server's type: a vCenter without a working REST API may have tags.
        if about.apiType == "HostAgent":
            return None
        reader = self._shared_tag_reader(about.apiVersion)
        moids = [vm.id for vm in vms]
        try:
            tags = reader.read(moids, deadline)
        except ObjectDeleted as error:
            logger.debug(f"reading the tags again: {error}")
            moids = [vm.id for vm in self.hydrate(vms, deadline)]
            tags = reader.read(moids, deadline)
        return {moid: tags.get(moid, []) for moid in moids}

    def _shared_tag_reader(self, api_version: str) -> TagReader:
        with self._tag_lock:
            if self._tag_reader is None:
                self._tag_reader = TagReader(self._client.transport, self.settings, api_version)
            return self._tag_reader


def _tagged(vm: VM, tags: list[Tag]) -> VM:
    names = tuple(sorted(tag.name for tag in tags))
    if not tags:
        return replace(vm, tags=names)
    qualified = sorted(tag.qualified for tag in tags)
    return replace(vm, tags=names, metadata={**vm.metadata, "qualified_tags": qualified})
