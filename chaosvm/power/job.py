"""One VM on its way to where an order wants it: a small state machine.

A job is told what was sent, what was answered and what was seen, and decides
what that means: wait, plan a step, or close with an outcome. It sends nothing
itself, and knows the time only from its deadline.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from chaosvm.backend import Observation, OnTimeout, Operation, Order, PowerCommand
from chaosvm.errors import (
    AnswerLost,
    Busy,
    ChaosVMError,
    CommandFailed,
    GuestUnavailable,
    InWrongState,
    NotSupported,
    PerhapsBusy,
    VMGone,
)
from chaosvm.outcome import How, Outcome
from chaosvm.power.precheck import (
    already_satisfied,
    first_step,
    must_wait_for_stable_state,
    unsupported_reason,
)
from chaosvm.power.progress import Progress
from chaosvm.power.request import Answer, Request
from chaosvm.runtime import Deadline
from chaosvm.vm import VM, PowerState

__all__ = ["Job"]

logger = logging.getLogger("chaostoolkit")

# After a lost answer, how long to look before asking the same again.
_LOOK_FIRST = 2.0
_MOST_RESENDS = 3

_DELETED = "does not exist any more: it was deleted or unregistered meanwhile"


class Job(Progress):
    """One VM on its way: decides what its progress means, until it has an outcome."""

    def __init__(
        self,
        vm: VM,
        order: Order,
        deadline: Deadline,
        refusal_reason: Callable[[VM, Order], str | None],
    ) -> None:
        super().__init__(vm, order, deadline)
        self._platform_refusal = refusal_reason
        self._waited_first = False  # until a state that was passing had passed
        self._outcome: Outcome | None = None
        if already_satisfied(vm, order):
            self._close(detail=f"was {self.target} already")

    @property
    def open(self) -> bool:
        return self._outcome is None

    @property
    def outcome(self) -> Outcome:
        """How it ended; not to be asked of one that is open."""
        assert self._outcome is not None
        return self._outcome

    # What happens to it ----------------------------------------------------------

    def on_initial_state(self, observation: Observation) -> None:
        """The state at the start of the watch counts as the state before."""
        if not observation.exists:
            self._on_deleted("does not exist any more")
            return
        self.seen = observation
        if not self._waited_first:
            self.before = observation.power_state
        if must_wait_for_stable_state(self.seen.power_state, self.order):
            self._waited_first = True
            return
        if self.order.operation is not Operation.REBOOT and self.seen.power_state is self.target:
            became = f"became {self.target} by itself"
            self._close(detail=became if self._waited_first else f"was {self.target} already")
        elif reason := self.refusal_reason():
            self._fail(f"{reason}; it was {self.vm.power_state} a moment ago")
        else:
            self._plan(first_step(self.seen.power_state, self.order))

    def refusal_reason(self) -> str | None:
        """Why the operation cannot, or must not, be done to the VM in its present state."""
        now = replace(self.vm, power_state=self.seen.power_state)
        return unsupported_reason(now, self.order) or self._platform_refusal(now, self.order)

    def may_send(self) -> bool:
        """Looks once more before a step that had to wait; fails the job if it may not go."""
        reason = None if self.restarting else self.refusal_reason()
        if reason is not None:
            self._fail(f"{reason}; it was {self.before} before")
        return reason is None

    def skip(self, why: str) -> None:
        """It may not be sent what it needs."""
        self._fail(f"was not touched: {why}")

    def on_answer(self, answer: Answer) -> None:
        if answer.command is PowerCommand.SHUTDOWN_GUEST and not isinstance(answer.error, Busy):
            self.guest_asked |= answer.ticket is not None or isinstance(answer.error, AnswerLost)
        request = self.request
        if not self.open or request is None or answer.command is not request.command:
            return  # it comes too late to matter
        request.under_way = False
        request.ticket = answer.to_follow
        if request.ticket is not None:
            self.correlation_id = request.ticket.correlation_id
        if answer.error is not None:
            self._refused(request, answer.error)
        else:
            self.accepted = True

    def decide(self) -> None:
        """Draw the conclusions from all that is known now."""
        if not self.open:
            return
        if not self.seen.exists:
            self._on_deleted(_DELETED)
        elif self.request is None:
            self._decide_before_a_request()
        else:
            self._decide_about(self.request)

    def on_deadline(self) -> None:
        """The deadline has passed: say what is known, and what is not."""
        waited = f"after {self.deadline.elapsed:.0f} s"
        request, state = self.request, self.seen.power_state
        if (
            self.command is PowerCommand.SHUTDOWN_GUEST
            and self.order.on_timeout is not OnTimeout.HARD
        ):
            self._give_up_guest(self._why_not_down())
        elif request is None or not (self.accepted or request.under_way):
            told = f"{self._done_so_far()}, and {self._was_seen()} {waited}"
            self._fail(f"{told}{self._blocked_text()}{self._question()}", unknown=self.watch_lost)
        elif self.order.operation is Operation.REBOOT:
            lost = self.answer_lost or request.under_way
            self._fail(
                f"is {state} {waited}, and it is unknown whether it rebooted: "
                f"the {request.command} was {'sent' if lost else 'accepted'}, but there is "
                f"no proof that it was done{self._question()}",
                unknown=lost,
            )
        elif state is self.target:
            # The answer never came, but what was asked for has happened.
            self._succeed_unanswered(request)
        else:
            unknown = self._may_still_happen()
            told = "; the outcome is unknown" if unknown else ""
            self._fail(
                f"was {state} when last seen, {waited}{told}{self._blocked_text()}"
                f"{self._question()}",
                unknown=unknown,
            )

    def on_watch_lost(self, error: ChaosVMError) -> None:
        """It is not followed any more."""
        self.watch_lost = True
        self._break_off("could not be followed", str(error))

    def stop(self, why: str) -> None:
        """The call may not go on."""
        self._break_off("was given up", why)

    def _break_off(self, what: str, why: str) -> None:
        request = self.request
        sent = self.accepted or self.guest_asked or (request is not None and request.under_way)
        known = "its outcome is unknown" if sent else f"it {self._done_so_far()}"
        self._fail(f"{what}, {known}: {why}", unknown=sent)

    # What it means ---------------------------------------------------------------

    def _decide_before_a_request(self) -> None:
        idle = self.planned is None and self.queued is None
        if idle and self.seen.power_state.settled:
            self.on_initial_state(self.seen)
        elif self._guest_time_is_over():
            self._give_up_guest(self._why_not_down())

    def _decide_about(self, request: Request) -> None:
        if (failure := request.take_failure()) is not None:
            self._refused(request, failure)
        elif self._has_succeeded(request):
            self._succeed(request)
        elif self._changed_by_others(request):
            self.accepted = False
            self._fail(f"is {self.seen.power_state} now: something else changed it meanwhile")
        elif self._guest_time_is_over():
            self._give_up_guest(self._why_not_down())
        elif request.look_until is not None and request.look_until <= self.deadline.elapsed:
            self._ask_again(request)

    def _succeed(self, request: Request) -> None:
        if self._stops_to_start(request):
            self.stopped = True
            self.accepted = self.answer_lost = False
            request.supersede()
            self._plan(PowerCommand.POWER_ON)
            return
        detail = "stopped and started, as reset is not supported" if self.restarting else None
        how = self.seen.how or self._method_used()
        self._close(changed=True, how=how, detail=detail or self.fallback_reason)

    def _succeed_unanswered(self, request: Request) -> None:
        if request.under_way and self.guest_asked and self.fallback_reason:
            # Its power is not known to have been cut; it did as it was asked before.
            self._succeed_by_guest()
        else:
            self._succeed(request)

    def _succeed_by_guest(self) -> None:
        """The guest made it after all, just before its power was to be cut."""
        self._close(changed=True, how=How.GUEST, detail=f"{self.fallback_reason}, but then did")

    def _on_deleted(self, why: str) -> None:
        self._note_state(PowerState.UNKNOWN)
        self.accepted = False
        self._fail(why)

    def _refused(self, request: Request, error: CommandFailed) -> None:
        """A request was refused, or its task ended with an error."""
        if request.superseded:
            return
        if isinstance(error, AnswerLost):
            self.accepted = True
            self.answer_lost = True
            if error.retryable:
                request.look_until = self.deadline.elapsed + _LOOK_FIRST
            self.blocked_by = str(error)
        elif isinstance(error, VMGone):
            self._on_deleted(_DELETED)
        elif isinstance(error, PerhapsBusy) and self._is_for_good(error):
            self.accepted = False
            tries = f"{request.attempt} times in the same words"
            self._fail(f"refused the {request.command} {tries}: {error}")
        elif isinstance(error, Busy):
            self.blocked_by = str(error)
            self.accepted = self.answer_lost
            self._plan(request.command, self._backoff(request))
        elif isinstance(error, InWrongState):
            self._on_state_conflict(request, error)
        elif isinstance(error, GuestUnavailable) and request.command is PowerCommand.SHUTDOWN_GUEST:
            if not self.answer_lost:
                self._give_up_guest(str(error))
            # Otherwise its tools have stopped because it is shutting down.
        elif isinstance(error, NotSupported) and request.command is PowerCommand.RESET:
            self.restarting = True
            self.accepted = False
            request.supersede()
            self._plan(PowerCommand.POWER_OFF)
        else:
            self._fail(f"refused the {request.command}: {error}", unknown=self.answer_lost)

    def _on_state_conflict(self, request: Request, error: InWrongState) -> None:
        self._note_state(error.state)
        passing = error.state is PowerState.TRANSITIONING
        if passing and (self.restarting or must_wait_for_stable_state(error.state, self.order)):
            self._let_settle(error)
        elif self.restarting and error.state is request.command.target_state:
            self._succeed(request)
        elif error.state is not self.target or self.order.operation is Operation.REBOOT:
            self.accepted = self.answer_lost
            self._fail(f"refused the {request.command}: {error}", unknown=self.answer_lost)
        elif self.answer_lost:
            self._succeed(request)
        elif self.fallback_reason and self.guest_asked:
            self._succeed_by_guest()
        else:
            self._close(detail=f"had become {self.target} by itself")

    def _let_settle(self, error: InWrongState) -> None:
        """Something else is happening to it already: see where that leads."""
        if self.answer_lost or self.restarting:
            self.accepted = True  # it may be what was asked for
            return
        self.blocked_by = str(error)
        self.accepted = False
        self.request = None
        self._waited_first = True

    def _ask_again(self, request: Request) -> None:
        """After a lost answer, where nothing happened and asking twice does no harm."""
        request.look_until = None
        unchanged = self.seen.power_state is request.state_when_sent
        if unchanged and request.command.is_repeatable and request.attempt <= _MOST_RESENDS:
            logger.info(
                f"{self.vm}: no answer to the {request.command}, and nothing happened: again"
            )
            self._plan(request.command)

    # The guest -------------------------------------------------------------------

    def _give_up_guest(self, why: str) -> None:
        request = self.request
        if self.seen.power_state is self.target and request is not None:
            self._is_down(request)
            return
        match self.order.on_timeout:
            case OnTimeout.HARD:
                self._cut_power(why)
            case OnTimeout.LEAVE if self.guest_asked or self.command is None or not self.blocked_by:
                how = How.GUEST if self.guest_asked else How.NONE
                self._close(how=how, detail=f"{why}; left as it is", unknown=self.watch_lost)
            case _ if self.watch_lost:
                told = f"{self._was_seen()}, and {why}"
                self._fail(f"{told}; the outcome is unknown", unknown=True)
            case _:
                self._fail(f"is still {self.seen.power_state}: {why}")

    def _is_down(self, request: Request) -> None:
        """Its guest is to be given up, but is seen to have stopped."""
        if self.accepted or request.under_way:
            self._succeed_unanswered(request)
        else:
            self._close(detail=f"had become {self.target} by itself")

    def _cut_power(self, why: str) -> None:
        logger.info(f"{self.vm}: {why}; cutting its power")
        self.fallback_reason = why
        self.accepted = self.answer_lost = False
        self.queued = None
        if self.request is not None:
            # As long as there is no answer, it may still reach the guest.
            self.guest_asked |= self.request.under_way
            self.request.supersede()
        self._plan(PowerCommand.POWER_OFF)

    # The end ---------------------------------------------------------------------

    def _fail(self, why: str, unknown: bool = False) -> None:
        ours = self.accepted or self.stopped
        changed = self.seen.power_state is not self.before and ours
        how = self._method_used() if ours else How.NONE
        self._close(changed=changed, how=how, error=why, unknown=unknown)

    def _close(
        self,
        changed: bool = False,
        how: How = How.NONE,
        detail: str | None = None,
        error: str | None = None,
        unknown: bool = False,
    ) -> None:
        self._outcome = Outcome(
            name=self.vm.name,
            id=self.vm.id,
            platform=self.vm.platform,
            operation=self.order.operation.value,
            before=self.before,
            after=PowerState.UNKNOWN if unknown else self.seen.power_state,
            changed=changed,
            how=how,
            seconds=round(self.deadline.elapsed, 3),
            detail=detail,
            error=error,
            correlation_id=self.correlation_id,
        )
