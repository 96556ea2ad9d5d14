"""The time axis: positions of moments, ticks, and the clock at both ends."""

from __future__ import annotations

from dataclasses import dataclass

from chaosvm.observe.chart.drawing import Canvas, text_width
from chaosvm.observe.story.words import clock_time, moment
from chaosvm.observe.timeline import Run

__all__ = ["Axis"]

_STEPS = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    21600,
    86400,
)
_MOST_LABELS = 8


@dataclass(frozen=True)
class Axis:
    """``span`` is the duration of the run, ``reach`` that of the axis, in seconds."""

    left: float
    right: float
    span: float
    reach: float

    @classmethod
    def of(cls, left: float, right: float, span: float, reach: float, many: bool) -> Axis:
        # Beside the end of the run there is room for its label.
        room = 0.0 if many else 66.0
        width, span = right - left, max(span, 0.001)
        needed = max(span / max(1 - room / width, 0.5), reach * 1.02)
        return cls(left, right, span, span if many else needed)

    def x(self, seconds: float) -> float:
        share = min(max(seconds, 0.0), self.reach) / self.reach
        return self.left + share * (self.right - self.left)

    @property
    def end(self) -> float:
        """Where the run ended."""
        return self.x(self.span)

    @property
    def step(self) -> float:
        return next((each for each in _STEPS if self.reach / each <= _MOST_LABELS), 864000)

    def ticks(self) -> list[float]:
        return [n * self.step for n in range(1, int(self.reach / self.step + 1e-9) + 1)]

    def text(self, seconds: float) -> str:
        if self.reach < 120 and self.step >= 1:
            return f"{seconds:.0f} s"
        return moment(seconds, max(self.reach, self.span))

    def draw_grid(self, canvas: Canvas, top: float, bottom: float) -> None:
        for seconds in (0.0, *self.ticks()):
            canvas.line("grid", self.x(seconds), top, self.x(seconds), bottom, behind=True)

    def draw_labels_above(self, canvas: Canvas, y: float) -> None:
        canvas.text("t11 soft", self.left, y, "start")
        for seconds in self.ticks():
            canvas.text("t11 soft mid", self.x(seconds), y, self.text(seconds), unless_taken=True)

    def draw(self, canvas: Canvas, y: float, run: Run) -> None:
        canvas.line("axis", self.left, y, self.end, y)
        canvas.line("axis", self.left, y, self.left, y + 4)
        if not run.killed:
            canvas.line("axis", self.end, y - 5, self.end, y + 5)
        ended = "last record" if run.killed else "end"
        canvas.text("t11 soft", self.left, y + 16, "start")
        canvas.text("t11 soft", self.left, y + 29, f"{clock_time(run.started)} UTC")
        self._draw_end(canvas, y, f"{ended} {self.text_of_end()}", clock_time(run.ended))
        for seconds in self.ticks():
            if seconds > self.span:
                break
            canvas.line("axis", self.x(seconds), y, self.x(seconds), y + 4)
            label = self.text(seconds)
            canvas.text("t11 soft mid", self.x(seconds), y + 16, label, unless_taken=True)

    def _draw_end(self, canvas: Canvas, y: float, *lines: str) -> None:
        for number, text in enumerate(lines):
            width = text_width(text, 11)
            x = min(self.end + 4, canvas.width - width)
            canvas.text("t11 soft", x, y + 16 + 13 * number, text, unless_taken=True)

    def text_of_end(self) -> str:
        return f"{self.span:.1f} s" if self.span < 120 else moment(self.span, self.span)

    def draw_torn_edge(self, canvas: Canvas, top: float, bottom: float) -> None:
        """Where the records of a killed run end."""
        steps = "".join("l-3 4" if n % 2 else "l3 4" for n in range(int((bottom + 4 - top) / 4)))
        canvas.path("axis", f"M{self.end:.1f} {top:.1f}{steps}")
