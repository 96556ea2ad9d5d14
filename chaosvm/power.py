"""Does one operation to many VMs: send, watch, fall back, report.

All requests go out through a few workers, which never wait for a VM. One
watch brings the news of every VM, and for each VM a small state machine
(:class:`_Job`) decides what the news means. One deadline ends everything; what
is not known by then is reported as unknown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from logzero import logger

from chaosvm.deadline import Deadline
from chaosvm.errors import (
    Busy,
    ConnectionFailed,
    GuestUnavailable,
    InWrongState,
    NoAnswer,
    OperationRefused,
    PlatformError,
    StepFailed,
    VMGone,
)
from chaosvm.order import OnTimeout, Operation, Order
from chaosvm.outcome import How, Outcome
from chaosvm.platform import Platform, Sighting, Step, Ticket, Watch
from chaosvm.vm import VM, PowerState

__all__ = ["carry_out"]

# While requests are going out, their tickets are gathered for so long before
# the watch is told of them; afterwards the watch itself waits for news.
_GATHER = 0.5
_LONGEST_WAIT = 5.0
# News of many VMs come one by one: a pause that grows with the VMs still open
# lets them pile up, and keeps the number of requests small.
_PAUSE_PER_VM = 0.005
_LONGEST_PAUSE = 0.5
# A VM that is busy with something else is tried again after 0.5 s, then 1 s...
_FIRST_RETRY, _LONGEST_RETRY = 0.5, 8.0
# After a lost answer, how long to look before asking the same again.
_LOOK_FIRST = 2.0
_MOST_RESENDS = 3
_PROGRESS_EVERY = 10.0

_TARGETS = {
    Operation.POWER_ON: PowerState.POWERED_ON,
    Operation.POWER_OFF: PowerState.POWERED_OFF,
    Operation.SUSPEND: PowerState.SUSPENDED,
    Operation.REBOOT: PowerState.POWERED_ON,
}


def carry_out(
    platform: Platform, vms: Sequence[VM], order: Order, deadline: Deadline
) -> list[Outcome]:
    """Bring every VM where the order wants it; one outcome each, in the order given.

    Raises OperationRefused, with nothing touched, where the operation cannot be
    done to one of them as it is. What fails later is in the outcomes.
    """
    jobs = [_Job(vm, order, deadline) for vm in vms]
    _refuse(platform, jobs, order)
    if any(job.open for job in jobs):
        _Run(platform, jobs, order, deadline).until_done()
    return [job.outcome() for job in jobs]


def _refuse(platform: Platform, jobs: Sequence[_Job], order: Order) -> None:
    refused = []
    for job in jobs:
        if not job.open:
            continue
        if reason := _impossible(job.vm, order) or platform.refusal(job.vm, order):
            refused.append(f"{job.vm} {reason}")
    if refused:
        raise OperationRefused(
            f"{order.operation} refused, and nothing was touched: {'; '.join(refused)}"
        )


def _impossible(vm: VM, order: Order) -> str | None:
    """What no platform can do; what only some can is for them to refuse."""
    if vm.power_state is PowerState.UNKNOWN:
        return f"is in a state that the platform does not know ({vm.status})"
    needs_running = order.operation in (Operation.REBOOT, Operation.SUSPEND)
    if needs_running and vm.power_state is PowerState.POWERED_OFF:
        return f"is {vm.power_state}, and {order.operation} needs a running VM"
    return None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back from sending a step: a ticket or an error."""

    job: _Job
    step: Step
    ticket: Ticket | None = None
    error: StepFailed | None = None


