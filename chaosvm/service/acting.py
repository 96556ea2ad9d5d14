"""How an action goes: read once, choose, check everything, and only then carry it out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chaosvm.backend import Backend, Operation, Order
from chaosvm.errors import ChaosVMError, GuardUnchecked, NoSuchVM, OperationFailed, PlatformError
from chaosvm.guards import (
    GuardRequest,
    RunCounter,
    Usage,
    counter_for,
    going_down,
    guard_results,
    protected_by_name,
    raise_if_exceeded,
    takes_down,
    unmatched_globs,
)
from chaosvm.ledger import Ledger, ledger_for_run
from chaosvm.ledger.history import Key
from chaosvm.outcome import Batch, How, Outcome, dry_run_outcome, failure_text
from chaosvm.plans import Plan, PlanTarget, Preview, is_plan, preview, read_plan
from chaosvm.power import in_flight, raise_if_refused, run_operation, wait_for_in_flight
from chaosvm.runtime import Clock, Deadline, journal
from chaosvm.selection import ProtectionCheck, Selection, SelectionResult, blocked_reasons
from chaosvm.service.orders import checked_order
from chaosvm.settings import Safety, values
from chaosvm.vm import VM, PowerState

__all__ = ["ActionService", "Target"]

logger = logging.getLogger("chaostoolkit")

_MOST_NAMED = 20
# From so many VMs on, reading all about all of them takes longer than another request.
_LONG = 1000
# What ``chaosvm_protect`` looks at.
_PROTECTED_BY = ("name", "id", "instance_uuid", "path")


@dataclass(frozen=True)
class Target:
    """What an action found: the VMs it is for, and those with which guards compare."""

    choice: SelectionResult
    inventory: Sequence[VM]  # all that may be touched, as far as it was read
    about: Callable[[VM], bool]  # does the selection choose among such as this?
    given: Any
    since: int


class ActionService:
    """A platform on which actions are carried out, within the bounds of ``safety``."""

    def __init__(self, backend: Backend, safety: Safety) -> None:
        self.backend = backend
        self.safety = safety
        # How many VMs there were when they were last read.
        self._size = 0

    @property
    def name(self) -> str:
        """The platform's name, such as ``vsphere``."""
        return self.backend.name

    @property
    def address(self) -> str:
        """The server, as the ledger names it."""
        return self.backend.address

    @property
    def timeout(self) -> float:
        """Seconds for each reading, and for each single request of an action."""
        return self.backend.timeout

    @property
    def clock(self) -> Clock:
        return self.backend.clock

    @property
    def max_parallel(self) -> int:
        return self.backend.max_parallel

    def _run_single(self, operation: str, vm_name: str, **options: Any) -> Outcome:
        values.text("vm_name", vm_name)
        order, deadline = self._ordered(operation, **options)
        target = self._find_target(Selection({"names": [vm_name]}), deadline)
        return self._run_target(order, target, deadline)

    def _run_target(self, order: Order, target: Target, deadline: Deadline) -> Outcome:
        try:
            batch = self._carry_out(order, target, deadline)
        except OperationFailed as failed:
            journal.keep_output(failed.outcomes[0].to_json())
            raise
        return replace(batch.outcomes[0], plan=batch.plan)

    def _run_batch(self, operation: str, vms: Any, parallel: int, **options: Any) -> Batch:
        width = values.integer("parallel", parallel, 1, self.max_parallel)
        order, deadline = self._ordered(operation, parallel=width, **options)
        return self._carry_out(
            order, self._find_target(self._target(vms, order), deadline), deadline
        )

    def _selection(self, vms: Any) -> Selection:
        selection = Selection(vms)
        selection.refuse_keys(self.backend.unsupported_selection_keys, self.name)
        return selection

    def _target(self, vms: Any, order: Order) -> Selection | PlanTarget:
        if not is_plan(vms):
            return self._selection(vms)
        planned = read_plan(vms)
        planned.check(self.name, self.address, order, lambda vm: preview(self.backend, vm, order))
        return planned

    def _find_target(
        self,
        target: Selection | PlanTarget,
        deadline: Deadline,
        tell_refused: bool = False,
        check: Callable[[Sequence[VM]], None] = lambda vms: None,
    ) -> Target:
        """The VMs to act on, and those with which the guards compare."""
        since = self._counter().usage_mark()
        whole = self.safety.needs_inventory
        narrowed = None if whole else self._narrowed(target, deadline)
        if narrowed is not None:
            try:
                return self._among(target, narrowed, since, deadline, tell_refused)
            except NoSuchVM as error:
                logger.debug(f"reading everything: {error}")
        vms = self._to_choose_from(target, whole, deadline)
        check(vms)
        if whole or target.only is None:
            self._warn_unmatched_globs(vms)
        return self._among(target, vms, since, deadline, tell_refused)

    def _among(
        self,
        target: Selection | PlanTarget,
        vms: Sequence[VM],
        since: int,
        deadline: Deadline,
        tell_refused: bool,
    ) -> Target:
        whole = self.safety.needs_inventory
        protection = self._protection_lookup(vms if whole else (), deadline)
        choice = target.choose(vms, self.backend.immutable_reason, protection, tell_refused)
        touchable = vms if whole else choice.vms
        reasons = (
            blocked_reasons(touchable, self.backend.immutable_reason, protection) if whole else {}
        )
        inventory = [vm for vm in touchable if vm.id not in reasons]
        return Target(choice, inventory, target.about, target.given, since)

    def _narrowed(self, target: Selection | PlanTarget, deadline: Deadline) -> list[VM] | None:
        """What the server finds for a selection; None where everything has to be read.

        That is also to say that nothing fits, or what there is instead.
        """
        if not isinstance(target, Selection) or target.only is not None or not target.criteria:
            return None
        vms = self.backend.narrowed(target.criteria, deadline)
        if not vms:
            return None
        if target.needs_tags:
            vms = self.backend.with_tags(vms, deadline)
        fits = bool(target.fitting(vms)) and target.names_all_exclusions(vms)
        return vms if fits else None

    def _to_choose_from(
        self, target: Selection | PlanTarget, whole: bool, deadline: Deadline
    ) -> list[VM]:
        """What there is; of a long inventory, in full only what fits."""
        if not whole and isinstance(target, Selection) and self._is_long_for(target):
            return self._read_in_two_steps(target, deadline)
        vms = self.backend.inventory(deadline, only=None if whole else target.only)
        self._size = max(self._size, len(vms))
        return self.backend.with_tags(vms, deadline) if target.needs_tags else vms

    def _is_long_for(self, selection: Selection) -> bool:
        long = self.backend.supports_partial_reads and self._size >= _LONG
        return long and selection.only is None and selection.narrows

    def _read_in_two_steps(self, selection: Selection, deadline: Deadline) -> list[VM]:
        """First what the selection looks at, and all the rest of what fits then."""
        vms = self.backend.inventory(deadline, fields=selection.fields.union(_PROTECTED_BY))
        self._size = len(vms)
        if selection.needs_tags:
            vms = self.backend.with_tags(vms, deadline)
        fitting = selection.fitting(vms)
        full = self.backend.hydrate(fitting, deadline)
        if selection.needs_tags:
            full = self.backend.with_tags(full, deadline)
        target = {vm.id for vm in fitting}
        return [*full, *(vm for vm in vms if vm.id not in target)]

    def _warn_unmatched_globs(self, everything: Sequence[VM]) -> None:
        for glob in unmatched_globs(everything, self.safety.protect):
            if self._counter().first_time((self.name, self.address, glob)):
                logger.warning(
                    f"{glob!r} in chaosvm_protect fits none of the {len(everything)} VMs on "
                    f"{self.address}, and protects nothing there"
                )

    def _protection_lookup(self, known: Sequence[VM], deadline: Deadline) -> ProtectionCheck:
        """Tells which VMs are protected; of those ``known`` it asks only once."""
        told: dict[str, str | None] = {}

        def protection(vms: Sequence[VM]) -> dict[str, str]:
            unknown = {vm.id: vm for vm in (*known, *vms) if vm.id not in told}
            found = self._protected(list(unknown.values()), deadline) if unknown else {}
            told.update({vm_id: found.get(vm_id) for vm_id in unknown})
            return {vm.id: reason for vm in vms if (reason := told[vm.id])}

        return protection

    def _protected(self, vms: Sequence[VM], deadline: Deadline) -> dict[str, str]:
        """Why nothing may touch these VMs, by id: as the settings say, or a mark on the VM."""
        safety = self.safety
        found = {vm.id: why for vm in vms if (why := protected_by_name(vm, safety.protect))}
        for tag in safety.protect_tag:
            left = [vm for vm in vms if vm.id not in found]
            found |= self._marked(left, tag, deadline) if left else {}
        return found

    def _marked(self, vms: Sequence[VM], tag: str, deadline: Deadline) -> dict[str, str]:
        try:
            marked = self.backend.protected_by_tag(vms, tag, deadline)
        except PlatformError as error:
            raise GuardUnchecked(
                "nothing was touched, as it cannot be told which VMs are marked with "
                f'chaosvm_protect_tag ({tag!r}; "none" switches it off): {error}'
            ) from error
        return {
            vm_id: f"is protected: it {mark}, as chaosvm_protect_tag says"
            for vm_id, mark in marked.items()
        }

    def _ordered(self, operation: str, **options: Any) -> tuple[Order, Deadline]:
        order = checked_order(operation, **options)
        return order, Deadline(order.timeout, self.clock)

    def _carry_out(self, order: Order, target: Target, deadline: Deadline) -> Batch:
        for vm, reason in target.choice.passed_over:
            logger.info(f"{order.operation}: {vm} {reason}, so it is passed over")
        if self.safety.dry_run:
            return self._rehearsed(order, target)
        choice = target.choice
        raise_if_refused(self.backend, choice.vms, order)
        case = self._guard_request(
            order, target, [preview(self.backend, vm, order) for vm in choice.vms]
        )
        with self._counter().reserve(
            case.entry, takes_down(order.operation), target.since, self._guard(case)
        ):
            drawn = "" if choice.seed is None else f", drawn with seed {choice.seed}"
            logger.info(
                f"{order.operation} of {len(choice.vms)} VM(s){drawn}: {_named(choice.vms)}"
            )
            outcomes = self._outcomes(choice.vms, order, deadline)
            self._count_reboots(order, outcomes)
        batch = Batch(tuple(outcomes), choice.seed, choice.passed_over)
        if batch.failed:
            journal.keep_output(batch.to_json())
            raise OperationFailed(failure_text(order.operation, outcomes, choice.seed), outcomes)
        return batch

    def _outcomes(self, vms: Sequence[VM], order: Order, deadline: Deadline) -> list[Outcome]:
        """Those for which something that was sent earlier is under way come last.

        They were changed by the run before, so whatever they need now adds
        nothing to what the guards count.
        """
        ledger = self._ledger()
        ledger.register_platform(self.backend)
        late = in_flight(self.backend, vms, ledger, order)
        ready = [vm for vm in vms if vm not in late]
        outcomes = run_operation(self.backend, ready, order, deadline, ledger)
        if late:
            try:
                outcomes += self._when_settled(late, order, deadline, ledger)
            except ChaosVMError as error:
                if not outcomes:
                    raise
                outcomes += [_not_touched(vm, order, error) for vm in late]
        by_id = {outcome.id: outcome for outcome in outcomes}
        return [by_id[vm.id] for vm in vms]

    def _when_settled(
        self, late: Sequence[VM], order: Order, deadline: Deadline, ledger: Ledger
    ) -> list[Outcome]:
        settled = wait_for_in_flight(self.backend, late, ledger, deadline, order)
        # One that is gone meanwhile is found to be so, and told, like any other.
        again = [settled[vm.id] or vm for vm in late]
        return run_operation(self.backend, again, order, deadline, ledger, all_or_none=False)

    def _count_reboots(self, order: Order, outcomes: Sequence[Outcome]) -> None:
        """Of a VM that runs before and after, only the outcome tells whether it went down."""
        done = [each for each in outcomes if each.how is not How.NONE]
        lost = [each for each in outcomes if each.after is PowerState.UNKNOWN]
        ended = {self._key(each.id) for each in done if not each.failed}
        unseen = {self._key(each.id) for each in (*done, *lost) if each.failed}
        if order.operation is not Operation.REBOOT:
            unseen = set()
        self._counter().record_reboots(ended, unseen)

    def _key(self, vm_id: str) -> Key:
        return (self.name, self.address, vm_id)

    def _rehearsed(self, order: Order, target: Target) -> Batch:
        """All but the doing: checked as if it were done, and told."""
        journal.mark_dry_run()
        plan = self._planned(order, target)
        for line in plan.lines():
            logger.info(f"dry run: {line}")
        raise_if_refused(self.backend, target.choice.vms, order)
        case = self._guard_request(order, target, plan.previews)
        counter = self._counter()
        counter.reserve_dry_run(
            case.entry, takes_down(order.operation), target.since, self._guard(case)
        )
        if order.operation is Operation.POWER_ON:
            counter.mark_running({case.key(each.vm) for each in plan.previews})
        outcomes = [dry_run_outcome(each.vm, order.operation, each.will) for each in plan.previews]
        return Batch(tuple(outcomes), plan.seed, target.choice.passed_over, plan.to_json())

    def _planned(self, order: Order, target: Target) -> Plan:
        previews = [preview(self.backend, vm, order) for vm in target.choice.vms]
        case = self._guard_request(order, target, previews)
        usage = self._counter().usage(target.since, self.safety.dry_run)
        return Plan(
            platform=self.name,
            server=self.address,
            order=order,
            selection=target.given,
            seed=target.choice.seed,
            previews=previews,
            passed_over=target.choice.passed_over,
            protected_vms=target.choice.refused,
            guard_results=guard_results(case, usage, self.safety),
        )

    def _guard_request(
        self, order: Order, target: Target, previews: Sequence[Preview]
    ) -> GuardRequest:
        return GuardRequest(
            operation=order.operation,
            platform=self.name,
            server=self.address,
            changing=[each.vm for each in previews if each.changes],
            inventory=target.inventory,
            matching=target.about,
            going_down=going_down(self._ledger().history),
        )

    def _guard(self, case: GuardRequest) -> Callable[[Usage], None]:
        return lambda usage: raise_if_exceeded(guard_results(case, usage, self.safety), case)

    def _counter(self) -> RunCounter:
        return counter_for(self._ledger())

    def _ledger(self) -> Ledger:
        return ledger_for_run(self.safety.ledger)


def _not_touched(vm: VM, order: Order, error: ChaosVMError) -> Outcome:
    """Of a VM that could not be looked at again, after others were changed."""
    return Outcome(
        name=vm.name,
        id=vm.id,
        platform=vm.platform,
        operation=order.operation,
        before=vm.power_state,
        after=PowerState.UNKNOWN,
        changed=False,
        how=How.NONE,
        seconds=0.0,
        error=f"was not touched: {error}",
    )


def _named(vms: Sequence[VM]) -> str:
    """For the log; the journal and the ledger have them all."""
    left = len(vms) - _MOST_NAMED
    more = f" and {left} more" if left > 0 else ""
    return ", ".join(str(vm) for vm in vms[:_MOST_NAMED]) + more
