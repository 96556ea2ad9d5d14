"""The state machine that takes one VM to the target state of an order.

A job receives answers and observations and decides what follows: wait, schedule a command, or
close with an outcome. It sends nothing itself and gets the time only from its deadline.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import replace

from chaosvm.backend import Observation, Operation, Order, PowerCommand
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
from chaosvm.outcome import Outcome
from chaosvm.power.fallback import Fallback
from chaosvm.power.precheck import (
    already_satisfied,
    first_command,
    impossible_reason,
    must_wait_for_stable_state,
)
from chaosvm.power.request import Answer, Request
from chaosvm.power.resend import is_resend_due, may_resend, plan_resend, postpone_resend
from chaosvm.runtime import Deadline
from chaosvm.vm import VM, PowerState

__all__ = ["Job"]

logger = logging.getLogger("chaostoolkit")

_DELETED = "no longer exists: it was deleted or unregistered meanwhile"


class Job(Fallback):
    """The progress of one VM, and the decisions that follow from it."""

    def __init__(
        self,
        vm: VM,
        order: Order,
        deadline: Deadline,
        refusal_reason: Callable[[VM, Order], str | None],
    ) -> None:
        super().__init__(vm, order, deadline)
        self._platform_refusal = refusal_reason
        self._waited_for_stable_state = False
        if already_satisfied(vm, order):
            self._close(detail=f"was {self.target} already")

    # Events ------------------------------------------------------------------------

    def on_initial_state(self, observation: Observation) -> None:
        """The state at the start of the watch counts as the state before."""
        if self.waits_for_guest:
            self.seen = observation
            return
        if not observation.exists:
            self._on_deleted("no longer exists")
            return
        self.seen = observation
        if not self._waited_for_stable_state:
            self.before = observation.power_state
        if must_wait_for_stable_state(self.seen.power_state, self.order):
            self._waited_for_stable_state = True
            return
        if self.order.operation is not Operation.REBOOT and self.seen.power_state is self.target:
            became = f"became {self.target} by itself"
            already = f"was {self.target} already"
            self._close(detail=became if self._waited_for_stable_state else already)
        elif reason := self.refusal_reason():
            self._fail(f"{reason}; it was {self.vm.power_state} a moment ago")
        else:
            self._schedule(first_command(self.seen.power_state, self.order))

    def refusal_reason(self) -> str | None:
        """Why the operation is impossible or refused in the VM's present state."""
        vm = replace(self.vm, power_state=self.seen.power_state)
        return impossible_reason(vm, self.order, self._platform_refusal)

    def may_send(self) -> bool:
        """Check again before a queued command is sent; fails the job if it is refused now.

        A VM that goes down by itself meanwhile is waited for: some platforms take a second
        request for a hard one.
        """
        if self._untouched and must_wait_for_stable_state(self.seen.power_state, self.order):
            self._wait_for_stable_state()
            return False
        reason = None if self.restarting else self.refusal_reason()
        if reason is not None:
            self._fail(f"{reason}; it was {self.before} before")
        return reason is None

    def skip(self, why: str) -> None:
        """Close the job because nothing may be sent."""
        self._fail(f"was not touched: {why}")

    def on_answer(self, answer: Answer) -> None:
        if answer.command is PowerCommand.SHUTDOWN_GUEST and not isinstance(answer.error, Busy):
            self.guest_asked |= answer.handle is not None or isinstance(answer.error, AnswerLost)
        request = self.request
        too_late = not self.open or self.waits_for_guest
        if too_late or request is None or answer.command is not request.command:
            return
        request.awaiting_answer = False
        request.handle = answer.handle_to_track
        if request.handle is not None:
            self.correlation_id = request.handle.correlation_id
        if answer.error is not None:
            self._on_refused(request, answer.error)
        else:
            self.accepted = True

    def decide(self) -> None:
        """Decide what follows from the present state."""
        if not self.open:
            return
        if self.waits_for_guest:
            self._decide_about_readiness()
        elif not self.seen.exists:
            self._on_deleted(_DELETED)
        elif self.request is None:
            self._decide_before_first_request()
        else:
            self._decide_about(self.request)

    def on_deadline(self) -> None:
        """Close the job because its time is over."""
        waited = f"after {self.deadline.elapsed:.0f} s"
        if self.waits_for_guest:
            state = self.seen.power_state
            self._end_waiting(f"is {state}, but not ready {waited}: {self.readiness.text}")
            return
        self._end_at_deadline(waited)
        if self.waits_for_guest:
            missing = f"no time was left to wait for {str(self.readiness.missing)!r}"
            self._end_waiting(f"is {self.seen.power_state} {waited}, and {missing}")

    def _end_at_deadline(self, waited: str) -> None:
        request, state = self.request, self.seen.power_state
        is_guest_command = request is not None and request.command.is_guest_command
        if is_guest_command and self._can_give_up_guest():
            self._on_guest_timeout()
        elif request is None or not (self.accepted or request.awaiting_answer):
            text = f"{self._done_so_far_text()}, and {self._state_text()} {waited}"
            self._fail(
                f"{text}{self._blocked_text()}{self._question_text()}", unknown=self.watch_lost
            )
        elif self.order.operation is Operation.REBOOT:
            self._on_reboot_timeout()
        elif state is self.target:
            # There was no answer, but the VM is in the target state.
            self._succeed_unanswered(request)
        else:
            unknown = self._may_still_happen()
            suffix = "; the outcome is unknown" if unknown else ""
            self._fail(
                f"was {state} when last seen, {waited}{suffix}{self._blocked_text()}"
                f"{self._question_text()}",
                unknown=unknown,
            )

    def on_watch_lost(self, error: ChaosVMError) -> None:
        """Close the job because the VM can no longer be watched."""
        self.watch_lost = True
        self._abandon("could not be followed", str(error))

    def stop(self, why: str) -> None:
        """Close the job because the call has to stop."""
        self._abandon("was abandoned", why)

    @property
    def outcome_so_far(self) -> Outcome:
        """Its outcome or, as long as it is open, that of a call that is interrupted now."""
        if not self.open:
            return self.outcome
        interrupted = copy.copy(self)
        interrupted.stop("the run was interrupted")
        return interrupted.outcome

    def _abandon(self, what: str, why: str) -> None:
        if self.waits_for_guest:
            self._end_waiting(f"is {self.seen.power_state}, and {what} before it was ready: {why}")
            return
        request = self.request
        awaiting_answer = request is not None and request.awaiting_answer
        sent = self.accepted or self.guest_asked or awaiting_answer
        known = "its outcome is unknown" if sent else f"it {self._done_so_far_text()}"
        self._fail(f"{what}, {known}: {why}", unknown=sent)

    # Decisions -----------------------------------------------------------------------

    def _decide_before_first_request(self) -> None:
        idle = self.scheduled is None and self.queued is None
        if idle and self.seen.power_state.settled:
            self.on_initial_state(self.seen)
        elif self._guest_timed_out():
            self._on_guest_timeout()

    def _decide_about_readiness(self) -> None:
        """Wait for the guest, as long as the VM stays on."""
        if not self.seen.exists:
            self._set_state(PowerState.UNKNOWN)
            self._end_waiting(f"{_DELETED}, before it was ready")
        elif self.readiness.missing is None:
            self._end_waiting()
        elif self.seen.power_state in (PowerState.POWERED_OFF, PowerState.SUSPENDED):
            self._end_waiting(f"became {self.seen.power_state} before it was ready")

    def _decide_about(self, request: Request) -> None:
        if (failure := request.pop_failure()) is not None:
            self._on_refused(request, failure)
        elif self._has_succeeded(request):
            self._succeed(request)
        elif self._changed_externally(request):
            self.accepted = False
            self._fail(f"is {self.seen.power_state} now: something else changed it meanwhile")
        elif self._guest_timed_out():
            self._on_guest_timeout()
        elif is_resend_due(request, self.deadline.elapsed) and not self.watch_lost:
            self._resend(request)

    def _on_deleted(self, why: str) -> None:
        self._set_state(PowerState.UNKNOWN)
        self.accepted = False
        self._fail(why)

    def _on_refused(self, request: Request, error: CommandFailed) -> None:
        """A request was refused, or its task ended with an error."""
        if request.superseded:
            return
        if isinstance(error, AnswerLost):
            self.accepted = True
            self.answer_lost = True
            plan_resend(request, error, self.deadline.elapsed)
            self.blocked_by = str(error)
        elif isinstance(error, VMGone):
            self._on_deleted(_DELETED)
        elif isinstance(error, PerhapsBusy) and self._is_permanent(error):
            self.accepted = False
            attempts = f"{request.attempt} times with the same error"
            self._fail(f"refused the {request.command} {attempts}: {error}")
        elif isinstance(error, Busy):
            self.blocked_by = str(error)
            self.accepted = self.answer_lost
            self._schedule(request.command, self._backoff(request))
        elif isinstance(error, InWrongState):
            self._on_state_conflict(request, error)
        elif isinstance(error, GuestUnavailable) and request.command.is_guest_command:
            # After a lost answer, the tools may have stopped because the guest shuts down.
            if not self.answer_lost:
                self._give_up_guest(str(error))
        elif isinstance(error, NotSupported) and request.command is PowerCommand.RESET:
            self.restarting = True
            self.accepted = False
            request.supersede()
            self._schedule(PowerCommand.POWER_OFF)
        else:
            self._fail(f"refused the {request.command}: {error}", unknown=self.answer_lost)

    def _on_state_conflict(self, request: Request, error: InWrongState) -> None:
        self._set_state(error.state)
        in_transition = error.state is PowerState.TRANSITIONING
        if in_transition and (
            self.restarting or must_wait_for_stable_state(error.state, self.order)
        ):
            self._wait_for_transition(error)
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

    def _wait_for_transition(self, error: InWrongState) -> None:
        """Wait where the transition leads; it may be the effect of our own request."""
        if self.answer_lost or self.restarting:
            self.accepted = True
            return
        self.blocked_by = str(error)
        self.accepted = False
        self._wait_for_stable_state()

    def _wait_for_stable_state(self) -> None:
        self.request = self.queued = self.scheduled = None
        self._waited_for_stable_state = True

    def _resend(self, request: Request) -> None:
        if self.seen.power_state is PowerState.UNKNOWN:
            postpone_resend(request, self.deadline.elapsed)
            return
        request.resend_at = None
        if may_resend(request, self.seen.power_state):
            logger.info(
                f"{self.vm}: it is not known whether the {request.command} was carried out, and "
                "nothing happened: sending it again"
            )
            self._schedule(request.command)
