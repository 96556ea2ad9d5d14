"""Counts VMs by power state and location."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from chaosvm.vm import VM

__all__ = ["COUNTED_FIELDS", "vm_counts"]

# The fields that are counted.
COUNTED_FIELDS = (
    "template",
    "cpu_count",
    "memory_mb",
    "power_state",
    "datacenter",
    "cluster",
    "host",
)


def vm_counts(vms: Sequence[VM]) -> dict[str, Any]:
    """The number of VMs in all, and by power state and place, with sums of what they have."""
    return {
        "vms": len(vms),
        "templates": sum(vm.template for vm in vms),
        "cpu_count": sum(vm.cpu_count or 0 for vm in vms),
        "memory_mb": sum(vm.memory_mb or 0 for vm in vms),
        "power_states": _counted(vm.power_state.value for vm in vms),
        "datacenters": _counted(vm.datacenter for vm in vms),
        "clusters": _counted(vm.cluster for vm in vms),
        "hosts": _counted(vm.host for vm in vms),
    }


def _counted(words: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(word for word in words if word is not None).items()))
