"""Do Dora and the vCenter agree? Compared by moid, with patience for Dora's lag.

Dora reads the vCenter on its own clock, 30 to 60 seconds late, so a difference
counts as real only if every look during the tolerance has seen it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from chaosvm.runtime import Deadline
from chaosvm.vm import VM

__all__ = ["Differences", "compare", "on_hosts", "until_they_agree"]

_LOOK_EVERY = 5.0

# What tells one difference from another, and how it is shown.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Differences:
    """One comparison: by kind and id, what differs."""

    compared: int
    found: dict[Key, dict[str, Any]] = field(default_factory=dict)
    # Told by Dora without a moid, so that they cannot be compared.
    without_moid: tuple[str, ...] = ()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [told for (each, _), told in self.found.items() if each == kind]

    def also_in(self, keys: Iterable[Key]) -> Differences:
        kept = set(keys)
        found = {key: told for key, told in self.found.items() if key in kept}
        return Differences(self.compared, found, self.without_moid)

    def to_json(self) -> dict[str, Any]:
        return {
            "matches": not self.found,
            "compared": self.compared,
            "only_in_dora": self.of("only_in_dora"),
            "only_in_vcenter": self.of("only_in_vcenter"),
            "different_state": self.of("different_state"),
            "different_name": self.of("different_name"),
            "told_twice": self.of("told_twice"),
            "without_moid": list(self.without_moid),
        }


def on_hosts(vms: Iterable[VM], hosts: Iterable[str | None], moids: Iterable[str]) -> list[VM]:
    """The vCenter's VMs that an environment is about: on its hosts, or known to Dora.

    Templates run on no host, so they only count where Dora tells of them.
    """
    there, known = {host for host in hosts if host}, set(moids)
    return [
        vm for vm in vms if vm.id in known or (not vm.template and (not there or vm.host in there))
    ]


def compare(dora: Iterable[VM], vcenter: Iterable[VM]) -> Differences:
    """Every VM that is only here, only there, or in another state or of another name."""
    told = list(dora)
    known = [vm for vm in told if vm.metadata.get("moid")]
    here = {vm.id: vm for vm in known}
    there = {vm.id: vm for vm in vcenter}
    found: dict[Key, dict[str, Any]] = {}
    for vm_id in sorted(here.keys() | there.keys()):
        ours, theirs = here.get(vm_id), there.get(vm_id)
        if ours is None or theirs is None:
            only = ours or theirs
            assert only is not None
            kind = "only_in_dora" if theirs is None else "only_in_vcenter"
            found[kind, vm_id] = {"id": vm_id, "name": only.name, "power_state": only.power_state}
            continue
        if ours.power_state is not theirs.power_state:
            found["different_state", vm_id] = _both(ours, theirs, "power_state")
        if ours.name != theirs.name:
            found["different_name", vm_id] = _both(ours, theirs, "name")
    for vm in known:
        taken = here[vm.id]
        if (vm.name, vm.power_state) != (taken.name, taken.power_state):
            found["told_twice", vm.id] = {"id": vm.id, "name": vm.name}
    without = tuple(vm.name for vm in told if not vm.metadata.get("moid"))
    return Differences(len(here.keys() & there.keys()), found, without)


def until_they_agree(look: Callable[[], Differences], tolerance: Deadline) -> Differences:
    """The differences that every look has seen, until there are none or the time is over."""
    lasting = look()
    while lasting.found and not tolerance.passed:
        tolerance.sleep(_LOOK_EVERY)
        lasting = look().also_in(lasting.found)
    return lasting


def _both(ours: VM, theirs: VM, what: str) -> dict[str, Any]:
    return {
        "id": ours.id,
        "name": theirs.name,
        "dora": str(getattr(ours, what)),
        "vcenter": str(getattr(theirs, what)),
    }
