"""Trouble on request: what a server does to the calls that a rule names.

The words are those of the tests' vCenter simulator, so that one suite can make
the same trouble everywhere.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

__all__ = ["ACTIONS", "Call", "Faults", "Rule", "rule", "when"]

ACTIONS = {
    "delay": "answers as usual after `seconds`",
    "ignore": "accepts an action and does nothing",
    "slow_task": "begins a task, and does what was asked after `seconds` (a vCenter's tasks only)",
    "stuck_task": "begins a task that never ends (likewise)",
    "failed_task": "begins a task that fails with `fault` and `message` (likewise)",
    "fault": "refuses with the protocol's error, `code` and `message`",
    "status": "answers `code` with an HTML page",
    "html": "answers 200 with an HTML page",
    "empty": "answers 200 with nothing in it",
    "cut": "does what was asked, and closes the connection in the middle of the answer",
    "drip": "does what was asked, and sends the answer a byte each `seconds`",
    "drop_before": "closes the connection, and does nothing",
    "drop_after": "does what was asked, and closes the connection instead of answering",
    "silent": "does nothing, and never answers",
    "silent_after": "does what was asked, and never answers",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request, as far as rules look at it."""

    name: str  # "POST /api/vms/{id}/stop"
    path: str  # "POST /api/vms/6f790959-.../stop"
    verb: str  # "stop", or nothing
    about: frozenset[str] = frozenset()  # ids and names of VMs


@dataclass(slots=True)
class Rule:
    """Made by :func:`rule` or :func:`when`."""

    method: str
    action: str
    vm: str = ""
    skip: int = 0
    times: int = 0
    seconds: float = 0.0
    code: int = 0
    message: str = ""
    fault: str = ""
    requested: str = ""
    existing: str = ""
    do: Callable[[], object] | None = None
    matched: int = field(default=0, compare=False)
    applied: int = field(default=0, compare=False)

    def matches(self, call: Call) -> bool:
        if self.vm and self.vm not in call.about:
            return False
        return any(
            fnmatchcase(name, self.method) for name in (call.name, call.path, call.verb) if name
        )

    def applies(self) -> bool:
        """Count one call that matched; should it be troubled?"""
        self.matched += 1
        if self.matched <= self.skip or (self.times and self.applied >= self.times):
            return False
        self.applied += 1
        return True


def rule(
    method: str,
    action: str,
    *,
    vm: str = "",
    skip: int = 0,
    times: int = 0,
    seconds: float = 0.0,
    code: int = 0,
    message: str = "",
    fault: str = "",
    requested: str = "",
    existing: str = "",
) -> Rule:
    """A rule for ``Lab.rules()``.

    method: a verb (stop, shutdown, login...; PowerOffVM_Task, Login...), or
    "METHOD /path" with the path as it is or as ``Lab.requests()`` shows it; ``*``
    stands for anything.
    action: one of ACTIONS.
    vm: a name or id, empty for any.
    fault: what a vCenter calls the fault to refuse with, as TaskInProgress.
    requested, existing: the states that InvalidPowerState tells; by default existing is
        the true one.
    The first `skip` matching calls pass, then the rule applies to `times` calls
    (0: to all).
    """
    if action not in ACTIONS:
        raise ValueError(f"no such action: {action!r}; there are {', '.join(ACTIONS)}")
    if code and not 200 <= code <= 599:
        raise ValueError(f"not an HTTP status: {code}")
    return Rule(method, action, vm, skip, times, seconds, code, message, fault, requested, existing)


def when(method: str, do: Callable[[], object], *, vm: str = "", skip: int = 0) -> Rule:
    """Call ``do`` once, when a request has arrived and before anything becomes of it.

    method, vm, skip: as for :func:`rule`. Other rules apply to the request as well.
    """
    return Rule(method, "call", vm, skip, times=1, do=do)


class Faults:
    """The rules of a running server; the first that applies to a call wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: Sequence[Rule] = ()

    def set(self, rules: Iterable[Rule]) -> None:
        """Replace all rules."""
        rules = tuple(rules)
        with self._lock:
            for each in rules:
                each.matched = each.applied = 0
            self._rules = rules

    def applied(self) -> list[int]:
        """How often each rule was applied, in their order."""
        with self._lock:
            return [each.applied for each in self._rules]

    async def arrived(self, call: Call) -> None:
        """Call what :func:`when` wants to be called now, and wait for it."""
        with self._lock:
            due = [
                each.do
                for each in self._rules
                if each.do is not None and each.matches(call) and each.applies()
            ]
        for do in due:
            await asyncio.to_thread(do)

    def pick(self, call: Call) -> Rule | None:
        with self._lock:
            for each in self._rules:
                if each.do is None and each.matches(call) and each.applies():
                    return each
        return None
