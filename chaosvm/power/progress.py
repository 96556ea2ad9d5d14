"""The progress of one VM: what was sent, answered and observed, up to its outcome.

A command is scheduled, then queued until a worker is free, then sent. From then on it is the
current request, until the next one is sent.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from chaosvm.backend import GuestStatus, Observation, Operation, Order, PowerCommand
from chaosvm.errors import PerhapsBusy
from chaosvm.ledger import TARGET_STATES
from chaosvm.outcome import How, Outcome, Verified
from chaosvm.power.readiness import Readiness
from chaosvm.power.reboot_proof import RebootProof
from chaosvm.power.request import Request, ScheduledCommand
from chaosvm.redaction import redacted
from chaosvm.runtime import Deadline
from chaosvm.vm import VM, PowerState

__all__ = ["Progress"]

logger = logging.getLogger("chaostoolkit")

# A busy VM is tried again after 0.5 s, then 1 s, and so on.
_FIRST_RETRY, _MAX_RETRY = 0.5, 8.0
# A guest's uptime is not worth a shorter wait for updates, which may prove the reboot: some
# servers push them only in waits of at least a second.
_PROOF_WAIT = 1.1
# An ambiguous refusal that is repeated for this long is taken as permanent.
_PERMANENT_AFTER = 5.0


class Progress:
    """What is known about one VM and the requests to it; ``job.py`` decides what follows."""

    def __init__(self, vm: VM, order: Order, deadline: Deadline) -> None:
        self.vm = vm
        self.order = order
        self.deadline = deadline
        self.target = TARGET_STATES[order.operation]

        self.seen = Observation(vm_id=vm.id, power_state=vm.power_state)
        self.before = vm.power_state
        self.watch_lost = False  # the last poll failed

        self.scheduled: ScheduledCommand | None = None
        self.queued: PowerCommand | None = None
        self.request: Request | None = None  # the last one sent

        # The sum of all requests so far.
        self.accepted = False  # one was accepted, or may have been
        self.answer_lost = False  # the answer to one was lost: it may have been carried out
        self.blocked_by: str | None = None  # the last reason to wait
        self._repeated_error: tuple[str, float] = ("", 0.0)  # its text, and since when
        self.guest_asked = False  # a guest shutdown was accepted, or may have been
        self.fallback_reason: str | None = None  # why the power is cut
        self.notice: str | None = None  # for the log: that it falls back, and why
        self.restarting = False  # stopping and starting, because reset is not supported
        self.stopped = False  # ... and the stop is done, so the VM is off because of us
        self.correlation_id: str | None = None
        self.proof = RebootProof()  # of a reboot
        self.readiness = Readiness(order.wait_for)
        self._success: Outcome | None = None  # once only the guest is not ready yet
        self._outcome: Outcome | None = None

    # Sending and observing ---------------------------------------------------------

    @property
    def command(self) -> PowerCommand | None:
        """The last command sent."""
        return self.request.command if self.request is not None else None

    def _schedule(self, command: PowerCommand, seconds: float = 0.0) -> None:
        self.scheduled = ScheduledCommand(command, self.deadline.elapsed + seconds)

    def queue(self, command: PowerCommand) -> None:
        self.queued = command
        self.scheduled = None

    def mark_sent(self, command: PowerCommand) -> None:
        if self.order.operation is Operation.REBOOT:
            self.proof.on_request(self.deadline.elapsed)
        previous = self.request if self.command is command else None
        self.queued = None
        self.request = Request(
            command=command,
            attempt=previous.attempt + 1 if previous is not None else 1,
            state_when_sent=self.seen.power_state,
            rebooted_before=self.seen.rebooted,
        )

    def observe(self, observation: Observation) -> None:
        if self.request is not None:
            self.request.record_end(observation)
        if observation.power_state is not self.seen.power_state:
            self.proof.hurry(self.deadline.elapsed)
            self.readiness.hurry(self.deadline.elapsed)
        question = observation.question
        if question and question != self.seen.question:
            logger.warning(f"{self.vm} waits for an answer to: {redacted(question)}")
        self.seen = observation

    def _set_state(self, state: PowerState) -> None:
        self.seen = replace(self.seen, power_state=state)

    # The guest ---------------------------------------------------------------------

    @property
    def waits_for_guest(self) -> bool:
        """True if the operation succeeded, and only the guest is not ready yet."""
        return self.open and self._success is not None

    @property
    def guest_read_at(self) -> float | None:
        """When the status of the guest has to be read next; None if it does not matter."""
        if not self.open:
            return None
        if self._success is not None:
            return self.readiness.next_read_at
        if self.order.operation is Operation.REBOOT and self.proof.evidence is None:
            return self.proof.next_read_at
        return None

    def observe_guest(self, status: GuestStatus, requested: float, answered: float) -> None:
        if self._success is None:
            self.proof.observe(status, requested, answered)
        else:
            self.readiness.observe(status, answered)

    def on_guest_unread(self, why: str) -> None:
        """The status of the guest could not be read, for this reason."""
        if self._success is None:
            self.proof.postpone(self.deadline.elapsed, why)
        else:
            self.readiness.postpone(self.deadline.elapsed, why)

    # Timing ------------------------------------------------------------------------

    @property
    def due(self) -> bool:
        """True if it is time to send the scheduled command."""
        return self.scheduled is not None and self.scheduled.due_at <= self.deadline.elapsed

    @property
    def alarms(self) -> list[float]:
        """The times at which the job has to decide, even without a new observation."""
        alarms = []
        if self.scheduled is not None:
            alarms.append(self.scheduled.due_at)
        if self._can_give_up_guest():
            alarms.append(self.order.guest_seconds)
        if self.request is not None and self.request.resend_at is not None:
            alarms.append(self.request.resend_at)
        if (read_at := self.guest_read_at) is not None:
            at_least = 0.0 if self.waits_for_guest else self.deadline.elapsed + _PROOF_WAIT
            alarms.append(max(read_at, at_least))
        return alarms

    def _can_give_up_guest(self) -> bool:
        """False if the power is being cut, or the VM reset, already."""
        asks = self.order.operation in (Operation.POWER_OFF, Operation.REBOOT)
        scheduled = self.scheduled.command if self.scheduled is not None else None
        commands = {scheduled, self.queued, self.command} - {None}
        guest_only = all(command.is_guest_command for command in commands if command)
        return asks and self.order.graceful and guest_only and self._success is None

    def _guest_timed_out(self) -> bool:
        over = self.deadline.elapsed >= self.order.guest_seconds
        return over and self._can_give_up_guest()

    def _backoff(self, request: Request) -> float:
        return float(min(_FIRST_RETRY * 2 ** (request.attempt - 1), _MAX_RETRY))

    def _is_permanent(self, error: PerhapsBusy) -> bool:
        """True if the same error has been repeated for some time."""
        text, since = self._repeated_error
        if str(error) != text:
            text, since = self._repeated_error = str(error), self.deadline.elapsed
        return not self.answer_lost and self.deadline.elapsed - since >= _PERMANENT_AFTER

    # Results -----------------------------------------------------------------------

    def _has_succeeded(self, request: Request) -> bool:
        if not self.accepted or self.scheduled is not None:
            return False
        if self._stops_for_restart(request):
            return self.seen.power_state is PowerState.POWERED_OFF
        if self.proof.evidence is not None:
            return self.seen.power_state is self.target
        return request.done(self.seen)

    def _stops_for_restart(self, request: Request) -> bool:
        return self.restarting and request.command is PowerCommand.POWER_OFF

    def _changed_externally(self, request: Request) -> bool:
        """True if the request cannot have led to the present state.

        A guest that shuts down is either running or off; a VM that is suspended is never off.
        """
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
        """True if something that was sent may still change the power state."""
        if self.command is None or self.seen.power_state is self.command.target_state:
            return False
        return self.guest_asked or self._may_still_happen()

    @property
    def _untouched(self) -> bool:
        """True if no request has been accepted, or may have been, and none follows another."""
        sent = self.accepted or self.answer_lost or self.guest_asked
        return not (sent or self.fallback_reason or self.restarting)

    def _may_still_happen(self) -> bool:
        """True if the last request may still be carried out."""
        return (
            self.answer_lost
            or self.watch_lost
            or (self.request is not None and self.request.pending)
        )

    def _method_used(self) -> How:
        if self.command is not None and self.command.is_guest_command:
            return How.GUEST
        return How.FALLBACK_HARD if self.fallback_reason else How.HARD

    # The outcome -------------------------------------------------------------------

    @property
    def open(self) -> bool:
        return self._outcome is None

    @property
    def outcome(self) -> Outcome:
        """The outcome of a closed job."""
        assert self._outcome is not None
        return self._outcome

    def _fail(
        self, why: str, unknown: bool = False, verified: Verified = Verified.UNVERIFIED
    ) -> None:
        ours = self.accepted or self.stopped
        changed = self.seen.power_state is not self.before and ours
        how = self._method_used() if ours else How.NONE
        if not (ours or unknown):
            verified = Verified.NOT_REBOOTED  # nothing was sent, or all was refused
        self._close(changed=changed, how=how, error=why, unknown=unknown, verified=verified)

    def _close(
        self,
        changed: bool = False,
        how: How = How.NONE,
        detail: str | None = None,
        error: str | None = None,
        unknown: bool = False,
        verified: Verified = Verified.CONFIRMED,
        evidence: str | None = None,
    ) -> None:
        """End with an outcome or, if the VM is not ready yet, wait for that."""
        reboots = self.order.operation is Operation.REBOOT
        outcome = Outcome(
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
            verified=verified if reboots else None,
            evidence=evidence if reboots else None,
        )
        is_on = error is None and outcome.after is PowerState.POWERED_ON
        if is_on and self.readiness.wanted and outcome.verified is not Verified.NOT_REBOOTED:
            self.readiness.begin(self.deadline.elapsed, booted_after=self.proof.sent_at)
            self._success = outcome
        else:
            self._outcome = outcome

    def _end_waiting(self, error: str | None = None) -> None:
        """The VM is ready or, with an error, it is not."""
        assert self._success is not None
        self._outcome = replace(
            self._success,
            after=self.seen.power_state,
            seconds=round(self.deadline.elapsed, 3),
            milestones=self.readiness.seconds,
            error=error,
            missing=str(self.readiness.missing) if error else None,
        )

    # Parts of messages -------------------------------------------------------------

    def _guest_timeout_text(self) -> str:
        does = "reboot" if self.order.operation is Operation.REBOOT else "shut down"
        seconds = f"{self.deadline.elapsed:.0f} s"
        if self.guest_asked or (self.request is not None and self.request.awaiting_answer):
            return f"the guest did not {does} in {seconds}{self._question_text()}"
        return f"the guest could not be asked to {does} in {seconds}{self._blocked_text()}"

    def _done_so_far_text(self) -> str:
        if self.stopped:
            return "was stopped, and not started again"
        return "its guest was asked to shut down" if self.guest_asked else "was not touched"

    def _state_text(self) -> str:
        state = self.seen.power_state
        return f"was {state} when last seen" if self.watch_lost else f"is {state}"

    def _blocked_text(self) -> str:
        return f": {self.blocked_by}" if self.blocked_by else ""

    def _question_text(self) -> str:
        return f", waiting for an answer to: {self.seen.question}" if self.seen.question else ""
