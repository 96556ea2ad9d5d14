"""How far one VM has got: what was sent about it, what was answered and what was seen.

A step is planned, for now or for later; then queued, until a worker is free;
then sent, and from then on it is the request, until the next one is sent.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from chaosvm.backend import Observation, Operation, Order, PowerCommand
from chaosvm.errors import PerhapsBusy
from chaosvm.ledger import TARGET_STATES
from chaosvm.outcome import How
from chaosvm.power.request import Request, ScheduledCommand
from chaosvm.redaction import redacted
from chaosvm.runtime import Deadline
from chaosvm.vm import VM, PowerState

__all__ = ["Progress"]

logger = logging.getLogger("chaostoolkit")

# A VM that is busy with something else is tried again after 0.5 s, then 1 s...
_FIRST_RETRY, _LONGEST_RETRY = 0.5, 8.0
# What is refused in the same words for so long is refused for good, as far as it may be.
_FOR_GOOD_AFTER = 5.0


class Progress:
    """What is known of one VM and of the requests about it; ``job.py`` decides what it means."""

    def __init__(self, vm: VM, order: Order, deadline: Deadline) -> None:
        self.vm = vm
        self.order = order
        self.deadline = deadline
        self.target = TARGET_STATES[order.operation]

        self.seen = Observation(vm_id=vm.id, power_state=vm.power_state)
        self.before = vm.power_state
        self.watch_lost = False  # the last look failed

        self.planned: ScheduledCommand | None = None
        self.queued: PowerCommand | None = None
        self.request: Request | None = None  # the last one sent

        # What all requests up to now come to.
        self.accepted = False  # one was accepted, or may have been
        self.answer_lost = False  # the answer of one was lost: it may have been done
        self.blocked_by: str | None = None  # by what, when it last was
        self._same_words: tuple[str, float] = ("", 0.0)  # of refusals, and since when
        self.guest_asked = False  # the guest was told to shut down, or may have been
        self.fallback_reason: str | None = None  # why the guest was given up
        self.restarting = False  # stopped so as to be started again, as there is no reset
        self.stopped = False  # ... and it was: that it is off is our doing
        self.correlation_id: str | None = None

    # Sending and seeing ------------------------------------------------------------

    @property
    def command(self) -> PowerCommand | None:
        """The last step sent."""
        return self.request.command if self.request is not None else None

    def _plan(self, command: PowerCommand, seconds: float = 0.0) -> None:
        self.planned = ScheduledCommand(command, self.deadline.elapsed + seconds)

    def queue(self, command: PowerCommand) -> None:
        self.queued = command
        self.planned = None

    def sending(self, command: PowerCommand) -> None:
        again = self.request if self.command is command else None
        self.queued = None
        self.request = Request(
            command=command,
            attempt=again.attempt + 1 if again is not None else 1,
            state_when_sent=self.seen.power_state,
            rebooted_before=self.seen.rebooted,
        )

    def observe(self, observation: Observation) -> None:
        if self.request is not None:
            self.request.note_end(observation)
        asked = observation.question
        if asked and asked != self.seen.question:
            logger.warning(f"{self.vm} waits for an answer to: {redacted(asked)}")
        self.seen = observation

    def _note_state(self, state: PowerState) -> None:
        self.seen = replace(self.seen, power_state=state)

    # When something is to be done --------------------------------------------------

    @property
    def due(self) -> bool:
        """Is it time to send what is planned?"""
        return self.planned is not None and self.planned.due_at <= self.deadline.elapsed

    @property
    def alarms(self) -> list[float]:
        """The moments at which something is to be done even if there are no news."""
        alarms = []
        if self.planned is not None:
            alarms.append(self.planned.due_at)
        if self._guest_may_be_given_up():
            alarms.append(self.order.guest_seconds)
        if self.request is not None and self.request.look_until is not None:
            alarms.append(self.request.look_until)
        return alarms

    def _guest_may_be_given_up(self) -> bool:
        """Not where its power is being cut anyway."""
        asks = self.order.operation is Operation.POWER_OFF and self.order.graceful
        planned = self.planned.command if self.planned is not None else None
        return asks and PowerCommand.POWER_OFF not in (planned, self.queued, self.command)

    def _guest_time_is_over(self) -> bool:
        over = self.deadline.elapsed >= self.order.guest_seconds
        return over and self._guest_may_be_given_up()

    def _backoff(self, request: Request) -> float:
        return float(min(_FIRST_RETRY * 2 ** (request.attempt - 1), _LONGEST_RETRY))

    def _is_for_good(self, error: PerhapsBusy) -> bool:
        """Has nothing changed, neither the words nor the state in them, for some time?"""
        words, since = self._same_words
        if str(error) != words:
            words, since = self._same_words = str(error), self.deadline.elapsed
        return not self.answer_lost and self.deadline.elapsed - since >= _FOR_GOOD_AFTER

    # What has become of it ---------------------------------------------------------

    def _has_succeeded(self, request: Request) -> bool:
        if not self.accepted or self.planned is not None:
            return False
        if self._stops_to_start(request):
            return self.seen.power_state is PowerState.POWERED_OFF
        return request.done(self.seen)

    def _stops_to_start(self, request: Request) -> bool:
        return self.restarting and request.command is PowerCommand.POWER_OFF

    def _changed_by_others(self, request: Request) -> bool:
        """A guest asked to shut down can only run on or be off; what is suspended is never off."""
        state = self.seen.power_state
        if request.command is PowerCommand.SUSPEND:
            return state is PowerState.POWERED_OFF
        return (
            request.command is PowerCommand.SHUTDOWN_GUEST
            and state.settled
            and state not in (request.state_when_sent, self.target)
        )

    @property
    def pending(self) -> bool:
        """May something that was sent still change its power state?"""
        if self.command is None or self.seen.power_state is self.command.target_state:
            return False
        return self.guest_asked or self._may_still_happen()

    def _may_still_happen(self) -> bool:
        """May something that was sent still be carried out?"""
        return (
            self.answer_lost
            or self.watch_lost
            or (self.request is not None and self.request.pending)
        )

    def _method_used(self) -> How:
        """By what the last step works."""
        if self.command is not None and self.command.is_guest_command:
            return How.GUEST
        return How.FALLBACK_HARD if self.fallback_reason else How.HARD

    # In words ----------------------------------------------------------------------

    def _why_not_down(self) -> str:
        seconds = f"{self.deadline.elapsed:.0f} s"
        if self.guest_asked or (self.request is not None and self.request.under_way):
            return f"the guest did not shut down in {seconds}{self._question()}"
        return f"the guest could not be asked in {seconds}{self._blocked_text()}"

    def _done_so_far(self) -> str:
        """Where nothing is under way."""
        if self.stopped:
            return "was stopped, and not started again"
        return "its guest was asked to shut down" if self.guest_asked else "was not touched"

    def _was_seen(self) -> str:
        """Its state, as far as it is known."""
        state = self.seen.power_state
        return f"was {state} when last seen" if self.watch_lost else f"is {state}"

    def _blocked_text(self) -> str:
        return f": {self.blocked_by}" if self.blocked_by else ""

    def _question(self) -> str:
        return f", waiting for an answer to: {self.seen.question}" if self.seen.question else ""
