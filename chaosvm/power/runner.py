"""Does one operation to many VMs: send, watch, fall back, report.

All requests go out through a few workers, which never wait for a VM, nor for
a look at the others. One watch brings the news of every VM, and for each VM a
small state machine (``job.py``) decides what the news means. One deadline ends
everything; what is not known by then is reported as unknown.

Nothing is sent about a VM before the ledger has it on disk.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence

from chaosvm.backend import Backend, Observation, Operation, Order, Watch
from chaosvm.errors import LASTING, LedgerError, OperationRefused, PlatformError
from chaosvm.ledger import Ledger
from chaosvm.outcome import Outcome
from chaosvm.power.dispatcher import Sender
from chaosvm.power.job import Job
from chaosvm.power.precheck import already_satisfied, unsupported_reason
from chaosvm.runtime import Deadline
from chaosvm.vm import VM

__all__ = ["run_operation", "refusal_reason", "raise_if_refused"]

logger = logging.getLogger("chaostoolkit")

# What the inventory told so long ago, at the most, need not be confirmed.
_FRESH = 1.0
# While requests are going out, their tickets are gathered for so long before
# the next look at the VMs; afterwards the watch itself waits for news.
_GATHER, _LEAST_GATHER = 0.5, 0.1
_LONGEST_WAIT = 5.0
# A signal ends a wait of the main thread, and of no other: there it is noticed
# only between two waits that the call may not go on.
_LONGEST_WAIT_IN_BACKGROUND = 1.0
# Where the news of many VMs come one by one, a pause that grows with the VMs
# still open lets them pile up, and keeps the number of requests small.
_PAUSE_PER_VM = 0.005
_LONGEST_PAUSE = 0.5
_FIRST_PROGRESS, _PROGRESS_EVERY = 5.0, 10.0


def run_operation(
    platform: Backend,
    vms: Sequence[VM],
    order: Order,
    deadline: Deadline,
    ledger: Ledger,
    all_or_none: bool = True,
) -> list[Outcome]:
    """Bring every VM where the order wants it; one outcome each, in the order given.

    Raises OperationRefused, with nothing touched, where the operation cannot be
    done to one of them as it is; without ``all_or_none`` that is this VM's
    failure, and the others are switched. Raises LedgerError, with nothing
    touched, where it cannot be noted first. What fails later is in the outcomes.
    """
    if all_or_none:
        raise_if_refused(platform, vms, order)
    jobs = [Job(vm, order, deadline, platform.refusal_reason) for vm in vms]
    for job in jobs:
        if job.open and (reason := job.refusal_reason()):
            job.skip(reason)
        elif job.open and (warning := platform.warning_for(job.vm, order)):
            logger.warning(f"{order.operation}: {job.vm} {warning}")
    if any(job.open for job in jobs):
        _Run(platform, jobs, order, deadline, ledger).run()
    return [job.outcome for job in jobs]


def raise_if_refused(platform: Backend, vms: Sequence[VM], order: Order) -> None:
    """Raises OperationRefused where the order cannot be done to one of them as it is."""
    told = [f"{vm} {reason}" for vm in vms if (reason := refusal_reason(platform, vm, order))]
    if told:
        raise OperationRefused(
            f"{order.operation} refused, and nothing was touched: {'; '.join(told)}"
        )


def refusal_reason(platform: Backend, vm: VM, order: Order) -> str | None:
    """Why the order cannot be done to the VM as it is; None if it can, or is done already."""
    if already_satisfied(vm, order):
        return None
    return unsupported_reason(vm, order) or platform.refusal_reason(vm, order)


class _Run:
    """One operation on a set of VMs, from the first look to the last outcome."""

    def __init__(
        self,
        platform: Backend,
        jobs: Sequence[Job],
        order: Order,
        deadline: Deadline,
        ledger: Ledger,
    ) -> None:
        self._platform = platform
        self._order = order
        self._deadline = deadline
        self._ledger = ledger
        self._place = (platform.name, platform.address)
        self._recorded: set[str] = set()  # the ledger has them, and not yet their outcome
        self._any_recorded = False
        self._jobs = {job.vm.id: job for job in jobs}
        self._tell_at = _FIRST_PROGRESS
        self._warn_at = 0.0  # of a watch that is interrupted
        self._looked = 0.0  # when the last look succeeded
        main = threading.current_thread() is threading.main_thread()
        self._longest_wait = _LONGEST_WAIT if main else _LONGEST_WAIT_IN_BACKGROUND

    def run(self) -> None:
        watched = [job.vm for job in self._open()]
        with (
            self._platform.watch(watched, self._order, self._deadline) as watch,
            Sender(self._platform, self._order, self._deadline, self._ledger) as sender,
        ):
            for observation in self._first_look(watch):
                if (job := self._jobs[observation.vm_id]).open:
                    job.on_initial_state(observation)
            try:
                self._drive(watch, sender)
            finally:
                with sender.jobs_lock:
                    sender.end()
                    self._record_outcomes()
                    self._log_interruption()

    def _first_look(self, watch: Watch) -> list[Observation]:
        """The present states, from the inventory if this call has read it just now.

        What is to be restored may have been read much earlier, and whether
        something reboots can only be told from how it was before.
        """
        order, fresh = self._order, self._deadline.elapsed < _FRESH
        reboots = order.operation is Operation.REBOOT
        if self._platform.rejects_stale_state and fresh and not (reboots or order.is_restore):
            return [job.seen for job in self._open()]
        return watch.poll(0, self._deadline)

    def _drive(self, watch: Watch, sender: Sender) -> None:
        while self._open():
            if self._deadline.passed:
                self._time_out(sender)
                return
            if why := self._ledger.blocked_reason(self._order, *self._place):
                self._stop(sender, why)
                return
            with sender.jobs_lock:
                self._send_due(sender)
            if not self._look(watch, sender):
                return
            with sender.jobs_lock:
                for job in self._open():
                    job.decide()
                self._record_outcomes()
            watch.unwatch([job.vm.id for job in self._jobs.values() if not job.open])
            self._log_progress()

    def _send_due(self, sender: Sender) -> None:
        due = [job for job in self._open() if job.due and job.may_send()]
        self._note([job for job in due if job.vm.id not in self._recorded])
        for job in due:
            if job.open and job.planned is not None:
                sender.submit(job, job.planned.command)

    def _note(self, jobs: Sequence[Job]) -> None:
        """Have it on disk, for all of them at once, before anything is sent about them."""
        if not jobs:
            return
        states = [(job.vm, job.seen.power_state) for job in jobs]
        try:
            self._ledger.record_intent(*self._place, states, self._order)
        except LedgerError as error:
            if not self._any_recorded:
                raise
            for job in jobs:
                job.skip(str(error))
            return
        self._any_recorded = True
        self._recorded.update(job.vm.id for job in jobs)

    def _record_outcomes(self) -> None:
        ended = [self._jobs[vm_id] for vm_id in self._recorded if not self._jobs[vm_id].open]
        if ended:
            self._ledger.record_outcomes([(job.outcome, job.pending) for job in ended], self._order)
            self._recorded.difference_update(job.vm.id for job in ended)

    def _look(self, watch: Watch, sender: Sender) -> bool:
        """Gather answers and news; False when the platform cannot be watched any more."""
        # Sooner towards the end: what is not seen by then is not known.
        gather = max(_LEAST_GATHER, self._deadline.remaining / 2)
        answers = sender.answers(min(_GATHER, gather))
        with sender.jobs_lock:
            sending = sender.busy
            for job, answer in answers:
                job.on_answer(answer)
        try:
            watch.track([answer.to_follow for _, answer in answers if answer.to_follow])
            news = watch.poll(0 if sending else self._wait_seconds(), self._deadline)
            with sender.jobs_lock:
                self._apply(news)
            self._looked = self._deadline.elapsed
            self._mark_watch_lost(False)
        except LASTING as error:
            with sender.jobs_lock:
                for job in self._open():
                    job.on_watch_lost(error)
            return False
        except PlatformError as error:
            # A look that only the deadline cut short leaves the last one good for a while.
            age = self._deadline.elapsed - self._looked
            for job in self._open():
                most = _FRESH if job.pending else 2 * _LONGEST_WAIT
                job.watch_lost |= age > most or not self._deadline.passed
            if not self._deadline.passed:
                self._warn(f"watching was interrupted, trying again: {error}")
                self._deadline.sleep(1.0)
        if watch.pushed and not sending:
            self._deadline.sleep(min(_LONGEST_PAUSE, _PAUSE_PER_VM * len(self._open())))
        return True

    def _apply(self, news: Sequence[Observation]) -> None:
        for observation in news:
            job = self._jobs.get(observation.vm_id)
            if job is not None and job.open:
                job.observe(observation)

    def _mark_watch_lost(self, watch_lost: bool) -> None:
        for job in self._open():
            job.watch_lost = watch_lost

    def _wait_seconds(self) -> float:
        """How long nothing but news can matter."""
        moments = [moment for job in self._open() for moment in job.alarms]
        moments.append(self._deadline.elapsed + min(self._longest_wait, self._deadline.remaining))
        return max(0.0, min(moments) - self._deadline.elapsed)

    def _time_out(self, sender: Sender) -> None:
        with sender.jobs_lock:
            for job, answer in sender.answers(0):
                job.on_answer(answer)
            for job in self._open():
                job.on_deadline()

    def _stop(self, sender: Sender, why: str) -> None:
        """Say what is known; what is under way is for whoever comes next to wait for."""
        if not self._any_recorded:
            raise LedgerError(why)
        with sender.jobs_lock:
            sender.end()
            for job, answer in sender.answers(0):
                job.on_answer(answer)
            for job in self._open():
                job.stop(why)

    def _open(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.open]

    def _log_progress(self) -> None:
        if self._deadline.elapsed < self._tell_at:
            return
        self._tell_at = self._deadline.elapsed + _PROGRESS_EVERY
        outcomes = [job.outcome for job in self._jobs.values() if not job.open]
        failed = sum(outcome.failed for outcome in outcomes)
        done, left = len(outcomes) - failed, len(self._jobs) - len(outcomes)
        logger.info(
            f"{self._order.operation}: {done} done, {failed} failed, {left} left "
            f"after {self._deadline.elapsed:.0f} s"
        )

    def _warn(self, what: str) -> None:
        """As often as progress is told: an outage may last as long as the call."""
        level = logging.DEBUG if self._deadline.elapsed < self._warn_at else logging.WARNING
        logger.log(level, what)
        if level == logging.WARNING:
            self._warn_at = self._deadline.elapsed + _PROGRESS_EVERY

    def _log_interruption(self) -> None:
        """An interruption leaves no outcomes behind, so say what was going on."""
        left = self._open()
        if not left:
            return
        sent = [job for job in left if job.command is not None]
        logger.warning(
            f"{self._order.operation} was interrupted: sent to {_names(sent)}, whose outcome is "
            f"not known; not sent to {_names(job for job in left if job.command is None)}"
        )


def _names(jobs: Iterable[Job]) -> str:
    return ", ".join(str(job.vm) for job in jobs) or "none"
