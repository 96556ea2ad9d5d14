"""One command to one VM: scheduled, then sent, answered and finished."""

from __future__ import annotations

from dataclasses import dataclass

from chaosvm.backend import CommandHandle, Observation, PowerCommand
from chaosvm.errors import AnswerLost, CommandFailed
from chaosvm.vm import PowerState

__all__ = ["Answer", "Request", "ScheduledCommand"]


@dataclass(frozen=True, slots=True)
class ScheduledCommand:
    """A command to send, and the earliest time for it."""

    command: PowerCommand
    due_at: float


@dataclass(slots=True)
class Request:
    """A command that was sent, and its progress."""

    command: PowerCommand
    attempt: int  # 1, or more if the same command is sent again
    state_when_sent: PowerState
    # A reboot observed before the request proves nothing about it.
    rebooted_before: bool
    awaiting_answer: bool = True
    handle: CommandHandle | None = None
    finished: bool = False  # the watch reported its end
    succeeded: bool = False  # ... as a success
    failure: CommandFailed | None = None  # ... or with this error, until it is handled
    # After a lost answer: until then, watch whether it was carried out.
    resend_at: float | None = None
    superseded: bool = False  # another command follows, whatever its result

    @property
    def pending(self) -> bool:
        """True if it may still be carried out."""
        # For an untracked request only the VM's state can show the end.
        return self.awaiting_answer or (self.handle is not None and not self.finished)

    def record_end(self, seen: Observation) -> None:
        """Record its end from an observation; later repetitions are ignored."""
        if seen.ended is not None and seen.ended is self.handle and not self.finished:
            self.finished, self.failure = True, seen.error
            self.succeeded = seen.error is None

    def pop_failure(self) -> CommandFailed | None:
        """The error it ended with; only the first call returns it."""
        failure, self.failure = self.failure, None
        return failure

    def done(self, seen: Observation) -> bool:
        """True if the observation shows that it was carried out."""
        if self.command is PowerCommand.REBOOT_GUEST:
            return seen.rebooted and not self.rebooted_before
        if seen.power_state is not self.command.target_state:
            return False
        if self.command is PowerCommand.RESET:
            return self.succeeded or seen.rebooted
        return self.finished or self.handle is None or not self.handle.tracked

    def supersede(self) -> None:
        """Ignore its answer or failure from now on, because another command follows."""
        self.superseded = True
        self.awaiting_answer = False
        self.resend_at = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of sending a command: a handle or an error."""

    command: PowerCommand
    handle: CommandHandle | None = None
    error: CommandFailed | None = None

    @property
    def handle_to_track(self) -> CommandHandle | None:
        """The handle for the watch, which a request with a lost answer may have too."""
        return self.error.handle if isinstance(self.error, AnswerLost) else self.handle