class _Job:
    """One VM on its way: knows what was asked, what was seen, and what that means."""

    def __init__(self, vm: VM, order: Order, deadline: Deadline) -> None:
        self.vm = vm
        self.order = order
        self.deadline = deadline
        self.target = _TARGETS[order.operation]
        self.seen = Sighting(vm_id=vm.id, power_state=vm.power_state)
        self.before = vm.power_state
        self.step: Step | None = None  # the last step sent
        self.queued: Step | None = None  # a step that waits for a free worker
        self.guest_asked = False  # the guest was told to shut down, or may have been
        self.proof_before = False  # it was seen to have rebooted before it was asked to
        self.blind = False  # the last look failed
        self.asking = False  # a request is under way: its answer has not come yet
        self.accepted = False  # a request was accepted, or may have been
        self.ticket: Ticket | None = None
        self.finished = False  # the request of that ticket came to its end
        self.failure: StepFailed | None = None  # ... with this error
        self.send_next: tuple[Step, float] | None = None  # and not before that moment
        self.tries = 0
        self.fell_back: str | None = None  # why the guest was given up
        self.lost_at: float | None = None  # when the last request's answer was lost
        self.in_doubt = False  # some request's answer was lost: it may have been done
        self.open = True
        self.changed = False
        self.how = How.NONE
        self.detail: str | None = None
        self.error: str | None = None
        self.state_unknown = False
        self.seconds = 0.0
        if order.operation is not Operation.REBOOT and vm.power_state is self.target:
            self._close(detail=f"was {self.target} already")

    # What happens to it ----------------------------------------------------------

    def first_seen(self, sighting: Sighting) -> None:
        """The state at the start of the watch counts as the state before."""
        if not sighting.exists:
            self._gone("does not exist any more")
            return
        self.seen = sighting
        self.before = sighting.power_state
        if self._must_settle():
            return
        if self.order.operation is not Operation.REBOOT and self.before is self.target:
            self._close(detail=f"was {self.target} already")
        elif reason := _impossible(replace(self.vm, power_state=self.before), self.order):
            self._fail(f"{reason}; it was {self.vm.power_state} a moment ago")
        else:
            self._plan(self._first_step())

    def queue(self, step: Step) -> None:
        self.queued = step
        self.send_next = None

    def sending(self, step: Step) -> None:
        self.step = step
        self.queued = None
        self.proof_before = self.seen.rebooted
        self.ticket = None
        self.finished, self.failure, self.lost_at = False, None, None
        self.asking = True
        self.tries += 1

    def answered(self, answer: _Answer) -> None:
        if answer.step is Step.SHUTDOWN_GUEST and not isinstance(answer.error, Busy):
            self.guest_asked |= answer.ticket is not None or isinstance(answer.error, NoAnswer)
        if not self.open or answer.step is not self.step:
            return  # it comes too late to matter
        self.asking = False
        if answer.ticket is not None:
            self.accepted = True
            self.ticket = answer.ticket
            self.in_doubt = False
        elif answer.error is not None:
            self._refused(answer.error)

    def saw(self, sighting: Sighting) -> None:
        if sighting.ended is not None and sighting.ended is self.ticket and not self.finished:
            self.finished, self.failure = True, sighting.error
        asked = sighting.question
        if asked and asked != self.seen.question:
            logger.warning(f"{self.vm} waits for an answer to: {asked}")
        self.seen = sighting

    def decide(self) -> None:
        """Draw the conclusions from all that is known now."""
        if not self.open:
            return
        if not self.seen.exists:
            self._gone("does not exist any more: it was deleted or unregistered meanwhile")
        elif self.step is None:
            if self.send_next is None and self.queued is None and self.seen.power_state.settled:
                self.first_seen(self.seen)
            elif self._guest_time_is_over():
                self._give_up_guest(self._why_not_down())
        elif self.failure is not None:
            failure, self.failure = self.failure, None
            self._refused(failure)
        elif self._arrived():
            self._arrive()
        elif self._changed_by_others():
            self.accepted = False
            self._fail(f"is {self.seen.power_state} now: something else changed it meanwhile")
        elif self._guest_time_is_over():
            self._give_up_guest(self._why_not_down())
        elif self.lost_at is not None:
            self._after_lost_answer(self.lost_at)

    def time_out(self) -> None:
        """The deadline has passed: say what is known, and what is not."""
        waited = f"after {self.deadline.elapsed:.0f} s"
        question = f", waiting for an answer to: {self.seen.question}" if self.seen.question else ""
        if self.step is Step.SHUTDOWN_GUEST and self.order.on_timeout is not OnTimeout.HARD:
            self._give_up_guest(self._why_not_down())
        elif self.step is None or not (self.accepted or self.asking):
            asked = "its guest was asked to shut down" if self.guest_asked else "was not touched"
            self._fail(
                f"{asked}, and is {self.seen.power_state} {waited}{self._held_up()}{question}"
            )
        elif self.order.operation is Operation.REBOOT:
            lost = self.in_doubt or self.asking
            self.state_unknown = lost
            self._fail(
                f"is {self.seen.power_state} {waited}, and it is unknown whether it rebooted: "
                f"the {self.step} was {'sent' if lost else 'accepted'}, but there is "
                f"no proof that it was done{question}"
            )
        elif self.seen.power_state is self.target:
            # The answer never came, but what was asked for has happened.
            self._arrive()
        else:
            self.state_unknown = self._request_pending()
            unknown = "; the outcome is unknown" if self.state_unknown else ""
            self._fail(
                f"was {self.seen.power_state} when last seen, "
                f"{waited}{unknown}{self._held_up()}{question}"
            )

    def cut_off(self, error: PlatformError) -> None:
        """The platform can not be watched any more."""
        self.state_unknown = self.accepted or self.step is not None
        known = "its outcome is unknown" if self.state_unknown else "it was not touched"
        self._fail(f"could not be followed, {known}: {error}")

    # What it means ---------------------------------------------------------------

    def _first_step(self) -> Step:
        match self.order.operation:
            case Operation.POWER_ON:
                return Step.POWER_ON
            case Operation.SUSPEND:
                return Step.SUSPEND
            case Operation.REBOOT:
                return Step.REBOOT_GUEST if self.order.graceful else Step.RESET
        running = self.before is PowerState.POWERED_ON
        return Step.SHUTDOWN_GUEST if self.order.graceful and running else Step.POWER_OFF

    def _arrived(self) -> bool:
        if not self.accepted or self.send_next is not None:
            return False
        if self.step is Step.REBOOT_GUEST:
            return self.seen.rebooted and not self.proof_before
        tracked = self.ticket is not None and self.ticket.tracked
        if self.step is Step.RESET:
            done = self.finished or self.seen.rebooted
            return done and self.seen.power_state is self.target
        return self.seen.power_state is self.target and (self.finished or not tracked)

    def _arrive(self) -> None:
        self._close(changed=True, how=self.seen.how or self._means(), detail=self.fell_back)

    def _means(self) -> How:
        """By what the last step works."""
        if self.step is not None and self.step.asks_guest:
            return How.GUEST
        return How.FALLBACK_HARD if self.fell_back else How.HARD

    def _changed_by_others(self) -> bool:
        """A guest asked to shut down can only run on or be off."""
        state = self.seen.power_state
        return (
            self.step is Step.SHUTDOWN_GUEST
            and state.settled
            and state not in (self.before, self.target)
        )

    def _must_settle(self) -> bool:
        """A state that will pass is waited out, except by what cuts it short anyway."""
        cuts = self.order.operation in (Operation.POWER_OFF, Operation.REBOOT)
        return self.before is PowerState.TRANSITIONING and (self.order.graceful or not cuts)

    def _guest_time_is_over(self) -> bool:
        asks = self.order.operation is Operation.POWER_OFF and self.order.graceful
        on_its_way = Step.POWER_OFF in (self.step, self.queued)
        planned = self.send_next is not None and self.send_next[0] is Step.POWER_OFF
        over = self.deadline.elapsed >= self.order.guest_seconds
        return asks and over and not on_its_way and not planned

    def _why_not_down(self) -> str:
        seconds = f"{self.deadline.elapsed:.0f} s"
        asked = f", waiting for an answer to: {self.seen.question}" if self.seen.question else ""
        if self.guest_asked or self.asking:
            return f"the guest did not shut down in {seconds}{asked}"
        return f"the guest could not be asked in {seconds}{self._held_up()}"

    def _gone(self, why: str) -> None:
        self._note_state(PowerState.UNKNOWN)
        self.accepted = False
        self._fail(why)

    def _refused(self, error: StepFailed) -> None:
        """A request was refused, or its task ended with an error."""
        if isinstance(error, NoAnswer):
            self.accepted = True
            self.in_doubt = True
            self.lost_at = self.deadline.elapsed
            self.detail = str(error)
        elif isinstance(error, VMGone):
            self._gone("does not exist any more: it was deleted or unregistered meanwhile")
        elif isinstance(error, Busy):
            self.detail = str(error)
            self.accepted = self.in_doubt
            self._plan(self.step, self._backoff())
        elif isinstance(error, InWrongState):
            self._was_there_already(error)
        elif isinstance(error, GuestUnavailable) and self.step is Step.SHUTDOWN_GUEST:
            if not self.in_doubt:
                self._give_up_guest(str(error))
            # Otherwise its tools have stopped because it is shutting down.
        else:
            self.state_unknown = self.in_doubt
            self._fail(f"refused the {self.step}: {error}")

    def _was_there_already(self, error: InWrongState) -> None:
        if error.state is not self.target or self.order.operation is Operation.REBOOT:
            self._fail(f"refused the {self.step}: {error}")
        elif self.in_doubt:
            self._note_state(self.target)
            self._arrive()
        elif self.fell_back and self.guest_asked:
            # The guest made it after all, just before its power was to be cut.
            self._note_state(self.target)
            self._close(changed=True, how=How.GUEST, detail=f"{self.fell_back}, but then did")
        else:
            self._note_state(self.target)
            self._close(detail=f"had become {self.target} by itself")

    def _give_up_guest(self, why: str) -> None:
        match self.order.on_timeout:
            case OnTimeout.HARD:
                logger.info(f"{self.vm}: {why}; cutting its power")
                self.fell_back = why
                self.accepted = self.asking = self.in_doubt = False
                self.queued = None
                self._plan(Step.POWER_OFF)
            case OnTimeout.LEAVE:
                if self.guest_asked or self.step is None or not self.detail:
                    self.state_unknown = self.blind
                    how = How.GUEST if self.guest_asked else How.NONE
                    self._close(how=how, detail=f"{why}; left as it is")
                else:
                    self._fail(f"is still {self.seen.power_state}: {why}")
            case OnTimeout.FAIL:
                self._fail(f"is still {self.seen.power_state}: {why}")

    def _after_lost_answer(self, lost_at: float) -> None:
        """Look first; then ask again where asking twice does no harm."""
        looked = self.deadline.elapsed - lost_at
        unchanged = self.seen.power_state is self.before
        repeatable = self.step is not None and self.step.repeatable
        if looked < _LOOK_FIRST:
            return
        self.lost_at = None
        if unchanged and repeatable and self.tries <= _MOST_RESENDS:
            logger.info(f"{self.vm}: no answer to the {self.step}, and nothing happened: again")
            self._plan(self.step)

    def _request_pending(self) -> bool:
        """May something that was sent still happen?"""
        if self.in_doubt or self.asking or self.blind:
            return True
        tracked = self.ticket is not None and self.ticket.tracked
        return tracked and not self.finished

    def _held_up(self) -> str:
        return f": {self.detail}" if self.detail else ""

    def _backoff(self) -> float:
        return float(min(_FIRST_RETRY * 2 ** (self.tries - 1), _LONGEST_RETRY))

    def _plan(self, step: Step | None, seconds: float = 0.0) -> None:
        if step is not None:
            if step is not self.step:
                self.tries = 0
            self.send_next = (step, self.deadline.elapsed + seconds)

    def _note_state(self, state: PowerState) -> None:
        self.seen = replace(self.seen, power_state=state)

    def _close(self, changed: bool = False, how: How = How.NONE, detail: str | None = None) -> None:
        self.open = False
        self.changed, self.how, self.detail = changed, how, detail
        self.seconds = self.deadline.elapsed

    def _fail(self, why: str) -> None:
        changed = self.seen.power_state is not self.before and self.accepted
        self._close(changed=changed, how=self._means() if self.accepted else How.NONE)
        self.error = why

    def outcome(self) -> Outcome:
        return Outcome(
            name=self.vm.name,
            id=self.vm.id,
            platform=self.vm.platform,
            operation=self.order.operation.value,
            before=self.before,
            after=PowerState.UNKNOWN if self.state_unknown else self.seen.power_state,
            changed=self.changed,
            how=self.how,
            seconds=round(self.seconds, 3),
            detail=self.detail,
            error=self.error,
        )


