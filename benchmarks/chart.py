"""A chart per benchmark: time by number of VMs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from benchmarks.measure import Result

__all__ = ["draw_chart"]

_COLUMNS = 3
# Keep text as text, and make the output reproducible.
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "chaosvm", "font.size": 8}


def draw_chart(path: Path, results: Sequence[Result]) -> None:
    titles = list(dict.fromkeys(result.what for result in results))
    rows = -(-len(titles) // _COLUMNS)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4 * _COLUMNS, 3 * rows), layout="constrained")
        grid = figure.subplots(rows, _COLUMNS, squeeze=False).flat
        for axes, title in zip(grid, titles, strict=False):
            _draw(axes, title, [result for result in results if result.what == title])
        for axes in list(figure.axes)[len(titles) :]:
            axes.remove()
        figure.savefig(path, metadata={"Date": None})


def _draw(axes: Any, title: str, results: Sequence[Result]) -> None:
    for method in dict.fromkeys(result.way for result in results):
        points = [result for result in results if result.way == method]
        style = {"chaosvm": "o-", "floor": "o:"}.get(method, "o--")
        axes.plot([r.size for r in points], [r.seconds for r in points], style, label=method, ms=3)
    axes.set(title=title, xscale="log", yscale="log", xlabel="VMs", ylabel="seconds")
    sizes = sorted({result.size for result in results})
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
    axes.legend(fontsize=6)
