"""oVirt and OLVM as a platform: what ``chaosvm.power`` needs from an engine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import ovirtsdk4 as sdk

from chaosvm.deadline import Deadline
from chaosvm.errors import (
    Busy,
    InWrongState,
    NoAnswer,
    NotSupported,
    StepFailed,
    VMGone,
)
from chaosvm.management import is_at
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.faults import fault_text
from chaosvm.olvm.inventory import Inventory, power_state, read_one, status_of
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.olvm.tags import read_tagged, read_tags
from chaosvm.olvm.watch import OLVMWatch
from chaosvm.order import Operation, Order
from chaosvm.outcome import Batch, Outcome
from chaosvm.platform import Step, Ticket
from chaosvm.safety import Safety
from chaosvm.settings import load
from chaosvm.verbs import VMPlatform
from chaosvm.vm import VM, PowerState

__all__ = ["OLVMPlatform"]

_STARTING = ("wait_for_launch", "powering_up", "restoring_state")
_RUNNING = ("up", "powering_up", "wait_for_launch", "reboot_in_progress", "migrating")
# In these the engine accepts the step, so that a conflict can only be a lock.
_ALLOWED = {
    Step.POWER_ON: ("down", "suspended", "paused"),
    Step.POWER_OFF: (*_RUNNING, "powering_down", "paused", "not_responding", "suspended"),
    Step.SHUTDOWN_GUEST: (*_RUNNING, "paused", "not_responding", "suspended"),
    Step.REBOOT_GUEST: ("up", "powering_up"),
    Step.RESET: _RUNNING,
    Step.SUSPEND: ("up",),
}
_REACHED = {
    Step.POWER_ON: "up",
    Step.POWER_OFF: "down",
    Step.SHUTDOWN_GUEST: "down",
    Step.SUSPEND: "suspended",
}


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

    def with_tags(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        tags = read_tags(self._client, [vm.id for vm in vms], deadline)
        return [replace(vm, tags=tags.get(vm.id)) for vm in vms]

    def send(self, vm: VM, step: Step, order: Order, deadline: Deadline) -> Ticket:
        accepted = Ticket(vm.id, reference=step, correlation_id=order.run)
        if step is Step.POWER_ON and vm.status in _STARTING:
            return accepted

        def request(system: Any) -> None:
            _ask(system.vms_service().vm_service(vm.id), step, order)

        # A second shutdown would be a hard stop to an engine that is on the first.
        once = step.asks_guest or not step.repeatable
        try:
            self._client.change(request, deadline, once=once)
        except NoAnswer as error:
            raise NoAnswer(str(error), accepted) from error
        except sdk.Error as error:
            return self._conflict(vm, step, error, accepted, deadline)
        return accepted

    def watch(self, vms: Sequence[VM], order: Order, deadline: Deadline) -> OLVMWatch:
        return OLVMWatch(self._client, vms, order, self._inventory.total)

    def untouchable(self, vm: VM) -> str | None:
        if vm.metadata.get("origin") in ("hosted_engine", "managed_hosted_engine"):
            return "is the engine's own VM"
        if is_at(vm, self.settings.host):
            return "is the engine's own VM"
        return None

    def opted_out(self, vms: Sequence[VM], tag: str, deadline: Deadline) -> dict[str, str]:
        """As the engine's search has it: a tag below it, or written in capitals, counts too."""
        carrying = read_tagged(self._client, tag, [vm.id for vm in vms], deadline)
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
        if vm.metadata.get("pool_id") and order.operation is not Operation.POWER_ON:
            return "belongs to a pool, whose monitor may start it again by itself"
        if vm.metadata.get("stateless") and order.operation is Operation.POWER_OFF:
            return "is stateless: what it wrote is lost when it is off"
        return None

    def server_info(self, deadline: Deadline) -> dict[str, Any]:
        api = self._client.read(lambda system: system.get(), deadline)
        product = api.product_info
        version = product.version if product else None
        return {
            "server": self.settings.address,
            "product": product.name if product else None,
            "version": version.full_version if version else None,
        }

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

    def _conflict(
        self, vm: VM, step: Step, error: Any, accepted: Ticket, deadline: Deadline
    ) -> Ticket:
        """What a refusal means: its text is in the engine's language, so look at the VM."""
        if error.code == 400 and step is Step.RESET:
            raise NotSupported(fault_text(error)) from error
        told = read_one(self._client, vm.id, deadline)
        if told is None:
            raise VMGone("the VM does not exist any more") from error
        status = status_of(told)
        if error.code != 409:
            raise StepFailed(fault_text(error)) from error
        if status == _REACHED.get(step):
            raise InWrongState(f"the VM is {status}", power_state(status)) from error
        if step is Step.POWER_ON and status in _STARTING:
            return accepted
        if status in _ALLOWED[step] or power_state(status) is PowerState.TRANSITIONING:
            raise Busy(f"the VM is {status}, and the engine says: {fault_text(error)}") from error
        raise InWrongState(
            f"the VM is {status}, and the engine says: {fault_text(error)}", power_state(status)
        ) from error


def _ask(service: Any, step: Step, order: Order) -> None:
    headers = {"Correlation-Id": order.run}
    match step:
        case Step.POWER_ON:
            service.start(headers=headers)
        case Step.POWER_OFF:
            service.stop(reason=order.reason, headers=headers)
        case Step.SHUTDOWN_GUEST:
            service.shutdown(reason=order.reason, headers=headers)
        case Step.REBOOT_GUEST:
            service.reboot(headers=headers)
        case Step.RESET:
            service.reset(headers=headers)
        case Step.SUSPEND:
            service.suspend(headers=headers)
