"""The files of a report: timeline.json, timeline.svg, timeline.png and report.html."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chaosvm.errors import MissingExtra
from chaosvm.observe.chart import draw_chart, standalone
from chaosvm.observe.chart.style import FONT
from chaosvm.observe.report.page import render_page
from chaosvm.observe.story import Story, three_sentences
from chaosvm.observe.story.words import without_secrets
from chaosvm.observe.timeline import Mode, Timeline, to_json
from chaosvm.runtime import rehearsal
from chaosvm.settings.files import write_atomically

__all__ = ["Rendered", "Written", "file_links", "render", "write_files"]

# In the chart's fonts: the renderer's own default may be missing where one of these is not.
_LETTER = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
    f"<text y='8' font-family='{FONT}'>m</text></svg>"
)
_NAMES = {
    "json": "timeline.json",
    "svg": "timeline.svg",
    "html": "report.html",
    "png": "timeline.png",
}
# So these never replace the report of a real run.
_SUFFIXES = {Mode.REHEARSAL: ".rehearsal", Mode.DRY_RUN: ".dry-run"}


class Rendered:
    """What a report consists of; the page and the picture need the extra ``report``."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = without_secrets(timeline)
        self._story = Story(self.timeline)
        self._chart = draw_chart(self._story)

    @property
    def json(self) -> str:
        return json.dumps(to_json(self.timeline), indent=1, ensure_ascii=False) + "\n"

    @property
    def svg(self) -> str:
        return standalone(self._chart)

    @property
    def html(self) -> str:
        return render_page(self._story, self._chart)

    @property
    def sentences(self) -> list[str]:
        return three_sentences(self._story)

    @property
    def not_back(self) -> list[str]:
        """The names of the VMs that are not as they were before the run."""
        return [lane.machine.name for lane in self._story.not_back]

    @property
    def png(self) -> bytes:
        """The chart in light colors, at twice its size."""
        # Few fonts have the first sign, and another font for the whole text is no match.
        light = standalone(self._chart, dark=False).replace("✕", "×")
        if _picture_of(_LETTER) == _picture_of(_LETTER.replace(">m<", "><")):
            raise MissingExtra("timeline.png needs a font, such as Debian's fonts-dejavu-core")
        return _picture_of(light)


def _picture_of(svg: str) -> bytes:
    try:
        import resvg_py
    except ImportError as error:
        raise MissingExtra(
            "timeline.png needs resvg-py: pip install 'chaostoolkit-vm[report]'"
        ) from error
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=2))


@dataclass(frozen=True)
class Written:
    """The files of a report, and their summary; ``missing`` is what the other files need."""

    paths: Mapping[str, Path]
    missing: Sequence[str]
    sentences: Sequence[str]
    not_back: Sequence[str]


def render(timeline: Timeline) -> Rendered:
    return Rendered(timeline)


def file_links(paths: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """Each path relative to the folder of the report; of a file elsewhere only the name."""
    base = folder.resolve()
    resolved = {name: path.resolve() for name, path in paths.items()}
    return {
        name: path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name
        for name, path in resolved.items()
    }


def write_files(timeline: Timeline, folder: Path) -> Written:
    """Write the four files into a folder that exists.

    Their names show if it was a rehearsal or a dry run. Without the extra ``report`` there
    are fewer of them.
    """
    suffix = _SUFFIXES.get(Mode.REHEARSAL if rehearsal.is_on() else timeline.run.mode, "")
    paths = {kind: _with_suffix(folder / name, suffix) for kind, name in _NAMES.items()}
    names = {
        **timeline.files,
        "Timeline": paths["json"].name,
        "Chart": paths["svg"].name,
        "Picture": paths["png"].name,
    }
    rendered = Rendered(replace(timeline, files=names))
    missing = []
    for kind, path in tuple(paths.items()):
        try:
            write_atomically(path, getattr(rendered, kind))
        except MissingExtra as error:
            missing.append(str(error))
            del paths[kind]
    return Written(paths, missing, rendered.sentences, rendered.not_back)


def _with_suffix(path: Path, suffix: str) -> Path:
    return path.with_stem(f"{path.stem}{suffix}")
