"""How an action goes: read once, choose, check everything, and only then carry it out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from logzero import logger

from chaosvm import values
from chaosvm.account import Counted
from chaosvm.choice import Barred, Choice, reasons_against
from chaosvm.deadline import Deadline
from chaosvm.errors import GuardUnchecked, NoSuchVM, OperationFailed, PlatformError
from chaosvm.forecast import Forecast, foresee
from chaosvm.guards import (
    Case,
    going_down,
    idle_globs,
    name_protects,
    stop_if_passed,
    takes_down,
    verdicts,
)
from chaosvm.history import Key
from chaosvm.ledger import Ledger, of_run
from chaosvm.order import Operation, Order
from chaosvm.outcome import Batch, How, Outcome, failure_text, not_done
from chaosvm.plan import Plan
from chaosvm.planned import PlannedVMs, is_plan, read_plan
from chaosvm.platform import Platform
from chaosvm.power import carry_out, refuse
from chaosvm.safety import Safety
from chaosvm.selection import Selection
from chaosvm.settling import settle, unsettled
from chaosvm.vm import VM, PowerState

__all__ = ["Acting", "Meant"]


_MOST_NAMED = 20
# From so many VMs on, reading all about all of them takes longer than another request.
_LONG = 1000
# What ``chaosvm_protect`` looks at.
_PROTECTED_BY = ("name", "id", "instance_uuid", "path")


@dataclass(frozen=True)
class Meant:
    """What an action found: the VMs it is for, and those with which guards compare."""

    choice: Choice
    inventory: Sequence[VM]  # all that may be touched, as far as it was read
    about: Callable[[VM], bool]  # does the selection choose among such as this?
    given: Any
    since: int


class Acting(Platform):
    """A platform on which actions are carried out, within the bounds of ``safety``."""

    safety: Safety = Safety()
    # How many VMs there were when they were last read.
    _size: int = 0

    def _one(self, operation: str, vm_name: str, **options: Any) -> Outcome:
        values.text("vm_name", vm_name)
        order, deadline = self._ordered(operation, **options)
        meant = self._meant(Selection({"names": [vm_name]}), deadline)
        return self._alone(order, meant, deadline)

    def _alone(self, order: Order, meant: Meant, deadline: Deadline) -> Outcome:
        batch = self._carry_out(order, meant, deadline)
        return replace(batch.outcomes[0], plan=batch.plan)

    def _many(self, operation: str, vms: Any, parallel: int, **options: Any) -> Batch:
        width = values.integer("parallel", parallel, 1, self.most_parallel)
        order, deadline = self._ordered(operation, parallel=width, **options)
        return self._carry_out(order, self._meant(self._target(vms, order), deadline), deadline)

    def _selection(self, vms: Any) -> Selection:
        selection = Selection(vms)
        selection.refuse_keys(self.lacks, self.name)
        return selection

    def _target(self, vms: Any, order: Order) -> Selection | PlannedVMs:
        if not is_plan(vms):
            return self._selection(vms)
        planned = read_plan(vms)
        planned.check(self.name, self.address, order, lambda vm: foresee(self, vm, order))
        return planned

    def _meant(
        self,
        target: Selection | PlannedVMs,
        deadline: Deadline,
        tell_refused: bool = False,
        check: Callable[[Sequence[VM]], None] = lambda vms: None,
    ) -> Meant:
        """The VMs to act on, and those with which the guards compare."""
        since = self._ledger().account.mark()
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
            self._warn_of_idle_globs(vms)
        return self._among(target, vms, since, deadline, tell_refused)

    def _among(
        self,
        target: Selection | PlannedVMs,
        vms: Sequence[VM],
        since: int,
        deadline: Deadline,
        tell_refused: bool,
    ) -> Meant:
        whole = self.safety.needs_inventory
        barred = self._barring(vms if whole else (), deadline)
        choice = target.choose(vms, self.untouchable, barred, tell_refused)
        touchable = vms if whole else choice.vms
        reasons = reasons_against(touchable, self.untouchable, barred) if whole else {}
        inventory = [vm for vm in touchable if vm.id not in reasons]
        return Meant(choice, inventory, target.about, target.given, since)

    def _narrowed(self, target: Selection | PlannedVMs, deadline: Deadline) -> list[VM] | None:
        """What the server finds for a selection; None where everything has to be read.

        That is also to say that nothing fits, or what there is instead.
        """
        if not isinstance(target, Selection) or target.only is not None or not target.criteria:
            return None
        vms = self.narrowed(target.criteria, deadline)
        if not vms:
            return None
        if target.needs_tags:
            vms = self.with_tags(vms, deadline)
        fits = bool(target.fitting(vms)) and target.names_all_exclusions(vms)
        return vms if fits else None

    def _to_choose_from(
        self, target: Selection | PlannedVMs, whole: bool, deadline: Deadline
    ) -> list[VM]:
        """What there is; of a long inventory, in full only what fits."""
        if not whole and isinstance(target, Selection) and self._is_long_for(target):
            return self._in_two_steps(target, deadline)
        vms = self.inventory(deadline, only=None if whole else target.only)
        self._size = max(self._size, len(vms))
        return self.with_tags(vms, deadline) if target.needs_tags else vms

    def _is_long_for(self, selection: Selection) -> bool:
        long = self.reads_fields and self._size >= _LONG
        return long and selection.only is None and selection.narrows

    def _in_two_steps(self, selection: Selection, deadline: Deadline) -> list[VM]:
        """First what the selection looks at, and all the rest of what fits then."""
        vms = self.inventory(deadline, fields=selection.fields.union(_PROTECTED_BY))
        self._size = len(vms)
        if selection.needs_tags:
            vms = self.with_tags(vms, deadline)
        fitting = selection.fitting(vms)
        full = self.in_full(fitting, deadline)
        if selection.needs_tags:
            full = self.with_tags(full, deadline)
        meant = {vm.id for vm in fitting}
        return [*full, *(vm for vm in vms if vm.id not in meant)]

    def _warn_of_idle_globs(self, everything: Sequence[VM]) -> None:
        for glob in idle_globs(everything, self.safety.protect):
            if self._ledger().account.is_news((self.name, self.address, glob)):
                logger.warning(
                    f"{glob!r} in chaosvm_protect fits none of the {len(everything)} VMs on "
                    f"{self.address}, and protects nothing there"
                )

    def _barring(self, known: Sequence[VM], deadline: Deadline) -> Barred:
        """Tells which VMs are protected; of those ``known`` it asks only once."""
        told: dict[str, str | None] = {}

        def barred(vms: Sequence[VM]) -> dict[str, str]:
            unknown = {vm.id: vm for vm in (*known, *vms) if vm.id not in told}
            found = self._protected(list(unknown.values()), deadline) if unknown else {}
            told.update({vm_id: found.get(vm_id) for vm_id in unknown})
            return {vm.id: reason for vm in vms if (reason := told[vm.id])}

        return barred

    def _protected(self, vms: Sequence[VM], deadline: Deadline) -> dict[str, str]:
        """Why nothing may touch these VMs, by id: as the settings say, or a mark on the VM."""
        safety = self.safety
        found = {vm.id: why for vm in vms if (why := name_protects(vm, safety.protect))}
        left = [vm for vm in vms if vm.id not in found]
        if safety.protect_tag is None or not left:
            return found
        try:
            marked = self.opted_out(left, safety.protect_tag, deadline)
        except PlatformError as error:
            raise GuardUnchecked(
                "nothing was touched, as it cannot be told which VMs are marked with "
                f'chaosvm_protect_tag ({safety.protect_tag!r}; "none" switches it off): {error}'
            ) from error
        marks = {
            vm_id: f"is protected: it {mark}, as chaosvm_protect_tag says"
            for vm_id, mark in marked.items()
        }
        return {**found, **marks}

    def _ordered(self, operation: str, **options: Any) -> tuple[Order, Deadline]:
        order = Order.checked(operation, **options)
        return order, Deadline(order.timeout, self.clock)

    def _carry_out(self, order: Order, meant: Meant, deadline: Deadline) -> Batch:
        for vm, reason in meant.choice.passed_over:
            logger.info(f"{order.operation}: {vm} {reason}, so it is passed over")
        if self.safety.dry_run:
            return self._rehearsed(order, meant)
        choice = meant.choice
        refuse(self, choice.vms, order)
        case = self._case(order, meant, [foresee(self, vm, order) for vm in choice.vms])
        with self._ledger().account.entered(
            case.entry, takes_down(order.operation), meant.since, self._guard(case)
        ):
            drawn = "" if choice.seed is None else f", drawn with seed {choice.seed}"
            logger.info(
                f"{order.operation} of {len(choice.vms)} VM(s){drawn}: {_named(choice.vms)}"
            )
            outcomes = self._outcomes(choice.vms, order, deadline)
            self._tell_reboots(order, outcomes)
        batch = Batch(tuple(outcomes), choice.seed, choice.passed_over)
        if batch.failed:
            raise OperationFailed(failure_text(order.operation, outcomes, choice.seed), outcomes)
        return batch

    def _outcomes(self, vms: Sequence[VM], order: Order, deadline: Deadline) -> list[Outcome]:
        """Those for which something that was sent earlier is under way come last.

        They were changed by the run before, so whatever they need now adds
        nothing to what the guards count.
        """
        ledger = self._ledger()
        ledger.remember(self)
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

    def _tell_reboots(self, order: Order, outcomes: Sequence[Outcome]) -> None:
        """Of a VM that runs before and after, only the outcome tells whether it went down."""
        done = [each for each in outcomes if each.how is not How.NONE]
        lost = [each for each in outcomes if each.after is PowerState.UNKNOWN]
        ended = {self._key(each.id) for each in done if not each.failed}
        unseen = {self._key(each.id) for each in (*done, *lost) if each.failed}
        if order.operation is not Operation.REBOOT:
            unseen = set()
        self._ledger().account.rebooted(ended, unseen)

    def _key(self, vm_id: str) -> Key:
        return (self.name, self.address, vm_id)

    def _rehearsed(self, order: Order, meant: Meant) -> Batch:
        """All but the doing: checked as if it were done, and told."""
        plan = self._planned(order, meant)
        for line in plan.lines():
            logger.info(f"dry run: {line}")
        refuse(self, meant.choice.vms, order)
        case = self._case(order, meant, plan.forecasts)
        account = self._ledger().account
        account.rehearse(case.entry, takes_down(order.operation), meant.since, self._guard(case))
        if order.operation is Operation.POWER_ON:
            account.bring_up({case.key(each.vm) for each in plan.forecasts})
        outcomes = [not_done(each.vm, order.operation, each.will) for each in plan.forecasts]
        return Batch(tuple(outcomes), plan.seed, meant.choice.passed_over, plan.to_json())

    def _planned(self, order: Order, meant: Meant) -> Plan:
        forecasts = [foresee(self, vm, order) for vm in meant.choice.vms]
        case = self._case(order, meant, forecasts)
        counted = self._ledger().account.counted(meant.since, self.safety.dry_run)
        return Plan(
            platform=self.name,
            server=self.address,
            order=order,
            selection=meant.given,
            seed=meant.choice.seed,
            forecasts=forecasts,
            passed_over=meant.choice.passed_over,
            barred=meant.choice.refused,
            verdicts=verdicts(case, counted, self.safety),
        )

    def _case(self, order: Order, meant: Meant, forecasts: Sequence[Forecast]) -> Case:
        return Case(
            operation=order.operation,
            platform=self.name,
            server=self.address,
            changing=[each.vm for each in forecasts if each.changes],
            inventory=meant.inventory,
            matching=meant.about,
            going_down=going_down(self._ledger().history),
        )

    def _guard(self, case: Case) -> Callable[[Counted], None]:
        return lambda counted: stop_if_passed(verdicts(case, counted, self.safety), case)

    def _ledger(self) -> Ledger:
        return of_run(self.safety.ledger)


def _named(vms: Sequence[VM]) -> str:
    """For the log; the journal and the ledger have them all."""
    left = len(vms) - _MOST_NAMED
    more = f" and {left} more" if left > 0 else ""
    return ", ".join(str(vm) for vm in vms[:_MOST_NAMED]) + more
