"""Drawn for a dry run instead of lanes: each VM, and what would have been done to it."""

from __future__ import annotations

from collections.abc import Sequence

from chaosvm.observe.chart.axis import Axis
from chaosvm.observe.chart.drawing import Canvas, fitting
from chaosvm.observe.chart.rows import Guide
from chaosvm.observe.story import Story
from chaosvm.observe.story.lanes import Lane
from chaosvm.observe.story.words import count

__all__ = ["draw_plan"]

_MOST_ROWS = 80
_ROW = 17.0


def draw_plan(
    canvas: Canvas, axis: Axis, story: Story, guides: Sequence[Guide], top: float
) -> float:
    """Draw a row for each VM; returns where they end."""
    if not story.lanes:
        canvas.text("t11 soft", axis.left, top + 18, "no VM was selected")
        return top + 36
    y = top + 12
    for lane in story.lanes[:_MOST_ROWS]:
        canvas.text("bold", 0, y + 6, fitting(lane.machine.name, axis.left - 8, bold=True))
        text = fitting(_plan_text(lane), canvas.width - axis.left, 11)
        canvas.text("t11 soft", axis.left, y + 6, text)
        y += _ROW
    more = len(story.lanes) - _MOST_ROWS
    if more > 0:
        canvas.text("t11 soft", axis.left, y + 6, f"and {count(more, 'more VM')}: see the plan")
        y += _ROW
    return y + 8


def _plan_text(lane: Lane) -> str:
    """What the actions would do, according to their outcomes."""
    texts = [
        str(each.outcome.get("detail") or each.outcome.get("operation")).removeprefix("dry run: ")
        for each in lane.operations
    ]
    return "; ".join(dict.fromkeys(texts))