class _Sender:
    """A few workers that send steps and bring back the answers."""

    def __init__(self, platform: Platform, parallel: int, deadline: Deadline) -> None:
        self._platform = platform
        self._deadline = deadline
        self._workers = ThreadPoolExecutor(parallel, thread_name_prefix="chaosvm-send")
        self._parallel = parallel
        self._waiting: deque[_Job] = deque()
        self._under_way: set[Future[_Answer]] = set()

    @property
    def busy(self) -> bool:
        return bool(self._under_way)

    def submit(self, job: _Job, step: Step) -> None:
        job.queue(step)
        self._waiting.append(job)
        self._start_more()

    def _start_more(self) -> None:
        """A step counts as sent only when a worker is free for it."""
        while self._waiting and len(self._under_way) < self._parallel:
            if self._deadline.passed:
                return
            job = self._waiting.popleft()
            if job.open and job.queued is not None:
                step = job.queued
                job.sending(step)
                self._under_way.add(self._workers.submit(self._send, job, step))

    def answers(self, seconds: float) -> list[_Answer]:
        """What has come in, waiting so long for all that is under way."""
        clock = self._deadline.clock
        until = clock.monotonic() + min(seconds, self._deadline.remaining)
        found: list[_Answer] = []
        while self._under_way:
            left = max(0.0, until - clock.monotonic())
            done, self._under_way = wait(self._under_way, left, FIRST_COMPLETED)
            if not done:
                break
            found += [future.result() for future in done]
            self._start_more()
        return found

    def _send(self, job: _Job, step: Step) -> _Answer:
        try:
            return _Answer(job, step, ticket=self._platform.send(job.vm, step, self._deadline))
        except StepFailed as error:
            return _Answer(job, step, error=error)
        except ConnectionFailed as error:
            # It never left this machine, so trying again is safe.
            return _Answer(job, step, error=Busy(str(error)))
        except PlatformError as error:
            return _Answer(job, step, error=StepFailed(str(error)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an interruption nothing more may go out.
        self._workers.shutdown(wait=False, cancel_futures=True)


class _Run:
    """One operation on a set of VMs, from the first look to the last outcome."""

    def __init__(
        self, platform: Platform, jobs: Sequence[_Job], order: Order, deadline: Deadline
    ) -> None:
        self._platform = platform
        self._order = order
        self._deadline = deadline
        self._jobs = {job.vm.id: job for job in jobs}
        self._told = 0.0
        self._looked = 0.0  # when the last look succeeded

    def until_done(self) -> None:
        watched = [job.vm for job in self._open()]
        with (
            self._platform.watch(watched, self._deadline) as watch,
            _Sender(self._platform, self._order.parallel, self._deadline) as sender,
        ):
            for sighting in watch.news(0, self._deadline):
                if (job := self._jobs[sighting.vm_id]).open:
                    job.first_seen(sighting)
            try:
                self._drive(watch, sender)
            finally:
                self._tell_if_interrupted()

    def _drive(self, watch: Watch, sender: _Sender) -> None:
        while self._open():
            if self._deadline.passed:
                self._time_out(sender)
                return
            self._send_due(sender)
            if not self._look(watch, sender):
                return
            for job in self._open():
                job.decide()
            self._tell_progress()

    def _send_due(self, sender: _Sender) -> None:
        for job in self._open():
            if job.send_next and job.send_next[1] <= self._deadline.elapsed:
                sender.submit(job, job.send_next[0])

    def _look(self, watch: Watch, sender: _Sender) -> bool:
        """Gather answers and news; False when the platform cannot be watched any more."""
        sending = sender.busy
        answers = sender.answers(_GATHER)
        for answer in answers:
            answer.job.answered(answer)
        try:
            watch.follow([answer.ticket for answer in answers if answer.ticket])
            for sighting in watch.news(0 if sending else self._patience(), self._deadline):
                if (job := self._jobs.get(sighting.vm_id)) and job.open:
                    job.saw(sighting)
            self._looked = self._deadline.elapsed
            self._mark_blind(False)
        except ConnectionFailed as error:
            # A look that only the deadline cut short leaves the last one good.
            stale = self._deadline.elapsed - self._looked > 2 * _LONGEST_WAIT
            if stale or not self._deadline.passed:
                self._mark_blind(True)
            if not self._deadline.passed:
                logger.warning(f"watching was interrupted, trying again: {error}")
                self._deadline.sleep(1.0)
        except PlatformError as error:
            for job in self._open():
                job.cut_off(error)
            return False
        if not sending:
            self._deadline.sleep(min(_LONGEST_PAUSE, _PAUSE_PER_VM * len(self._open())))
        return True

    def _mark_blind(self, blind: bool) -> None:
        for job in self._open():
            job.blind = blind

    def _patience(self) -> float:
        """How long nothing but news can matter."""
        moments = [job.send_next[1] for job in self._open() if job.send_next]
        if any(not job.fell_back for job in self._open()) and self._order.graceful:
            moments.append(self._order.guest_seconds)
        moments += [job.lost_at + _LOOK_FIRST for job in self._open() if job.lost_at is not None]
        moments.append(self._deadline.elapsed + min(_LONGEST_WAIT, self._deadline.remaining))
        return max(0.0, min(moments) - self._deadline.elapsed)

    def _time_out(self, sender: _Sender) -> None:
        for answer in sender.answers(0):
            answer.job.answered(answer)
        for job in self._open():
            job.time_out()

    def _open(self) -> list[_Job]:
        return [job for job in self._jobs.values() if job.open]

    def _tell_progress(self) -> None:
        if self._deadline.elapsed - self._told < _PROGRESS_EVERY:
            return
        self._told = self._deadline.elapsed
        left = self._open()
        failed = sum(1 for job in self._jobs.values() if job.error)
        done = len(self._jobs) - len(left) - failed
        logger.info(
            f"{self._order.operation}: {done} done, {failed} failed, {len(left)} left "
            f"after {self._deadline.elapsed:.0f} s"
        )

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


def _names(jobs: Iterable[_Job]) -> str:
    return ", ".join(str(job.vm) for job in jobs) or "none"
