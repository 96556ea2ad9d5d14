"""A plan that is given back in the place of a selection.

It means the same VMs, by their ids, and nothing else: if one of them is not any
more what the plan says, or would meet with something else, it is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from chaosvm.backend import Order
from chaosvm.errors import InvalidValue, OperationRefused, PlanOutdated
from chaosvm.plans.plan import VERSION, Plan
from chaosvm.plans.preview import Preview
from chaosvm.runtime.documents import UnusableFile, parse_json, read_text, refuse_unbounded
from chaosvm.selection import (
    ImmutableCheck,
    ProtectionCheck,
    Selection,
    SelectionResult,
    blocked_reasons,
    refused_error,
)
from chaosvm.settings import rehearsal_path, values
from chaosvm.vm import VM

__all__ = ["PlanTarget", "is_plan", "read_plan"]

# With another one of these, the same VMs would meet with something else.
_BINDING = ("graceful", "on_timeout", "discard_memory")
# Of each VM. A host is not among them: moving VMs between hosts is a cluster's daily work.
_FIXED = ("datacenter", "cluster")
_EXPECTED = "a plan, as a plan_ probe returned it or saved it"


def is_plan(vms: Any) -> bool:
    """Is this given in the place of a selection meant as a plan?"""
    return isinstance(vms, Plan) or (isinstance(vms, Mapping) and "plan" in vms)


def read_plan(vms: Any) -> PlanTarget:
    """From a plan, or ``{"plan": PATH}``; raises InvalidValue, naming what is wrong."""
    if isinstance(vms, Plan):
        return PlanTarget(vms.to_json())
    if isinstance(vms["plan"], str):
        if len(vms) > 1:
            others = ", ".join(values.shown(key) for key in vms if key != "plan")
            raise InvalidValue(f"vms has a plan, which says all, and beside it {others}")
        return PlanTarget(_loaded(vms["plan"]))
    return PlanTarget(vms)


def _loaded(given: str) -> Any:
    expected = f"the path of {_EXPECTED}"
    path = rehearsal_path(values.path("vms.plan", given, expected))
    try:
        return parse_json(read_text(path))
    except (UnusableFile, InvalidValue) as error:
        raise values.invalid("vms.plan", given, f"{expected} ({error})") from None
    except ValueError:
        raise values.invalid("vms.plan", given, f"{expected} (it is not JSON)") from None


class PlanTarget:
    """The VMs of a plan, chosen like those of a selection."""

    needs_tags = False

    def __init__(self, plan: Any) -> None:
        refuse_unbounded("vms", plan)
        version = plan.get("plan") if isinstance(plan, Mapping) else None
        if not isinstance(plan, Mapping) or version != VERSION or isinstance(version, bool):
            raise InvalidValue(
                f"vms.plan is of version {values.shown(version)}: expected {_EXPECTED}, of "
                f"version {VERSION}"
            )
        self._plan = plan
        self._vms: list[Mapping[str, Any]] = _listed(plan)
        self._seed = _seed(plan.get("seed"))
        self.given = plan.get("selection")
        self.about: Callable[[VM], bool] = lambda vm: True
        self._preview: Callable[[VM], Preview] | None = None
        if self.given:
            selection = Selection(self.given, "vms.selection")
            self.about, self.needs_tags = selection.about, selection.needs_tags

    @property
    def only(self) -> tuple[str, ...]:
        return tuple(vm["id"] for vm in self._vms)

    @property
    def seed(self) -> int | None:
        return self._seed

    def check(
        self, platform: str, server: str, order: Order, preview: Callable[[VM], Preview]
    ) -> None:
        """Raises PlanOutdated for what it is not made for; ``foresee`` is asked of its VMs."""
        here = {"platform": platform, "server": server, "operation": order.operation.value}
        for key, wanted in here.items():
            if self._plan.get(key) != wanted:
                raise _other(f"the {key} {values.shown(self._plan.get(key))}", repr(wanted))
        planned = self._plan.get("options")
        options = planned if isinstance(planned, Mapping) else {}
        for key in _BINDING:
            this = order.options.get(key)
            if options.get(key) != this:
                raise _other(f"{key}={values.shown(options.get(key))}", f"{key}={this!r}")
        # What it saw refused, and left out, would otherwise be forgotten here.
        if told := self._plan.get("refused"):
            raise OperationRefused(
                "refused, and nothing was touched: the plan tells of VMs that are refused: "
                f"{values.shown(told)}"
            )
        self._preview = preview

    def choose(
        self,
        inventory: Iterable[VM],
        immutable: ImmutableCheck | None = None,
        protection: ProtectionCheck | None = None,
        tell_refused: bool = False,
    ) -> SelectionResult:
        """The VMs of the plan, if each is as it was."""
        by_id = {vm.id: vm for vm in inventory}
        drifted = [
            f"{planned['name']!r} ({planned['id']}) {change}"
            for planned in self._vms
            if (change := next(self._changes(planned, by_id.get(planned["id"])), None))
        ]
        if drifted:
            raise PlanOutdated(
                "refused, and nothing was touched: since the plan was made, "
                f"{'; '.join(drifted)}. Plan anew"
            )
        meant = [by_id[planned["id"]] for planned in self._vms]
        reasons = blocked_reasons(meant, immutable, protection)
        refused = [(vm, reasons[vm.id]) for vm in meant if vm.id in reasons]
        if refused and not tell_refused:
            raise refused_error(refused)
        left = tuple(vm for vm in meant if vm.id not in reasons)
        return SelectionResult(left, self.seed, refused=tuple(refused))

    def _changes(self, planned: Mapping[str, Any], vm: VM | None) -> Iterator[str]:
        """What has become of a VM since it was planned."""
        if vm is None or vm.instance_uuid != planned.get("instance_uuid"):
            yield "is gone"
            return
        if vm.name != planned["name"]:
            yield f"was renamed to {vm.name!r}"
        if vm.power_state.value != planned["power_state"]:
            yield f"was {planned['power_state']} and is {vm.power_state}"
        for part in _FIXED:
            if getattr(vm, part) != planned[part]:
                before = values.shown(planned[part])
                yield f"was in the {part} {before} and is in {getattr(vm, part)!r}"
        if not self.about(vm):
            yield f"does not fit {json.dumps(self.given, ensure_ascii=False)} any more"
        if self._preview is not None:
            forecast = self._preview(vm)
            if forecast.step != planned["step"]:
                planned_for = values.shown(planned["will"])
                yield f"would now meet with {forecast.will!r}, and not {planned_for}"


def _other(planned: str, this: str) -> PlanOutdated:
    return PlanOutdated(
        f"refused, and nothing was touched: the plan is for {planned}, and this is {this}"
    )


def _listed(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    vms = plan.get("vms")
    if not isinstance(vms, list) or not (vms or plan.get("refused")):
        raise InvalidValue(f"vms.vms is {values.shown(vms)}: expected {_EXPECTED}, with VMs in it")
    for each in vms:
        if not isinstance(each, Mapping) or not _is_whole(each):
            raise InvalidValue(f"vms.vms has {values.shown(each)}: expected {_EXPECTED}")
    if len({each["id"] for each in vms}) < len(vms):
        raise InvalidValue(f"vms.vms has a VM twice: expected {_EXPECTED}")
    return vms


def _seed(given: Any) -> int | None:
    if given is None or (isinstance(given, int) and not isinstance(given, bool)):
        return given
    raise values.invalid("vms.seed", given, "a whole number, or null")


def _is_whole(planned: Mapping[str, Any]) -> bool:
    texts = ("id", "name", "power_state", "will")
    told = all(isinstance(planned.get(key), str) and planned[key] for key in texts)
    return told and all(key in planned for key in (*_FIXED, "step"))
