"""The operations that activities and Python code call, the same on every platform.

An operation checks all its arguments before anything is read or sent, then reads the
inventory once, selects from it, and hands the target over.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from typing import Any

from chaosvm.backend import Operation, Order
from chaosvm.errors import InvalidValue, NoSuchVM, OperationRefused
from chaosvm.ledger import Ledger
from chaosvm.outcome import Batch, Outcome
from chaosvm.plans import Plan
from chaosvm.restore import (
    as_dry_run,
    kept_if_interrupted,
    raise_if_failed,
    records_to_restore,
    restore,
)
from chaosvm.runtime import Deadline
from chaosvm.selection import Selection
from chaosvm.service.base import ServiceBase
from chaosvm.service.counts import COUNTED_FIELDS, vm_counts
from chaosvm.service.orders import checked_order
from chaosvm.settings import values
from chaosvm.vm import VM, PowerState

__all__ = ["VMService"]

logger = logging.getLogger("chaostoolkit")


class _Verb(StrEnum):
    """The actions that can be planned."""

    POWER_ON = "power_on"
    POWER_OFF = "power_off"
    REBOOT = "reboot"
    SUSPEND = "suspend"
    OUTAGE = "outage"


class VMService(ServiceBase):
    """Lists VMs and changes their power.

    Safe to use from several threads. ``safety`` holds the guards' settings.
    """

    # Reading ---------------------------------------------------------------------

    def list_vms(self, vms: Any = None) -> list[VM]:
        """Every VM, or those that match a selection, which may be none."""
        deadline = self._reading()
        listed = self._read(vms, deadline)
        with_tags = self.backend.lists_include_tags
        return self.backend.with_tags(listed, deadline) if with_tags else listed

    def count_vms(self, vms: Any = None) -> int:
        """The number of VMs, or of those that match a selection."""
        return len(self._read(vms, self._reading(), fields=()))

    def get_vm(self, vm_name: str) -> VM:
        """The one VM of this name, id, instance UUID or inventory path."""
        deadline = self._reading()
        vm = self._reader.one(vm_name, deadline, allow_cached=True)
        return self.backend.with_tags([vm], deadline)[0]

    def vm_power_state(self, vm_name: str) -> PowerState:
        """The power state of one VM."""
        fields = ("power_state",)
        vm = self._reader.one(vm_name, self._reading(), allow_cached=True, fields=fields)
        return vm.power_state

    def vm_has_power_state(self, vm_name: str, expected: str) -> bool:
        """True if the VM is in this power state."""
        state = values.choice("expected", expected, PowerState)
        return self.vm_power_state(vm_name) is state

    def all_vms_have_power_state(self, vms: Any, expected: str) -> bool:
        """True if all the selected VMs are in this power state; raises an error for none."""
        state = values.choice("expected", expected, PowerState)
        chosen = self.server_observer.chosen(vms, self._reading(), ("power_state",))
        others = [vm for vm in chosen if vm.power_state is not state]
        for vm in others:
            logger.info(f"{vm} is {vm.power_state}, not {state}")
        return not others

    def inventory_summary(self, vms: Any = None) -> dict[str, Any]:
        """Counts of VMs by power state, datacenter and cluster, and the server's version."""
        deadline = self._reading()
        counted = self._read(vms, deadline, fields=COUNTED_FIELDS)
        info = self.backend.server_info(deadline)
        return {"platform": self.name, **info, **vm_counts(counted)}

    # Acting ----------------------------------------------------------------------

    def power_on(self, vm_name: str, timeout: float = 300, wait_for: str = "power") -> Outcome:
        """Power on one VM, and wait for a milestone; a suspended VM resumes."""
        return self._run_single("power_on", vm_name, timeout=timeout, wait_for=wait_for)

    def power_off(
        self,
        vm_name: str,
        graceful: bool = True,
        timeout: float = 300,
        on_timeout: str = "hard",
    ) -> Outcome:
        """Shut down the guest of one VM, or cut its power."""
        return self._run_single(
            "power_off", vm_name, graceful=graceful, timeout=timeout, on_timeout=on_timeout
        )

    def reboot(
        self,
        vm_name: str,
        graceful: bool = True,
        timeout: float = 300,
        on_timeout: str = "fail",
        wait_for: str = "power",
    ) -> Outcome:
        """Reboot the guest of one VM, or reset it, and wait for a milestone."""
        return self._run_single(
            "reboot",
            vm_name,
            graceful=graceful,
            timeout=timeout,
            on_timeout=on_timeout,
            wait_for=wait_for,
        )

    def suspend(self, vm_name: str, timeout: float = 300) -> Outcome:
        """Suspend one VM."""
        return self._run_single("suspend", vm_name, timeout=timeout)

    def batch_power_on(
        self,
        vms: Any,
        parallel: int = 10,
        timeout: float = 300,
        wait_for: str = "power",
        waves: int = 1,
        interval: float = 0,
    ) -> Batch:
        """Power on all the selected VMs, and wait for a milestone of each."""
        options = {"wait_for": wait_for, "waves": waves, "interval": interval}
        return self._run_batch("power_on", vms, parallel, timeout=timeout, **options)

    def batch_power_off(
        self,
        vms: Any,
        parallel: int = 10,
        graceful: bool = True,
        timeout: float = 300,
        on_timeout: str = "hard",
        waves: int = 1,
        interval: float = 0,
    ) -> Batch:
        """Shut down the guests of all the selected VMs, or cut their power."""
        return self._run_batch(
            "power_off",
            vms,
            parallel,
            graceful=graceful,
            timeout=timeout,
            on_timeout=on_timeout,
            waves=waves,
            interval=interval,
        )

    def batch_reboot(
        self,
        vms: Any,
        parallel: int = 10,
        graceful: bool = True,
        timeout: float = 300,
        on_timeout: str = "fail",
        wait_for: str = "power",
        waves: int = 1,
        interval: float = 0,
    ) -> Batch:
        """Reboot the guests of all the selected VMs, or reset them; wait for a milestone."""
        return self._run_batch(
            "reboot",
            vms,
            parallel,
            graceful=graceful,
            timeout=timeout,
            on_timeout=on_timeout,
            wait_for=wait_for,
            waves=waves,
            interval=interval,
        )

    def batch_suspend(
        self,
        vms: Any,
        parallel: int = 10,
        timeout: float = 300,
        waves: int = 1,
        interval: float = 0,
    ) -> Batch:
        """Suspend all the selected VMs."""
        options = {"waves": waves, "interval": interval}
        return self._run_batch("suspend", vms, parallel, timeout=timeout, **options)

    def outage(
        self,
        vms: Any,
        duration: float = 60,
        parallel: int = 10,
        graceful: bool = True,
        timeout: float = 300,
        on_timeout: str = "hard",
        wait_for: str = "power",
        waves: int = 1,
        interval: float = 0,
    ) -> Batch:
        """Power the selected VMs off, keep them off for some seconds, and power them on again."""
        return self._run_batch(
            "power_off",
            vms,
            parallel,
            graceful=graceful,
            timeout=timeout,
            on_timeout=on_timeout,
            wait_for=wait_for,
            waves=waves,
            interval=interval,
            duration=duration,
        )

    def operate_by_id(self, operation: str, vm_id: str, vm_name: str, **options: Any) -> Outcome:
        """Operate on the VM with this id, for callers that have it from elsewhere.

        Raises NoSuchVM if the platform has no such id, and OperationRefused if the VM
        with that id has another name: it is not the intended one.
        """

        def check(vms: Sequence[VM]) -> None:
            vm = next((vm for vm in vms if vm.id == vm_id), None)
            if vm is None:
                raise NoSuchVM(f"no VM has the id {vm_id!r}, which is that of {vm_name!r}")
            if vm.name != vm_name:
                raise OperationRefused(
                    f"refused, and nothing was touched: {vm_id} is {vm.name!r}, not {vm_name!r}"
                )

        order, deadline = self._ordered(operation, **options)
        target = self._targets.find(Selection({"ids": [vm_id]}), deadline, check=check)
        return self._operations.run_single(order, target, deadline)

    def plan(self, operation: str, vms: Any, parallel: int = 10, **options: Any) -> Plan:
        """What a batch action with these arguments would do now; nothing is touched.

        Takes the options of the batch actions. The plan can be passed to the batch
        action of its operation instead of a selection.
        """
        verb = values.choice("operation", operation, _Verb)
        action = self.outage if verb is _Verb.OUTAGE else getattr(self, f"batch_{verb}")
        given = _with_defaults(action, options)
        width = values.integer("parallel", parallel, 1, self.max_parallel)
        sent = Operation.POWER_OFF if verb is _Verb.OUTAGE else verb
        order, _ = self._ordered(sent, parallel=width, **given)
        wanted = self._targets.selection_or_plan(vms, order)
        target = self._targets.find(wanted, self._reading(), return_refused=True)
        plan = self._operations.plan(order, target)
        for line in plan.lines():
            logger.info(f"plan: {line}")
        return plan

    def restore_power_states(
        self,
        timeout: float = 300,
        parallel: int = 10,
        force: bool = False,
        ledger: Ledger | None = None,
        dry_run: bool | None = None,
    ) -> Batch:
        """Bring every VM that this run has changed back to the state it had before.

        ``ledger`` is another run's, as ``Ledger.resumed(path)`` gives it. The VM
        changed last comes first. One that is already back is left alone, and so
        is one that was changed externally since, unless ``force`` is true.
        Guards do not apply. ``dry_run`` defaults to that of ``safety``.
        """
        seconds = values.timeout_seconds("timeout", timeout)
        width = values.integer("parallel", parallel, 1, self.max_parallel)
        forced = values.boolean("force", force)
        deadline = Deadline(seconds, self.clock)
        dry = self.safety.dry_run if dry_run is None else dry_run
        source = ledger or self._context.ledger()
        with kept_if_interrupted(records_to_restore(source, self.name, self.address)) as so_far:
            outcomes = restore(self.backend, source, deadline, width, forced, dry, so_far)
        batch = raise_if_failed(outcomes)
        return as_dry_run(batch) if dry and dry_run is None else batch

    def _read(
        self, vms: Any, deadline: Deadline, fields: Collection[str] | None = None
    ) -> list[VM]:
        """All VMs, or those that a selection matches; possibly none."""
        selection = self._targets.selection({"all": True} if vms is None else vms)
        needed = None if fields is None else selection.fields.union(fields)
        return selection.read(self._reader.for_probe(selection, deadline, needed))

    def _run_single(self, operation: str, vm_name: str, **options: Any) -> Outcome:
        values.vm_name(vm_name)
        order, deadline = self._ordered(operation, **options)
        target = self._targets.find(Selection({"names": [vm_name]}), deadline)
        return self._operations.run_single(order, target, deadline)

    def _run_batch(self, operation: str, vms: Any, parallel: int, **options: Any) -> Batch:
        width = values.integer("parallel", parallel, 1, self.max_parallel)
        order, deadline = self._ordered(operation, parallel=width, **options)
        target = self._targets.find(self._targets.selection_or_plan(vms, order), deadline)
        return self._operations.run(order, target, deadline)

    def _ordered(self, operation: str, **options: Any) -> tuple[Order, Deadline]:
        order = checked_order(operation, **options)
        return order, Deadline(order.timeout, self.clock)


def _with_defaults(action: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """The options of a batch action, with its own defaults for those that are not given."""
    known = {
        name: parameter.default
        for name, parameter in inspect.signature(action).parameters.items()
        if name not in ("vms", "parallel")
    }
    for name in options:
        if name not in known:
            hint = values.suggestion(name, known)
            raise InvalidValue(f"unknown option {name!r}{hint}: known are {', '.join(known)}")
    return {**known, **options}
