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
            "vms": [_preview_json(each, wave) for wave, each in self._by_wave()],
            "passed_over": _reasons(self.passed_over),
            "refused": _reasons(self.refused),
            "guards": [result.to_json() for result in self.guard_results],
        }

    def lines(self) -> Iterator[str]:
        """The plan in words, for the log."""
        drawn = "" if self.seed is None else f", drawn with seed {self.seed}"
        yield (
            f"{self.order.name} of {len(self.previews)} VM(s){drawn}, on {self.server}"
            f"{self._waves_text()}:"
        )
        for wave, each in self._by_wave():
            place = "" if wave is None else f"wave {wave}: "
            warning = f" (it {each.warning})" if each.warning else ""
            yield f"  {place}{each.vm}, {each.vm.power_state}: {each.will}{warning}"
        for vm, reason in self.passed_over:
            yield f"  {vm} {reason}, so it is passed over"
        for vm, reason in self.protected_vms:
            yield f"  {vm} {reason}: refused"
        for result in self.guard_results:
            yield f"  {result}: {'ok' if result.ok else 'stopped'}"

    def _by_wave(self) -> list[tuple[int | None, Preview]]:
        """The previews with the number of their wave, if there is more than one."""
        waves = self.order.waves_of(self.previews)
        if len(waves) == 1:
            return [(None, each) for each in self.previews]
        return [(number, each) for number, wave in enumerate(waves, 1) for each in wave]

    def _waves_text(self) -> str:
        count = len(self.order.waves_of(self.previews))
        if count == 1:
            return ""
        apart = f", {self.order.interval:g} s apart" if self.order.interval else ""
        return f", in {count} waves{apart}"

    def text(self) -> str:
        return json.dumps(self.to_json(), ensure_ascii=False, indent=2) + "\n"


def save_plan(path: str, make: Callable[[], Plan]) -> dict[str, Any]:
    """Make a plan and write it to this path, unless that is empty."""
    file = None if path == "" else output_file("path", path)
    plan = make()
    if file is not None:
        write_atomically(file, plan.text())
    return plan.to_json()


def _preview_json(preview: Preview, wave: int | None) -> dict[str, Any]:
    vm = preview.vm
    content: dict[str, Any] = {
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
    if wave is not None:
        content["wave"] = wave
    if preview.warning:
        content["caution"] = preview.warning
    return content


def _reasons(vms: Iterable[tuple[VM, str]]) -> list[dict[str, Any]]:
    return [{"name": vm.name, "id": vm.id, "reason": reason} for vm, reason in vms]
