"""The backend for oVirt and OLVM."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from xml.etree.ElementTree import Element

from chaosvm.backend import (
    Backend,
    ClusterStatus,
    CommandHandle,
    GuestStatus,
    HostStatus,
    Operation,
    Order,
    PowerCommand,
    ServerEvent,
    ServerTime,
    events_of,
    runs_server,
)
from chaosvm.errors import AnswerLost
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.events import read_events
from chaosvm.olvm.faults import ActionRefused
from chaosvm.olvm.guest_status import read_guest_statuses
from chaosvm.olvm.host_status import cluster_statuses, host_statuses, read_time
from chaosvm.olvm.inventory import Inventory, Places
from chaosvm.olvm.refusals import is_repeatable, refusal_error
from chaosvm.olvm.search import narrowing
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.olvm.tags import TAGS_UNREADABLE, read_tagged, read_tags, search_tagged
from chaosvm.olvm.watch import Accepted, OLVMWatch
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline
from chaosvm.vm import VM, PowerState

__all__ = ["OLVMBackend"]

logger = logging.getLogger("chaostoolkit")

# The path of each action, and whether the engine takes a reason for its events.
_ACTIONS = {
    PowerCommand.POWER_ON: ("start", False),
    PowerCommand.POWER_OFF: ("stop", True),
    PowerCommand.SHUTDOWN_GUEST: ("shutdown", True),
    PowerCommand.REBOOT_GUEST: ("reboot", False),
    PowerCommand.RESET: ("reset", False),
    PowerCommand.SUSPEND: ("suspend", False),
}
# Operations that end the run of the virtual machine.
_ENDING = (Operation.POWER_OFF, Operation.REBOOT)


class OLVMBackend(Backend):
    """The primitives of an oVirt engine; see :class:`chaosvm.backend.Backend`."""

    name: ClassVar[str] = "olvm"
    shows_shutdowns: ClassVar[bool] = True  # as powering_down
    # Tags cost one request per VM or per tag.
    lists_include_tags: ClassVar[bool] = False
    unsupported_selection_keys: ClassVar[tuple[str, ...]] = ("folder",)

    def __init__(self, settings: OLVMSettings) -> None:
        self.settings = settings
        self.timeout = settings.timeout
        self._client = OLVMClient(settings)
        self._inventory = Inventory(self._client)
        self._warnings: set[str] = set()

    @property
    def address(self) -> str:
        return self.settings.address.lower()

    def open(self, deadline: Deadline) -> None:
        self._client.login(deadline)

    def close(self, deadline: Deadline) -> None:
        self._client.close(deadline)

    def inventory(
        self,
        deadline: Deadline,
        only: Sequence[str] | None = None,
        allow_cached: bool = False,
        fields: Collection[str] | None = None,
    ) -> list[VM]:
        if not only:
            return self._inventory.read_all(deadline)[0]
        return self._inventory.read_named(only, allow_cached, deadline)

    def narrowed(
        self, criteria: Mapping[str, Sequence[str]], deadline: Deadline
    ) -> list[VM] | None:
        search = narrowing(criteria)
        return None if search is None else self._inventory.search(search, deadline)

    def read_inventory(self, deadline: Deadline) -> tuple[list[VM], Places]:
        """All VMs, and all hosts, clusters and data centers."""
        return self._inventory.read_all(deadline)

    def with_tags(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        try:
            tags = read_tags(self._client, [vm.id for vm in vms], deadline)
        except TAGS_UNREADABLE as error:
            self._warn_once("tags", f"this user cannot read tags on {self.address}: {error}")
            return [replace(vm, tags=None) for vm in vms]
        return [replace(vm, tags=tags[vm.id]) for vm in vms]

    def send(
        self, vm: VM, command: PowerCommand, order: Order, deadline: Deadline
    ) -> CommandHandle:
        action, with_reason = _ACTIONS[command]
        handle = CommandHandle(vm.id, reference=Accepted(command), correlation_id=order.call_id)
        reason = order.reason if with_reason else None
        try:
            answer = self._client.act(vm.id, action, deadline, order.call_id, reason)
        except AnswerLost as error:
            raise AnswerLost(str(error), handle, is_repeatable(command)) from None
        except ActionRefused as refused:
            raise refusal_error(self._client, vm, command, refused, handle, deadline) from refused
        job = answer.find("job")
        accepted = Accepted(command, job.get("id") if job is not None else None)
        return replace(handle, reference=accepted)

    def watch(self, vms: Sequence[VM], order: Order, deadline: Deadline) -> OLVMWatch:
        return OLVMWatch(self._client, vms, order, self._inventory.total)

    def guest_statuses(self, vms: Sequence[VM], deadline: Deadline) -> dict[str, GuestStatus]:
        if not vms:
            return {}
        statuses = read_guest_statuses(self._client, vms, self._inventory.total, deadline)
        return self._inventory.with_hosts(statuses, deadline)

    def hosts(self, deadline: Deadline) -> list[HostStatus]:
        return host_statuses(self._inventory.read_places(deadline))

    def clusters(self, deadline: Deadline) -> list[ClusterStatus]:
        return cluster_statuses(self._inventory.read_places(deadline))

    def events(
        self, since: dt.datetime, deadline: Deadline, vms: Sequence[VM] | None = None
    ) -> list[ServerEvent]:
        return events_of(read_events(self._client, since, deadline), vms, since)

    def server_time(self, deadline: Deadline) -> ServerTime:
        self.open(deadline)  # which takes longer than reading the time
        return ServerTime.measured(lambda: read_time(self._client, deadline))

    def immutable_reason(self, vm: VM) -> str | None:
        if vm.metadata.get("origin") in ("hosted_engine", "managed_hosted_engine"):
            return "is the engine's own VM"
        if runs_server(vm, self.settings.host):
            return "is the engine's own VM"
        return None

    def protected_by_tag(self, vms: Sequence[VM], tag: str, deadline: Deadline) -> dict[str, str]:
        """Tags below it count too; the case of its name does not matter."""
        ids = [vm.id for vm in vms]
        try:
            tagged = read_tagged(self._client, tag, ids, deadline)
        except TAGS_UNREADABLE as error:
            tagged = search_tagged(self._client, tag, ids, deadline)
            self._warn_once(
                "protection",
                f"this user cannot read tags on {self.address} ({error}): VMs with the tag "
                f"{tag!r} are found by a search, which ignores the case of the letters a to z "
                "only",
            )
        return {vm.id: f"has the tag {tag!r} or one below it" for vm in vms if vm.id in tagged}

    def refusal_reason(self, vm: VM, order: Order) -> str | None:
        suspended = vm.power_state is PowerState.SUSPENDED
        if order.operation is Operation.SUSPEND:
            if vm.metadata.get("pool_id"):
                return "belongs to a pool, and the engine does not suspend such VMs"
            if vm.metadata.get("stateless"):
                return "is stateless, and the engine does not suspend such VMs"
            if vm.power_state is PowerState.PAUSED:
                return "is paused, and suspend needs a running VM"
        if order.operation is Operation.POWER_OFF and suspended and not order.discard_memory:
            return (
                "is suspended, and powering it off discards its saved memory: power it on "
                "first, or give discard_memory"
            )
        if order.operation is Operation.REBOOT and vm.power_state in (
            PowerState.SUSPENDED,
            PowerState.PAUSED,
        ):
            return f"is {vm.power_state}, and reboot needs a running VM"
        return None

    def warning_for(self, vm: VM, order: Order) -> str | None:
        ends, warnings = order.operation in _ENDING, []
        if vm.metadata.get("pool_id") and order.operation is not Operation.POWER_ON:
            warnings.append("belongs to a pool, whose monitor may restart it")
        if vm.metadata.get("stateless") and order.operation is Operation.POWER_OFF:
            warnings.append("is stateless: everything it has written is lost once it is off")
        if vm.metadata.get("changes_at_next_start") and ends:
            warnings.append(
                "has configuration changes that apply at its next start: it will not come "
                "back in its present configuration"
            )
        if vm.metadata.get("run_once") and ends:
            warnings.append(
                "was started with Run Once, whose options do not apply to its next start: it "
                "will not come back in its present configuration"
            )
        return "; and it ".join(warnings) or None

    def server_info(self, deadline: Deadline) -> dict[str, Any]:
        (product, version), *_ = self._client.read_list("", _root_parser, deadline)
        return {"server": self.settings.address, "product": product, "version": version}

    def _warn_once(self, topic: str, warning: str) -> None:
        """Log it once per connection: repeated probes would fill the log."""
        if topic not in self._warnings:
            self._warnings.add(topic)
            logger.warning(warning)


def _root_parser() -> XmlListParser[tuple[str | None, str | None]]:
    """Parses the root of the API: product and version."""
    return XmlListParser("-", "api", _product, requires_id=False)


def _product(api: Element) -> tuple[str | None, str | None]:
    return api.findtext("product_info/name"), api.findtext("product_info/version/full_version")
