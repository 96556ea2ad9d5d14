"""A plan: what an action would do, and to which VMs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaosvm.backend import Order
from chaosvm.settings import output_file, write_atomically
from chaosvm.vm import VM

if TYPE_CHECKING:
    from chaosvm.guards import GuardResult
    from chaosvm.plans.preview import Preview

__all__ = ["VERSION", "Plan", "save_plan"]

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an order would do on one server, in its current state."""

    platform: str
    server: str
    order: Order
    selection: Any  # as it was written
    seed: int | None
    previews: Sequence[Preview]
    passed_over: Sequence[tuple[VM, str]]
    protected_vms: Sequence[tuple[VM, str]]  # selected by name, but never touched
    guard_results: Sequence[GuardResult]

    @property
    def refused(self) -> list[tuple[VM, str]]:
        refused = [(each.vm, each.refused) for each in self.previews if each.refused]
        return [*self.protected_vms, *refused]

    @property
    def possible(self) -> bool:
        return not self.refused and all(result.ok for result in self.guard_results)

    def to_json(self) -> dict[str, Any]:
        return {
            "plan": VERSION,
            "platform": self.platform,
            "server": self.server,
            "operation": self.order.name,
            "options": self.order.options,
            "selection": self.selection,
            "seed": self.seed,
            "possible": self.possible,
            "vms": [_preview_json(each) for each in self.previews],
            "passed_over": _reasons(self.passed_over),
            "refused": _reasons(self.refused),
            "guards": [result.to_json() for result in self.guard_results],
        }

    def lines(self) -> Iterator[str]:
        """The plan in words, for the log."""
        drawn = "" if self.seed is None else f", drawn with seed {self.seed}"
        yield f"{self.order.name} of {len(self.previews)} VM(s){drawn}, on {self.server}:"
        for each in self.previews:
            warning = f" (it {each.warning})" if each.warning else ""
            yield f"  {each.vm}, {each.vm.power_state}: {each.will}{warning}"
        for vm, reason in self.passed_over:
            yield f"  {vm} {reason}, so it is passed over"
        for vm, reason in self.protected_vms:
            yield f"  {vm} {reason}: refused"
        for result in self.guard_results:
            yield f"  {result}: {'in order' if result.ok else 'stopped'}"

    def text(self) -> str:
        return json.dumps(self.to_json(), ensure_ascii=False, indent=2) + "\n"


def save_plan(path: str, make: Callable[[], Plan]) -> dict[str, Any]:
    """Make a plan and write it to this path, unless that is empty."""
    file = None if path == "" else output_file("path", path)
    plan = make()
    if file is not None:
        write_atomically(file, plan.text())
    return plan.to_json()


def _preview_json(preview: Preview) -> dict[str, Any]:
    vm = preview.vm
    content = {
        "id": vm.id,
        "name": vm.name,
        "instance_uuid": vm.instance_uuid,
        "power_state": vm.power_state.value,
        "datacenter": vm.datacenter,
        "cluster": vm.cluster,
        "host": vm.host,
        "step": preview.step,
        "will": preview.will,
        "changes": preview.changes,
    }
    return {**content, "caution": preview.warning} if preview.warning else content


def _reasons(vms: Iterable[tuple[VM, str]]) -> list[dict[str, Any]]:
    return [{"name": vm.name, "id": vm.id, "reason": reason} for vm, reason in vms]
