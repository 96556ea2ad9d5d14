"""Runs one operation on many VMs: send, watch, fall back, report.

All requests go out through a few workers, which never wait for a VM or for the watch. One watch
reports on all VMs, and a small state machine for each VM (``job.py``) decides what follows. One
deadline ends everything; an outcome still unclear by then is reported as unknown.

Nothing is sent to a VM before the ledger has it on disk.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from functools import partial

from chaosvm.backend import Backend, Observation, Operation, Order, Watch
from chaosvm.errors import LASTING, LedgerError, OperationRefused, PlatformError
from chaosvm.ledger import Ledger
from chaosvm.listing import listed
from chaosvm.observe import traced
from chaosvm.outcome import Outcome
from chaosvm.power.dispatcher import Dispatcher
from chaosvm.power.guests import GuestReader
from chaosvm.power.job import Job
from chaosvm.power.precheck import already_satisfied, impossible_reason
from chaosvm.power.progress_log import ProgressLog
from chaosvm.runtime import Deadline, experiment
from chaosvm.vm import VM

__all__ = ["raise_if_refused", "refusal_reason", "run_operation"]

logger = logging.getLogger("chaostoolkit")

# All times in seconds.
# An observation of at most this age need not be confirmed.
_FRESH = 1.0
# While requests are outstanding, answers are collected this long before each poll; later the
# watch itself waits for changes.
_COLLECT, _MIN_COLLECT = 0.5, 0.1
_MAX_WAIT = 5.0
# Only the main thread's wait is ended by a signal; other threads notice between two waits that
# the call has to stop.
_MAX_WAIT_IN_BACKGROUND = 1.0
# Where updates are pushed one by one, a pause that grows with the number of open VMs lets them
# pile up, which keeps the number of requests small.
_PAUSE_PER_VM = 0.005
_MAX_PAUSE = 0.5
# In a line of the log.
_MAX_NAMED = 3


def run_operation(
    backend: Backend,
    vms: Sequence[VM],
    order: Order,
    deadline: Deadline,
    ledger: Ledger,
    all_or_none: bool = True,
    so_far: dict[str, Outcome] | None = None,
) -> list[Outcome]:
    """Apply the order to every VM; returns one outcome for each, in the same order.

    Raises OperationRefused, with nothing touched, if the operation is impossible for one of them
    in its present state; without ``all_or_none`` only that VM fails. Raises LedgerError, with
    nothing touched, if it cannot be recorded first. Later failures are in the outcomes. ``so_far``
    gets the outcomes by id, also if the call is interrupted: then some may be unknown.
    """
    if all_or_none:
        raise_if_refused(backend, vms, order)
    jobs = [Job(vm, order, deadline, backend.refusal_reason) for vm in vms]
    for job in jobs:
        if not job.open or job.waits_for_guest:
            continue
        if reason := job.refusal_reason():
            job.skip(reason)
        elif warning := backend.warning_for(job.vm, order):
            logger.warning(f"{order.operation}: {job.vm} {warning}")
    if any(job.open for job in jobs):
        _notify_observers(backend, [job.vm for job in jobs])
        ended = partial(_ended, jobs)
        try:
            with traced(backend.address, ended, deadline.elapsed):
                _Run(backend, jobs, order, deadline, ledger).run()
        finally:
            if so_far is not None:
                so_far.update({job.vm.id: job.outcome_so_far for job in jobs})
    return [job.outcome for job in jobs]


def raise_if_refused(backend: Backend, vms: Sequence[VM], order: Order) -> None:
    """Raises OperationRefused if the order is impossible for one of the VMs as it is."""
    refused = [f"{vm} {reason}" for vm in vms if (reason := refusal_reason(backend, vm, order))]
    if refused:
        raise OperationRefused(
            f"{order.operation} refused, and nothing was touched: {'; '.join(refused)}"
        )


def refusal_reason(backend: Backend, vm: VM, order: Order) -> str | None:
    """Why the order is impossible for the VM as it is; None if it is possible or satisfied."""
    if already_satisfied(vm, order):
        return None
    return impossible_reason(vm, order, backend.refusal_reason)


def _ended(jobs: Sequence[Job]) -> list[Outcome]:
    return [job.outcome for job in jobs if not job.open]


def _notify_observers(backend: Backend, vms: Sequence[VM]) -> None:
    if (run := experiment.current_run()) is not None:
        for observer in run.observers:
            try:
                observer(backend, vms)
            except Exception as error:  # noqa: BLE001  # it only watches: the operation goes on
                logger.warning(f"the changes of VMs are not recorded: {error}")


class _Run:
    """One operation on a set of VMs, from the initial states to the last outcome."""

    def __init__(
        self,
        backend: Backend,
        jobs: Sequence[Job],
        order: Order,
        deadline: Deadline,
        ledger: Ledger,
    ) -> None:
        self._backend = backend
        self._order = order
        self._deadline = deadline
        self._ledger = ledger
        self._place = (backend.name, backend.address)
        self._recorded: set[str] = set()  # VMs with an intent and no outcome in the ledger
        self._any_recorded = False
        self._jobs = {job.vm.id: job for job in jobs}
        self._progress = ProgressLog(order, deadline)
        self._polled_at = 0.0  # when the last poll succeeded
        main = threading.current_thread() is threading.main_thread()
        self._max_wait = _MAX_WAIT if main else _MAX_WAIT_IN_BACKGROUND

    def run(self) -> None:
        watched = [job.vm for job in self._open()]
        with (
            self._backend.watch(watched, self._order, self._deadline) as watch,
            Dispatcher(self._backend, self._order, self._deadline, self._ledger) as dispatcher,
            GuestReader(
                self._backend, list(self._jobs.values()), self._deadline, dispatcher.jobs_lock
            ) as guests,
        ):
            for observation in self._initial_states(watch):
                if (job := self._jobs[observation.vm_id]).open:
                    job.on_initial_state(observation)
            try:
                self._drive(watch, dispatcher, guests)
            finally:
                with dispatcher.jobs_lock:
                    dispatcher.stop()
                    self._record_outcomes()
                    self._log_notices()
                    self._log_interruption()

    def _initial_states(self, watch: Watch) -> list[Observation]:
        """The present states, from the inventory if this call has just read it.

        The inventory behind a restore may be older, and only the watch's own initial state can
        prove a later reboot.
        """
        order, fresh = self._order, self._deadline.elapsed < _FRESH
        reboots = order.operation is Operation.REBOOT
        if self._backend.rejects_stale_state and fresh and not (reboots or order.is_restore):
            return [job.seen for job in self._open()]
        return watch.poll(0, self._deadline)

    def _drive(self, watch: Watch, dispatcher: Dispatcher, guests: GuestReader) -> None:
        while self._open():
            if self._deadline.passed:
                self._time_out(dispatcher)
                return
            if why := self._ledger.blocked_reason(self._order, *self._place):
                self._stop(dispatcher, why)
                return
            # Before a reboot is requested, too: its proof is a comparison.
            guests.read()
            with dispatcher.jobs_lock:
                self._send_due(dispatcher)
            if not self._update(watch, dispatcher):
                return
            with dispatcher.jobs_lock:
                for job in self._open():
                    job.decide()
                self._record_outcomes()
            watch.unwatch([job.vm.id for job in self._jobs.values() if not job.open])
            self._log_notices()
            self._log_progress()

    def _send_due(self, dispatcher: Dispatcher) -> None:
        due = [job for job in self._open() if job.due and job.may_send()]
        self._record_intents([job for job in due if job.vm.id not in self._recorded])
        for job in due:
            if job.open and job.scheduled is not None:
                dispatcher.submit(job, job.scheduled.command)

    def _record_intents(self, jobs: Sequence[Job]) -> None:
        """Write them to disk, all at once, before anything is sent."""
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
        closed = [self._jobs[vm_id] for vm_id in self._recorded if not self._jobs[vm_id].open]
        if closed:
            outcomes = [(job.outcome, job.pending) for job in closed]
            self._ledger.record_outcomes(outcomes, self._order)
            self._recorded.difference_update(job.vm.id for job in closed)

    def _update(self, watch: Watch, dispatcher: Dispatcher) -> bool:
        """Pass answers and observations to the jobs; False if the watch is permanently lost."""
        # Collect less towards the end, because what is not observed by then stays unknown.
        collect = max(_MIN_COLLECT, self._deadline.remaining / 2)
        answers = dispatcher.answers(min(_COLLECT, collect))
        with dispatcher.jobs_lock:
            sending = dispatcher.busy
            for job, answer in answers:
                job.on_answer(answer)
        try:
            watch.track([handle for _, answer in answers if (handle := answer.handle_to_track)])
            observations = watch.poll(0 if sending else self._wait_seconds(), self._deadline)
            with dispatcher.jobs_lock:
                self._observe(observations)
            self._polled_at = self._deadline.elapsed
            for job in self._open():
                job.watch_lost = False
        except LASTING as error:
            with dispatcher.jobs_lock:
                for job in self._open():
                    job.on_watch_lost(error)
            return False
        except PlatformError as error:
            self._on_poll_failed(error)
        if watch.pushed and not sending:
            self._deadline.sleep(min(_MAX_PAUSE, _PAUSE_PER_VM * len(self._open())))
        return True

    def _observe(self, observations: Sequence[Observation]) -> None:
        for observation in observations:
            job = self._jobs.get(observation.vm_id)
            if job is not None and job.open:
                job.observe(observation)

    def _on_poll_failed(self, error: PlatformError) -> None:
        # After a poll that only the deadline ended, the last one stays valid for a while.
        age = self._deadline.elapsed - self._polled_at
        for job in self._open():
            max_age = _FRESH if job.pending else 2 * _MAX_WAIT
            job.watch_lost |= age > max_age or not self._deadline.passed
        if not self._deadline.passed:
            self._progress.warn(f"watching was interrupted, trying again: {error}")
            self._deadline.sleep(1.0)

    def _wait_seconds(self) -> float:
        """How long the watch may wait before a job has to decide."""
        moments = [moment for job in self._open() for moment in job.alarms]
        moments.append(self._deadline.elapsed + min(self._max_wait, self._deadline.remaining))
        return max(0.0, min(moments) - self._deadline.elapsed)

    def _time_out(self, dispatcher: Dispatcher) -> None:
        with dispatcher.jobs_lock:
            for job, answer in dispatcher.answers(0):
                job.on_answer(answer)
            for job in self._open():
                job.on_deadline()

    def _stop(self, dispatcher: Dispatcher, why: str) -> None:
        """Close all jobs; what is in flight is left to the call that restores the VMs."""
        if not self._any_recorded:
            raise LedgerError(why)
        with dispatcher.jobs_lock:
            dispatcher.stop()
            for job, answer in dispatcher.answers(0):
                job.on_answer(answer)
            for job in self._open():
                job.stop(why)

    def _open(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.open]

    def _log_notices(self) -> None:
        """One line for all VMs with the same notice."""
        groups: dict[str, list[Job]] = {}
        for job in self._jobs.values():
            if job.notice is not None:
                groups.setdefault(job.notice, []).append(job)
                job.notice = None
        for notice, jobs in groups.items():
            logger.info(f"{listed([job.vm for job in jobs], _MAX_NAMED)}: {notice}")

    def _log_progress(self) -> None:
        outcomes = [job.outcome for job in self._jobs.values() if not job.open]
        failed = sum(outcome.failed for outcome in outcomes)
        self._progress.report(len(outcomes), failed, len(self._jobs))

    def _log_interruption(self) -> None:
        """An exception leaves no outcomes behind, so log what was in progress."""
        jobs = self._open()
        if not jobs:
            return
        sent = [job for job in jobs if job.command is not None]
        unsent = [job for job in jobs if job.command is None]
        text = "nothing was sent"
        if sent:
            text = f"sent to {_names(sent)}, whose outcome is unknown"
            text += f"; not sent to {_names(unsent)}" if unsent else ""
        logger.warning(f"{self._order.operation} was interrupted: {text}")


def _names(jobs: Iterable[Job]) -> str:
    return ", ".join(str(job.vm) for job in jobs)
