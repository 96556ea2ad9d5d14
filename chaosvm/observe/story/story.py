"""What the parts of the report have in common: the run's verdict, its activities, its VMs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise

from chaosvm.observe.story.lane_builder import lanes_of, undo_activity
from chaosvm.observe.story.lanes import Lane
from chaosvm.observe.timeline import ActivityRun, Check, Mode, Phase, Probe, Timeline

__all__ = ["Outage", "Story"]

# Above this many VMs, the chart and the tables are dense.
_MANY = 12


@dataclass(frozen=True)
class Outage:
    """A time in which a probe failed, in seconds of the run; ``ended`` if it passed again."""

    probe: Probe
    begin: float
    end: float
    checks: Sequence[Check]
    ended: bool

    @property
    def reason(self) -> str:
        first = self.checks[0]
        text = first.value if first.value is not None else first.error or "failed"
        return text if len(text) <= 30 else f"{text[:29]}…"


class Story:
    """Reads a timeline; all its strings can be shown as they are."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.run = timeline.run
        self.span = self.at(timeline.run.ended)
        self.lanes = lanes_of(timeline)

    def at(self, time: datetime) -> float:
        """Seconds since the start."""
        return (time - self.run.started).total_seconds()

    # VMs ---------------------------------------------------------------------------

    @property
    def many(self) -> bool:
        return len(self.lanes) > _MANY

    @cached_property
    def changed(self) -> list[Lane]:
        """The VMs whose power state changed, or was to be changed."""
        return [lane for lane in self.lanes if lane.touched and not self.is_dry]

    @cached_property
    def not_back(self) -> list[Lane]:
        return [lane for lane in self.changed if not lane.is_back]

    @cached_property
    def attention(self) -> list[Lane]:
        return [lane for lane in self.changed if lane.needs_attention]

    @cached_property
    def recovered(self) -> list[Lane]:
        return [lane for lane in self.changed if lane.slowest is not None]

    @property
    def slowest_recovery(self) -> Lane | None:
        return max(self.recovered, key=lambda lane: lane.recovery_seconds, default=None)

    @property
    def judged_recovery(self) -> Lane | None:
        """The slowest of those that have a limit; of all, if none has one."""
        limited = [lane for lane in self.recovered if lane.limit is not None]
        return max(limited or self.recovered, key=lambda lane: lane.recovery_seconds, default=None)

    @property
    def unrecorded(self) -> list[Lane]:
        """The VMs that a killed run was acting on when it ended."""
        return [lane for lane in self.changed if self.run.killed and not lane.operations]

    @property
    def is_dry(self) -> bool:
        return self.run.mode is Mode.DRY_RUN

    # Activities ----------------------------------------------------------------------

    @cached_property
    def activities(self) -> list[tuple[int, ActivityRun]]:
        """Method, rollbacks and undo in the order in which they began, numbered."""
        runs = list(self.timeline.activities)
        undo = self.timeline.undo
        if undo and undo.began and not any(each.phase is Phase.UNDO for each in runs):
            runs.append(undo_activity(self.timeline))
        return list(enumerate(sorted(runs, key=lambda each: each.began), 1))

    @cached_property
    def failed_activities(self) -> list[tuple[int, ActivityRun]]:
        """Those whose error is not in the outcome of a VM, such as a refusal."""
        return [
            (number, each)
            for number, each in self.activities
            if each.error and not any(outcome.get("error") for outcome in each.outcomes)
        ]

    def number_of(self, activity: ActivityRun) -> int:
        return next((n for n, each in self.activities if each == activity), 0)

    # The hypothesis ------------------------------------------------------------------

    @property
    def probes(self) -> Sequence[Probe]:
        return self.timeline.probes or ()

    def met(self, phase: Phase) -> bool | None:
        """True if the hypothesis was met; None if it was not checked."""
        checks = [each for probe in self.probes for each in probe.checks if each.phase is phase]
        return all(check.met for check in checks) if checks else None

    def checked_at(self, phase: Phase) -> float | None:
        """When the last probe of this phase was checked."""
        times = [
            self.at(each.at)
            for probe in self.probes
            for each in probe.checks
            if each.phase is phase
        ]
        return max(times, default=None)

    @property
    def method_was_run(self) -> bool:
        return any(each.phase is Phase.METHOD for each in self.timeline.activities)

    @cached_property
    def outages(self) -> list[Outage]:
        """When probes failed while the method ran, in the order of time."""
        found = [each for probe in self.probes for each in self.outages_of(probe)]
        return sorted(found, key=lambda each: each.begin)

    def outages_of(self, probe: Probe) -> list[Outage]:
        if probe.judged_when_back:
            return []
        found: list[Outage] = []
        failing: list[Check] = []
        checks = self.during(probe)
        for check in checks:
            if not check.met:
                failing.append(check)
            elif failing:
                found.append(self._outage(probe, failing, self.at(check.at), True))
                failing = []
        if failing:
            found.append(self._outage(probe, failing, self.at(failing[-1].at), False))
        return found

    def during(self, probe: Probe) -> list[Check]:
        return [check for check in probe.checks if check.phase is Phase.DURING]

    def interval(self, probe: Probe) -> float | None:
        """The usual seconds between two checks."""
        times = [self.at(check.at) for check in self.during(probe)]
        gaps = sorted(later - earlier for earlier, later in pairwise(times))
        return gaps[len(gaps) // 2] if gaps else None

    def _outage(self, probe: Probe, checks: list[Check], end: float, ended: bool) -> Outage:
        return Outage(probe, self.at(checks[0].at), end, tuple(checks), ended)

    @cached_property
    def shown_probes(self) -> list[Probe]:
        """The probes with a strip in the chart: those that failed, or else one of the service."""
        failed = list({outage.probe.name: outage.probe for outage in self.outages}.values())
        if failed:
            return failed[:3]
        judged = [probe for probe in self.probes if probe.checks and not probe.judged_when_back]
        return sorted(judged, key=lambda probe: probe.of_vms)[:1]
