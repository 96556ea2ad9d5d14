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

from chaosvm.deadline import Deadline
from chaosvm.errors import LASTING, LedgerError, OperationRefused, PlatformError
from chaosvm.job import Job
from chaosvm.ledger import Ledger
from chaosvm.order import Operation, Order
from chaosvm.outcome import Outcome
from chaosvm.platform import Platform, Sighting, Watch
from chaosvm.precheck import impossible, needless
from chaosvm.sender import Sender
from chaosvm.vm import VM

__all__ = ["carry_out", "refusal", "refuse"]

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


def carry_out(
    platform: Platform,
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
        refuse(platform, vms, order)
    jobs = [Job(vm, order, deadline, platform.refusal) for vm in vms]
    for job in jobs:
        if job.open and (reason := job.refusal()):
            job.give_up(reason)
        elif job.open and (caution := platform.caution(job.vm, order)):
            logger.warning(f"{order.operation}: {job.vm} {caution}")
    if any(job.open for job in jobs):
        _Run(platform, jobs, order, deadline, ledger).until_done()
    return [job.outcome for job in jobs]


def refuse(platform: Platform, vms: Sequence[VM], order: Order) -> None:
    """Raises OperationRefused where the order cannot be done to one of them as it is."""
    told = [f"{vm} {reason}" for vm in vms if (reason := refusal(platform, vm, order))]
    if told:
        raise OperationRefused(
            f"{order.operation} refused, and nothing was touched: {'; '.join(told)}"
        )


def refusal(platform: Platform, vm: VM, order: Order) -> str | None:
    """Why the order cannot be done to the VM as it is; None if it can, or is done already."""
    if needless(vm, order):
        return None
    return impossible(vm, order) or platform.refusal(vm, order)


class _Run:
    """One operation on a set of VMs, from the first look to the last outcome."""

    def __init__(
        self,
        platform: Platform,
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
        self._noted: set[str] = set()  # the ledger has them, and not yet their outcome
        self._any_noted = False
        self._jobs = {job.vm.id: job for job in jobs}
        self._tell_at = _FIRST_PROGRESS
        self._warn_at = 0.0  # of a watch that is interrupted
        self._looked = 0.0  # when the last look succeeded
        main = threading.current_thread() is threading.main_thread()
        self._longest_wait = _LONGEST_WAIT if main else _LONGEST_WAIT_IN_BACKGROUND

    def until_done(self) -> None:
        watched = [job.vm for job in self._open()]
        with (
            self._platform.watch(watched, self._order, self._deadline) as watch,
            Sender(self._platform, self._order, self._deadline, self._ledger) as sender,
        ):
            for sighting in self._first_look(watch):
                if (job := self._jobs[sighting.vm_id]).open:
                    job.first_seen(sighting)
            try:
                self._drive(watch, sender)
            finally:
                with sender.jobs_lock:
                    sender.end()
                    self._note_outcomes()
                    self._tell_if_interrupted()

    def _first_look(self, watch: Watch) -> list[Sighting]:
        """The present states, from the inventory if this call has read it just now.

        What is to be restored may have been read much earlier, and whether
        something reboots can only be told from how it was before.
        """
        order, fresh = self._order, self._deadline.elapsed < _FRESH
        reboots = order.operation is Operation.REBOOT
        if self._platform.refuses_what_is_late and fresh and not (reboots or order.restores):
            return [job.seen for job in self._open()]
        return watch.news(0, self._deadline)

    def _drive(self, watch: Watch, sender: Sender) -> None:
        while self._open():
            if self._deadline.passed:
                self._time_out(sender)
                return
            if why := self._ledger.barred(self._order, *self._place):
                self._stop(sender, why)
                return
            with sender.jobs_lock:
                self._send_due(sender)
            if not self._look(watch, sender):
                return
            with sender.jobs_lock:
                for job in self._open():
                    job.decide()
                self._note_outcomes()
            watch.forget([job.vm.id for job in self._jobs.values() if not job.open])
            self._tell_progress()

    def _send_due(self, sender: Sender) -> None:
        due = [job for job in self._open() if job.due and job.may_send()]
        self._note([job for job in due if job.vm.id not in self._noted])
        for job in due:
            if job.open and job.planned is not None:
                sender.submit(job, job.planned.step)

    def _note(self, jobs: Sequence[Job]) -> None:
        """Have it on disk, for all of them at once, before anything is sent about them."""
        if not jobs:
            return
        states = [(job.vm, job.seen.power_state) for job in jobs]
        try:
            self._ledger.intend(*self._place, states, self._order)
        except LedgerError as error:
            if not self._any_noted:
                raise
            for job in jobs:
                job.give_up(str(error))
            return
        self._any_noted = True
        self._noted.update(job.vm.id for job in jobs)

    def _note_outcomes(self) -> None:
        ended = [self._jobs[vm_id] for vm_id in self._noted if not self._jobs[vm_id].open]
        if ended:
            self._ledger.ended([(job.outcome, job.pending) for job in ended], self._order)
            self._noted.difference_update(job.vm.id for job in ended)

    def _look(self, watch: Watch, sender: Sender) -> bool:
        """Gather answers and news; False when the platform cannot be watched any more."""
        # Sooner towards the end: what is not seen by then is not known.
        gather = max(_LEAST_GATHER, self._deadline.remaining / 2)
        answers = sender.answers(min(_GATHER, gather))
        with sender.jobs_lock:
            sending = sender.busy
            for job, answer in answers:
                job.answered(answer)
        try:
            watch.follow([answer.to_follow for _, answer in answers if answer.to_follow])
            news = watch.news(0 if sending else self._patience(), self._deadline)
            with sender.jobs_lock:
                self._take_in(news)
            self._looked = self._deadline.elapsed
            self._mark_blind(False)
        except LASTING as error:
            with sender.jobs_lock:
                for job in self._open():
                    job.cut_off(error)
            return False
        except PlatformError as error:
            # A look that only the deadline cut short leaves the last one good for a while.
            age = self._deadline.elapsed - self._looked
            for job in self._open():
                most = _FRESH if job.pending else 2 * _LONGEST_WAIT
                job.blind |= age > most or not self._deadline.passed
            if not self._deadline.passed:
                self._warn(f"watching was interrupted, trying again: {error}")
                self._deadline.sleep(1.0)
        if watch.pushed and not sending:
            self._deadline.sleep(min(_LONGEST_PAUSE, _PAUSE_PER_VM * len(self._open())))
        return True

    def _take_in(self, news: Sequence[Sighting]) -> None:
        for sighting in news:
            job = self._jobs.get(sighting.vm_id)
            if job is not None and job.open:
                job.saw(sighting)

    def _mark_blind(self, blind: bool) -> None:
        for job in self._open():
            job.blind = blind

    def _patience(self) -> float:
        """How long nothing but news can matter."""
        moments = [moment for job in self._open() for moment in job.alarms]
        moments.append(self._deadline.elapsed + min(self._longest_wait, self._deadline.remaining))
        return max(0.0, min(moments) - self._deadline.elapsed)

    def _time_out(self, sender: Sender) -> None:
        with sender.jobs_lock:
            for job, answer in sender.answers(0):
                job.answered(answer)
            for job in self._open():
                job.time_out()

    def _stop(self, sender: Sender, why: str) -> None:
        """Say what is known; what is under way is for whoever comes next to wait for."""
        if not self._any_noted:
            raise LedgerError(why)
        with sender.jobs_lock:
            sender.end()
            for job, answer in sender.answers(0):
                job.answered(answer)
            for job in self._open():
                job.stop(why)

    def _open(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.open]

    def _tell_progress(self) -> None:
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

    def _tell_if_interrupted(self) -> None:
        """An interruption leaves no outcomes behind, so say what was going on."""
        left = self._open()
        if not left:
            return
        sent = [job for job in left if job.step is not None]
        logger.warning(
            f"{self._order.operation} was interrupted: sent to {_names(sent)}, whose outcome is "
            f"not known; not sent to {_names(job for job in left if job.step is None)}"
        )


def _names(jobs: Iterable[Job]) -> str:
    return ", ".join(str(job.vm) for job in jobs) or "none"
