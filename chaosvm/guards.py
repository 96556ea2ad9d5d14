"""Limits to what a run may take, checked before anything is noted or sent.

Nothing here talks to a platform or keeps anything: from the VMs that are there,
those that the run has changed so far and those that it is about to change
follow the verdicts, in whatever order the VMs come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from chaosvm.account import Counted
from chaosvm.errors import GuardStopped
from chaosvm.history import Key, Touched
from chaosvm.order import Operation
from chaosvm.safety import Safety
from chaosvm.vm import VM, PowerState

__all__ = [
    "Case",
    "Verdict",
    "going_down",
    "name_protects",
    "stop_if_passed",
    "switches_off",
    "takes_down",
    "verdicts",
]

_MOST_NAMES = 10
_OFF_WORDS = ("", "false", "no", "off", "0")


def takes_down(operation: Operation) -> bool:
    """Is a VM not running because of it, if only for a while?"""
    return operation is not Operation.POWER_ON


def switches_off(value: str) -> bool:
    """Does this value of the attribute that protects a VM say that it does not?"""
    return value.strip().lower() in _OFF_WORDS


def name_protects(vm: VM, globs: Iterable[str]) -> str | None:
    """Why a VM is never touched, if its name, id, UUID or path fits a glob of chaosvm_protect."""
    words = [word.lower() for word in (vm.name, vm.id, vm.instance_uuid, vm.path) if word]
    for glob in globs:
        if any(word == glob.lower() or fnmatchcase(word, glob.lower()) for word in words):
            return f"is protected: it fits {glob!r} in chaosvm_protect"
    return None


@dataclass(frozen=True)
class Case:
    """What an action is about to do, and where.

    ``changing`` are the VMs to which something would be sent. ``inventory`` are
    all VMs that may be touched, and ``matching`` tells which of them the
    selection is about.
    """

    operation: Operation
    platform: str
    server: str
    changing: Sequence[VM]
    inventory: Sequence[VM]
    matching: Callable[[VM], bool]
    # Those that may go down any moment, because they were asked to earlier.
    going_down: frozenset[Key] = frozenset()

    def key(self, vm: VM) -> Key:
        return (self.platform, self.server, vm.id)

    @property
    def entry(self) -> dict[Key, VM]:
        return {self.key(vm): vm for vm in self.changing}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a guard says: how many there would be, and how many there may (or must) be."""

    key: str
    scope: str  # what it looks at: "this run", "cluster 'prod'"
    limit: int
    so_far: int
    would_be: int
    ok: bool
    of: int | None = None  # how many VMs the scope has
    percent: float | None = None

    def to_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "key": self.key,
            "scope": self.scope,
            "limit": self.limit,
            "so_far": self.so_far,
            "would_be": self.would_be,
            "ok": self.ok,
        }
        optional = {"of": self.of, "percent": self.percent}
        return {**shown, **{name: value for name, value in optional.items() if value is not None}}

    def __str__(self) -> str:
        if self.key == "chaosvm_min_running":
            return (
                f"{self.key} is {self.limit}: of the {self.of} VMs of {self.scope}, "
                f"{self.so_far} run, and {self.would_be} would be left"
            )
        limit = f"{self.key} is {self.limit}"
        if self.percent is not None:
            limit = f"{self.key} is {self.percent:g} ({self.limit} of the {self.of} VMs)"
        return (
            f"{limit} for {self.scope}: this run has changed {self.so_far} so far, and it "
            f"would be {self.would_be}"
        )

    @property
    def advice(self) -> str:
        way = "lower" if self.key == "chaosvm_min_running" else "raise"
        return f"select fewer VMs, or {way} {self.key}"


def going_down(history: Iterable[Touched]) -> frozenset[Key]:
    """The VMs that may still go down because of what a run has sent them."""
    return frozenset(
        (touched.platform, touched.server, touched.id)
        for touched in history
        if touched.last.open_ended and touched.last.target is not PowerState.POWERED_ON
    )


def verdicts(case: Case, counted: Counted, safety: Safety) -> list[Verdict]:
    """What each guard that is set says of this case."""
    found: list[Verdict] = []
    if safety.max_vms is not None:
        found.append(_within("chaosvm_max_vms", "this run", safety.max_vms, case, counted.vms))
    if safety.needs_inventory:
        found += _shares(case, counted, safety)
    if safety.min_running is not None and takes_down(case.operation):
        found.append(_survivors(case, counted, safety.min_running))
    return found


