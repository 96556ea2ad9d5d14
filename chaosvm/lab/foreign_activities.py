"""Foreign activities in a rehearsal: those that are not chaosvm's and touch real systems."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any

from chaoslib.types import Dry

from chaosvm.errors import InvalidValue
from chaosvm.lab import network_block

__all__ = [
    "OtherActions",
    "ForeignActivities",
    "ProcessProbes",
    "activities",
    "is_chaosvm_activity",
    "record_skipped",
]

logger = logging.getLogger("chaostoolkit")

Activity = dict[str, Any]

_SKIPPED_OUTPUT = "skipped: this was a rehearsal, and the {kind} is not one of chaosvm's"


class OtherActions(StrEnum):
    """How foreign actions are treated."""

    SKIP = "skip"
    RUN = "run"
    STOP = "stop"


class ProcessProbes(StrEnum):
    """How probes that start a process are treated: their connections cannot be controlled."""

    SKIP = "skip"
    RUN = "run"


class ForeignActivities:
    """Skips activities that must not run in a rehearsal.

    Chaos Toolkit does not run activities that are marked as ``dry``. It reads the mark
    from the activity, also in background threads, so the mark is kept for the whole
    run. The steady state evaluates the result of dry probes, so they are removed there.
    """

    def __init__(self, actions: OtherActions, probes: ProcessProbes) -> None:
        self._actions = actions
        self._probes = probes
        self._restore_steps: list[Callable[[], Any]] = []

    def allow_processes(self) -> None:
        """Let Chaos Toolkit start processes for the kinds of activities that may run."""
        kinds = {"action"} if self._actions is OtherActions.RUN else set()
        network_block.allow_processes(
            kinds | ({"probe"} if self._probes is ProcessProbes.RUN else set())
        )

    def apply(self, experiment: dict[str, Any]) -> None:
        """Skip and log foreign activities. Raises InvalidValue if they stop the run."""
        foreign = [each for each in activities(experiment) if not is_chaosvm_activity(each)]
        self._report_actions([each for each in foreign if each.get("type") == "action"])
        self._report_probes([*_in_configuration(experiment), *foreign])
        self._remove_probes(experiment.get("steady-state-hypothesis") or {})
        for each in foreign:
            self.mark_if_skipped(each)

    def mark_if_skipped(self, activity: Activity) -> None:
        """Mark an activity that must not run. Raises InvalidValue if it stops the run."""
        if not self._must_skip(activity) or activity.get("dry") is Dry.ACTIVITIES:
            return
        if activity.get("type") == "action" and self._actions is OtherActions.STOP:
            raise InvalidValue(_stop_message([activity]))
        self._restore_steps.append(lambda: activity.pop("dry", None))
        activity["dry"] = Dry.ACTIVITIES

    def restore(self) -> None:
        """Restore the activities and disallow all processes."""
        network_block.allow_processes(())
        for step in reversed(self._restore_steps):
            step()
        self._restore_steps.clear()

    def _must_skip(self, activity: Activity) -> bool:
        if "provider" not in activity or is_chaosvm_activity(activity):
            return False
        if activity.get("type") == "action":
            return self._actions is not OtherActions.RUN
        return _is_process(activity) and self._probes is ProcessProbes.SKIP

    def _report_actions(self, actions: list[Activity]) -> None:
        if not actions:
            return
        match self._actions:
            case OtherActions.STOP:
                raise InvalidValue(_stop_message(actions))
            case OtherActions.RUN:
                logger.warning(
                    "rehearsal: actions that are not chaosvm's are really run, because "
                    f"other_actions is run: {_names(actions)}"
                )
            case OtherActions.SKIP:
                logger.warning(
                    f"rehearsal: skipped actions that are not chaosvm's: {_names(actions)}"
                )

    def _report_probes(self, foreign: list[Activity]) -> None:
        probes = [each for each in foreign if each.get("type") == "probe"]
        running = [each for each in probes if not _is_process(each)]
        if running:
            blocked = ", ".join(network_block.describe())
            exceptions = f", except {blocked}" if blocked else ""
            logger.info(
                "rehearsal: these probes are not simulated and use the real services"
                f"{exceptions}: {_names(running)}"
            )
        processes = [each for each in probes if _is_process(each)]
        if processes and self._probes is ProcessProbes.RUN:
            logger.warning(
                "rehearsal: process probes are really run, without control of their "
                f"connections, because process_probes is run: {_names(processes)}"
            )
        elif processes:
            logger.warning(
                "rehearsal: skipped process probes, whose connections cannot be controlled: "
                f"{_names(processes)}"
            )

    def _remove_probes(self, hypothesis: dict[str, Any]) -> None:
        probes = hypothesis.get("probes") or []
        removed = [each for each in probes if any(map(self._must_skip, _with_tolerance(each)))]
        removed_names = {each.get("name") for each in removed}
        if removed_names:
            self._restore_steps.append(lambda: hypothesis.update(probes=probes))
            hypothesis["probes"] = [
                each
                for each in probes
                if each not in removed and each.get("ref") not in removed_names
            ]
            logger.warning(f"rehearsal: removed from the steady state: {_names(removed)}")


def record_skipped(run: dict[str, Any]) -> None:
    """Record in the journal that an activity was skipped, and remove its mark."""
    activity = run.get("activity") or {}
    if activity.get("dry") is Dry.ACTIVITIES:
        del activity["dry"]
        run["output"] = _SKIPPED_OUTPUT.format(kind=activity.get("type"))


def activities(experiment: dict[str, Any]) -> Iterator[Activity]:
    """All activities, including tolerances that are probes, and without references."""
    hypothesis = experiment.get("steady-state-hypothesis") or {}
    for each in (
        *(hypothesis.get("probes") or ()),
        *(experiment.get("method") or ()),
        *(experiment.get("rollbacks") or ()),
    ):
        yield from _with_tolerance(each)


def is_chaosvm_activity(activity: Activity) -> bool:
    provider = activity.get("provider") or {}
    module = str(provider.get("module", ""))
    return provider.get("type") == "python" and module.startswith("chaosvm.")


def _with_tolerance(activity: Activity) -> Iterator[Activity]:
    for each in (activity, activity.get("tolerance")):
        if isinstance(each, dict) and isinstance(each.get("provider"), dict):
            yield each


def _in_configuration(experiment: dict[str, Any]) -> Iterator[Activity]:
    for key, each in (experiment.get("configuration") or {}).items():
        if isinstance(each, dict) and each.get("type") == "probe" and not is_chaosvm_activity(each):
            yield {"name": key, **each}


def _is_process(activity: Activity) -> bool:
    return (activity.get("provider") or {}).get("type") == "process"


def _stop_message(actions: list[Activity]) -> str:
    return f"these actions are not chaosvm's, and other_actions is stop: {_names(actions)}"


def _names(activities: Iterable[Activity]) -> str:
    return ", ".join(dict.fromkeys(repr(each.get("name")) for each in activities))
