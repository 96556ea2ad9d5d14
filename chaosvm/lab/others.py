"""Activities in a rehearsal that are not chaosvm's: no lab stands in for what they touch."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from chaoslib.types import Dry
from logzero import logger

from chaosvm.errors import InvalidValue

__all__ = ["OtherActions", "Others", "activities", "is_ours", "note_skipped"]

Activity = dict[str, Any]

_SKIPPED = "skipped: this was a rehearsal, and the action is not one of chaosvm's"


class OtherActions(StrEnum):
    """What becomes of other extensions' actions."""

    SKIP = "skip"
    RUN = "run"
    STOP = "stop"


class Others:
    """Keeps other extensions' actions from being run.

    Chaos Toolkit itself has activities that are not really run: those that are
    ``dry``. It looks for that in the activity, and so do threads that run it; so
    the mark stays for the whole run.
    """

    def __init__(self, policy: OtherActions) -> None:
        self._policy = policy
        self._marked: list[Activity] = []

    def stand_aside(self, experiment: dict[str, Any]) -> None:
        """Raises InvalidValue where such actions are to stop the run."""
        others = [each for each in activities(experiment) if not is_ours(each)]
        actions = [each for each in others if each.get("type") == "action"]
        probes = [each for each in others if each.get("type") == "probe"]
        if probes:
            logger.info(f"rehearsal: run as they are, as they only read: {_names(probes)}")
        if not actions:
            return
        match self._policy:
            case OtherActions.STOP:
                raise InvalidValue(
                    f"these actions are not chaosvm's, and other_actions is stop: {_names(actions)}"
                )
            case OtherActions.RUN:
                logger.warning(
                    "rehearsal: these actions are not chaosvm's, and are really run, as "
                    f"other_actions is run: {_names(actions)}"
                )
            case OtherActions.SKIP:
                logger.warning(f"rehearsal: skipped, as they are not chaosvm's: {_names(actions)}")
                for each in actions:
                    each["dry"] = Dry.ACTIVITIES
                self._marked += actions

    def come_back(self) -> None:
        """The activities are as they were."""
        for each in self._marked:
            each.pop("dry", None)
        self._marked.clear()


def note_skipped(run: dict[str, Any]) -> None:
    """Tell in the journal that it was skipped; the activity is shown as it was written."""
    activity = run.get("activity") or {}
    if activity.get("dry") is Dry.ACTIVITIES:
        del activity["dry"]
        run["output"] = _SKIPPED


def activities(experiment: dict[str, Any]) -> Iterator[Activity]:
    """All that are described; references to one are left out."""
    hypothesis = experiment.get("steady-state-hypothesis") or {}
    for each in (
        *(hypothesis.get("probes") or ()),
        *(experiment.get("method") or ()),
        *(experiment.get("rollbacks") or ()),
    ):
        if "provider" in each:
            yield each


def is_ours(activity: Activity) -> bool:
    provider = activity.get("provider") or {}
    module = str(provider.get("module", ""))
    return provider.get("type") == "python" and module.startswith("chaosvm.")


def _names(activities: list[Activity]) -> str:
    return ", ".join(dict.fromkeys(repr(each.get("name")) for each in activities))
