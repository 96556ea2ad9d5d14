"""What was chosen, what was passed over, and why VMs may not be touched at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from chaosvm.errors import OperationRefused
from chaosvm.vm import VM

__all__ = ["Barred", "Choice", "Untouchable", "reasons_against", "refusal"]

# A reason why no action may touch a VM, or None; and those of many VMs, by id,
# where finding them out one by one would cost too much.
Untouchable = Callable[[VM], str | None]
Barred = Callable[[Sequence[VM]], Mapping[str, str]]


@dataclass(frozen=True)
class Choice:
    """The VMs chosen, the seed that chose among them, and those passed over.

    ``refused`` are those that were asked for by name or id and may not be
    touched, where that is to be told rather than raised.
    """

    vms: tuple[VM, ...]
    seed: int | None = None
    passed_over: tuple[tuple[VM, str], ...] = ()
    refused: tuple[tuple[VM, str], ...] = ()


def refusal(refused: Iterable[tuple[VM, str]]) -> OperationRefused:
    """The error for VMs that may not be touched."""
    told = "; ".join(f"{vm} {reason}" for vm, reason in refused)
    return OperationRefused(f"refused, and nothing was touched: {told}")


def reasons_against(
    vms: Sequence[VM], untouchable: Untouchable | None, barred: Barred | None
) -> dict[str, str]:
    """Why some of these VMs may not be touched, by id."""
    found: dict[str, str] = {}
    if untouchable is not None:
        found = {vm.id: reason for vm in vms if (reason := untouchable(vm))}
    left = [vm for vm in vms if vm.id not in found]
    return {**found, **barred(left)} if barred is not None and left else found
