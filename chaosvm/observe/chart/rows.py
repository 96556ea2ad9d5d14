"""The upper part of the chart: probes, hypothesis, activities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaosvm.observe.chart.axis import Axis
from chaosvm.observe.chart.drawing import Canvas, fitting
from chaosvm.observe.story import Outage, Story
from chaosvm.observe.story.words import moment, named, rounded
from chaosvm.observe.timeline import ActivityRun, Phase, Probe

__all__ = ["Guide", "draw_activities", "draw_hypothesis", "draw_probes", "draw_tints"]

_STRIP = 24.0
_BAR = 9.0
_ROW = 17


@dataclass(frozen=True)
class Guide:
    """Where an activity began, for the line from its bar to the lanes."""

    x: float
    y: float
    activity: ActivityRun


def draw_probes(canvas: Canvas, axis: Axis, story: Story, top: float) -> float:
    """A strip for each probe; returns where the next row begins."""
    if story.timeline.probes is None:
        canvas.text("t11 soft", axis.left, top + 16, "hypothesis and service: not recorded")
        return top + _STRIP + 4
    for probe in story.shown_probes:
        _draw_strip(canvas, axis, story, probe, top)
        top += _STRIP + 18
    return top


def draw_tints(canvas: Canvas, axis: Axis, story: Story, top: float, bottom: float) -> None:
    """An outage tints all lanes below it."""
    for outage in story.outages:
        left, right = axis.x(outage.begin), axis.x(outage.end)
        canvas.rect("tint", left, top, max(right - left, 1), bottom - top, behind=True)


def _draw_strip(canvas: Canvas, axis: Axis, story: Story, probe: Probe, top: float) -> None:
    middle = top + 12
    canvas.text("bold", 0, top + 13, fitting(probe.name, axis.left - 8, bold=True))
    checks = story.during(probe)
    interval = story.interval(probe)
    if checks and interval:
        every = "every second" if 0.95 <= interval < 1.5 else f"every {interval:.0f} s"
        canvas.text("t11 soft", 0, top + 27, every if interval >= 0.95 else f"{len(checks)} checks")
    outages = story.outages_of(probe)
    times = [story.at(check.at) for check in checks or probe.checks]
    kind = "judged" if probe.judged_when_back else "pass"
    passing = [
        axis.x(at)
        for at, check in zip(times, checks or probe.checks, strict=True)
        if check.met and not any(each.begin <= at < each.end for each in outages)
    ]
    ticks = _thinned(passing)
    if ticks:
        canvas.path(kind, "".join(f"M{x:.1f} {middle - 4:.0f}v8" for x in ticks))
    if checks:
        for left, right in _gaps_between(outages, times):
            canvas.line(kind, axis.x(left), middle, axis.x(right), middle)
    for outage in outages:
        _draw_outage(canvas, axis, story, outage, top)
    _say_where_unchecked(canvas, axis, story, bool(checks), times, middle)


def _thinned(xs: Sequence[float]) -> list[float]:
    """Ticks closer than two units would be one bar."""
    kept: list[float] = []
    for x in xs:
        if not kept or x - kept[-1] >= 2:
            kept.append(x)
    return kept


def _gaps_between(outages: Sequence[Outage], times: Sequence[float]) -> list[tuple[float, float]]:
    """The times in which the probe passed."""
    edges = [times[0], *(edge for each in outages for edge in (each.begin, each.end)), times[-1]]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(begin, end) for begin, end in pairs if end > begin]


def _draw_outage(canvas: Canvas, axis: Axis, story: Story, outage: Outage, top: float) -> None:
    left, right = axis.x(outage.begin), max(axis.x(outage.end), axis.x(outage.begin) + 6)
    begin, end = (moment(each, story.span) for each in (outage.begin, outage.end))
    title = f"{outage.probe.name} failed from {begin} to {end}: {len(outage.checks)} checks"
    canvas.rect("fail", left, top, right - left, _STRIP, title)
    more = "" if outage.ended else " or more"
    # The sign is a separate part, as few fonts have it.
    text = [("", "✕"), ("", f" {outage.reason}, {rounded(outage.end - outage.begin)}{more}")]
    for shown in (text, text[:1]):
        inside = canvas.measure("t11 mid bold", (left + right) / 2, top + 16, shown)
        if inside.left >= left + 2 and inside.right <= right - 2:
            canvas.text("t11 mid bold tfail", (left + right) / 2, top + 16, shown)
            break
    if shown != text:
        canvas.text(
            "t11 bold tbad halo", right + 4, top + 33, text, unless_taken=True
        ) or canvas.text("t11 bold tbad halo end", left - 4, top + 33, text, unless_taken=True)


def _say_where_unchecked(
    canvas: Canvas, axis: Axis, story: Story, during: bool, times: Sequence[float], y: float
) -> None:
    if not times:
        return
    if during:
        method = [a for _, a in story.activities if a.phase is Phase.METHOD]
        ended = max((story.at(a.ended) for a in method if a.ended), default=0.0)
        until_its_end = times[-1] + 2 * (times[-1] - times[0]) / len(times) >= ended
        text = "checked only during the method" if until_its_end else "not checked"
        canvas.text(
            "t11 soft", axis.x(times[-1]) + 8, y + 4, text, unless_taken=True
        ) or canvas.text("t11 soft", axis.x(times[-1]) + 8, y + 4, "not checked", unless_taken=True)
    elif len(times) > 1:
        middle = axis.x((times[0] + times[-1]) / 2)
        canvas.text("t11 soft mid", middle, y + 4, "not checked in between", unless_taken=True)


def draw_hypothesis(canvas: Canvas, axis: Axis, story: Story, top: float) -> float:
    marks = [
        (story.checked_at(phase), story.met(phase), phase) for phase in (Phase.BEFORE, Phase.AFTER)
    ]
    known = [(at, met, phase) for at, met, phase in marks if at is not None]
    if not known:
        return top
    canvas.text("bold", 0, top + 12, "hypothesis")
    xs: list[float] = []
    for at, met, _ in known:
        xs.append(max([axis.x(at), axis.left + 7, *(x + 14 for x in xs)]))
        (canvas.ok if met else canvas.failed)(xs[-1], top + 8)
    for x, (_, met, phase) in reversed(list(zip(xs, known, strict=True))):
        text = f"{'met' if met else 'not met'} {phase.value}"
        kind = "tgood bold" if met else "tbad bold"
        canvas.text(kind, x + 11, top + 12, text, unless_taken=True) or canvas.text(
            f"{kind} end", x - 11, top + 12, text, unless_taken=True
        )
    return top + 28


def draw_activities(
    canvas: Canvas, axis: Axis, story: Story, top: float
) -> tuple[float, list[Guide]]:
    """The bars, in as many rows as they need; returns where the lanes begin, and the guides."""
    rows = (
        ("method", [a for a in story.activities if _in(a[1], Phase.METHOD, background=False)]),
        ("background", [a for a in story.activities if _in(a[1], Phase.METHOD, background=True)]),
        ("rollback", [a for a in story.activities if a[1].phase is Phase.ROLLBACK]),
        ("undo", [a for a in story.activities if a[1].phase is Phase.UNDO]),
    )
    guides: list[Guide] = []
    for title, activities in rows:
        if activities:
            canvas.text("", 0, top + 12, title)
            top = _draw_packed(canvas, axis, story, activities, top, guides)
    return top, guides


def _in(activity: ActivityRun, phase: Phase, background: bool) -> bool:
    return activity.phase is phase and activity.background == background


def _draw_packed(
    canvas: Canvas,
    axis: Axis,
    story: Story,
    activities: Sequence[tuple[int, ActivityRun]],
    top: float,
    guides: list[Guide],
) -> float:
    rows: list[list[tuple[float, float]]] = []
    for number, activity in activities:
        left = axis.x(story.at(activity.began))
        right = max(axis.x(story.at(activity.ended or story.run.ended)), left + 3)
        parts = _name_parts(number, activity)
        kind, x, below = _place_of_name(canvas, axis, left, right, parts)
        label = canvas.measure(kind, x, 0, parts)
        needed = [(left, right), (label.left, label.right)]
        if not below:
            needed = [(min(left, label.left), max(right, label.right))]
        row = _first_free_row(rows, needed)
        y = top + 4 + row * _ROW
        title = f"{number} {activity.name}: {_span_text(story, activity)}"
        canvas.rect("hollow" if activity.background else "act", left, y, right - left, _BAR, title)
        canvas.text(kind, x, y + 8 + below * _ROW, parts)
        guides.append(Guide(left, y + _BAR, activity))
    return top + _ROW * len(rows) + 3


def _first_free_row(
    rows: list[list[tuple[float, float]]], needed: list[tuple[float, float]]
) -> int:
    """The first row in which everything fits; marks it as occupied."""
    row = 0
    while any(
        begin - 6 < right and left < end + 6
        for n, (begin, end) in enumerate(needed)
        for left, right in (rows[row + n] if row + n < len(rows) else ())
    ):
        row += 1
    for n, interval in enumerate(needed):
        while len(rows) <= row + n:
            rows.append([])
        rows[row + n].append(interval)
    return row


# Between two texts; the PNG has no space at the beginning of an element.
_GAP = ("", " ")


def _name_parts(number: int, activity: ActivityRun) -> list[tuple[str, str]]:
    parts = [("bold", str(number)), ("", f" {_shortened(activity.name, 44)}")]
    failed = [str(each.get("name")) for each in activity.outcomes if each.get("error")]
    if failed:
        names = named(failed) if len(failed) <= 2 else f"{len(failed)} of {len(activity.outcomes)}"
        parts += [_GAP, ("tbad bold", f"✕ {_shortened(names, 30)} failed")]
    elif activity.error or activity.status == "failed":
        parts += [_GAP, ("tbad bold", "✕ failed")]
    return parts


def _place_of_name(
    canvas: Canvas, axis: Axis, left: float, right: float, parts: Sequence[tuple[str, str]]
) -> tuple[str, float, bool]:
    """To the right of the bar; to its left where the chart ends; or else below it."""
    if canvas.measure("halo", right + 6, 0, parts).right <= canvas.width:
        return "halo", right + 6, False
    if canvas.measure("halo end", left - 6, 0, parts).left >= axis.left:
        return "halo end", left - 6, False
    width = canvas.measure("halo", 0, 0, parts).right
    return "halo", max(axis.left, min(left, canvas.width - width)), True


def _span_text(story: Story, activity: ActivityRun) -> str:
    began = moment(story.at(activity.began), story.span)
    if activity.ended is None:
        return f"from {began}, its end is not known"
    return f"{began} to {moment(story.at(activity.ended), story.span)}"


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
