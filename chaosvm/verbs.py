"""What people call on any platform: the same verbs, results and errors.

Each verb checks all that it was given before anything is sent, reads the
inventory once, chooses, and hands over to ``power.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from logzero import logger

from chaosvm import values
from chaosvm.deadline import Deadline
from chaosvm.errors import NoSuchVM, OperationFailed, OperationRefused
from chaosvm.ledger import Ledger, of_run
from chaosvm.order import Order
from chaosvm.outcome import Batch, Outcome, failure_text
from chaosvm.platform import Platform
from chaosvm.power import carry_out, refuse
from chaosvm.safety import Safety
from chaosvm.selection import Choice, Selection, find_one
from chaosvm.settling import settle, unsettled
from chaosvm.undo import judged, restore
from chaosvm.vm import VM, PowerState

__all__ = ["VMPlatform"]

# Logging out is courtesy: it must not hold up the end of an experiment.
_LONGEST_LOGOUT = 10.0


class VMPlatform(Platform):
    """A platform whose VMs can be listed and switched."""

    safety: Safety = Safety()

    # Connecting, for Python ------------------------------------------------------

    def connect(self) -> Self:
        """Log in now; without it, the first call does."""
        self.open(self._reading())
        return self

    def disconnect(self) -> None:
        """Log out, in at most ten seconds."""
        self.close(Deadline(min(self.timeout, _LONGEST_LOGOUT), self.clock))

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disconnect()

    # Reading ---------------------------------------------------------------------

    def list_vms(self, vms: Any = None) -> list[VM]:
        """Every VM, or those that fit a selection (then possibly none)."""
        deadline = self._reading()
        found = self._read(vms, deadline)
        return self.with_tags(found, deadline) if self.tags_in_lists else found

    def count_vms(self, vms: Any = None) -> int:
        """How many VMs there are, or fit a selection."""
        return len(self._read(vms, self._reading(), count_only=True))

    def get_vm(self, vm_name: str) -> VM:
        """The one VM of this name, id, instance UUID or inventory path."""
        deadline = self._reading()
        return self.with_tags([self._find(vm_name, deadline, remembered=True)], deadline)[0]

    def vm_power_state(self, vm_name: str) -> PowerState:
        """The power state of one VM."""
        return self._find(vm_name, self._reading(), remembered=True).power_state

    def vm_has_power_state(self, vm_name: str, expected: str) -> bool:
        """Is one VM in this power state?"""
        wanted = values.choice("expected", expected, PowerState)
        return self.vm_power_state(vm_name) is wanted

    def all_vms_have_power_state(self, vms: Any, expected: str) -> bool:
        """Are all the selected VMs in this power state? No VM selected is an error."""
        wanted = values.choice("expected", expected, PowerState)
        selection = self._selection(vms)
        inventory = self._inventory_for(selection, self._reading())
        chosen = selection.choose(inventory, self.untouchable).vms
        others = [vm for vm in chosen if vm.power_state is not wanted]
        for vm in others:
            logger.info(f"{vm} is {vm.power_state}, not {wanted}")
        return not others

    def inventory_summary(self, vms: Any = None) -> dict[str, Any]:
        """Counts of VMs by power state, datacenter and cluster, and the server's version."""
        deadline = self._reading()
        counted = self._read(vms, deadline)
        return {
            "platform": self.name,
            **self.server_info(deadline),
            "vms": len(counted),
            "templates": sum(vm.template for vm in counted),
            "cpu_count": sum(vm.cpu_count or 0 for vm in counted),
            "memory_mb": sum(vm.memory_mb or 0 for vm in counted),
            "power_states": _counted(vm.power_state.value for vm in counted),
            "datacenters": _counted(vm.datacenter for vm in counted),
            "clusters": _counted(vm.cluster for vm in counted),
            "hosts": _counted(vm.host for vm in counted),
        }

    # Acting ----------------------------------------------------------------------

    def power_on(self, vm_name: str, timeout: float = 300) -> Outcome:
        """Power on one VM; a suspended one resumes."""
        return self._one("power_on", vm_name, timeout=timeout)

    def power_off(
        self,
        vm_name: str,
        graceful: bool = True,
        timeout: float = 300,
        on_timeout: str = "hard",
    ) -> Outcome:
        """Shut down the guest of one VM, or cut its power."""
        return self._one(
            "power_off", vm_name, graceful=graceful, timeout=timeout, on_timeout=on_timeout
        )

    def reboot(self, vm_name: str, graceful: bool = True, timeout: float = 300) -> Outcome:
        """Reboot the guest of one VM, or reset it."""
        return self._one("reboot", vm_name, graceful=graceful, timeout=timeout)

    def suspend(self, vm_name: str, timeout: float = 300) -> Outcome:
        """Suspend one VM."""
        return self._one("suspend", vm_name, timeout=timeout)

    def batch_power_on(self, vms: Any, parallel: int = 10, timeout: float = 300) -> Batch:
        """Power on all the selected VMs."""
        return self._many("power_on", vms, parallel, timeout=timeout)

    def batch_power_off(
        self,
        vms: Any,
        parallel: int = 10,
        graceful: bool = True,
        timeout: float = 300,
        on_timeout: str = "hard",
    ) -> Batch:
        """Shut down the guests of all the selected VMs, or cut their power."""
        return self._many(
            "power_off", vms, parallel, graceful=graceful, timeout=timeout, on_timeout=on_timeout
        )

    def batch_reboot(
        self, vms: Any, parallel: int = 10, graceful: bool = True, timeout: float = 300
    ) -> Batch:
        """Reboot the guests of all the selected VMs, or reset them."""
        return self._many("reboot", vms, parallel, graceful=graceful, timeout=timeout)

    def batch_suspend(self, vms: Any, parallel: int = 10, timeout: float = 300) -> Batch:
        """Suspend all the selected VMs."""
        return self._many("suspend", vms, parallel, timeout=timeout)

    def switch(self, operation: str, vm_id: str, vm_name: str, **options: Any) -> Outcome:
        """One operation on the VM of this id, for callers who know it from elsewhere.

        Raises NoSuchVM where the platform has no such id, and OperationRefused
        where the VM of that id has another name: it is not the one that was meant.
        """
        order, deadline = self._ordered(operation, **options)
        found = [vm for vm in self.inventory(deadline, only=[vm_id]) if vm.id == vm_id]
        if not found:
            raise NoSuchVM(f"no VM has the id {vm_id!r}, where {vm_name!r} should be")
        if found[0].name != vm_name:
            raise OperationRefused(
                f"refused, and nothing was touched: {vm_id} is {found[0].name!r} and not "
                f"{vm_name!r}"
            )
        return self._switch(order, found[0], deadline)

    def restore_power_states(
        self,
        timeout: float = 300,
        parallel: int = 10,
        force: bool = False,
        ledger: Ledger | None = None,
    ) -> Batch:
        """Bring every VM that this run has changed back to the state it had before.

        ``ledger`` is another run's, as ``Ledger.resumed(path)`` gives it. The VM
        changed last comes first. One that is back already is left alone, and so
        is one that somebody else has changed since, unless ``force`` is true.
        """
        seconds = values.timeout_seconds("timeout", timeout)
        width = values.integer("parallel", parallel, 1, self.most_parallel)
        forced = values.boolean("force", force)
        deadline = Deadline(seconds, self.clock)
        return judged(restore(self, ledger or self._ledger(), deadline, width, forced))

    # How an action goes: check everything, read once, choose, carry out ------------

    def _one(self, operation: str, vm_name: str, **options: Any) -> Outcome:
        values.text("vm_name", vm_name)
        order, deadline = self._ordered(operation, **options)
        return self._switch(order, self._find(vm_name, deadline), deadline)

    def _switch(self, order: Order, vm: VM, deadline: Deadline) -> Outcome:
        if reason := self.untouchable(vm):
            raise OperationRefused(f"refused, and nothing was touched: {vm} {reason}")
        return self._carry_out(order, Choice((vm,)), deadline).outcomes[0]

    def _many(self, operation: str, vms: Any, parallel: int, **options: Any) -> Batch:
        selection = self._selection(vms)
        width = values.integer("parallel", parallel, 1, self.most_parallel)
        order, deadline = self._ordered(operation, parallel=width, **options)
        inventory = self._inventory_for(selection, deadline)
        choice = selection.choose(inventory, self.untouchable)
        for vm, reason in choice.passed_over:
            logger.info(f"{operation}: {vm} {reason}, so it is passed over")
        return self._carry_out(order, choice, deadline)

    def _read(self, vms: Any, deadline: Deadline, count_only: bool = False) -> list[VM]:
        """All VMs, or those that fit; none is an answer too."""
        selection = self._selection({"all": True} if vms is None else vms)
        fields = selection.fields if count_only else None
        return selection.read(self._inventory_for(selection, deadline, fields))

    def _selection(self, vms: Any) -> Selection:
        selection = Selection(vms)
        selection.refuse_keys(self.lacks, self.name)
        return selection

    def _find(self, vm_name: str, deadline: Deadline, remembered: bool = False) -> VM:
        """The one VM that is meant; for an action, never by what was true before."""
        wanted = values.text("vm_name", vm_name)
        return find_one(self.inventory(deadline, [wanted], remembered), wanted)

    def _inventory_for(
        self, selection: Selection, deadline: Deadline, fields: Collection[str] | None = None
    ) -> list[VM]:
        vms = self.inventory(deadline, only=selection.only, fields=fields)
        return self.with_tags(vms, deadline) if selection.needs_tags else vms

    def _ordered(self, operation: str, **options: Any) -> tuple[Order, Deadline]:
        order = Order.checked(operation, **options)
        return order, Deadline(order.timeout, self.clock)

    def _carry_out(self, order: Order, choice: Choice, deadline: Deadline) -> Batch:
        drawn = "" if choice.seed is None else f", drawn with seed {choice.seed}"
        refuse(self, choice.vms, order)
        names = ", ".join(str(vm) for vm in choice.vms)
        logger.info(f"{order.operation} of {len(choice.vms)} VM(s){drawn}: {names}")
        outcomes = self._outcomes(choice.vms, order, deadline)
        batch = Batch(tuple(outcomes), choice.seed, choice.passed_over)
        if batch.failed:
            raise OperationFailed(failure_text(order.operation, outcomes, choice.seed), outcomes)
        return batch

    def _outcomes(self, vms: Sequence[VM], order: Order, deadline: Deadline) -> list[Outcome]:
        """Those for which something that was sent earlier is under way come last."""
        ledger = self._ledger()
        late = unsettled(self, vms, ledger)
        ready = [vm for vm in vms if vm not in late]
        outcomes = carry_out(self, ready, order, deadline, ledger)
        if late:
            settled = settle(self, late, ledger, deadline)
            # One that is gone meanwhile is found to be so, and told, like any other.
            again = [settled[vm.id] or vm for vm in late]
            outcomes += carry_out(self, again, order, deadline, ledger, all_or_none=False)
        by_id = {outcome.id: outcome for outcome in outcomes}
        return [by_id[vm.id] for vm in vms]

    def _ledger(self) -> Ledger:
        return of_run(self.safety.ledger)

    def _reading(self) -> Deadline:
        return Deadline(self.timeout, self.clock)


def _counted(words: Iterable[str | None]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        if word is not None:
            counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items()))
