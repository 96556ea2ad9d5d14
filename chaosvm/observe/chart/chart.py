"""The chart of a run: ``timeline.svg``, and the same drawing inside the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from chaosvm.observe.chart import few_lanes, many_lanes
from chaosvm.observe.chart.axis import Axis
from chaosvm.observe.chart.bands import segment_word
from chaosvm.observe.chart.drawing import Canvas, Label, text_width
from chaosvm.observe.chart.plan_lanes import draw_plan
from chaosvm.observe.chart.rows import (
    draw_activities,
    draw_hypothesis,
    draw_probes,
    draw_tints,
)
from chaosvm.observe.chart.style import DARK, LIGHT, PATTERNS, chart_style
from chaosvm.observe.story import Story, banners, three_sentences
from chaosvm.observe.story.lanes import ON, READYING

__all__ = ["Chart", "draw_chart", "standalone"]

WIDTH = 880.0
_ORDER = (ON, "powered_off", READYING, "suspended", "paused", "transitioning", "unknown")


@dataclass(frozen=True)
class Chart:
    """``body`` are the elements; ``labels`` the texts with their boxes."""

    title: str
    description: str
    width: float
    height: float
    body: str
    labels: Sequence[Label]

    def svg(self, style: str = "", sheet: bool = False) -> str:
        """The drawing; a file of its own also has a ``style`` and a background ``sheet``."""
        margin = 16 if sheet else 0
        width, height = self.width + 2 * margin, self.height + 2 * margin
        box = f"{-margin} {-margin} {width:g} {height:.1f}"
        size = f'width="{width:g}" height="{height:.1f}"'
        paper = f'<rect class="sheet" x="{-margin}" y="{-margin}" {size}/>'
        alone = f' xmlns="http://www.w3.org/2000/svg" {size}' if sheet else ""
        return "".join(
            [
                f'<svg class="chart" viewBox="{box}"{alone} role="img" ',
                'aria-labelledby="chart-title chart-text">',
                f'<title id="chart-title">{escape(self.title)}</title>',
                f'<desc id="chart-text">{escape(self.description)}</desc>',
                f"<style>{style}</style>" if style else "",
                f"<defs>{PATTERNS}</defs>",
                paper if sheet else "",
                "\n",
                self.body,
                "</svg>",
            ]
        )


def standalone(chart: Chart, dark: bool = True) -> str:
    """The chart as a file of its own; ``dark`` adds the colors for dark screens."""
    style = chart_style(LIGHT)
    if dark:
        style += f"@media (prefers-color-scheme:dark){{{chart_style(DARK)}}}"
    return chart.svg(style, sheet=True)


def draw_chart(story: Story) -> Chart:
    canvas = Canvas(WIDTH)
    axis = _axis(story)
    top = 0.0
    if story.many:
        axis.draw_labels_above(canvas, 11)
        top = 16.0
    y = draw_probes(canvas, axis, story, top + 6)
    tint_top = y - 18
    y = draw_hypothesis(canvas, axis, story, y + 2)
    y, guides = draw_activities(canvas, axis, story, y)
    if not story.many and story.lanes:
        canvas.line("rule", 0, y + 7, 868, y + 7)
    bottom = _lanes_drawn_by(story)(canvas, axis, story, guides, y + 8)
    _draw_interruption(canvas, axis, story, top + 6, bottom)
    if story.run.killed:
        axis.draw_torn_edge(canvas, y + 8, bottom)
    axis.draw(canvas, bottom, story.run)
    draw_tints(canvas, axis, story, tint_top, bottom)
    axis.draw_grid(canvas, top, bottom)
    y = _draw_legend(canvas, story, bottom + 46)
    for banner in banners(story):
        canvas.text("t11 bold", 0, y + 16, banner)
        y += 18
    return Chart(
        title=f"{story.run.title}: timeline",
        description=" ".join(three_sentences(story)),
        width=WIDTH,
        height=y + 6,
        body=canvas.body(),
        labels=tuple(canvas.labels),
    )


def _axis(story: Story) -> Axis:
    """It leaves room for the longest name, and for the downtimes of many VMs."""
    names = [lane.machine.name for lane in story.lanes]
    probes = [probe.name for probe in story.shown_probes]
    if story.many:
        longest = max((text_width(name, 10.5) for name in names), default=0) + 84
        left = max(longest, *(text_width(each, 12, True) + 8 for each in probes), 122.0)
        return Axis.of(min(left, 290.0), 820.0, story.span, story.span, many=True)
    hosts = [text_width(" → ".join(lane.hosts), 11) for lane in story.lanes]
    widths = [*(text_width(each, 12, True) for each in (*names, *probes)), *hosts]
    left = min(max(120.0, max(widths, default=0) + 12), 290.0)
    reach = max(
        (
            down.begin + lane.limit.seconds
            for lane in story.lanes
            if lane.limit
            for down in lane.downs
        ),
        default=0.0,
    )
    return Axis.of(left, 868.0, story.span, min(reach, story.span * 1.6), many=False)


def _lanes_drawn_by(story: Story) -> Callable[..., float]:
    if story.is_dry or not story.lanes:
        return draw_plan
    return many_lanes.draw_many if story.many else few_lanes.draw_few


def _draw_interruption(canvas: Canvas, axis: Axis, story: Story, top: float, bottom: float) -> None:
    """A line through all lanes, with who or what interrupted the run."""
    interruption = story.run.interruption
    if interruption is None:
        return
    at = story.span if interruption.at is None else story.at(interruption.at)
    x = axis.x(at)
    canvas.line("stop", x, top, x, bottom)
    text = f"interrupted: {interruption.by}"
    for step in range(20):
        y = bottom - 4 - 14 * step
        if canvas.text("t11 bold tbad end halo", x - 5, y, text, unless_taken=True):
            return
        if canvas.text("t11 bold tbad halo", x + 5, y, text, unless_taken=True):
            return


def _draw_legend(canvas: Canvas, story: Story, top: float) -> float:
    """Only what occurs in the chart, in as many rows as needed."""
    x, y = (0.0 if story.many else 120.0), top
    items: list[tuple[str, str]] = [
        (state, segment_word(state)) for state in _ORDER if state in canvas.states
    ]
    if not story.many and any(down.recovery for lane in story.lanes for down in lane.downs):
        items.append(("dim", few_lanes.recovery_legend(story)))
    if canvas.states and story.activities:
        items.append(
            ("guide", "an activity begins" if story.many else "an activity acts on the VM")
        )
    if len(story.lanes) > many_lanes.MOST_LANES:
        items.append(("area", "VMs down, of all on the host"))
    if story.many and any(lane.reboots for lane in story.lanes):
        items.append(("reboot", "rebooted"))
    if any(lane.failures for lane in story.lanes):
        items.append(("failed", "failed"))
    for sign, text in items:
        width = 34 + text_width(text, 11) + 18
        if x + width > WIDTH + 14:
            x, y = (0.0 if story.many else 120.0), y + 18
        _draw_sign(canvas, sign, x, y, story.many)
        canvas.text("t11 soft", x + 34, y + 4, text)
        x += width
    return y + 6 if items else top - 10


def _draw_sign(canvas: Canvas, sign: str, x: float, y: float, many: bool) -> None:
    if sign == "dim":
        canvas.path("dim", f"M{x:.1f} {y:.1f}h28m0-4v8m-28-8v8")
    elif sign == "guide":
        canvas.line("guide", x + 20, y - 8, x + 20, y + 6)
        if not many:
            canvas.circle("ring", x + 20, y + 4, 3.2)
    elif sign == "reboot":
        canvas.path("dim", f"M{x + 20:.1f} {y - 6:.1f}v12")
    elif sign == "area":
        canvas.rect("area", x, y - 6, 28, 12)
    elif sign == "failed":
        canvas.failed(x + 20, y)
    else:
        height = 5.0 if sign == ON else 12.0
        canvas.rect(f"b-{sign}", x, y - height / 2, 28, height)
        if sign == "unknown":
            canvas.text("t85 soft mid", x + 14, y + 3, "?")
