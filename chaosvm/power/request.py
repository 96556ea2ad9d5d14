"""One step on its way to one VM: planned for a moment, then sent, answered and done."""

from __future__ import annotations

from dataclasses import dataclass

from chaosvm.backend import CommandHandle, Observation, PowerCommand
from chaosvm.errors import AnswerLost, CommandFailed
from chaosvm.vm import PowerState

__all__ = ["Answer", "ScheduledCommand", "Request"]


@dataclass(frozen=True, slots=True)
class ScheduledCommand:
    """A step that is to be sent, and from which moment on."""

    command: PowerCommand
    due_at: float


@dataclass(slots=True)
class Request:
    """A step that was sent, and what is known of it by now."""

    command: PowerCommand
    attempt: int  # the first, or the next of the same step
    state_when_sent: PowerState
    # A reboot that was seen before it was asked for proves nothing.
    rebooted_before: bool
    under_way: bool = True  # its answer has not come yet
    ticket: CommandHandle | None = None
    finished: bool = False  # what the ticket stands for came to its end
    succeeded: bool = False  # ... and the platform says that it was done
    failure: CommandFailed | None = None  # ... with this error, until somebody sees to it
    # Its answer was lost: so long it is looked whether it was done all the same.
    look_until: float | None = None
    superseded: bool = False  # another step comes next, whatever becomes of this one

    @property
    def pending(self) -> bool:
        """May it still be carried out?"""
        # Of one that is not tracked only the VM's state would have told the end.
        return self.under_way or (self.ticket is not None and not self.finished)

    def note_end(self, seen: Observation) -> None:
        """Take in what the watch tells of its end, once: it may be told again and again."""
        if seen.ended is not None and seen.ended is self.ticket and not self.finished:
            self.finished, self.failure = True, seen.error
            self.succeeded = seen.error is None

    def take_failure(self) -> CommandFailed | None:
        """The error it ended with, for the one who sees to it."""
        failure, self.failure = self.failure, None
        return failure

    def done(self, seen: Observation) -> bool:
        """Does what is seen of the VM tell that it was carried out?"""
        if self.command is PowerCommand.REBOOT_GUEST:
            return seen.rebooted and not self.rebooted_before
        if seen.power_state is not self.command.target_state:
            return False
        if self.command is PowerCommand.RESET:
            return self.succeeded or seen.rebooted
        return self.finished or self.ticket is None or not self.ticket.tracked

    def supersede(self) -> None:
        """Another step comes next: its answer, or its failure, does not matter any more."""
        self.superseded = True
        self.under_way = False
        self.look_until = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from sending a step: a ticket or an error."""

    command: PowerCommand
    ticket: CommandHandle | None = None
    error: CommandFailed | None = None

    @property
    def to_follow(self) -> CommandHandle | None:
        """What the watch can report on: also a request whose answer was lost."""
        return self.error.handle if isinstance(self.error, AnswerLost) else self.ticket
