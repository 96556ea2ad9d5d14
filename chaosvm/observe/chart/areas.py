"""How many VMs were down, as a stepped area over time."""

from __future__ import annotations

from collections.abc import Sequence

from chaosvm.observe.chart.axis import Axis
from chaosvm.observe.chart.drawing import Canvas
from chaosvm.observe.story.lanes import DOWN, Lane

__all__ = ["draw_area", "draw_reboots", "draw_vms_down"]


def _down_steps(lanes: Sequence[Lane]) -> list[tuple[float, int]]:
    """How many VMs are down from each time on, in order."""
    edges: dict[float, int] = {}
    for lane in lanes:
        for segment in lane.segments:
            if segment.state in DOWN:
                edges[segment.begin] = edges.get(segment.begin, 0) + 1
                edges[segment.end] = edges.get(segment.end, 0) - 1
    steps: list[tuple[float, int]] = []
    down = 0
    for at in sorted(edges):
        down += edges[at]
        steps.append((at, down))
    return steps


def draw_area(canvas: Canvas, axis: Axis, lanes: Sequence[Lane], top: float, height: float) -> None:
    """All VMs down fills the height."""
    base = top + height
    points = [f"M{axis.left:.1f} {base:.1f}"]
    last_x = axis.left - 1
    level = base
    for at, down in _down_steps(lanes):
        x = axis.x(at)
        if at >= axis.span:
            break
        if x - last_x >= 0.5:
            points.append(f"H{x:.1f}")
            last_x = x
        level = base - height * down / len(lanes)
        points.append(f"V{level:.1f}")
    points.append(f"H{axis.end:.1f}V{base:.1f}Z")
    canvas.path("area", "".join(points))


def draw_reboots(canvas: Canvas, axis: Axis, lanes: Sequence[Lane], top: float, h: float) -> None:
    """A line for each reboot: the power states do not show it."""
    xs = sorted({round(axis.x(at), 1) for lane in lanes for at in lane.reboots})
    if xs:
        canvas.path("dim", "".join(f"M{x:.1f} {top:.1f}v{h:g}" for x in xs))


def draw_vms_down(canvas: Canvas, axis: Axis, lanes: Sequence[Lane], top: float) -> float:
    """The area of all VMs, labeled with the maximum and the number at the end."""
    canvas.text("bold", 0, top + 16, "VMs down")
    canvas.text("t11 soft", 0, top + 29, f"of {len(lanes)}")
    draw_area(canvas, axis, lanes, top + 6, 28.0)
    steps = _down_steps(lanes)
    most = max((down for _, down in steps), default=0)
    if most:
        begin, end = _longest_at(steps, most, axis.span)
        y = top + 34 - 28 * most / len(lanes)
        canvas.text("bold mid halo", (axis.x(begin) + axis.x(end)) / 2, y + 13, str(most))
    left_down = sum(not lane.is_back for lane in lanes if lane.touched)
    if left_down:
        states = {lane.still for lane in lanes if lane.touched and not lane.is_back}
        word = states.pop().removeprefix("still ") if len(states) == 1 else "not back"
        canvas.text("bold tbad end", canvas.width - 2, top + 20, f"{left_down} {word}")
    return top + 46


def _longest_at(steps: Sequence[tuple[float, int]], most: int, span: float) -> tuple[float, float]:
    stretches = []
    for number, (at, down) in enumerate(steps):
        if down == most:
            end = steps[number + 1][0] if number + 1 < len(steps) else span
            stretches.append((end - at, at, end))
    _, begin, end = max(stretches)
    return begin, end
