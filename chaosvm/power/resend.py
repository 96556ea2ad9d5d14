"""When a command whose answer was lost is sent again.

Only if a repetition does no harm and nothing has happened since, and only a few times:
otherwise the outcome is reported as unknown.
"""

from __future__ import annotations

from chaosvm.errors import AnswerLost
from chaosvm.power.request import Request
from chaosvm.vm import PowerState

__all__ = ["is_resend_due", "may_resend", "plan_resend", "postpone_resend"]

# How long to watch before the same command is sent again, in seconds.
_RESEND_AFTER = 2.0
_MAX_RESENDS = 3


def plan_resend(request: Request, error: AnswerLost, elapsed: float) -> None:
    if error.retryable:
        postpone_resend(request, elapsed)


def postpone_resend(request: Request, elapsed: float) -> None:
    request.resend_at = elapsed + _RESEND_AFTER


def is_resend_due(request: Request, elapsed: float) -> bool:
    return request.resend_at is not None and request.resend_at <= elapsed


def may_resend(request: Request, state: PowerState) -> bool:
    """True if the VM is still in the state in which the command found it."""
    unchanged = state is request.state_when_sent
    return unchanged and request.command.is_repeatable and request.attempt <= _MAX_RESENDS
