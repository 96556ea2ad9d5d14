"""The VMs that the activities of an experiment need."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chaoslib import substitute

from chaosvm import values
from chaosvm.errors import InvalidValue
from chaosvm.lab.world import State
from chaosvm.planned import is_plan
from chaosvm.selection import Selection
from chaosvm.vm import PowerState

__all__ = ["Need", "read_needs"]

# VMs for a selection: enough that losing one leaves the service running.
_DEFAULT_COUNT = 3
_MAX_COUNT = 10_000
_STATES = {
    PowerState.POWERED_ON.value: State.RUNNING,
    PowerState.POWERED_OFF.value: State.OFF,
    PowerState.SUSPENDED.value: State.SUSPENDED,
    PowerState.PAUSED.value: State.PAUSED,
}
# The power state that an operation starts from.
_REQUIRED_STATES = {
    "power_on": State.OFF,
    "power_off": State.RUNNING,
    "reboot": State.RUNNING,
    "suspend": State.RUNNING,
}
# Probes whose default expectation is powered_on.
_EXPECT_POWERED_ON = ("validate_targets", "vm_has_power_state", "all_vms_have_power_state")
_SAMPLE_KEYS = ("count", "percent", "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """VMs that an activity needs: one VM by identifier, or any that match a selection."""

    activity: str
    platform: str
    # A selection without sample and power state, and with at most one name or id.
    vms: dict[str, Any]
    identifiers: tuple[str, ...] = ()
    by_id: bool = False
    minimum: int = 1
    maximum: int = _MAX_COUNT
    state: State | None = None
    # The selection filters by power state: VMs in another state do not match.
    filters_state: bool = False
    # Later activities find these VMs in another state.
    changes_state: bool = False
    # Names that the selection excludes.
    excluded: tuple[str, ...] = field(default=())


def read_needs(
    experiment: Mapping[str, Any], configuration: Mapping[str, Any]
) -> tuple[list[Need], list[str]]:
    """Needs in the order in which they decide power states, and problems."""
    reader = _Reader(experiment, configuration)
    hypothesis = reader.read(_probes(experiment), is_hypothesis=True)
    method = reader.read(experiment.get("method") or (), is_hypothesis=False)
    rollbacks = reader.read(experiment.get("rollbacks") or (), is_hypothesis=False)
    # Rollbacks accept any state.
    rollbacks = [
        replace(need, state=None, filters_state=False, changes_state=False) for need in rollbacks
    ]
    with_expectation = [need for need in hypothesis if need.state or need.maximum < _MAX_COUNT]
    without_expectation = [need for need in hypothesis if need not in with_expectation]
    all_needs = [*with_expectation, *method, *without_expectation, *rollbacks]
    excluded = [
        replace(need, vms={"names": [name]}, identifiers=(name,), by_id=False, state=None)
        for need in all_needs
        for name in need.excluded
    ]
    return [*all_needs, *excluded], reader.problems


def _probes(experiment: Mapping[str, Any]) -> Iterable[Any]:
    hypothesis = experiment.get("steady-state-hypothesis") or {}
    return hypothesis.get("probes") or ()


class _Reader:
    def __init__(self, experiment: Mapping[str, Any], configuration: Mapping[str, Any]) -> None:
        self._problems: dict[str, list[str]] = {}
        self._configuration = configuration
        activities = [
            *_probes(experiment),
            *(experiment.get("method") or ()),
            *(experiment.get("rollbacks") or ()),
        ]
        self._by_name = {each["name"]: each for each in activities if "name" in each}

    def read(self, activities: Iterable[Any], is_hypothesis: bool) -> list[Need]:
        needs: list[Need] = []
        for entry in activities:
            activity = self._by_name.get(entry["ref"], entry) if "ref" in entry else entry
            provider = activity.get("provider") or {}
            module = str(provider.get("module", ""))
            if provider.get("type") != "python" or not module.startswith("chaosvm."):
                continue
            try:
                needs += self._needs(activity, module.split(".")[1], is_hypothesis)
            except InvalidValue as error:
                names = self._problems.setdefault(str(error), [])
                names += [name] if (name := repr(activity.get("name"))) not in names else []
        return needs

    @property
    def problems(self) -> list[str]:
        """One line per reason, because several activities may name the same VM."""
        return [f"for {', '.join(names)}: {error}" for error, names in self._problems.items()]

    def _needs(self, activity: Mapping[str, Any], platform: str, is_hypothesis: bool) -> list[Need]:
        provider = activity["provider"]
        arguments = substitute(provider.get("arguments") or {}, self._configuration, {})
        tolerance = substitute(activity.get("tolerance"), self._configuration, {})
        operation = str(provider.get("func", "")).removeprefix("batch_").removeprefix("plan_")
        if operation == "vm_exists" and tolerance is False:
            return []
        base = Need(
            activity=str(activity.get("name")),
            platform=platform,
            vms={},
            state=_state(operation, arguments, tolerance),
            changes_state=operation in _REQUIRED_STATES,
        )
        needs = []
        # The VMs of a plan must exist already: otherwise the plan is outdated.
        if arguments.get("vms") is not None and not is_plan(arguments["vms"]):
            counted = is_hypothesis and operation == "count_vms"
            limits = _limits(tolerance) if counted else (_DEFAULT_COUNT, _MAX_COUNT)
            needs += _selection_needs(base, arguments["vms"], limits)
        if "vm_name" in arguments:
            identifier = values.text("vm_name", arguments["vm_name"])
            needs.append(replace(base, vms={"names": [identifier]}, identifiers=(identifier,)))
        return needs


def _state(operation: str, arguments: Mapping[str, Any], tolerance: Any) -> State | None:
    """The power state that an activity requires or expects, None for any."""
    if operation in _REQUIRED_STATES:
        return _REQUIRED_STATES[operation]
    if tolerance is False:
        return None
    if operation == "vm_power_state" and isinstance(tolerance, str):
        return _STATES.get(tolerance)
    expected = arguments.get("expected", arguments.get("power_state"))
    if operation in _EXPECT_POWERED_ON:
        expected = expected or PowerState.POWERED_ON.value
    return _STATES.get(str(expected))


def _limits(tolerance: Any) -> tuple[int, int]:
    """The minimum and maximum count that a tolerance allows."""
    if isinstance(tolerance, dict) and tolerance.get("type") == "range":
        tolerance = tolerance.get("range")
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float | list):
        return _DEFAULT_COUNT, _MAX_COUNT
    bounds = tolerance if isinstance(tolerance, list) else [tolerance, tolerance]
    if len(bounds) != 2 or not all(isinstance(bound, int | float) for bound in bounds):
        return _DEFAULT_COUNT, _MAX_COUNT
    minimum, maximum = math.ceil(bounds[0]), int(bounds[1])
    return min(max(_DEFAULT_COUNT, minimum), maximum), min(maximum, _MAX_COUNT)


def _selection_needs(base: Need, vms: Any, limits: tuple[int, int]) -> list[Need]:
    Selection(vms)  # raises for a selection that the activity would refuse
    minimum, maximum = max(limits[0], int(vms.get("count", 0))), limits[1]
    if "percent" in vms:
        minimum = max(minimum, math.ceil(100 / float(vms["percent"])))
    ignored = (*_SAMPLE_KEYS, "power_state")
    filters = {key: value for key, value in vms.items() if key not in ignored}
    if set(filters) <= {"exclude"}:
        filters["all"] = True
    excluded = tuple(name for name in _as_list(vms.get("exclude")) if not set(name) & set("*?["))
    states = (_STATES.get(each) for each in _as_list(vms.get("power_state")))
    state = next((state for state in states if state), None)
    base = replace(
        base,
        state=state or base.state,
        filters_state=state is not None,
        maximum=maximum,
        excluded=excluded,
    )
    by_identifier = [
        replace(
            base,
            vms={**filters, key: [identifier]},
            identifiers=(identifier,),
            by_id=key == "ids",
            maximum=_MAX_COUNT,
        )
        for key in ("names", "ids")
        for identifier in _as_list(vms.get(key))
    ]
    return by_identifier or [replace(base, vms=filters, minimum=min(minimum, _MAX_COUNT))]


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
