"""Fault rules: which requests they match, and which faults they cause.

The names of the actions are those of the vCenter simulator of the tests, so that one
suite can use both.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

__all__ = ["ACTIONS", "Call", "Faults", "Rule", "rule", "when"]

ACTIONS = {
    "delay": "responds as usual after `seconds`",
    "ignore": "accepts an action without carrying it out",
    "slow_task": "begins a task that is carried out after `seconds` (vCenter only)",
    "stuck_task": "begins a task that never ends (vCenter only)",
    "failed_task": "begins a task that fails with `fault` and `message` (vCenter only)",
    "fault": "refuses with the protocol's error, `code` and `message`",
    "status": "responds with status `code` and an HTML page",
    "html": "responds with status 200 and an HTML page",
    "empty": "responds with status 200 and no body",
    "cut": "carries the request out, and closes the connection in the middle of the response",
    "drip": "carries the request out, and sends a byte of the response every `seconds`",
    "drop_before": "closes the connection without carrying the request out",
    "drop_after": "carries the request out, and closes the connection without a response",
    "silent": "never responds, and does not carry the request out",
    "silent_after": "carries the request out, and never responds",
}


@dataclass(frozen=True, slots=True)
class Call:
    """The properties of a request that rules match."""

    name: str  # "POST /api/vms/{id}/stop"
    path: str  # "POST /api/vms/6f790959-.../stop"
    verb: str  # "stop", or empty
    about: frozenset[str] = frozenset()  # ids and names of VMs


@dataclass(slots=True)
class Rule:
    """Created by :func:`rule` or :func:`when`."""

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
        """Count a matching call. True if the rule applies to it."""
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
        "METHOD /path" with the actual path or the one that ``Lab.requests()`` returns;
        ``*`` is a wildcard.
    action: one of ACTIONS.
    vm: a name or id, or empty for any.
    skip: number of matching calls before the rule applies.
    times: number of calls that it applies to. 0: all.
    fault: a vCenter's name of the fault, such as TaskInProgress.
    requested, existing: the states in an InvalidPowerState; existing is the VM's actual
        state by default.
    """
    if action not in ACTIONS:
        raise ValueError(f"unknown action {action!r}: expected one of {', '.join(ACTIONS)}")
    if code and not 200 <= code <= 599:
        raise ValueError(f"not an HTTP status: {code}")
    return Rule(method, action, vm, skip, times, seconds, code, message, fault, requested, existing)


def when(method: str, do: Callable[[], object], *, vm: str = "", skip: int = 0) -> Rule:
    """Call ``do`` once, when a request has arrived and before it is carried out.

    method, vm, skip: as for :func:`rule`. Other rules apply to the request as well.
    """
    return Rule(method, "call", vm, skip, times=1, do=do)


class Faults:
    """The rules of a running lab. The first one that applies to a call wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: Sequence[Rule] = ()

    def set(self, rules: Iterable[Rule]) -> None:
        """Replace all rules, and reset their counts."""
        rules = tuple(rules)
        with self._lock:
            for each in rules:
                each.matched = each.applied = 0
            self._rules = rules

    def applied(self) -> list[int]:
        """How often each rule was applied, in order."""
        with self._lock:
            return [each.applied for each in self._rules]

    async def run_callbacks(self, call: Call) -> None:
        """Run the callbacks of :func:`when` that apply to the call, and wait for them."""
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
