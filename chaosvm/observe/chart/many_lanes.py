"""Lanes for more than twelve VMs: narrow ones by cluster and host, or one area for each host."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from chaosvm.observe.chart.areas import draw_area, draw_reboots, draw_vms_down
from chaosvm.observe.chart.axis import Axis
from chaosvm.observe.chart.bands import draw_bands, draw_failures, draw_unknown_end
from chaosvm.observe.chart.drawing import Canvas, fitting
from chaosvm.observe.chart.rows import Guide
from chaosvm.observe.story import Story
from chaosvm.observe.story.lanes import Lane
from chaosvm.observe.story.words import count, moment, seconds_text
from chaosvm.platforms import platform_title

__all__ = ["MOST_LANES", "draw_many"]

# Above this, one area stands for all VMs of a host.
MOST_LANES = 80
_MOST_TALL = 20
_LANE = 11.6
_MOST_HOSTS = 60
RIGHT = 878.0
# An error begins with the VM's state; there is room for the point of it only.
_STATE_FIRST = re.compile(r"^is \w+(?: after [\d.]+ s)?, (?:and|but) ")
K = TypeVar("K", bound=Hashable)


def draw_many(
    canvas: Canvas, axis: Axis, story: Story, guides: Sequence[Guide], top: float
) -> float:
    """Draw all lanes; returns where they end."""
    y = draw_vms_down(canvas, axis, story.lanes, top)
    tall, hidden = story.attention[:_MOST_TALL], story.attention[_MOST_TALL:]
    if tall:
        canvas.line("rule", 0, y, canvas.width, y)
        canvas.text("bold", 0, y + 16, "Needs attention")
        canvas.text("t11 soft end", RIGHT, y + 16, "down for")
        y += 22
        for lane in tall:
            y = _draw_tall(canvas, axis, story, lane, y)
        if hidden:
            text = f"and {count(len(hidden), 'more VM')} that need attention: see the outcomes"
            canvas.text("t11 tbad", axis.left, y + 10, text)
            y += 18
    shown = {lane.machine.ref for lane in tall}
    rest = [lane for lane in story.lanes if lane.machine.ref not in shown]
    draw = _draw_group if len(story.lanes) <= MOST_LANES else _draw_group_as_areas
    for group, lanes in _grouped(rest, _group_of):
        above = [lane for lane in tall if _group_of(lane) == group]
        y = draw(canvas, axis, story, lanes, above, y)
    for guide in guides:
        canvas.line("guide", guide.x, guide.y, guide.x, y, behind=True)
    return y + 2


def _group_of(lane: Lane) -> tuple[str, str, str]:
    machine = lane.machine
    return machine.platform, machine.server, machine.cluster or ""


def _draw_tall(canvas: Canvas, axis: Axis, story: Story, lane: Lane, top: float) -> float:
    middle = top + 16
    name = fitting(lane.machine.name, axis.left - 10, bold=True)
    label = canvas.measure("bold", 0, middle + 4, name)
    canvas.add('<g class="lane">')
    canvas.text("bold", 0, middle + 4, name)
    host = lane.hosts[-1] if lane.hosts else ""
    if host and label.right + 70 < axis.left:
        canvas.text("t11 soft", label.right + 8, middle + 4, fitting(host, 60, 11))
    draw_bands(canvas, axis, story, lane, middle, 15.2, 4.9)
    draw_reboots(canvas, axis, [lane], middle - 6, 12.0)
    failures = [(axis.x(each.at), _STATE_FIRST.sub("", each.text)) for each in lane.failures[:2]]
    draw_failures(canvas, axis, failures, middle + 16, "t105", (420, 240, 120))
    if lane.downs and (explained := _explanation(story, lane)):
        x = axis.x(lane.downs[0].begin) + 4
        canvas.text("t105 halo", x, middle + 20, explained, unless_taken=True)
    if lane.killed:
        draw_unknown_end(canvas, axis, lane, middle, 15.2)
    _draw_down_for(canvas, lane, middle + 4, "")
    canvas.add("</g>")
    return top + 40


def _explanation(story: Story, lane: Lane) -> str:
    if not lane.failures or not lane.is_back:
        return ""
    return f"went off at {moment(lane.downs[0].begin, story.span)}, and is back"


def _draw_down_for(canvas: Canvas, lane: Lane, y: float, size: str) -> None:
    if lane.killed:
        return  # its last state is drawn as not known
    if not lane.is_back:
        text = fitting(lane.still, 58, bold=True)
        canvas.text(f"{size} bold tbad end".strip(), RIGHT, y, text)
    elif lane.down_seconds is not None:
        over = " tbad bold" if lane.over_limit else ""
        text = ("✕ " if lane.over_limit else "") + seconds_text(lane.down_seconds)
        canvas.text(f"{size} end{over}".strip(), RIGHT, y, text)


def _draw_title(canvas: Canvas, lanes: Sequence[Lane], above: Sequence[Lane], top: float) -> float:
    machine = lanes[0].machine
    total = len(lanes) + len(above)
    note = f" {platform_title(machine.platform)}, {count(total, 'VM')}"
    if 0 < len(above) <= 3:
        note += f", {', '.join(lane.machine.name for lane in above)} above"
    elif above:
        note += f", {len(above)} above"
    title = machine.cluster or machine.server
    canvas.line("rule", 0, top + 3, canvas.width, top + 3)
    shown = fitting(title, 300, bold=True)
    canvas.text("halo", 0, top + 18, [("bold", shown), ("t11 soft", fitting(note, 520, 12))])
    return top + 24


def _draw_group(
    canvas: Canvas,
    axis: Axis,
    story: Story,
    lanes: Sequence[Lane],
    above: Sequence[Lane],
    top: float,
) -> float:
    y = _draw_title(canvas, lanes, above, top)
    for host, on_host in _by_host(lanes):
        canvas.text("t105 soft", 0, y + 9.4, fitting(host, 62, 10.5))
        for lane in on_host:
            _draw_narrow(canvas, axis, story, lane, y)
            y += _LANE
        y += 3.6
    return y


def _by_host(lanes: Sequence[Lane]) -> list[tuple[str, list[Lane]]]:
    return _grouped(lanes, lambda lane: lane.machine.host or "")


def _grouped(lanes: Sequence[Lane], key: Callable[[Lane], K]) -> list[tuple[K, list[Lane]]]:
    """In the order in which they first appear."""
    groups: dict[K, list[Lane]] = {}
    for lane in lanes:
        groups.setdefault(key(lane), []).append(lane)
    return list(groups.items())


def _draw_narrow(canvas: Canvas, axis: Axis, story: Story, lane: Lane, top: float) -> None:
    canvas.add('<g class="lane">')
    name = fitting(lane.machine.name, axis.left - 74, 10.5)
    canvas.text("t105 end", axis.left - 8, top + 9.4, name)
    draw_bands(canvas, axis, story, lane, top + 5.8, 8.0, 2.6)
    draw_reboots(canvas, axis, [lane], top + 1.4, 8.8)
    if lane.killed:
        draw_unknown_end(canvas, axis, lane, top + 5.8, 8.0)
    _draw_down_for(canvas, lane, top + 9.4, "t105")
    canvas.add("</g>")


def _draw_group_as_areas(
    canvas: Canvas,
    axis: Axis,
    story: Story,
    lanes: Sequence[Lane],
    above: Sequence[Lane],
    top: float,
) -> float:
    y = _draw_title(canvas, lanes, above, top)
    hosts = _by_host(lanes)
    if len(hosts) > _MOST_HOSTS:
        hosts = [("", list(lanes))]
    for host, on_host in hosts:
        canvas.text("t105", 0, y + 11, fitting(host, axis.left - 60, 10.5))
        canvas.text("t105 soft end", axis.left - 8, y + 11, count(len(on_host), "VM"))
        draw_area(canvas, axis, on_host, y, 15.0)
        draw_reboots(canvas, axis, on_host, y + 3, 9.0)
        seconds = sorted(lane.down_seconds for lane in on_host if lane.down_seconds is not None)
        if seconds:
            canvas.text("t105 end", RIGHT, y + 11, seconds_text(seconds[len(seconds) // 2]))
        y += 20
    return y
