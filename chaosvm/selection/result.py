"""What was chosen, what was passed over, and why VMs may not be touched at all."""

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

# A reason why no action may touch a VM, or None; and those of many VMs, by id,
# where finding them out one by one would cost too much.
ImmutableCheck = Callable[[VM], str | None]
ProtectionCheck = Callable[[Sequence[VM]], Mapping[str, str]]


@dataclass(frozen=True)
class SelectionResult:
    """The VMs chosen, the seed that chose among them, and those passed over.

    ``refused`` are those that were asked for by name or id and may not be
    touched, where that is to be told rather than raised.
    """

    vms: tuple[VM, ...]
    seed: int | None = None
    passed_over: tuple[tuple[VM, str], ...] = ()
    refused: tuple[tuple[VM, str], ...] = ()


def refused_error(refused: Iterable[tuple[VM, str]]) -> OperationRefused:
    """The error for VMs that may not be touched."""
    told = "; ".join(f"{vm} {reason}" for vm, reason in refused)
    return OperationRefused(f"refused, and nothing was touched: {told}")


def blocked_reasons(
    vms: Sequence[VM], immutable: ImmutableCheck | None, protection: ProtectionCheck | None
) -> dict[str, str]:
    """Why some of these VMs may not be touched, by id."""
    found: dict[str, str] = {}
    if immutable is not None:
        found = {vm.id: reason for vm in vms if (reason := immutable(vm))}
    left = [vm for vm in vms if vm.id not in found]
    return {**found, **protection(left)} if protection is not None and left else found
