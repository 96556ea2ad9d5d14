"""Activities in a rehearsal that are not chaosvm's: no lab stands in for what they touch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any

from chaoslib.types import Dry

from chaosvm.errors import InvalidValue
from chaosvm.lab import wall

__all__ = ["OtherActions", "Others", "ProcessProbes", "activities", "is_ours", "note_skipped"]

logger = logging.getLogger("chaostoolkit")

Activity = dict[str, Any]

_SKIPPED = "skipped: this was a rehearsal, and the {kind} is not one of chaosvm's"


class OtherActions(StrEnum):
    """What becomes of other extensions' actions."""

    SKIP = "skip"
    RUN = "run"
    STOP = "stop"


class ProcessProbes(StrEnum):
    """What becomes of probes that are a process: nobody knows what these connect to."""

    SKIP = "skip"
    RUN = "run"


class Others:
    """Keeps from being run what is not to be run.

    Chaos Toolkit itself has activities that are not really run: those that are
    ``dry``. It looks for that in the activity, and so do threads that run it; so
    the mark stays for the whole run. A steady state asks what a dry probe found,
    so there they are left out.
    """

    def __init__(self, actions: OtherActions, probes: ProcessProbes) -> None:
        self._actions = actions
        self._probes = probes
        self._undo: list[Callable[[], Any]] = []

    def open_the_wall(self) -> None:
        """Let Chaos Toolkit start the processes that were asked for."""
        kinds = {"action"} if self._actions is OtherActions.RUN else set()
        wall.let_processes(kinds | ({"probe"} if self._probes is ProcessProbes.RUN else set()))

    def stand_aside(self, experiment: dict[str, Any]) -> None:
        """Raises InvalidValue where such actions are to stop the run."""
        others = [each for each in activities(experiment) if not is_ours(each)]
        self._tell_of_actions([each for each in others if each.get("type") == "action"])
        self._tell_of_probes([*_in_configuration(experiment), *others])
        self._leave_out(experiment.get("steady-state-hypothesis") or {})
        for each in others:
            self.look_at(each)

    def look_at(self, activity: Activity) -> None:
        """Mark one that is not to be run. Raises InvalidValue if it is to stop the run."""
        if not self._is_skipped(activity) or activity.get("dry") is Dry.ACTIVITIES:
            return
        if activity.get("type") == "action" and self._actions is OtherActions.STOP:
            raise InvalidValue(_stop([activity]))
        self._undo.append(lambda: activity.pop("dry", None))
        activity["dry"] = Dry.ACTIVITIES

    def come_back(self) -> None:
        """The activities are as they were, and no process is started."""
        wall.let_processes(())
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()

    def _is_skipped(self, activity: Activity) -> bool:
        if "provider" not in activity or is_ours(activity):
            return False
        if activity.get("type") == "action":
            return self._actions is not OtherActions.RUN
        return _is_process(activity) and self._probes is ProcessProbes.SKIP

    def _tell_of_actions(self, actions: list[Activity]) -> None:
        if not actions:
            return
        match self._actions:
            case OtherActions.STOP:
                raise InvalidValue(_stop(actions))
            case OtherActions.RUN:
                logger.warning(
                    "rehearsal: these actions are not chaosvm's, and are really run, as "
                    f"other_actions is run: {_names(actions)}"
                )
            case OtherActions.SKIP:
                logger.warning(f"rehearsal: skipped, as they are not chaosvm's: {_names(actions)}")

    def _tell_of_probes(self, others: list[Activity]) -> None:
        probes = [each for each in others if each.get("type") == "probe"]
        run = [each for each in probes if not _is_process(each)]
        if run:
            kept = ", ".join(wall.names()) or "no server, as none is configured"
            logger.info(f"rehearsal: run, and kept from connecting to {kept}: {_names(run)}")
        processes = [each for each in probes if _is_process(each)]
        if processes and self._probes is ProcessProbes.RUN:
            logger.warning(
                "rehearsal: these probes are processes, and are really run, wherever they "
                f"connect to, as process_probes is run: {_names(processes)}"
            )
        elif processes:
            logger.warning(
                "rehearsal: skipped, as nobody knows what a process connects to: "
                f"{_names(processes)}"
            )

    def _leave_out(self, hypothesis: dict[str, Any]) -> None:
        probes = hypothesis.get("probes") or []
        out = [each for each in probes if any(map(self._is_skipped, _with_tolerance(each)))]
        gone = {each.get("name") for each in out}
        if gone:
            self._undo.append(lambda: hypothesis.update(probes=probes))
            hypothesis["probes"] = [
                each for each in probes if each not in out and each.get("ref") not in gone
            ]
            logger.warning(f"rehearsal: left out of the steady state: {_names(out)}")


def note_skipped(run: dict[str, Any]) -> None:
    """Tell in the journal that it was skipped; the activity is shown as it was written."""
    activity = run.get("activity") or {}
    if activity.get("dry") is Dry.ACTIVITIES:
        del activity["dry"]
        run["output"] = _SKIPPED.format(kind=activity.get("type"))


def activities(experiment: dict[str, Any]) -> Iterator[Activity]:
    """All that are described, tolerances that are probes too; references to one are left out."""
    hypothesis = experiment.get("steady-state-hypothesis") or {}
    for each in (
        *(hypothesis.get("probes") or ()),
        *(experiment.get("method") or ()),
        *(experiment.get("rollbacks") or ()),
    ):
        yield from _with_tolerance(each)


def is_ours(activity: Activity) -> bool:
    provider = activity.get("provider") or {}
    module = str(provider.get("module", ""))
    return provider.get("type") == "python" and module.startswith("chaosvm.")


def _with_tolerance(activity: Activity) -> Iterator[Activity]:
    for each in (activity, activity.get("tolerance")):
        if isinstance(each, dict) and isinstance(each.get("provider"), dict):
            yield each


def _in_configuration(experiment: dict[str, Any]) -> Iterator[Activity]:
    for key, each in (experiment.get("configuration") or {}).items():
        if isinstance(each, dict) and each.get("type") == "probe" and not is_ours(each):
            yield {"name": key, **each}


def _is_process(activity: Activity) -> bool:
    return (activity.get("provider") or {}).get("type") == "process"


def _stop(actions: list[Activity]) -> str:
    return f"these actions are not chaosvm's, and other_actions is stop: {_names(actions)}"


def _names(activities: Iterable[Activity]) -> str:
    return ", ".join(dict.fromkeys(repr(each.get("name")) for each in activities))
