"""A plan: what an action would do, told before it is done, and to which VMs.

It is made by looking alone. Given back in the place of a selection it means
the same VMs, by their ids, and nothing else: if one of them is not any more
what the plan says, it is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaosvm import values
from chaosvm.choice import Barred, Choice, Untouchable, reasons_against, refusal
from chaosvm.errors import InvalidValue, OperationRefused, PlanOutdated
from chaosvm.files import at_hand, file_to_write, write_whole
from chaosvm.order import Order
from chaosvm.selection import Selection
from chaosvm.vm import VM

if TYPE_CHECKING:
    from chaosvm.forecast import Forecast
    from chaosvm.guards import Verdict

__all__ = ["Plan", "PlannedVMs", "is_plan", "read_plan", "save_plan"]

VERSION = 1
# With another one of these, the same VMs would meet with something else.
_BINDING = ("graceful", "on_timeout", "discard_memory")
_EXPECTED = "a plan, as a plan_ probe returned it or saved it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an order would do on one server, as things are now."""

    platform: str
    server: str
    order: Order
    selection: Any  # as it was given
    seed: int | None
    forecasts: Sequence[Forecast]
    passed_over: Sequence[tuple[VM, str]]
    barred: Sequence[tuple[VM, str]]  # asked for by name, and never touched
    verdicts: Sequence[Verdict]

    @property
    def refused(self) -> list[tuple[VM, str]]:
        told = [(each.vm, each.refused) for each in self.forecasts if each.refused]
        return [*self.barred, *told]

    @property
    def possible(self) -> bool:
        return not self.refused and all(verdict.ok for verdict in self.verdicts)

    def to_json(self) -> dict[str, Any]:
        return {
            "plan": VERSION,
            "platform": self.platform,
            "server": self.server,
            "operation": self.order.operation.value,
            "options": self.order.options,
            "selection": self.selection,
            "seed": self.seed,
            "possible": self.possible,
            "vms": [_shown(each) for each in self.forecasts],
            "passed_over": _reasons(self.passed_over),
            "refused": _reasons(self.refused),
            "guards": [verdict.to_json() for verdict in self.verdicts],
        }

    def lines(self) -> Iterator[str]:
        """For people to read."""
        drawn = "" if self.seed is None else f", drawn with seed {self.seed}"
        yield f"{self.order.operation} of {len(self.forecasts)} VM(s){drawn}, on {self.server}:"
        for each in self.forecasts:
            caution = f" (it {each.caution})" if each.caution else ""
            yield f"  {each.vm}, {each.vm.power_state}: {each.will}{caution}"
        for vm, reason in self.passed_over:
            yield f"  {vm} {reason}, so it is passed over"
        for vm, reason in self.barred:
            yield f"  {vm} {reason}: refused"
        for verdict in self.verdicts:
            yield f"  {verdict}: {'in order' if verdict.ok else 'stopped'}"

    def text(self) -> str:
        return json.dumps(self.to_json(), ensure_ascii=False, indent=2) + "\n"


def save_plan(path: str, make: Callable[[], Plan]) -> dict[str, Any]:
    """Make a plan, and write it to the file of this path, unless that is empty."""
    file = None if path == "" else file_to_write("path", path)
    plan = make()
    if file is not None:
        write_whole(file, plan.text())
    return plan.to_json()


def _shown(forecast: Forecast) -> dict[str, Any]:
    vm = forecast.vm
    shown = {
        "id": vm.id,
        "name": vm.name,
        "instance_uuid": vm.instance_uuid,
        "power_state": vm.power_state.value,
        "will": forecast.will,
        "changes": forecast.changes,
    }
    return {**shown, "caution": forecast.caution} if forecast.caution else shown


def _reasons(told: Iterable[tuple[VM, str]]) -> list[dict[str, Any]]:
    return [{"name": vm.name, "id": vm.id, "reason": reason} for vm, reason in told]


# A plan that is given back ----------------------------------------------------------------


def is_plan(vms: Any) -> bool:
    """Is this given in the place of a selection meant as a plan?"""
    return isinstance(vms, Plan) or (isinstance(vms, Mapping) and "plan" in vms)


def read_plan(vms: Any) -> PlannedVMs:
    """From a plan, or ``{"plan": PATH}``; raises InvalidValue, naming what is wrong."""
    if isinstance(vms, Plan):
        return PlannedVMs(vms.to_json())
    if isinstance(vms["plan"], str):
        if len(vms) > 1:
            others = ", ".join(repr(key) for key in vms if key != "plan")
            raise InvalidValue(f"vms has a plan, which says all, and beside it {others}")
        return PlannedVMs(_loaded(vms["plan"]))
    return PlannedVMs(vms)


