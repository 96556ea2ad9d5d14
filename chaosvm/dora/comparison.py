"""Compares Dora with a vCenter by moid, allowing for Dora's lag.

Dora is 30 to 60 seconds behind the vCenter, so only a difference that is present
in every comparison during the tolerance counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chaosvm.dora.environments import Environment
from chaosvm.errors import NoSuchVM
from chaosvm.runtime import Deadline
from chaosvm.vm import VM

if TYPE_CHECKING:
    from chaosvm.dora.client import DoraClient
    from chaosvm.vsphere.platform import VSpherePlatform

__all__ = ["Differences", "compare", "compare_until_equal", "compare_with_vcenter", "relevant_vms"]

_INTERVAL = 5.0

# The kind of a difference and the id of its VM.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Differences:
    """The result of one comparison."""

    compared: int
    entries: dict[Key, dict[str, Any]] = field(default_factory=dict)
    # Names of VMs that cannot be compared.
    without_moid: tuple[str, ...] = ()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [entry for (each, _), entry in self.entries.items() if each == kind]

    def restricted_to(self, keys: Iterable[Key]) -> Differences:
        common = set(keys)
        entries = {key: entry for key, entry in self.entries.items() if key in common}
        return Differences(self.compared, entries, self.without_moid)

    def to_json(self) -> dict[str, Any]:
        return {
            "matches": not self.entries,
            "compared": self.compared,
            "only_in_dora": self.of("only_in_dora"),
            "only_in_vcenter": self.of("only_in_vcenter"),
            "different_state": self.of("different_state"),
            "different_name": self.of("different_name"),
            "listed_twice": self.of("listed_twice"),
            "without_moid": list(self.without_moid),
        }


def relevant_vms(vms: Iterable[VM], hosts: Iterable[str | None], moids: Iterable[str]) -> list[VM]:
    """Return the vCenter's VMs that belong to an environment: on its hosts, or known to Dora.

    Templates do not run on a host, so only those that Dora knows are included.
    """
    host_names, known = {host for host in hosts if host}, set(moids)

    def on_hosts(vm: VM) -> bool:
        return not vm.template and (not host_names or vm.host in host_names)

    return [vm for vm in vms if vm.id in known or on_hosts(vm)]


def compare(dora: Iterable[VM], vcenter: Iterable[VM]) -> Differences:
    """Compare presence, power state and name by moid, and find moids with two descriptions."""
    dora_vms = list(dora)
    identified = [vm for vm in dora_vms if vm.metadata.get("moid")]
    ours = {vm.id: vm for vm in identified}
    theirs = {vm.id: vm for vm in vcenter}
    entries: dict[Key, dict[str, Any]] = {}
    for vm_id in sorted(ours.keys() ^ theirs.keys()):
        kind = "only_in_dora" if vm_id in ours else "only_in_vcenter"
        vm = ours.get(vm_id) or theirs[vm_id]
        entries[kind, vm_id] = {"id": vm_id, "name": vm.name, "power_state": vm.power_state}
    for vm_id in sorted(ours.keys() & theirs.keys()):
        for attribute, kind in (("power_state", "different_state"), ("name", "different_name")):
            if getattr(ours[vm_id], attribute) != getattr(theirs[vm_id], attribute):
                entries[kind, vm_id] = _both(ours[vm_id], theirs[vm_id], attribute)
    for vm in identified:
        compared = ours[vm.id]
        if (vm.name, vm.power_state) != (compared.name, compared.power_state):
            entries["listed_twice", vm.id] = {"id": vm.id, "name": vm.name}
    without_moid = tuple(vm.name for vm in dora_vms if not vm.metadata.get("moid"))
    return Differences(len(ours.keys() & theirs.keys()), entries, without_moid)


def compare_until_equal(once: Callable[[], Differences], tolerance: Deadline) -> Differences:
    """Repeat a comparison until it finds no lasting difference, or the tolerance is over.

    Returns the differences that every comparison found.
    """
    lasting = once()
    while lasting.entries and not tolerance.passed:
        tolerance.sleep(_INTERVAL)
        lasting = once().restricted_to(lasting.entries)
    return lasting


def compare_with_vcenter(
    client: DoraClient, environment: Environment, vcenter: VSpherePlatform, tolerance: Deadline
) -> dict[str, Any]:
    """Compare an environment with its vCenter until they agree, or the tolerance is over."""
    hosts: list[str] = []

    def once() -> Differences:
        inventory = client.inventory(environment.name)
        hosts[:] = sorted({host.name for host in inventory.hypervisors})
        vcenter_vms = vcenter.backend.inventory(Deadline(vcenter.timeout, vcenter.clock))
        relevant = relevant_vms(vcenter_vms, hosts, [vm.id for vm in inventory.vms])
        result = compare(inventory.vms, relevant)
        if not result.compared and not result.entries:
            raise NoSuchVM(
                f"nothing to compare: Dora reports {len(inventory.vms)} VMs in {environment}, the "
                f"vCenter has {len(vcenter_vms)}, but no moid is in both, and no VM of the vCenter "
                f"runs on the hosts {', '.join(hosts) or '(none)'}"
            )
        return result

    result = compare_until_equal(once, tolerance)
    return {**result.to_json(), "hosts": hosts, "seconds": round(tolerance.elapsed, 1)}


def _both(ours: VM, theirs: VM, attribute: str) -> dict[str, Any]:
    return {
        "id": ours.id,
        "name": theirs.name,
        "dora": str(getattr(ours, attribute)),
        "vcenter": str(getattr(theirs, attribute)),
    }
