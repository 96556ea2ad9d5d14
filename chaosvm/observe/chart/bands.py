"""What tall and narrow lanes share: bands, thin for on and thick for all else, and failures."""

from __future__ import annotations

from collections.abc import Sequence

from chaosvm.observe.chart.axis import Axis
from chaosvm.observe.chart.drawing import SIZES, Canvas, fitting, text_width
from chaosvm.observe.story import Story
from chaosvm.observe.story.lanes import ON, READYING, UNKNOWN, Lane, Segment
from chaosvm.observe.story.words import moment, seconds_text, state_word

__all__ = ["draw_bands", "draw_failures", "draw_unknown_end", "segment_word"]


def segment_word(state: str) -> str:
    return "on, not ready yet" if state == READYING else state_word(state)


def draw_bands(
    canvas: Canvas,
    axis: Axis,
    story: Story,
    lane: Lane,
    middle: float,
    thick: float,
    thin: float,
    rings: Sequence[float] = (),
) -> None:
    """``rings`` are drawn later, at these positions: no text goes there."""
    for segment in lane.segments or [Segment(0, story.span, UNKNOWN)]:
        left, right = axis.x(segment.begin), axis.x(segment.end)
        height = thin if segment.state == ON else thick
        begin, end = (moment(each, story.span) for each in (segment.begin, segment.end))
        title = f"{lane.machine.name}: {segment_word(segment.state)}, {begin} to {end}"
        if segment.end > segment.begin:
            canvas.states.add(segment.state)
        kind = f"b-{segment.state}"
        canvas.rect(kind, left, middle - height / 2, max(right - left, 1.2), height, title)
        _draw_text(canvas, segment, left, right, middle, thick, rings)


def _draw_text(
    canvas: Canvas,
    segment: Segment,
    left: float,
    right: float,
    middle: float,
    thick: float,
    rings: Sequence[float],
) -> None:
    if segment.state == UNKNOWN and right - left > 8:
        size = "t85" if thick < 12 else "t11"
        canvas.text(f"{size} mid soft", (left + right) / 2, middle + 3, "?")
    if segment.state not in ("powered_off", "suspended", "paused") or thick < 12:
        return
    word = state_word(segment.state)
    tone = "toff" if segment.state == "powered_off" else ""
    for text in (f"{word} {seconds_text(segment.end - segment.begin)}", word):
        width = text_width(text, 11)
        if width + 8 <= right - left:
            half = width / 2 + 4
            places = ((left + right) / 2, left + half, right - half)
            free = (
                place for place in places if not any(abs(ring - place) < half + 4 for ring in rings)
            )
            center = next(free, places[0])
            if segment.state != "powered_off":  # a plate, as the texture makes it hard to read
                canvas.rect("f-heldbg", center - width / 2 - 4, middle - 7, width + 8, 14)
            canvas.text(f"t11 mid {tone}".strip(), center, middle + 4, text)
            return


def draw_failures(
    canvas: Canvas,
    axis: Axis,
    failures: Sequence[tuple[float, str]],
    y: float,
    size: str,
    widths: Sequence[float],
) -> None:
    """A cross for each position and text; the text is cut to the first width that fits."""
    for x, _ in failures:
        canvas.failed(x, y)
    for x, text in failures:
        texts = [fitting(text, width, SIZES[size]) for width in widths]
        _draw_beside(canvas, axis, x, y + 4, f"{size} tbad halo", texts)


def _draw_beside(
    canvas: Canvas, axis: Axis, x: float, y: float, kind: str, texts: Sequence[str]
) -> None:
    """The first text that fits, to the left or to the right; nothing if none does."""
    for text in texts:
        fits = canvas.measure(f"{kind} end", x - 9, y, text).left >= axis.left
        if fits and canvas.text(f"{kind} end", x - 9, y, text, unless_taken=True):
            return
        if canvas.text(kind, x + 9, y, text, unless_taken=True):
            return


def draw_unknown_end(canvas: Canvas, axis: Axis, lane: Lane, middle: float, thick: float) -> None:
    """After the last record of a killed run, nothing is known."""
    canvas.states.add(UNKNOWN)
    left = axis.end + 3
    canvas.rect(
        f"b-{UNKNOWN}", left, middle - thick / 2, 24, thick, f"{lane.machine.name}: not recorded"
    )
    size = "t85" if thick < 12 else "t11"
    canvas.text(f"{size} mid soft", left + 12, middle + 3.5, "?")
