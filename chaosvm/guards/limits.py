"""Limits to what a run may take, checked before anything is noted or sent.

Nothing here talks to a platform or keeps anything: from the VMs that are there,
those that the run has changed so far and those that it is about to change
follow the verdicts, in whatever order the VMs come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from chaosvm.backend import Operation
from chaosvm.errors import GuardStopped, GuardUnchecked
from chaosvm.guards.run_counter import Usage
from chaosvm.ledger import VMRecord
from chaosvm.ledger.history import Key
from chaosvm.selection import spellings
from chaosvm.settings import OFF_WORDS, Percent, Safety
from chaosvm.settings import part as part_of
from chaosvm.vm import VM, PowerState

__all__ = [
    "GuardRequest",
    "GuardResult",
    "going_down",
    "unmatched_globs",
    "protected_by_name",
    "raise_if_exceeded",
    "disables_protection",
    "takes_down",
    "guard_results",
]

_MOST_NAMES = 10
_PERCENT = "chaosvm_max_percent"
# In these a VM takes up no place on a host, and need not be on one.
_ON_NO_HOST = (PowerState.POWERED_OFF, PowerState.SUSPENDED)
# A datacenter, as names are not unique beyond it, and a name.
Location = tuple[str | None, str]


def takes_down(operation: Operation) -> bool:
    """Is a VM not running because of it, if only for a while?"""
    return operation is not Operation.POWER_ON


def disables_protection(value: str) -> bool:
    """Does this value of the attribute that protects a VM say that it does not?"""
    return value.strip().lower() in ("", *OFF_WORDS)


def protected_by_name(vm: VM, globs: Iterable[str]) -> str | None:
    """Why a VM is never touched, if its name, id, UUID or path fits a glob of chaosvm_protect."""
    words = _words(vm)
    fitting = next((glob for glob in globs if _fits(words, glob)), None)
    return fitting and f"is protected: it fits {fitting!r} in chaosvm_protect"


def unmatched_globs(vms: Sequence[VM], globs: Iterable[str]) -> list[str]:
    """Those that fit none of these VMs, and are perhaps misspelt."""
    words = set().union(*map(_words, vms)) if (globs := list(globs)) else set()
    return [glob for glob in globs if not _fits(words, glob)]


def _words(vm: VM) -> set[str]:
    known = (vm.name, vm.id, vm.instance_uuid, vm.path, *vm.aliases)
    return set().union(*(spellings(word) for word in known if word))


def _fits(words: set[str], glob: str) -> bool:
    globs = spellings(glob)
    return not globs.isdisjoint(words) or any(
        fnmatchcase(word, each) for each in globs for word in words
    )


@dataclass(frozen=True)
class GuardRequest:
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
class GuardResult:
    """What a guard says: how many there would be, and how many there may (or must) be."""

    key: str
    scope: str  # what it looks at: "this run", "cluster 'prod'"
    limit: int
    so_far: int
    would_be: int
    ok: bool
    of: int | None = None  # how many VMs the scope has
    percent: float | None = None
    unchecked: str | None = None  # why nobody can tell; then the counts mean nothing

    def to_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "key": self.key,
            "scope": self.scope,
            "limit": self.limit,
            "so_far": self.so_far,
            "would_be": self.would_be,
            "ok": self.ok,
        }
        optional = {"of": self.of, "percent": self.percent, "unchecked": self.unchecked}
        return {**shown, **{name: value for name, value in optional.items() if value is not None}}

    def __str__(self) -> str:
        if self.unchecked:
            return f"{self.key} cannot be checked for {self.scope}: {self.unchecked}"
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
        if self.unchecked:
            return (
                f"let the user see clusters and hosts, or give {self.key} as a mapping without "
                f"{self.scope.removeprefix('the ')}"
            )
        way = "lower" if self.key == "chaosvm_min_running" else "raise"
        return f"select fewer VMs, or {way} {self.key}"


def going_down(history: Iterable[VMRecord]) -> frozenset[Key]:
    """The VMs that may still go down, if only for a while, because of what was sent to them."""
    return frozenset(
        (record.platform, record.server, record.id)
        for record in history
        if record.operations and record.last.unconfirmed and takes_down(record.last.operation)
    )


def guard_results(case: GuardRequest, usage: Usage, safety: Safety) -> list[GuardResult]:
    """What each guard that is set says of this case."""
    estate = Scope(case, usage)
    found: list[GuardResult] = []
    if safety.max_vms is not None:
        found.append(_within("chaosvm_max_vms", "this run", safety.max_vms, case, {*usage.vms}))
    if safety.max_percent is not None:
        found += _shares(estate, safety.max_percent)
    if safety.min_running is not None and takes_down(case.operation):
        found.append(_running_left(estate, safety.min_running))
    return found


def raise_if_exceeded(found: Sequence[GuardResult], case: GuardRequest) -> None:
    """Raises GuardStopped, which tells every guard that would be passed and what to change.

    GuardUnchecked, if it is only that some of them cannot be checked.
    """
    passed = [result for result in found if not result.ok]
    if passed:
        kind = GuardUnchecked if all(result.unchecked for result in passed) else GuardStopped
        raise kind(
            f"{case.operation} of {_names(case.changing)} is stopped by a guard, and nothing was "
            f"touched: {'; '.join(map(str, passed))}. To go on, "
            f"{'; '.join(dict.fromkeys(result.advice for result in passed))}"
        )


@dataclass(frozen=True)
class Scope:
    """The VMs that are there, and those among them that the run has changed so far."""

    case: GuardRequest
    usage: Usage

    @cached_property
    def there(self) -> dict[Key, VM]:
        return {self.case.key(vm): vm for vm in (*self.case.inventory, *self.case.changing)}

    @cached_property
    def matching(self) -> set[Key]:
        """What the selection is about, whether or not the run has changed it since."""
        meant = self.case.matching
        found = {key for key, vm in self.there.items() if meant(vm) or self._matched(key, vm)}
        return found.union(self.case.entry)

    def _matched(self, key: Key, vm: VM) -> bool:
        """Did it match where it was when the run changed it?"""
        meant, before = self.case.matching, self.usage.vms.get(key, ())
        return any(meant(replace(vm, host=was.host, cluster=was.cluster)) for was in before)

    def places(self, part: str) -> dict[Key, Location]:
        """Where each VM is, or was when the run first changed it there.

        A VM that is off may be on no host, or come back on another one: it still
        counts where it is missing.
        """
        now = {key: place for key, vm in self.there.items() if (place := _location(vm, part))}
        return {**now, **self.changed_at(part)}

    def changed_at(self, part: str) -> dict[Key, Location]:
        """Where those were that the run has changed; not those that were nowhere then."""
        changed = self.usage.vms
        return {
            key: place
            for key in self.there.keys() & changed.keys()
            for vm in reversed(changed[key])  # so that the first place is the one that stays
            if (place := _location(vm, part))
        }


def _location(vm: VM, part: str) -> Location | None:
    name: str | None = getattr(vm, part)
    return None if name is None else (vm.datacenter, name)


def _within(
    key: str,
    scope: str,
    limit: int,
    case: GuardRequest,
    changed: set[Key],
    inside: set[Key] | None = None,
    percent: float | None = None,
) -> GuardResult:
    """May there be so many changed VMs, of all or of those ``inside``?"""
    before = changed if inside is None else changed & inside
    adding = {key for key in case.entry if inside is None or key in inside} - before
    would_be = len(before) + len(adding)
    return GuardResult(
        key=key,
        scope=scope,
        limit=limit,
        so_far=len(before),
        would_be=would_be,
        ok=would_be <= limit or not adding,
        of=None if inside is None else len(inside),
        percent=percent,
    )


def _shares(estate: Scope, most: Percent) -> Iterator[GuardResult]:
    """Of the VMs that match, and of each cluster and host on which something is changed."""
    if most.inventory is not None:
        changed = {*estate.usage.vms}
        yield _share(estate, "the matching inventory", most.inventory, changed, estate.matching)
    for part, percent in (("cluster", most.cluster), ("host", most.host)):
        if percent is not None:
            yield from _shares_of_places(estate, part, percent)


def _shares_of_places(estate: Scope, part: str, percent: float) -> Iterator[GuardResult]:
    entry, where = estate.case.entry, estate.places(part)
    nowhere = [vm for key, vm in entry.items() if key not in where and _must_be_placed(vm, part)]
    if nowhere:
        yield _unplaced(nowhere, part, percent)
    inside, changed = _by_place(where), _by_place(estate.changed_at(part))
    concerned = {where[key] for key in entry if key in where}
    for place in sorted(concerned, key=lambda each: (each[0] or "", each[1])):
        datacenter, name = place
        scope = f"the {part} {name!r}" + (f" of {datacenter!r}" if datacenter else "")
        yield _share(estate, scope, percent, changed[place], inside[place])


def _by_place(where: Mapping[Key, Location]) -> defaultdict[Location, set[Key]]:
    found: defaultdict[Location, set[Key]] = defaultdict(set)
    for key, place in where.items():
        found[place].add(key)
    return found


def _share(
    estate: Scope, scope: str, percent: float, changed: set[Key], inside: set[Key]
) -> GuardResult:
    limit = part_of(percent, len(inside))
    return _within(_PERCENT, scope, limit, estate.case, changed, inside, percent)


def _must_be_placed(vm: VM, part: str) -> bool:
    """A VM that runs is on some host, and in a cluster unless that host stands alone."""
    alone = part == "cluster" and vm.metadata.get("standalone_host", False)
    return vm.power_state not in _ON_NO_HOST and not alone


def _unplaced(vms: Sequence[VM], part: str, percent: float) -> GuardResult:
    return GuardResult(
        key=_PERCENT,
        scope=f"the {part}",
        limit=0,
        so_far=0,
        would_be=len(vms),
        ok=False,
        percent=percent,
        unchecked=f"{vms[0].platform} does not tell the {part} of {_names(vms)}",
    )


def _running_left(estate: Scope, least: int) -> GuardResult:
    matching, case = estate.matching, estate.case
    running = {
        key
        for key in matching - estate.usage.going_down - case.going_down
        if estate.there[key].power_state is PowerState.POWERED_ON
    }
    left = running.difference(case.entry)
    return GuardResult(
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
