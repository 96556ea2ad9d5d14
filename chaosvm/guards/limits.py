"""Limits to what a run may change, checked before anything is recorded or sent.

Nothing here talks to a platform or has state: the results follow from the
inventory, the VMs that the run has changed so far and the VMs that it is about to
change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from chaosvm.backend import Operation
from chaosvm.errors import GuardStopped, GuardUnchecked
from chaosvm.guards.run_counter import Usage
from chaosvm.ledger import VMRecord
from chaosvm.ledger.history import Key
from chaosvm.listing import listed
from chaosvm.settings import Percent, Safety
from chaosvm.settings import part as part_of
from chaosvm.vm import VM, PowerState

__all__ = [
    "GuardRequest",
    "GuardResult",
    "going_down",
    "raise_if_exceeded",
    "takes_down",
    "guard_results",
]

_MOST_NAMES = 10
_PERCENT = "chaosvm_max_percent"
# In these states a VM need not be on a host.
_ON_NO_HOST = (PowerState.POWERED_OFF, PowerState.SUSPENDED)
# A datacenter and a name, which is unique only within it.
Location = tuple[str | None, str]


def takes_down(operation: Operation) -> bool:
    """True if the operation takes a VM down, if only for a while."""
    return operation is not Operation.POWER_ON


@dataclass(frozen=True)
class GuardRequest:
    """What an action is about to do.

    ``changing`` are the VMs to which a request would be sent. ``inventory`` are all
    VMs that may be touched; ``matching`` is true for those that the selection is about.
    """

    operation: Operation
    platform: str
    server: str
    changing: Sequence[VM]
    inventory: Sequence[VM]
    matching: Callable[[VM], bool]
    # VMs that may go down at any moment, because of an earlier request.
    going_down: frozenset[Key] = frozenset()

    def key(self, vm: VM) -> Key:
        return (self.platform, self.server, vm.id)

    @property
    def entry(self) -> dict[Key, VM]:
        return {self.key(vm): vm for vm in self.changing}


@dataclass(frozen=True, slots=True)
class GuardResult:
    """The result of one limit: how many VMs there would be, and how many there may be."""

    key: str
    scope: str  # "this run", "the cluster 'prod'"
    limit: int
    so_far: int
    would_be: int
    ok: bool
    of: int | None = None  # the number of VMs in the scope
    percent: float | None = None
    unchecked: str | None = None  # why the limit cannot be checked; the counts mean nothing then

    def to_json(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "key": self.key,
            "scope": self.scope,
            "limit": self.limit,
            "so_far": self.so_far,
            "would_be": self.would_be,
            "ok": self.ok,
        }
        optional = {"of": self.of, "percent": self.percent, "unchecked": self.unchecked}
        return {**result, **{name: value for name, value in optional.items() if value is not None}}

    def __str__(self) -> str:
        if self.unchecked:
            return f"{self.key} cannot be checked for {self.scope}: {self.unchecked}"
        if self.key == "chaosvm_min_running":
            return (
                f"{self.key} is {self.limit}: of the {self.of} VMs in {self.scope}, "
                f"{self.so_far} running now, {self.would_be} after this action"
            )
        limit = f"{self.key} is {self.limit}"
        if self.percent is not None:
            limit = f"{self.key} is {self.percent:g} ({self.limit} of the {self.of} VMs)"
        return (
            f"{limit} for {self.scope}: {self.so_far} changed so far, {self.would_be} with this "
            "action"
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
    """The VMs that may still go down because of a request that the history has."""
    return frozenset(
        (record.platform, record.server, record.id)
        for record in history
        if record.operations and record.last.unconfirmed and takes_down(record.last.operation)
    )


def guard_results(request: GuardRequest, usage: Usage, safety: Safety) -> list[GuardResult]:
    """The result of each limit that is set."""
    scope = Scope(request, usage)
    results: list[GuardResult] = []
    if safety.max_vms is not None:
        changed = {*usage.vms}
        results.append(_at_most("chaosvm_max_vms", "this run", safety.max_vms, request, changed))
    if safety.max_percent is not None:
        results += _shares(scope, safety.max_percent)
    if safety.min_running is not None and takes_down(request.operation):
        results.append(_running_left(scope, safety.min_running))
    return results


def raise_if_exceeded(results: Sequence[GuardResult], request: GuardRequest) -> None:
    """Raises GuardStopped, which names each exceeded limit and what to change.

    Raises GuardUnchecked if limits cannot be checked, but none is exceeded.
    """
    exceeded = [result for result in results if not result.ok]
    if exceeded:
        kind = GuardUnchecked if all(result.unchecked for result in exceeded) else GuardStopped
        raise kind(
            f"{request.operation} of {listed(request.changing, _MOST_NAMES)} is stopped by a "
            f"guard, and nothing was touched: {'; '.join(map(str, exceeded))}. To go on, "
            f"{'; '.join(dict.fromkeys(result.advice for result in exceeded))}"
        )


@dataclass(frozen=True)
class Scope:
    """The current VMs, and those among them that the run has changed so far."""

    request: GuardRequest
    usage: Usage

    @cached_property
    def vms(self) -> dict[Key, VM]:
        request = self.request
        return {request.key(vm): vm for vm in (*request.inventory, *request.changing)}

    @cached_property
    def matching(self) -> set[Key]:
        """The VMs that the selection is about, even if the run has changed them since."""
        matches = self.request.matching
        keys = {key for key, vm in self.vms.items() if matches(vm) or self._matched(key, vm)}
        return keys.union(self.request.entry)

    def _matched(self, key: Key, vm: VM) -> bool:
        """True if the VM matched on the host or cluster where the run changed it."""
        matches, before = self.request.matching, self.usage.vms.get(key, ())
        return any(matches(replace(vm, host=was.host, cluster=was.cluster)) for was in before)

    def locations(self, part: str) -> dict[Key, Location]:
        """Where each VM is, or was when the run first changed it.

        A VM that is off may be on no host, or come back on another one: it still
        counts where it is missing.
        """
        now = {key: where for key, vm in self.vms.items() if (where := _location(vm, part))}
        return {**now, **self.changed_at(part)}

    def changed_at(self, part: str) -> dict[Key, Location]:
        """Where the changed VMs were, except for those that were on no host or in no cluster."""
        changed = self.usage.vms
        return {
            key: where
            for key in self.vms.keys() & changed.keys()
            for vm in reversed(changed[key])  # the first location wins
            if (where := _location(vm, part))
        }


def _location(vm: VM, part: str) -> Location | None:
    name: str | None = getattr(vm, part)
    return None if name is None else (vm.datacenter, name)


def _at_most(
    key: str,
    scope: str,
    limit: int,
    request: GuardRequest,
    changed: set[Key],
    inside: set[Key] | None = None,
    percent: float | None = None,
) -> GuardResult:
    """Compares the number of changed VMs, of all or of those ``inside``, with a limit."""
    before = changed if inside is None else changed & inside
    adding = {key for key in request.entry if inside is None or key in inside} - before
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


def _shares(scope: Scope, limits: Percent) -> Iterator[GuardResult]:
    """Of the VMs that match, and of each cluster and host on which something is changed."""
    if limits.inventory is not None:
        changed = {*scope.usage.vms}
        yield _share(scope, "the matching inventory", limits.inventory, changed, scope.matching)
    for part, percent in (("cluster", limits.cluster), ("host", limits.host)):
        if percent is not None:
            yield from _shares_by_location(scope, part, percent)


def _shares_by_location(scope: Scope, part: str, percent: float) -> Iterator[GuardResult]:
    entry, locations = scope.request.entry, scope.locations(part)
    unknown = [vm for key, vm in entry.items() if key not in locations and _has_location(vm, part)]
    if unknown:
        yield _unknown_location(unknown, part, percent)
    inside, changed = _by_location(locations), _by_location(scope.changed_at(part))
    affected = {locations[key] for key in entry if key in locations}
    for where in sorted(affected, key=lambda each: (each[0] or "", each[1])):
        datacenter, name = where
        label = f"the {part} {name!r}" + (f" of {datacenter!r}" if datacenter else "")
        yield _share(scope, label, percent, changed[where], inside[where])


def _by_location(locations: Mapping[Key, Location]) -> defaultdict[Location, set[Key]]:
    keys: defaultdict[Location, set[Key]] = defaultdict(set)
    for key, where in locations.items():
        keys[where].add(key)
    return keys


def _share(
    scope: Scope, label: str, percent: float, changed: set[Key], inside: set[Key]
) -> GuardResult:
    limit = part_of(percent, len(inside))
    return _at_most(_PERCENT, label, limit, scope.request, changed, inside, percent)


def _has_location(vm: VM, part: str) -> bool:
    """A running VM is on a host, and in a cluster unless it is on a standalone host."""
    standalone = part == "cluster" and vm.metadata.get("standalone_host", False)
    return vm.power_state not in _ON_NO_HOST and not standalone


def _unknown_location(vms: Sequence[VM], part: str, percent: float) -> GuardResult:
    return GuardResult(
        key=_PERCENT,
        scope=f"the {part}",
        limit=0,
        so_far=0,
        would_be=len(vms),
        ok=False,
        percent=percent,
        unchecked=f"{vms[0].platform} does not report the {part} of {listed(vms, _MOST_NAMES)}",
    )


def _running_left(scope: Scope, least: int) -> GuardResult:
    matching, request = scope.matching, scope.request
    running = {
        key
        for key in matching - scope.usage.going_down - request.going_down
        if scope.vms[key].power_state is PowerState.POWERED_ON
    }
    left = running.difference(request.entry)
    return GuardResult(
        key="chaosvm_min_running",
        scope="the matching inventory",
        limit=least,
        so_far=len(running),
        would_be=len(left),
        ok=len(left) >= least or left == running,
        of=len(matching),
    )
