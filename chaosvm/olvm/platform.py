"""oVirt and OLVM as a platform: what ``chaosvm.power`` needs from an engine."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from xml.etree.ElementTree import Element

from chaosvm.deadline import Deadline
from chaosvm.errors import NoAnswer
from chaosvm.management import is_at
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.faults import ActionRefused
from chaosvm.olvm.inventory import Inventory
from chaosvm.olvm.items import Items
from chaosvm.olvm.refusals import may_be_repeated, why_refused
from chaosvm.olvm.search import narrowing
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.olvm.tags import TAGS_UNREADABLE, read_tagged, read_tags, search_tagged
from chaosvm.olvm.watch import Accepted, OLVMWatch
from chaosvm.order import Operation, Order
from chaosvm.outcome import Batch, Outcome
from chaosvm.platform import Step, Ticket
from chaosvm.safety import Safety
from chaosvm.settings import load
from chaosvm.verbs import VMPlatform
from chaosvm.vm import VM, PowerState

__all__ = ["OLVMPlatform"]

logger = logging.getLogger("chaostoolkit")

# The path of each request, and whether the engine takes a reason for its log with it.
_ACTIONS = {
    Step.POWER_ON: ("start", False),
    Step.POWER_OFF: ("stop", True),
    Step.SHUTDOWN_GUEST: ("shutdown", True),
    Step.REBOOT_GUEST: ("reboot", False),
    Step.RESET: ("reset", False),
    Step.SUSPEND: ("suspend", False),
}
# What an operation that ends this running machine means for one that cannot come back.
_ENDING = (Operation.POWER_OFF, Operation.REBOOT)


class OLVMPlatform(VMPlatform):
    """An oVirt engine, such as Oracle Linux Virtualization Manager's.

    >>> with OLVMPlatform("https://engine.example.com/ovirt-engine/api",
    ...                   "admin@internal", password) as platform:
    ...     platform.power_off("web-01", timeout=120)

    ``timeout`` in seconds bounds each reading, and each single request of an
    action. Safe to use from several threads. Raises InvalidValue for arguments
    that cannot be used. ``safety`` is what the chaosvm_* settings are in an
    experiment; by default it comes from the environment.
    """

    name: ClassVar[str] = "olvm"
    shows_shutdowns: ClassVar[bool] = True  # as powering_down
    # Tags cost a request for each VM or each tag.
    tags_in_lists: ClassVar[bool] = False
    lacks: ClassVar[tuple[str, ...]] = ("folder",)

    def __init__(
        self,
        url: str,
        username: str,
        password: str,
        ca_file: str | None = None,
        insecure: bool = False,
        timeout: float = 60,
        safety: Safety | None = None,
    ) -> None:
        self._set_up(
            OLVMSettings.of(
                url=url,
                username=username,
                password=password,
                ca_file=ca_file,
                insecure=insecure,
                timeout=timeout,
            ),
            safety,
        )

    @classmethod
    def from_settings(cls, settings: OLVMSettings, safety: Safety | None = None) -> OLVMPlatform:
        platform = cls.__new__(cls)
        platform._set_up(settings, safety)
        return platform

    def _set_up(self, settings: OLVMSettings, safety: Safety | None) -> None:
        self.settings = settings
        self.safety = safety or load(Safety, None, None)
        self.timeout = settings.timeout
        self._client = OLVMClient(settings)
        self._inventory = Inventory(self._client)
        self._warned_of: set[str] = set()

    # What only an engine can do --------------------------------------------------

    def power_off(
        self,
        vm_name: str,
        graceful: bool = True,
        timeout: float = 300,
        on_timeout: str = "hard",
        discard_memory: bool = False,
    ) -> Outcome:
        """As everywhere; ``discard_memory`` also stops a suspended VM, whose memory is lost."""
        return self._one(
            "power_off",
            vm_name,
            graceful=graceful,
            timeout=timeout,
            on_timeout=on_timeout,
            discard_memory=discard_memory,
        )

    def batch_power_off(
        self,
        vms: Any,
        parallel: int = 10,
        graceful: bool = True,
        timeout: float = 300,
        on_timeout: str = "hard",
        discard_memory: bool = False,
    ) -> Batch:
        """As everywhere; ``discard_memory`` also stops suspended VMs, whose memory is lost."""
        return self._many(
            "power_off",
            vms,
            parallel,
            graceful=graceful,
            timeout=timeout,
            on_timeout=on_timeout,
            discard_memory=discard_memory,
        )

    # Primitives ------------------------------------------------------------------

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
        remembered: bool = False,
        fields: Collection[str] | None = None,
    ) -> list[VM]:
        if not only:
            return self._inventory.everything(deadline)[0]
        return self._inventory.some(only, remembered, deadline)

    def narrowed(
        self, criteria: Mapping[str, Sequence[str]], deadline: Deadline
    ) -> list[VM] | None:
        search = narrowing(criteria)
        return None if search is None else self._inventory.found_by(search, deadline)

    def with_tags(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        try:
            tags = read_tags(self._client, [vm.id for vm in vms], deadline)
        except TAGS_UNREADABLE as error:
            self._warn_once("tags", f"this user cannot read tags on {self.address}: {error}")
            return [replace(vm, tags=None) for vm in vms]
        return [replace(vm, tags=tags[vm.id]) for vm in vms]

    def send(self, vm: VM, step: Step, order: Order, deadline: Deadline) -> Ticket:
        action, with_reason = _ACTIONS[step]
        ticket = Ticket(vm.id, reference=Accepted(step), correlation_id=order.run)
        reason = order.reason if with_reason else None
        try:
            answer = self._client.act(vm.id, action, deadline, order.run, reason)
        except NoAnswer as error:
            raise NoAnswer(str(error), ticket, may_be_repeated(step)) from None
        except ActionRefused as refused:
            raise why_refused(self._client, vm, step, refused, ticket, deadline) from refused
        job = answer.find("job")
        accepted = Accepted(step, job.get("id") if job is not None else None)
        return replace(ticket, reference=accepted)

    def watch(self, vms: Sequence[VM], order: Order, deadline: Deadline) -> OLVMWatch:
        return OLVMWatch(self._client, vms, order, self._inventory.total)

    def untouchable(self, vm: VM) -> str | None:
        if vm.metadata.get("origin") in ("hosted_engine", "managed_hosted_engine"):
            return "is the engine's own VM"
        if is_at(vm, self.settings.host):
            return "is the engine's own VM"
        return None

    def opted_out(self, vms: Sequence[VM], tag: str, deadline: Deadline) -> dict[str, str]:
        """A tag below it counts too, and so does another way to write it in capitals."""
        ids = [vm.id for vm in vms]
        try:
            carrying = read_tagged(self._client, tag, ids, deadline)
        except TAGS_UNREADABLE as error:
            carrying = search_tagged(self._client, tag, ids, deadline)
            self._warn_once(
                "marks",
                f"this user cannot read tags on {self.address} ({error}): VMs with the tag "
                f"{tag!r} are taken from a search, which finds it only as it is written in "
                "plain letters, in capitals or not",
            )
        return {vm.id: f"has the tag {tag!r}" for vm in vms if vm.id in carrying}

    def refusal(self, vm: VM, order: Order) -> str | None:
        suspended = vm.power_state is PowerState.SUSPENDED
        if order.operation is Operation.SUSPEND:
            if vm.metadata.get("pool_id"):
                return "belongs to a pool, and the engine suspends none of these"
            if vm.metadata.get("stateless"):
                return "is stateless, and the engine suspends none of these"
            if vm.power_state is PowerState.PAUSED:
                return "is paused, and only a running VM can be suspended"
        if order.operation is Operation.POWER_OFF and suspended and not order.discard_memory:
            return (
                "is suspended, and powering it off throws its saved memory away: power it on "
                "first, or give discard_memory"
            )
        if order.operation is Operation.REBOOT and vm.power_state in (
            PowerState.SUSPENDED,
            PowerState.PAUSED,
        ):
            return f"is {vm.power_state}, and reboot needs a running VM"
        return None

    def caution(self, vm: VM, order: Order) -> str | None:
        ends, said = order.operation in _ENDING, []
        if vm.metadata.get("pool_id") and order.operation is not Operation.POWER_ON:
            said.append("belongs to a pool, whose monitor may start it again by itself")
        if vm.metadata.get("stateless") and order.operation is Operation.POWER_OFF:
            said.append("is stateless: what it wrote is lost when it is off")
        if vm.metadata.get("changes_at_next_start") and ends:
            said.append(
                "has changes to its configuration that wait for its next start: it does not "
                "come back as it is"
            )
        if vm.metadata.get("run_once") and ends:
            said.append(
                "was started with options for one run (Run Once), which its next start does not "
                "have: it does not come back as it is"
            )
        return "; and it ".join(said) or None

    def server_info(self, deadline: Deadline) -> dict[str, Any]:
        (product, version), *_ = self._client.items("", _root, deadline)
        return {"server": self.settings.address, "product": product, "version": version}

    # For discovery ---------------------------------------------------------------

    def system(self) -> dict[str, Any]:
        """The engine with its data centres, clusters, hosts and VMs."""
        deadline = Deadline(self.timeout, self.clock)
        vms, places = self._inventory.everything(deadline)
        return {
            **self.server_info(deadline),
            "counts": {
                "datacenters": len(places.datacenters),
                "clusters": len(places.clusters),
                "hosts": len(places.hosts),
                "vms": len(vms),
            },
            "datacenters": sorted(each.name for each in places.datacenters.values()),
            "clusters": sorted(each.name for each in places.clusters.values()),
            "hosts": [
                {"name": host.name, "id": host.id, "status": host.status}
                for host in sorted(places.hosts.values(), key=lambda host: (host.name, host.id))
            ],
            "vms": [vm.to_json() for vm in sorted(vms, key=lambda vm: (vm.name, vm.id))],
        }

    # Inside ----------------------------------------------------------------------

    def _warn_once(self, about: str, warning: str) -> None:
        """On this connection; probes that are repeated would fill the log."""
        if about not in self._warned_of:
            self._warned_of.add(about)
            logger.warning(warning)


def _root() -> Items[tuple[str | None, str | None]]:
    """What the API tells of itself: product and version."""
    return Items("-", "api", _product, identified=False)


def _product(api: Element) -> tuple[str | None, str | None]:
    return api.findtext("product_info/name"), api.findtext("product_info/version/full_version")
