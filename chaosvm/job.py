"""One VM on its way to where an order wants it: a small state machine.

A job is told what was sent, what was answered and what was seen, and decides
what that means: wait, send a step, or close with an outcome. It sends nothing
itself, and knows the time only from its deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from logzero import logger

from chaosvm.deadline import Deadline
from chaosvm.errors import (
    Busy,
    GuestUnavailable,
    InWrongState,
    NoAnswer,
    NotSupported,
    PlatformError,
    StepFailed,
    VMGone,
)
from chaosvm.history import TARGETS
from chaosvm.order import OnTimeout, Operation, Order
from chaosvm.outcome import How, Outcome
from chaosvm.platform import Sighting, Step, Ticket
from chaosvm.vm import VM, PowerState

__all__ = ["LOOK_FIRST", "Answer", "Job", "impossible", "needless"]

# A VM that is busy with something else is tried again after 0.5 s, then 1 s...
_FIRST_RETRY, _LONGEST_RETRY = 0.5, 8.0
# After a lost answer, how long to look before asking the same again.
LOOK_FIRST = 2.0
_MOST_RESENDS = 3

_LEADS_TO: dict[Step | None, PowerState] = {
    Step.POWER_ON: PowerState.POWERED_ON,
    Step.POWER_OFF: PowerState.POWERED_OFF,
}


def needless(vm: VM, order: Order) -> bool:
    """Is the VM where the order wants it?"""
    reboots = order.operation is Operation.REBOOT
    return not reboots and vm.power_state is TARGETS[order.operation]


def impossible(vm: VM, order: Order) -> str | None:
    """What no platform can do; what only some can is for them to refuse."""
    if vm.power_state is PowerState.UNKNOWN:
        return f"is in a state that the platform does not know ({vm.status})"
    needs_running = order.operation in (Operation.REBOOT, Operation.SUSPEND)
    if needs_running and vm.power_state is PowerState.POWERED_OFF:
        return f"is {vm.power_state}, and {order.operation} needs a running VM"
    return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from sending a step: a ticket or an error."""

    job: Job
    step: Step
    ticket: Ticket | None = None
    error: StepFailed | None = None

    @property
    def to_follow(self) -> Ticket | None:
        """What the watch can report on: also a request whose answer was lost."""
        return self.error.ticket if isinstance(self.error, NoAnswer) else self.ticket


