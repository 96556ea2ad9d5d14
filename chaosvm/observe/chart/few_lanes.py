"""Lanes for up to twelve VMs: tall, with all their labels."""

from __future__ import annotations

from collections.abc import Sequence

from chaosvm.observe.chart.axis import Axis
from chaosvm.observe.chart.bands import draw_bands, draw_failures, draw_unknown_end
from chaosvm.observe.chart.drawing import Canvas, fitting, text_width
from chaosvm.observe.chart.rows import Guide
from chaosvm.observe.story import Story
from chaosvm.observe.story.lanes import Down, Lane, milestone_label
from chaosvm.observe.story.words import seconds_text

__all__ = ["draw_few", "recovery_legend"]

_BAND = 20.0


def _lane_height(story: Story) -> float:
    return 74.0 if len(story.lanes) <= 6 else 52.0


def draw_few(
    canvas: Canvas, axis: Axis, story: Story, guides: Sequence[Guide], top: float
) -> float:
    """Draw all lanes; returns where they end."""
    height = _lane_height(story)
    middles = {lane.machine.ref: top + 36 + n * height for n, lane in enumerate(story.lanes)}
    _draw_guides(canvas, guides, middles)
    for lane in story.lanes:
        middle = middles[lane.machine.ref]
        canvas.add('<g class="lane">')
        _draw_name(canvas, axis, lane, middle)
        rings = [each.x for each in guides if lane.machine.ref in each.activity.vms]
        draw_bands(canvas, axis, story, lane, middle, _BAND, 5.0, rings)
        _draw_rings(canvas, guides, lane, middle)
        _draw_dimension(canvas, axis, story, lane, middle)
        _draw_labels(canvas, axis, lane, middle)
        if lane.killed:
            draw_unknown_end(canvas, axis, lane, middle, _BAND)
        canvas.add("</g>")
    return top + height * len(story.lanes) + (4 if height > 60 else 18)


def _draw_name(canvas: Canvas, axis: Axis, lane: Lane, middle: float) -> None:
    canvas.text("bold", 0, middle + 1, fitting(lane.machine.name, axis.left - 8, bold=True))
    if lane.hosts:
        canvas.text("t11 soft", 0, middle + 15, fitting(" → ".join(lane.hosts), axis.left - 8, 11))


def _draw_guides(canvas: Canvas, guides: Sequence[Guide], middles: dict[str, float]) -> None:
    for guide in guides:
        reached = [middles[ref] for ref in guide.activity.vms if ref in middles]
        if reached:
            canvas.line("guide", guide.x, guide.y, guide.x, max(reached), behind=True)


def _draw_rings(canvas: Canvas, guides: Sequence[Guide], lane: Lane, middle: float) -> None:
    for guide in guides:
        if lane.machine.ref in guide.activity.vms:
            canvas.circle("ring", guide.x, middle, 3.2)


def _draw_labels(canvas: Canvas, axis: Axis, lane: Lane, middle: float) -> None:
    """Failures and causes first, then milestones; what does not fit is left to the tables."""
    y = middle - 16
    failures = [(axis.x(each.at), each.text) for each in lane.failures]
    draw_failures(canvas, axis, failures, middle + 18, "t11", (330, 220, 130))
    ons = {mark.at for mark in lane.marks if mark.label == "on"}
    for cause in sorted(lane.causes, key=lambda each: -each.at):
        x = axis.x(cause.at) - 5
        text = fitting(cause.text, 260, 11)
        canvas.text("t11 soft end halo", x, y, text, unless_taken=True) or canvas.text(
            "t11 soft halo", axis.x(cause.at) + 3, y, text, unless_taken=True
        )
    caused = {cause.at for cause in lane.causes}
    for mark in lane.marks:
        x = axis.x(mark.at)
        canvas.line("mark", x, middle - 13, x, middle + 10)
        if mark.at in caused:
            continue
        kind, at = ("t11 soft end halo", x - 4) if mark.at in ons else ("t11 soft mid halo", x)
        text = "powered on" if mark.at in ons else mark.label
        canvas.text(kind, at, y, text, unless_taken=True) or canvas.text(
            "t11 soft halo", x + 3, y, text, unless_taken=True
        )


def _draw_dimension(canvas: Canvas, axis: Axis, story: Story, lane: Lane, middle: float) -> None:
    y = middle + 21
    for down in lane.downs:
        left = axis.x(down.begin)
        if down.on_at is None:
            continue
        if down.recovery is not None:
            _draw_recovery(canvas, axis, lane, down, left, y)
    if not lane.is_back and not lane.killed:
        text = fitting(lane.still, 80, bold=True)
        x = min(axis.end + 5, canvas.width - text_width(text, bold=True))
        canvas.text("bold tbad halo", x, middle + 4, text, unless_taken=True)


def _draw_recovery(
    canvas: Canvas, axis: Axis, lane: Lane, down: Down, left: float, y: float
) -> None:
    assert down.ready_at is not None
    assert down.recovery is not None
    right = axis.x(down.ready_at)
    over = lane.limit is not None and down.recovery > lane.limit.seconds
    kind = "dimbad" if over else "dim"
    parts = [
        ("", "✕ " if over else ""),
        ("", "back in "),
        ("bold", seconds_text(down.recovery)),
    ]
    tone = "halo tbad" if over else "halo"
    middle = canvas.measure(f"mid {tone}", (left + right) / 2, y + 4, parts)
    ends = f"M{left:.1f} {y - 4:.1f}v8M{right:.1f} {y - 4:.1f}v8M{left:.1f} {y:.1f}"
    if middle.right - middle.left < right - left - 16:
        canvas.text(f"mid {tone}", (left + right) / 2, y + 4, parts, unless_taken=True)
        ends += f"H{middle.left - 5:.1f}M{middle.right + 5:.1f} {y:.1f}"
    else:
        canvas.text(tone, right + 5, y + 4, parts, unless_taken=True)
    canvas.path(kind, f"{ends}H{right:.1f}")
    if lane.limit is not None:
        _draw_limit(canvas, axis, lane.limit.seconds, down, right, y)


def _draw_limit(
    canvas: Canvas, axis: Axis, limit: float, down: Down, right: float, y: float
) -> None:
    x = axis.x(down.begin + limit)
    if x > right:
        canvas.line("limit", right, y, x, y)
    canvas.line("dim", x, y - 7, x, y + 7)
    text = f"limit {limit:.0f} s"
    canvas.text("t11 soft end halo", x - 5, y - 5, text, unless_taken=True) or canvas.text(
        "t11 soft halo", x + 5, y - 5, text, unless_taken=True
    )


def recovery_legend(story: Story) -> str:
    """What the dimension lines measure."""
    names = {down.milestone for lane in story.lanes for down in lane.downs if down.recovery}
    if len(names) != 1:
        return "from down to the last milestone waited for"
    (name,) = names
    if name == "power":
        return "from down to powered on"
    verb = " answering" if name.startswith(("port", "http")) else " ready"
    return f"from down to {milestone_label(name)}{verb}"
