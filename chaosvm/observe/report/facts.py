"""The four facts at the top of the page."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from chaosvm.observe.story import Story
from chaosvm.observe.story.words import count, moment, named, rounded, seconds_text
from chaosvm.observe.timeline import Phase

__all__ = ["Bar", "Fact", "Ticks", "facts"]

_WIDTH = 190


@dataclass(frozen=True)
class Bar:
    """A time against its limit, in units of the picture."""

    seconds: float
    limit: float

    @property
    def length(self) -> float:
        return _WIDTH * self.seconds / (1.11 * max(self.seconds, self.limit))

    @property
    def tick(self) -> float:
        return _WIDTH * self.limit / (1.11 * max(self.seconds, self.limit))

    @property
    def text(self) -> str:
        return f"{self.seconds:.0f} s of {self.limit:.0f} s"


@dataclass(frozen=True)
class Ticks:
    """One tick for each VM, and the median."""

    seconds: tuple[float, ...]

    @property
    def xs(self) -> list[float]:
        """The positions of the ticks; ticks at the same position are merged."""
        return sorted({self._x(each) for each in self.seconds})

    @property
    def median_x(self) -> float:
        return self._x(median(self.seconds))

    def _x(self, seconds: float) -> float:
        return round(2 + (_WIDTH - 6) * seconds / max(max(self.seconds), 0.001), 1)

    @property
    def text(self) -> str:
        low, high = min(self.seconds), max(self.seconds)
        return (
            f"Seconds down of {count(len(self.seconds), 'VM')}: {low:.0f} to {high:.0f}, "
            f"median {median(self.seconds):.0f}"
        )


@dataclass(frozen=True)
class Fact:
    """``tone`` is good or bad if it was judged, otherwise plain."""

    title: str
    value: str
    note: str
    tone: str = "plain"
    small: str = ""
    bar: Bar | None = None
    ticks: Ticks | None = None


def facts(story: Story) -> list[Fact]:
    return [_hypothesis(story), _back(story), _recovery(story), _outage(story)]


def _hypothesis(story: Story) -> Fact:
    title = "Hypothesis"
    if story.is_dry:
        return Fact(title, "Not judged", "a dry run proves nothing")
    if story.timeline.probes is None:
        return Fact(title, "Not recorded", "there is no journal of this run")
    if not story.probes:
        return Fact(title, "Not checked", "the experiment has no hypothesis")
    before, after = story.met(Phase.BEFORE), story.met(Phase.AFTER)
    if after is None and before is None:
        return Fact(title, "Not checked", "no probe of it was run")
    if after is None and before:
        return Fact(title, "Not checked", "met before the method, and not checked after it")
    if before is False and after is None:
        return Fact(title, "✕ Not met", "before the method, which was not run", "bad")
    words = {True: "met", False: "not met", None: "not checked"}
    if after:
        note = "before and after the method" if before else "after the method"
        return Fact(title, "✓ Met", note, "good")
    return Fact(title, "✕ Not met", f"{words[before]} before, not met after the method", "bad")


def _back(story: Story) -> Fact:
    title = "Did everything come back?"
    if story.is_dry:
        return Fact("VMs that would change", str(len(story.lanes)), "nothing was changed")
    changed, missing = story.changed, story.not_back
    if not changed:
        return Fact(title, "Nothing changed", "no VM was changed by this run")
    if missing and all(lane.killed for lane in missing):
        note = f"{named([lane.machine.name for lane in missing])} not known to be back"
        return Fact(title, "Not known", note, "bad")
    value = f"{len(changed) - len(missing)} of {count(len(changed), 'VM')}"
    if len(changed) > 99:
        value = value.removesuffix(" VMs")  # for lack of room
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        states = {lane.still for lane in missing}
        state = states.pop() if len(states) == 1 else "not back"
        note = f"{named([lane.machine.name for lane in missing])} {verb} {state}"
        return Fact(title, f"✕ {value}", note, "bad")
    moved = [lane.machine.name for lane in changed if len(lane.hosts) > 1]
    note = f"{named(moved)} on another host" if moved else "as they were before the run"
    return Fact(title, f"✓ {value}", note, "good")


def _recovery(story: Story) -> Fact:
    lane = story.judged_recovery
    if story.is_dry or lane is None:
        killed = story.run.killed and not story.is_dry
        note = "no recovery was recorded" if killed else "no VM went down and came back"
        return Fact("Slowest recovery", "–", note)
    if story.many or (lane.limit is None and len(story.recovered) > 1):
        return _distribution(story)
    seconds = lane.recovery_seconds
    if lane.limit is None:
        return Fact("Slowest recovery", seconds_text(seconds), f"{lane.machine.name}, no limit set")
    tone = "bad" if lane.over_limit else "good"
    sign = "✕ " if lane.over_limit else ""
    note = f"{lane.machine.name}, limit {lane.limit.seconds:.0f} s"
    bar = Bar(seconds, lane.limit.seconds)
    title = "Slowest recovery" if lane is story.slowest_recovery else "Recovery with a limit"
    return Fact(title, f"{sign}{seconds_text(seconds)}", note, tone, bar=bar)


def _distribution(story: Story) -> Fact:
    by_lane = {
        lane.machine.name: lane.down_seconds
        for lane in story.changed
        if lane.down_seconds is not None
    }
    if not by_lane:
        return Fact("Down for", "–", "no VM came back during the run")
    seconds = tuple(by_lane.values())
    slowest = max(by_lane, key=lambda name: by_lane[name] or 0)
    over = [lane for lane in story.changed if lane.over_limit]
    limits = f"{count(len(over), 'VM')} over the limit" if over else ""
    unknown = [lane for lane in story.changed if lane.limit and lane.slowest is None]
    judged = bool(story.timeline.limits) and not unknown
    if unknown and not over:
        limits = f"{named([lane.machine.name for lane in unknown])} not judged"
    limits = limits or ("within the limits" if judged else "no limit set")
    low, high = seconds_text(min(seconds)), seconds_text(max(seconds))
    note = f"{low} to {high}; slowest {slowest}; {limits}"
    tone = "bad" if over else "good" if judged else "plain"
    value = ("✕ " if over else "") + seconds_text(median(seconds))
    return Fact("Down for", value, note, tone, small="median", ticks=Ticks(seconds))


def _outage(story: Story) -> Fact:
    title = "Service outage"
    if story.is_dry:
        return Fact(title, "Not judged", "no probe was run")
    if story.timeline.probes is None:
        return Fact(title, "Not recorded", "there is no journal of this run")
    checked = [probe for probe in story.probes if story.during(probe)]
    if not checked:
        return Fact(title, "Not checked", "no probe was run during the method")
    # The number of running VMs is not the state of the service.
    of_service = [probe for probe in checked if not probe.of_vms]
    title = title if of_service else "Failed checks"
    found = [each for probe in of_service or checked for each in story.outages_of(probe)]
    if not found:
        checks = max(len(story.during(probe)) for probe in of_service or checked)
        return Fact(title, "None", f"no check failed during the method, of {checks}")
    worst = max(found, key=lambda each: each.end - each.begin)
    outages = story.outages_of(worst.probe)
    failed = sum(len(each.checks) for each in outages)
    total = len(story.during(worst.probe))
    ended = outages[-1].ended
    seconds = sum(each.end - each.begin for each in outages)
    if ended:
        note = f"{worst.probe.name} failed {failed} of {total} checks during the method"
    else:
        last = moment(outages[-1].end, story.span)
        note = f"{worst.probe.name}: {worst.reason}, also at the last check at {last}"
    return Fact(title, rounded(seconds) + ("" if ended else " or more"), note)
