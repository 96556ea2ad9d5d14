"""Carries out an operation on its target, within the guards, or says what it would do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from chaosvm.backend import Operation, Order
from chaosvm.errors import INTERRUPTIONS, ChaosVMError, OperationFailed
from chaosvm.guards import (
    GuardRequest,
    Usage,
    going_down,
    guard_results,
    raise_if_exceeded,
    takes_down,
)
from chaosvm.listing import listed
from chaosvm.outcome import (
    Batch,
    How,
    Outcome,
    Verified,
    dry_run_outcome,
    failure_text,
    summary_text,
)
from chaosvm.plans import Plan, Preview, preview
from chaosvm.power import in_flight, raise_if_refused, run_operation, wait_for_in_flight
from chaosvm.runtime import Deadline, journal
from chaosvm.selection import SelectionResult, blocked_reasons, refused_error
from chaosvm.service.context import Context
from chaosvm.service.outage import Outage
from chaosvm.service.protection import Protection
from chaosvm.service.targets import Target
from chaosvm.service.waves import not_touched, run_in_waves
from chaosvm.vm import VM, PowerState

__all__ = ["Operations"]

logger = logging.getLogger("chaostoolkit")

_MOST_NAMED = 20  # in the log; the journal and the ledger name all VMs


class Operations:
    """Checks the guards, then records and runs an operation; or plans it."""

    def __init__(self, context: Context, protection: Protection) -> None:
        self._context = context
        self._protection = protection

    def run_single(self, order: Order, target: Target, deadline: Deadline) -> Outcome:
        """As :meth:`run`, for a target of one VM."""
        try:
            batch = self.run(order, target, deadline)
        except BaseException:
            journal.unwrap_output()
            raise
        return replace(batch.outcomes[0], plan=batch.plan)

    def run(self, order: Order, target: Target, deadline: Deadline) -> Batch:
        """One outcome for each VM; raises OperationFailed if any VM failed.

        Raises GuardStopped or OperationRefused, with nothing touched, if a guard
        would be exceeded or a VM cannot be operated on as it is.
        """
        choice = target.choice
        for vm, reason in choice.passed_over:
            logger.info(f"{order.name}: {vm} {reason}, so it is passed over")
        if self._context.safety.dry_run:
            return self._dry_run(order, target)
        raise_if_refused(self._context.backend, choice.vms, order)
        request = self._guard_request(order, target, self._previews(order, target))
        with self._context.counter().reserve(
            request.entry, takes_down(order.operation), target.since, self._guard(request)
        ):
            drawn = "" if choice.seed is None else f", drawn with seed {choice.seed}"
            names = listed(choice.vms, _MOST_NAMED)
            logger.info(f"{order.name} of {len(choice.vms)} VM(s){drawn}: {names}")
            outcomes = self._carry_out(choice, order, deadline)
            waited = "" if order.wait_for == "power" else f", waited for {order.goal}"
            logger.info(f"{summary_text(order.name, outcomes, deadline.elapsed)}{waited}")
            self._count_reboots(order, outcomes)
        batch = Batch(tuple(outcomes), choice.seed, choice.passed_over)
        if batch.failed:
            journal.keep_output(batch.to_json())
            raise OperationFailed(failure_text(order.name, outcomes, choice.seed), outcomes)
        return batch

    def plan(self, order: Order, target: Target) -> Plan:
        """What :meth:`run` would do now; nothing is touched."""
        previews = self._previews(order, target)
        request = self._guard_request(order, target, previews)
        safety, choice = self._context.safety, target.choice
        usage = self._context.counter().usage(target.since, safety.dry_run)
        return Plan(
            platform=request.platform,
            server=request.server,
            order=order,
            selection=target.given,
            seed=choice.seed,
            previews=previews,
            passed_over=choice.passed_over,
            protected_vms=choice.refused,
            guard_results=guard_results(request, usage, safety),
        )

    def _dry_run(self, order: Order, target: Target) -> Batch:
        """Everything but the operation itself: checked, counted and logged as if it ran."""
        journal.mark_dry_run()
        plan = self.plan(order, target)
        for line in plan.lines():
            logger.info(f"dry run: {line}")
        raise_if_refused(self._context.backend, target.choice.vms, order)
        request = self._guard_request(order, target, plan.previews)
        counter = self._context.counter()
        counter.reserve_dry_run(
            request.entry, takes_down(order.operation), target.since, self._guard(request)
        )
        if order.operation is Operation.POWER_ON or order.duration is not None:
            counter.mark_running({request.key(each.vm) for each in plan.previews})
        outcomes = [dry_run_outcome(each.vm, order.name, each.will) for each in plan.previews]
        return Batch(tuple(outcomes), plan.seed, target.choice.passed_over, plan.to_json())

    # Running -----------------------------------------------------------------------

    def _carry_out(
        self, choice: SelectionResult, order: Order, deadline: Deadline
    ) -> list[Outcome]:
        backend, ledger = self._context.backend, self._context.ledger()
        so_far: dict[str, Outcome] = {}
        operate = partial(self._outcomes, so_far)
        try:
            if order.duration is not None:
                return Outage(backend, ledger, order, operate, so_far).run(choice.vms, deadline)
            return run_in_waves(backend, ledger, choice.vms, order, deadline, operate)
        except BaseException as error:
            if so_far:
                interrupted = isinstance(error, INTERRUPTIONS)
                why = "the run was interrupted" if interrupted else f"the action ended: {error}"
                self._keep_outcomes(choice, order, so_far, why)
            raise

    def _keep_outcomes(
        self, choice: SelectionResult, order: Order, so_far: Mapping[str, Outcome], why: str
    ) -> None:
        """An activity that is cut short has output, too: what is known of each VM so far."""
        outcomes = [so_far.get(vm.id) or not_touched(vm, order, why) for vm in choice.vms]
        journal.keep_output(Batch(tuple(outcomes), choice.seed, choice.passed_over).to_json())

    def _outcomes(
        self,
        so_far: dict[str, Outcome],
        vms: Sequence[VM],
        order: Order,
        deadline: Deadline,
        read_again: bool,
    ) -> list[Outcome]:
        """VMs with an earlier command still in flight come last.

        The run has changed those before, so what they need now adds nothing
        to what the guards count.
        """
        backend, ledger = self._context.backend, self._context.ledger()
        ledger.register_backend(backend)
        if read_again:
            vms = self._read_again(vms, deadline)
        late = in_flight(backend, vms, ledger, order)
        ready = [vm for vm in vms if vm not in late]
        outcomes = run_operation(backend, ready, order, deadline, ledger, so_far=so_far)
        if late:
            try:
                outcomes += self._when_settled(late, order, deadline, so_far)
            except ChaosVMError as error:
                if not outcomes:
                    raise
                outcomes += [not_touched(vm, order, str(error)) for vm in late]
        self._context.recoveries.record(outcomes, backend.clock.monotonic() - deadline.elapsed)
        by_id = {outcome.id: outcome for outcome in outcomes}
        return [by_id[vm.id] for vm in vms]

    def _read_again(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        """The VMs of a later wave as they are now; one that was deleted is left to the operation.

        Raises OperationRefused if one of them may not be touched any more.
        """
        backend, ids = self._context.backend, [vm.id for vm in vms]
        current = {vm.id: vm for vm in backend.inventory(deadline, only=ids)}
        protection = self._protection.lookup((), deadline)
        found = [current[vm_id] for vm_id in ids if vm_id in current]
        reasons = blocked_reasons(found, backend.immutable_reason, protection)
        if reasons:
            raise refused_error((vm, reasons[vm.id]) for vm in found if vm.id in reasons)
        return [current.get(vm.id, vm) for vm in vms]

    def _when_settled(
        self, late: Sequence[VM], order: Order, deadline: Deadline, so_far: dict[str, Outcome]
    ) -> list[Outcome]:
        backend, ledger = self._context.backend, self._context.ledger()
        settled = wait_for_in_flight(backend, late, ledger, deadline, order)
        # A VM that was deleted meanwhile fails like any other.
        again = [settled[vm.id] or vm for vm in late]
        return run_operation(backend, again, order, deadline, ledger, False, so_far)

    def _count_reboots(self, order: Order, outcomes: Sequence[Outcome]) -> None:
        """A VM runs before and after a reboot: only the outcome says whether it went down."""
        known = (None, Verified.CONFIRMED)
        done = [each for each in outcomes if each.how is not How.NONE]
        unknown = [each for each in outcomes if each.after is PowerState.UNKNOWN]
        confirmed = [each for each in done if not each.failed and each.verified in known]
        ended = {self._context.key(each.id) for each in confirmed}
        unseen = {self._context.key(each.id) for each in (*done, *unknown)} - ended
        if order.operation is not Operation.REBOOT:
            unseen = set()
        self._context.counter().record_reboots(ended, unseen)

    # Guards ------------------------------------------------------------------------

    def _previews(self, order: Order, target: Target) -> list[Preview]:
        return [preview(self._context.backend, vm, order) for vm in target.choice.vms]

    def _guard_request(
        self, order: Order, target: Target, previews: Sequence[Preview]
    ) -> GuardRequest:
        return GuardRequest(
            operation=order.operation,
            platform=self._context.backend.name,
            server=self._context.backend.address,
            changing=[each.vm for each in previews if each.changes],
            inventory=target.inventory,
            matching=target.in_scope,
            going_down=going_down(self._context.ledger().history),
        )

    def _guard(self, request: GuardRequest) -> Callable[[Usage], None]:
        counter, safety = self._context.counter(), self._context.safety

        def check(usage: Usage) -> None:
            results = guard_results(request, usage, safety)
            counter.results.update({(each.key, each.scope): each for each in results})
            raise_if_exceeded(results, request)

        return check
