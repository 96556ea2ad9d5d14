"""When the activities of a run began, by their names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from chaosvm.runtime.experiment import current_run

__all__ = ["activity_began", "activity_names", "parse_time"]


def activity_names() -> frozenset[str]:
    """The names of all activities of the current experiment; empty outside of Chaos Toolkit."""
    run = current_run()
    if run is None:
        return frozenset()
    hypothesis = run.experiment.get("steady-state-hypothesis") or {}
    groups = (
        run.experiment.get("method"),
        run.experiment.get("rollbacks"),
        hypothesis.get("probes"),
    )
    activities = (each for group in groups for each in group or () if isinstance(each, Mapping))
    return frozenset(str(each["name"]) for each in activities if each.get("name"))


def activity_began(name: str) -> dt.datetime | None:
    """When the activity of this name last began, on this machine's clock; None if it has not."""
    starts = [parse_time(each["start"]) for each in _records() if _name(each) == name]
    return max(starts, default=None)


def _records() -> Iterator[Mapping[str, Any]]:
    """What Chaos Toolkit has recorded of activities in this run; it adds one as it begins."""
    run = current_run()
    if run is None:
        return
    journal = run.journal or {}
    for results in (journal.get("run"), journal.get("rollbacks"), *run.result_lists):
        yield from [each for each in results or () if each.get("start")]
    for state in (journal.get("steady_states") or {}).values():
        for each in state if isinstance(state, list) else [state]:
            yield from (each or {}).get("probes", ())


def _name(record: Mapping[str, Any]) -> str | None:
    return (record.get("activity") or {}).get("name")


def parse_time(text: str) -> dt.datetime:
    """UTC if it has no zone: older versions of Chaos Toolkit leave it out."""
    time = dt.datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)
