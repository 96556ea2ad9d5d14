"""A chart of results: for each thing that was measured, how its time grows with the VMs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from benchmarks.measure import Result

__all__ = ["drawn"]

_COLUMNS = 3
# Text stays text, and the same results make the same file.
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "chaosvm", "font.size": 8}


def drawn(path: Path, results: Sequence[Result]) -> None:
    whats = list(dict.fromkeys(result.what for result in results))
    rows = -(-len(whats) // _COLUMNS)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4 * _COLUMNS, 3 * rows), layout="constrained")
        places = figure.subplots(rows, _COLUMNS, squeeze=False).flat
        for place, what in zip(places, whats, strict=False):
            _draw(place, what, [result for result in results if result.what == what])
        for place in list(figure.axes)[len(whats) :]:
            place.remove()
        figure.savefig(path, metadata={"Date": None})


def _draw(place: Any, what: str, results: Sequence[Result]) -> None:
    for way in dict.fromkeys(result.way for result in results):
        found = [result for result in results if result.way == way]
        style = {"chaosvm": "o-", "floor": "o:"}.get(way, "o--")
        place.plot([r.size for r in found], [r.seconds for r in found], style, label=way, ms=3)
    place.set(title=what, xscale="log", yscale="log", xlabel="VMs", ylabel="seconds")
    sizes = sorted({result.size for result in results})
    place.set_xticks(sizes, [f"{size:,}" for size in sizes])
    place.xaxis.set_minor_locator(NullLocator())
    place.yaxis.set_major_formatter("{x:g}")
    place.yaxis.set_minor_formatter(NullFormatter())
    place.grid(alpha=0.3)
    place.legend(fontsize=6)
