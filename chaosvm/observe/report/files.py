"""The files of a report: timeline.json, timeline.svg, timeline.png and report.html."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chaosvm.errors import MissingExtra
from chaosvm.observe.report.chart import draw_chart, standalone
from chaosvm.observe.report.page import render_page
from chaosvm.observe.report.sentences import three_sentences
from chaosvm.observe.report.story import Story
from chaosvm.observe.report.words import without_secrets
from chaosvm.observe.timeline import Timeline, to_json
from chaosvm.settings.files import rehearsal_path, write_atomically

__all__ = ["Rendered", "render", "write_files"]

_NAMES = {
    "report": "report.html",
    "json": "timeline.json",
    "svg": "timeline.svg",
    "png": "timeline.png",
}


@dataclass(frozen=True)
class Rendered:
    """What a report consists of; ``png`` is made of ``svg_light``."""

    json: str
    svg: str
    svg_light: str
    html: str
    sentences: Sequence[str]

    def png(self) -> bytes:
        """The chart in light colours, at twice its size."""
        try:
            import resvg_py
        except ImportError as error:
            raise MissingExtra(
                "timeline.png needs resvg-py: pip install 'chaostoolkit-vm[report]'"
            ) from error
        return bytes(resvg_py.svg_to_bytes(svg_string=self.svg_light, zoom=2))


def render(timeline: Timeline) -> Rendered:
    """Render a timeline; raises MissingExtra without the extra ``report``."""
    shown = without_secrets(timeline)
    story = Story(shown)
    chart = draw_chart(story)
    return Rendered(
        json=json.dumps(to_json(shown), indent=1, ensure_ascii=False) + "\n",
        svg=standalone(chart),
        svg_light=standalone(chart, dark=False),
        html=render_page(story, chart),
        sentences=three_sentences(story),
    )


def write_files(timeline: Timeline, folder: Path) -> dict[str, Path]:
    """Write the four files into a folder that exists; returns their paths.

    In a rehearsal their names are those of a rehearsal.
    """
    paths = {kind: rehearsal_path(folder / name) for kind, name in _NAMES.items()}
    names = {
        **timeline.files,
        "Timeline": paths["json"].name,
        "Chart": paths["svg"].name,
        "Picture": paths["png"].name,
    }
    rendered = render(replace(timeline, files=names))
    write_atomically(paths["json"], rendered.json)
    write_atomically(paths["svg"], rendered.svg)
    write_atomically(paths["report"], rendered.html)
    write_atomically(paths["png"], rendered.png())
    return paths
