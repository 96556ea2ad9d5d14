"""What the activities of an experiment want of a world."""

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

__all__ = ["Need", "needs"]

# So many VMs that fit a selection are a tier of which one can be lost.
_USUAL = 3
_MOST = 10_000
_STATES = {
    PowerState.POWERED_ON.value: State.RUNNING,
    PowerState.POWERED_OFF.value: State.OFF,
    PowerState.SUSPENDED.value: State.SUSPENDED,
    PowerState.PAUSED.value: State.PAUSED,
}
# The state that a verb changes.
_BEFORE = {
    "power_on": State.OFF,
    "power_off": State.RUNNING,
    "reboot": State.RUNNING,
    "suspend": State.RUNNING,
}
# What these expect unless they are told otherwise.
_EXPECTS_ON = ("validate_targets", "vm_has_power_state", "all_vms_have_power_state")
_SAMPLE = ("count", "percent", "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """VMs that an activity wants: those of some names, or some that fit a selection."""

    activity: str
    platform: str
    # A selection without sample and power state; the names in it one by one.
    vms: dict[str, Any]
    words: tuple[str, ...] = ()
    by_id: bool = False
    least: int = 1
    most: int = _MOST
    state: State | None = None
    # VMs in another state do not count.
    filtered: bool = False
    # It changes states: what comes after it finds other ones.
    acts: bool = False
    spared: tuple[str, ...] = field(default=())


def needs(
    experiment: Mapping[str, Any], configuration: Mapping[str, Any]
) -> tuple[list[Need], list[str]]:
    """In the order in which they decide on states, and what could not be understood."""
    reader = _Reader(experiment, configuration)
    hypothesis = reader.read(_probes(experiment), steady=True)
    method = reader.read(experiment.get("method") or (), steady=False)
    rollbacks = reader.read(experiment.get("rollbacks") or (), steady=False)
    # A rollback finds whatever there is then.
    rollbacks = [replace(need, state=None, filtered=False, acts=False) for need in rollbacks]
    expected = [need for need in hypothesis if need.state or need.most < _MOST]
    others = [need for need in hypothesis if need not in expected]
    told = [*expected, *method, *others, *rollbacks]
    spared = [
        replace(need, vms={"names": [word]}, words=(word,), by_id=False, state=None)
        for need in told
        for word in need.spared
    ]
    return [*told, *spared], reader.problems


def _probes(experiment: Mapping[str, Any]) -> Iterable[Any]:
    hypothesis = experiment.get("steady-state-hypothesis") or {}
    return hypothesis.get("probes") or ()


class _Reader:
    def __init__(self, experiment: Mapping[str, Any], configuration: Mapping[str, Any]) -> None:
        self._problems: dict[str, list[str]] = {}
        self._configuration = configuration
        every = [
            *_probes(experiment),
            *(experiment.get("method") or ()),
            *(experiment.get("rollbacks") or ()),
        ]
        self._by_name = {each["name"]: each for each in every if "name" in each}

    def read(self, activities: Iterable[Any], steady: bool) -> list[Need]:
        found: list[Need] = []
        for told in activities:
            activity = self._by_name.get(told["ref"], told) if "ref" in told else told
            provider = activity.get("provider") or {}
            module = str(provider.get("module", ""))
            if provider.get("type") != "python" or not module.startswith("chaosvm."):
                continue
            try:
                found += self._needs(activity, module.split(".")[1], steady)
            except InvalidValue as error:
                names = self._problems.setdefault(str(error), [])
                names += [name] if (name := repr(activity.get("name"))) not in names else []
        return found

    @property
    def problems(self) -> list[str]:
        """One for each reason, as many activities may name the same VM."""
        return [f"for {', '.join(names)}: {error}" for error, names in self._problems.items()]

    def _needs(self, activity: Mapping[str, Any], platform: str, steady: bool) -> list[Need]:
        provider = activity["provider"]
        arguments = substitute(provider.get("arguments") or {}, self._configuration, {})
        tolerance = substitute(activity.get("tolerance"), self._configuration, {})
        verb = str(provider.get("func", "")).removeprefix("batch_").removeprefix("plan_")
        if verb == "vm_exists" and tolerance is False:
            return []
        base = Need(
            activity=str(activity.get("name")),
            platform=platform,
            vms={},
            state=_state(verb, arguments, tolerance),
            acts=verb in _BEFORE,
        )
        found = []
        # Those of a plan are there already, or else it is outdated.
        if arguments.get("vms") is not None and not is_plan(arguments["vms"]):
            limits = _limits(tolerance) if steady and verb == "count_vms" else (_USUAL, _MOST)
            found += _selected(base, arguments["vms"], limits)
        if "vm_name" in arguments:
            word = values.text("vm_name", arguments["vm_name"])
            found.append(replace(base, vms={"names": [word]}, words=(word,)))
        return found


def _state(verb: str, arguments: Mapping[str, Any], tolerance: Any) -> State | None:
    """The state in which an activity wants to find the VMs, where it says so."""
    if verb in _BEFORE:
        return _BEFORE[verb]
    if tolerance is False:
        return None
    if verb == "vm_power_state" and isinstance(tolerance, str):
        return _STATES.get(tolerance)
    told = arguments.get("expected", arguments.get("power_state"))
    if verb in _EXPECTS_ON:
        told = told or PowerState.POWERED_ON.value
    return _STATES.get(str(told))


def _limits(tolerance: Any) -> tuple[int, int]:
    """How many a tolerance allows: the usual number if it can be."""
    if isinstance(tolerance, dict) and tolerance.get("type") == "range":
        tolerance = tolerance.get("range")
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float | list):
        return _USUAL, _MOST
    bounds = tolerance if isinstance(tolerance, list) else [tolerance, tolerance]
    if len(bounds) != 2 or not all(isinstance(bound, int | float) for bound in bounds):
        return _USUAL, _MOST
    least, most = math.ceil(bounds[0]), int(bounds[1])
    return min(max(_USUAL, least), most), min(most, _MOST)


def _selected(base: Need, vms: Any, limits: tuple[int, int]) -> list[Need]:
    Selection(vms)  # refuses what an activity would refuse
    least, most = max(limits[0], int(vms.get("count", 0))), limits[1]
    if "percent" in vms:
        least = max(least, math.ceil(100 / float(vms["percent"])))
    kept = {key: value for key, value in vms.items() if key not in (*_SAMPLE, "power_state")}
    if set(kept) <= {"exclude"}:
        kept["all"] = True
    spared = tuple(word for word in _listed(vms.get("exclude")) if not set(word) & set("*?["))
    states = (_STATES.get(word) for word in _listed(vms.get("power_state")))
    state = next((state for state in states if state), None)
    base = replace(
        base,
        state=state or base.state,
        filtered=state is not None,
        most=most,
        spared=spared,
    )
    named = [
        replace(base, vms={**kept, key: [word]}, words=(word,), by_id=key == "ids", most=_MOST)
        for key in ("names", "ids")
        for word in _listed(vms.get(key))
    ]
    return named or [replace(base, vms=kept, least=min(least, _MOST))]


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
