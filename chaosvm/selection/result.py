"""The result of a selection, and the reasons why VMs may not be touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from chaosvm.errors import OperationRefused
from chaosvm.vm import VM

__all__ = [
    "ProtectionCheck",
    "SelectionResult",
    "ImmutableCheck",
    "blocked_reasons",
    "refused_error",
]

# Why no action may touch a VM, or None; and the same for many VMs, by id, for reasons
# that are expensive to look up one by one.
ImmutableCheck = Callable[[VM], str | None]
ProtectionCheck = Callable[[Sequence[VM]], Mapping[str, str]]


@dataclass(frozen=True)
class SelectionResult:
    """The selected VMs, the seed of the sample, and the VMs passed over.

    ``refused`` are VMs that are selected by name or id and may not be touched, if
    the caller wants them returned rather than raised.
    """

    vms: tuple[VM, ...]
    seed: int | None = None
    passed_over: tuple[tuple[VM, str], ...] = ()
    refused: tuple[tuple[VM, str], ...] = ()


def refused_error(refused: Iterable[tuple[VM, str]]) -> OperationRefused:
    """The error for VMs that may not be touched."""
    reasons = "; ".join(f"{vm} {reason}" for vm, reason in refused)
    return OperationRefused(f"refused, and nothing was touched: {reasons}")


def blocked_reasons(
    vms: Sequence[VM], immutable: ImmutableCheck | None, protection: ProtectionCheck | None
) -> dict[str, str]:
    """Why some of these VMs may not be touched, by id."""
    reasons: dict[str, str] = {}
    if immutable is not None:
        reasons = {vm.id: reason for vm in vms if (reason := immutable(vm))}
    left = [vm for vm in vms if vm.id not in reasons]
    return {**reasons, **protection(left)} if protection is not None and left else reasons
