"""SVG elements, and the positions of their texts, so that no two overlap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

__all__ = ["SIZES", "Canvas", "Label", "fitting", "text_width"]

# Widths of Helvetica and similar fonts, in thousandths of the font size.
_NARROW = dict.fromkeys("ijl'|", 222) | dict.fromkeys(" .,:;!/ftI[]\\", 278) | {"r": 333, "-": 333}
_WIDE = dict.fromkeys("ABEKPSVXY", 667) | dict.fromkeys("CDHNRU", 722) | dict.fromkeys("GOQ", 778)
_WIDTHS = {
    **_NARROW,
    **_WIDE,
    **dict.fromkeys("cksvxyzJ", 500),
    "m": 833,
    "M": 833,
    "w": 722,
    "W": 944,
    "→": 1000,
    "✕": 830,
    "✓": 830,
    "…": 1000,
}
# The classes drawn behind everything else, from the bottom.
_LAYERS = ("tint", "grid", "guide")
# By class, in pixels.
SIZES = {"t11": 11.0, "t105": 10.5, "t85": 8.5}


def text_width(text: str, size: float = 12.0, bold: bool = False) -> float:
    """The approximate width of a text."""
    units = sum(_WIDTHS.get(each, 556 if each < "\u2e80" else 1000) for each in text)
    return units * size / 1000 * (1.07 if bold else 1.0)


def fitting(text: str, width: float, size: float = 12.0, bold: bool = False) -> str:
    """The text, cut short to a width."""
    if text_width(text, size, bold) <= width:
        return text
    while text and text_width(f"{text}…", size, bold) > width:
        text = text[:-1]
    return f"{text}…"


@dataclass(frozen=True)
class Label:
    """A text that was drawn, and its box."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Label, gap: float = 0.0) -> bool:
        return (
            self.left < other.right + gap
            and other.left < self.right + gap
            and self.top < other.bottom
            and other.top < self.bottom
        )


class Canvas:
    """Collects elements. Coordinates are rounded to a tenth."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.labels: list[Label] = []
        self.states: set[str] = set()
        self._behind: list[tuple[int, str]] = []
        self._elements: list[str] = []

    def add(self, element: str) -> None:
        self._elements.append(element)

    def body(self) -> str:
        behind = [element for _, element in sorted(self._behind, key=lambda each: each[0])]
        return "\n".join([*behind, *self._elements])

    def line(
        self, kind: str, x1: float, y1: float, x2: float, y2: float, behind: bool = False
    ) -> None:
        self.path(kind, f"M{_n(x1)} {_n(y1)}{_line_to(x1, y1, x2, y2)}", behind)

    def path(self, kind: str, d: str, behind: bool = False) -> None:
        self._put(kind, f'<path class="{kind}" d="{d}"/>', behind)

    def rect(
        self,
        kind: str,
        x: float,
        y: float,
        width: float,
        height: float,
        title: str = "",
        behind: bool = False,
    ) -> None:
        box = f'x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0.1))}" height="{_n(height)}"'
        inner = f"><title>{escape(title)}</title></rect>" if title else "/>"
        self._put(kind, f'<rect class="{kind}" {box}{inner}', behind)

    def _put(self, kind: str, element: str, behind: bool) -> None:
        if behind:
            self._behind.append((_LAYERS.index(kind), element))
        else:
            self._elements.append(element)

    def circle(self, kind: str, x: float, y: float, radius: float) -> None:
        self.add(f'<circle class="{kind}" cx="{_n(x)}" cy="{_n(y)}" r="{radius}"/>')

    def ok(self, x: float, y: float) -> None:
        """A ring with a tick."""
        self.circle("okring", x, y, 6)
        self.path("oktick", f"M{_n(x - 2.8)} {_n(y + 0.2)}l2 2.2l3.6-4.6")

    def failed(self, x: float, y: float) -> None:
        """A disc with a cross, unless there is one already."""
        label = Label("✕", x - 6, y - 6, x + 6, y + 6)
        if any(label.overlaps(each) for each in self.labels):
            return
        self.labels.append(label)
        self.circle("fail", x, y, 6)
        self.path("cross", f"M{_n(x - 2.4)} {_n(y - 2.4)}l4.8 4.8m0-4.8l-4.8 4.8")

    def text(
        self,
        kind: str,
        x: float,
        y: float,
        parts: str | Iterable[tuple[str, str]],
        unless_taken: bool = False,
    ) -> bool:
        """A text at its baseline; parts are pairs of class and text.

        With ``unless_taken``, nothing is drawn over another text: then False is returned.
        """
        pieces = [("", parts)] if isinstance(parts, str) else list(parts)
        label = self.measure(kind, x, y, pieces)
        if unless_taken and not self.is_free(label):
            return False
        self.labels.append(label)
        inner = "".join(
            f'<tspan class="{cls}">{escape(text)}</tspan>' if cls else escape(text)
            for cls, text in pieces
        )
        self.add(f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}">{inner}</text>')
        return True

    def is_free(self, label: Label) -> bool:
        fits = label.left >= -1 and label.right <= self.width + 1
        return fits and not any(label.overlaps(each, 3.0) for each in self.labels)

    def measure(
        self, kind: str, x: float, y: float, pieces: str | Iterable[tuple[str, str]]
    ) -> Label:
        """The box that a text would occupy."""
        if isinstance(pieces, str):
            pieces = [("", pieces)]
        classes = kind.split()
        size = next((SIZES[each] for each in classes if each in SIZES), 12.0)
        pieces = list(pieces)
        width = sum(
            text_width(text, size, "bold" in classes or "bold" in cls) for cls, text in pieces
        )
        left = x - width if "end" in classes else x - width / 2 if "mid" in classes else x
        text = "".join(text for _, text in pieces)
        return Label(text, left, y - size * 0.76, left + width, y + size * 0.22)


def _line_to(x1: float, y1: float, x2: float, y2: float) -> str:
    if y1 == y2:
        return f"H{_n(x2)}"
    return f"V{_n(y2)}" if x1 == x2 else f"L{_n(x2)} {_n(y2)}"


def _n(number: float) -> str:
    """A coordinate in as few characters as possible."""
    return f"{number:.1f}".removesuffix(".0")