def _loaded(given: str) -> Any:
    expected = f"the path of {_EXPECTED}"
    path = at_hand(Path(values.text("vms.plan", given, expected)).expanduser())
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise values.invalid("vms.plan", given, f"{expected} ({error.strerror})") from None
    except ValueError:
        raise values.invalid("vms.plan", given, f"{expected} (it is not JSON)") from None


class PlannedVMs:
    """The VMs of a plan, chosen like those of a selection."""

    needs_tags = False

    def __init__(self, plan: Any) -> None:
        if not isinstance(plan, Mapping) or plan.get("plan") != VERSION:
            version = plan.get("plan") if isinstance(plan, Mapping) else None
            raise InvalidValue(
                f"vms.plan is of version {version!r}: expected {_EXPECTED}, of version {VERSION}"
            )
        self._plan = plan
        self._vms: list[Mapping[str, Any]] = _listed(plan)
        self.given = plan.get("selection")
        self.about: Callable[[VM], bool] = lambda vm: True
        if self.given:
            selection = Selection(self.given, "vms.selection")
            self.about, self.needs_tags = selection.about, selection.needs_tags

    @property
    def only(self) -> tuple[str, ...]:
        return tuple(vm["id"] for vm in self._vms)

    @property
    def seed(self) -> int | None:
        return self._plan.get("seed")

    def refuse_unless_for(self, platform: str, server: str, order: Order) -> None:
        """A plan for something else is none for this."""
        wanted = {"platform": platform, "server": server, "operation": order.operation.value}
        for key, value in wanted.items():
            if self._plan.get(key) != value:
                raise PlanOutdated(
                    f"refused, and nothing was touched: the plan is for the {key} "
                    f"{self._plan.get(key)!r}, and this is {value!r}"
                )
        planned = self._plan.get("options")
        options = planned if isinstance(planned, Mapping) else {}
        for key in _BINDING:
            if options.get(key) != order.options.get(key):
                raise PlanOutdated(
                    f"refused, and nothing was touched: the plan is for {key}="
                    f"{options.get(key)!r}, and this is {key}={order.options.get(key)!r}"
                )

    def choose(
        self,
        inventory: Iterable[VM],
        untouchable: Untouchable | None = None,
        barred: Barred | None = None,
        tell_refused: bool = False,
    ) -> Choice:
        """The VMs of the plan, if each is as it was."""
        self._refuse_impossible()
        by_id = {vm.id: vm for vm in inventory}
        drifted = [
            f"{planned['name']!r} ({planned['id']}) {change}"
            for planned in self._vms
            if (change := _drift(planned, by_id.get(planned["id"])))
        ]
        if drifted:
            raise PlanOutdated(
                "refused, and nothing was touched: since the plan was made, "
                f"{'; '.join(drifted)}. Plan anew"
            )
        meant = [by_id[planned["id"]] for planned in self._vms]
        reasons = reasons_against(meant, untouchable, barred)
        refused = [(vm, reasons[vm.id]) for vm in meant if vm.id in reasons]
        if refused and not tell_refused:
            raise refusal(refused)
        left = tuple(vm for vm in meant if vm.id not in reasons)
        return Choice(left, self.seed, refused=tuple(refused))

    def _refuse_impossible(self) -> None:
        """What the plan saw refused, and left out, would otherwise be forgotten here."""
        if told := self._plan.get("refused"):
            raise OperationRefused(
                "refused, and nothing was touched: the plan tells of VMs that are refused: "
                f"{'; '.join(str(each) for each in told)}"
            )


def _listed(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    vms = plan.get("vms")
    if not isinstance(vms, list) or not vms:
        raise InvalidValue(f"vms.vms is {vms!r}: expected {_EXPECTED}, with VMs in it")
    for each in vms:
        known = isinstance(each, Mapping) and all(
            isinstance(each.get(key), str) and each[key] for key in ("id", "name", "power_state")
        )
        if not known:
            raise InvalidValue(f"vms.vms has {each!r}: expected {_EXPECTED}")
    if len({each["id"] for each in vms}) < len(vms):
        raise InvalidValue(f"vms.vms has a VM twice: expected {_EXPECTED}")
    return vms


def _drift(planned: Mapping[str, Any], vm: VM | None) -> str | None:
    """What has become of a VM since it was planned; None if it is as it was."""
    if vm is None or vm.instance_uuid != planned.get("instance_uuid"):
        return "is gone"
    if vm.name != planned["name"]:
        return f"was renamed to {vm.name!r}"
    if vm.power_state.value != planned["power_state"]:
        return f"was {planned['power_state']} and is {vm.power_state}"
    return None
