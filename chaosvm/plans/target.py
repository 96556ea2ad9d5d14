"""A plan that is used in place of a selection.

It selects exactly the VMs of the plan, by their ids. It is refused if one of them
has changed since, or if something else would be done to it than planned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from chaosvm.backend import Order
from chaosvm.errors import InvalidValue, OperationRefused, PlanOutdated
from chaosvm.plans.plan import VERSION
from chaosvm.plans.preview import Preview
from chaosvm.runtime.documents import refuse_unbounded
from chaosvm.selection import (
    ImmutableCheck,
    ProtectionCheck,
    Selection,
    SelectionResult,
    blocked_reasons,
    refused_error,
)
from chaosvm.settings import values
from chaosvm.vm import VM

__all__ = ["PlanTarget", "not_a_plan"]

# Options that decide what is done to a VM, for how long, and to how many of them at once.
_BINDING = ("graceful", "on_timeout", "discard_memory", "duration", "waves", "interval")
# Fields of a VM that must not change. The host may: clusters move VMs all the time.
_FIXED = ("datacenter", "cluster")


class PlanTarget:
    """The VMs of a plan, with the interface of a selection.

    ``source`` begins the message about a plan that is not one.
    """

    needs_tags = False

    def __init__(self, plan: Any, source: str = "vms") -> None:
        refuse_unbounded("vms", plan)
        if not isinstance(plan, Mapping):
            raise not_a_plan(source, "it is not a JSON object")
        version = plan.get("plan")
        if version != VERSION or isinstance(version, bool):
            raise not_a_plan(source, f"its version is {values.shown(version)}, not {VERSION}")
        self._plan = plan
        self._vms: list[Mapping[str, Any]] = _checked_vms(plan, source)
        self.seed = _checked_seed(plan.get("seed"))
        self.given = plan.get("selection")
        self.in_scope: Callable[[VM], bool] = lambda vm: True
        self._preview: Callable[[VM], Preview] | None = None
        if self.given:
            selection = Selection(self.given, "vms.selection")
            self.in_scope, self.needs_tags = selection.in_scope, selection.needs_tags

    @property
    def only(self) -> tuple[str, ...]:
        return tuple(vm["id"] for vm in self._vms)

    def check(
        self, platform: str, server: str, order: Order, preview: Callable[[VM], Preview]
    ) -> None:
        """Raises PlanOutdated if the plan is for another server or order.

        ``preview`` is used to compare each VM's plan with what would be done now.
        """
        current = {"platform": platform, "server": server, "operation": order.name}
        for key, value in current.items():
            if self._plan.get(key) != value:
                raise _mismatch(f"the {key} {values.shown(self._plan.get(key))}", repr(value))
        planned = self._plan.get("options")
        options = planned if isinstance(planned, Mapping) else {}
        for key in _BINDING:
            option = order.options.get(key)
            if options.get(key) != option:
                raise _mismatch(f"{key}={values.shown(options.get(key))}", f"{key}={option!r}")
        # These are not among the planned VMs, and would be left out silently.
        if refused := self._plan.get("refused"):
            raise OperationRefused(
                "refused, and nothing was touched: the plan has VMs that are refused: "
                f"{values.shown(refused)}"
            )
        self._preview = preview

    def choose(
        self,
        inventory: Iterable[VM],
        immutable: ImmutableCheck | None = None,
        protection: ProtectionCheck | None = None,
        return_refused: bool = False,
    ) -> SelectionResult:
        """The VMs of the plan; raises PlanOutdated if one of them has changed."""
        by_id = {vm.id: vm for vm in inventory}
        changed = [
            f"{planned['name']!r} ({planned['id']}) {change}"
            for planned in self._vms
            if (change := next(self._changes(planned, by_id.get(planned["id"])), None))
        ]
        if changed:
            raise PlanOutdated(
                "refused, and nothing was touched: since the plan was made, "
                f"{'; '.join(changed)}. Make a new plan"
            )
        vms = [by_id[planned["id"]] for planned in self._vms]
        reasons = blocked_reasons(vms, immutable, protection)
        refused = [(vm, reasons[vm.id]) for vm in vms if vm.id in reasons]
        if refused and not return_refused:
            raise refused_error(refused)
        left = tuple(vm for vm in vms if vm.id not in reasons)
        return SelectionResult(left, self.seed, refused=tuple(refused))

    def _changes(self, planned: Mapping[str, Any], vm: VM | None) -> Iterator[str]:
        """What has changed about a VM since it was planned."""
        if vm is None or vm.instance_uuid != planned.get("instance_uuid"):
            yield "no longer exists"
            return
        if vm.name != planned["name"]:
            yield f"was renamed to {vm.name!r}"
        if vm.power_state.value != planned["power_state"]:
            yield f"was {planned['power_state']} and is {vm.power_state}"
        for part in _FIXED:
            if getattr(vm, part) != planned[part]:
                before = values.shown(planned[part])
                yield f"was in the {part} {before} and is in {getattr(vm, part)!r}"
        if not self.in_scope(vm):
            yield f"no longer matches {json.dumps(self.given, ensure_ascii=False)}"
        if self._preview is not None:
            preview = self._preview(vm)
            if preview.step != planned["step"]:
                yield f"would now get {preview.will!r} instead of {values.shown(planned['will'])}"


def _mismatch(planned: str, current: str) -> PlanOutdated:
    return PlanOutdated(
        f"refused, and nothing was touched: the plan is for {planned}, and this is {current}"
    )


def not_a_plan(source: str, reason: str) -> InvalidValue:
    return InvalidValue(f"{source} is not a plan written by chaosvm: {reason}")


def _checked_vms(plan: Mapping[str, Any], source: str) -> list[Mapping[str, Any]]:
    vms = plan.get("vms")
    if not isinstance(vms, list) or not (vms or plan.get("refused")):
        raise not_a_plan(source, f"its vms are {values.shown(vms)}")
    for each in vms:
        if not isinstance(each, Mapping) or not _is_complete(each):
            raise not_a_plan(source, f"its vms have {values.shown(each)}")
    if len({each["id"] for each in vms}) < len(vms):
        raise not_a_plan(source, "it has a VM twice")
    return vms


def _checked_seed(seed: Any) -> int | None:
    if seed is None or (isinstance(seed, int) and not isinstance(seed, bool)):
        return seed
    raise values.invalid("vms.seed", seed, "a whole number, or null")


def _is_complete(planned: Mapping[str, Any]) -> bool:
    strings = ("id", "name", "power_state", "will")
    named = all(isinstance(planned.get(key), str) and planned[key] for key in strings)
    return named and all(key in planned for key in (*_FIXED, "step"))