class Job:
    """One VM on its way: knows what was asked, what was seen, and what that means."""

    def __init__(
        self,
        vm: VM,
        order: Order,
        deadline: Deadline,
        refusal: Callable[[VM, Order], str | None],
    ) -> None:
        self.vm = vm
        self._platform_refusal = refusal
        self.order = order
        self.deadline = deadline
        self.target = TARGETS[order.operation]
        self.seen = Sighting(vm_id=vm.id, power_state=vm.power_state)
        self.before = vm.power_state
        self.step: Step | None = None  # the last step sent
        self.waited_first = False  # until a state that was passing had passed
        self.queued: Step | None = None  # a step that waits for a free worker
        self.guest_asked = False  # the guest was told to shut down, or may have been
        self.proof_before = False  # it was seen to have rebooted before it was asked to
        self.blind = False  # the last look failed
        self.state_when_sent = vm.power_state
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
        self.restarting = False  # stopped so as to be started again, as there is no reset
        self.correlation_id: str | None = None
        self.open = True
        self.changed = False
        self.how = How.NONE
        self.detail: str | None = None
        self.error: str | None = None
        self.state_unknown = False
        self.seconds = 0.0
        if needless(vm, order):
            self._close(detail=f"was {self.target} already")

    # What happens to it ----------------------------------------------------------

    def first_seen(self, sighting: Sighting) -> None:
        """The state at the start of the watch counts as the state before."""
        if not sighting.exists:
            self._gone("does not exist any more")
            return
        self.seen = sighting
        if not self.waited_first:
            self.before = sighting.power_state
        if self.must_settle():
            self.waited_first = True
            return
        if self.order.operation is not Operation.REBOOT and self.seen.power_state is self.target:
            became = f"became {self.target} by itself"
            self._close(detail=became if self.waited_first else f"was {self.target} already")
        elif reason := self.refusal():
            self._fail(f"{reason}; it was {self.vm.power_state} a moment ago")
        else:
            self._plan(self.next_step())

    def refusal(self) -> str | None:
        """Why the operation cannot, or must not, be done to the VM in its present state."""
        now = replace(self.vm, power_state=self.seen.power_state)
        return impossible(now, self.order) or self._platform_refusal(now, self.order)

    def may_send(self) -> bool:
        """Looks once more before a step that had to wait; fails the job if it may not go."""
        reason = None if self.restarting else self.refusal()
        if reason is not None:
            self._fail(f"{reason}; it was {self.before} before")
        return reason is None

    def give_up(self, why: str) -> None:
        """It may not be sent what it needs."""
        self._fail(f"was not touched: {why}")

    def queue(self, step: Step) -> None:
        self.queued = step
        self.send_next = None

    def sending(self, step: Step) -> None:
        self.step = step
        self.queued = None
        self.proof_before = self.seen.rebooted
        self.state_when_sent = self.seen.power_state
        self.ticket = None
        self.finished, self.failure, self.lost_at = False, None, None
        self.asking = True
        self.tries += 1

    def answered(self, answer: Answer) -> None:
        if answer.step is Step.SHUTDOWN_GUEST and not isinstance(answer.error, Busy):
            self.guest_asked |= answer.ticket is not None or isinstance(answer.error, NoAnswer)
        if not self.open or answer.step is not self.step:
            return  # it comes too late to matter
        self.asking = False
        self.ticket = answer.to_follow
        if self.ticket is not None:
            self.correlation_id = self.ticket.correlation_id
        if answer.error is not None:
            self._refused(answer.error)
        else:
            self.accepted = True
            self.in_doubt = False

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
            self._arrive_unanswered()
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

    def next_step(self) -> Step:
        """What is sent first, in its present state."""
        match self.order.operation:
            case Operation.POWER_ON:
                return Step.POWER_ON
            case Operation.SUSPEND:
                return Step.SUSPEND
            case Operation.REBOOT:
                return Step.REBOOT_GUEST if self.order.graceful else Step.RESET
        running = self.seen.power_state is PowerState.POWERED_ON
        return Step.SHUTDOWN_GUEST if self.order.graceful and running else Step.POWER_OFF

    def _arrived(self) -> bool:
        if not self.accepted or self.send_next is not None:
            return False
        if self.step is Step.REBOOT_GUEST:
            return self.seen.rebooted and not self.proof_before
        tracked = self.ticket is not None and self.ticket.tracked
        if self.restarting and self.step is Step.POWER_OFF:
            return self.seen.power_state is PowerState.POWERED_OFF
        if self.step is Step.RESET:
            done = self.finished or self.seen.rebooted
            return done and self.seen.power_state is self.target
        return self.seen.power_state is self.target and (self.finished or not tracked)

    def _arrive(self) -> None:
        if self.restarting and self.step is Step.POWER_OFF:
            self.accepted = self.in_doubt = False
            self._plan(Step.POWER_ON)
            return
        detail = "stopped and started, as reset is not supported" if self.restarting else None
        how = self.seen.how or self._means()
        self._close(changed=True, how=how, detail=detail or self.fell_back)

    def _arrive_unanswered(self) -> None:
        if self.asking and self.guest_asked and self.fell_back:
            # Its power is not known to have been cut; it did as it was asked before.
            self._close(changed=True, how=How.GUEST, detail=f"{self.fell_back}, but then did")
        else:
            self._arrive()

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
            and state not in (self.state_when_sent, self.target)
        )

    def must_settle(self) -> bool:
        """A state that will pass is waited out, except by what cuts it short anyway."""
        cuts = self.order.operation in (Operation.POWER_OFF, Operation.REBOOT)
        passing = self.seen.power_state is PowerState.TRANSITIONING
        return passing and (self.order.graceful or not cuts)

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
        if self.fell_back and self.step is Step.SHUTDOWN_GUEST:
            return  # it was given up: its power is about to be cut, whatever comes of it
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
        elif isinstance(error, NotSupported) and self.step is Step.RESET:
            self.restarting = True
            self._plan(Step.POWER_OFF)
        else:
            self.state_unknown = self.in_doubt
            self._fail(f"refused the {self.step}: {error}")

    def _was_there_already(self, error: InWrongState) -> None:
        if self.restarting and error.state is _LEADS_TO.get(self.step):
            self._note_state(error.state)
            self._arrive()
        elif error.state is not self.target or self.order.operation is Operation.REBOOT:
            self._note_state(error.state)
            self.accepted = self.in_doubt
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
                # A request without an answer may still reach the guest.
                self.guest_asked |= self.asking
                self.lost_at = None
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
        unchanged = self.seen.power_state is self.state_when_sent
        repeatable = self.step is not None and self.step.repeatable
        if looked < LOOK_FIRST:
            return
        self.lost_at = None
        if unchanged and repeatable and self.tries <= _MOST_RESENDS:
            logger.info(f"{self.vm}: no answer to the {self.step}, and nothing happened: again")
            self._plan(self.step)

    def _request_pending(self) -> bool:
        """May something that was sent still happen?"""
        if self.in_doubt or self.asking or self.blind:
            return True
        # Of one that is not tracked only the VM's state would have told the end.
        return self.ticket is not None and not self.finished

    @property
    def pending(self) -> bool:
        """May something that was sent still change its power state?"""
        if self.step is None or self.seen.power_state is self.step.leads_to:
            return False
        return self.state_unknown or self.guest_asked or self._request_pending()

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
            correlation_id=self.correlation_id,
        )