def stop_if_passed(found: Sequence[Verdict], case: Case) -> None:
    """Raises GuardStopped, which tells every guard that would be passed and what to change."""
    passed = [verdict for verdict in found if not verdict.ok]
    if passed:
        raise GuardStopped(
            f"{case.operation} of {_names(case.changing)} is stopped by a guard, and nothing was "
            f"touched: {'; '.join(map(str, passed))}. To go on, "
            f"{'; '.join(dict.fromkeys(verdict.advice for verdict in passed))}"
        )


def _within(
    key: str,
    scope: str,
    limit: int,
    case: Case,
    counted: Mapping[Key, VM],
    inside: set[Key] | None = None,
    percent: float | None = None,
) -> Verdict:
    """May there be so many changed VMs, of all or of those ``inside``?"""
    before = {key for key in counted if inside is None or key in inside}
    adding = {key for key in case.entry if inside is None or key in inside} - before
    would_be = len(before) + len(adding)
    return Verdict(
        key=key,
        scope=scope,
        limit=limit,
        so_far=len(before),
        would_be=would_be,
        ok=would_be <= limit or not adding,
        of=None if inside is None else len(inside),
        percent=percent,
    )


def _shares(case: Case, counted: Counted, safety: Safety) -> Iterator[Verdict]:
    if safety.max_percent is None:
        return
    for part, scope, inside in _scopes(case, counted):
        percent = getattr(safety.max_percent, part)
        if percent is not None:
            # Rounded down: more than was agreed to is never taken. The small
            # addition keeps 29 percent of 100 from becoming 28 in floating point.
            limit = int(len(inside) * percent / 100 + 1e-9)
            key = "chaosvm_max_percent"
            yield _within(key, scope, limit, case, counted.vms, inside, percent)


def _scopes(case: Case, counted: Counted) -> Iterator[tuple[str, str, set[Key]]]:
    """The VMs that match, and those of each cluster and host on which something is changed."""
    placed = _placed(case, counted)
    yield "inventory", "the matching inventory", _matching(case, counted)
    for part in ("cluster", "host"):
        where = {key: getattr(vm, part) for key, vm in placed.items()}
        for place in sorted({where[key] for key in case.entry} - {None}):
            yield part, f"the {part} {place!r}", {key for key in where if where[key] == place}


def _placed(case: Case, counted: Counted) -> dict[Key, VM]:
    """Every VM where it is, or where it was when the run first changed it.

    A VM that is off may be on no host, or come back on another one: it still
    counts where it is missing.
    """
    there = {case.key(vm): vm for vm in (*case.inventory, *case.changing)}
    return {key: counted.vms.get(key, vm) for key, vm in there.items()}


def _matching(case: Case, counted: Counted) -> set[Key]:
    """What the selection is about, whether or not the run has changed it since."""
    found = set(case.entry)
    for vm in case.inventory:
        key = case.key(vm)
        if key not in found and (case.matching(vm) or _matched_first(key, vm, case, counted)):
            found.add(key)
    return found


def _matched_first(key: Key, vm: VM, case: Case, counted: Counted) -> bool:
    """Did it match where it was when the run first changed it?"""
    first = counted.vms.get(key)
    return first is not None and case.matching(replace(vm, host=first.host, cluster=first.cluster))


def _survivors(case: Case, counted: Counted, least: int) -> Verdict:
    matching = _matching(case, counted)
    there = {case.key(vm): vm for vm in (*case.inventory, *case.changing)}
    running = {
        key
        for key in matching - counted.going_down - case.going_down
        if there[key].power_state is PowerState.POWERED_ON
    }
    left = running.difference(case.entry)
    return Verdict(
        key="chaosvm_min_running",
        scope="the matching inventory",
        limit=least,
        so_far=len(running),
        would_be=len(left),
        ok=len(left) >= least or left == running,
        of=len(matching),
    )


def _names(vms: Sequence[VM]) -> str:
    shown = ", ".join(str(vm) for vm in vms[:_MOST_NAMES])
    return f"{shown} and {len(vms) - _MOST_NAMES} more" if len(vms) > _MOST_NAMES else shown
