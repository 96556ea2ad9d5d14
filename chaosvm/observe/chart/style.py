"""The colors of the report, and the style of its chart."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["DARK", "FONT", "LIGHT", "PATTERNS", "chart_style", "variables"]

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1c2128",
    "ink2": "#57606a",
    "rule": "#d5dae0",
    "grid": "#e6e9ed",
    "wash": "#f5f7f9",
    "on": "#7391af",
    "ready": "#2f6699",
    "readybg": "#dfeaf4",
    "off": "#22324a",
    "offink": "#ffffff",
    "held": "#66509a",
    "heldbg": "#e7e1f3",
    "moving": "#7d6214",
    "movingbg": "#f3ebd2",
    "unknown": "#57606a",
    "good": "#16704e",
    "bad": "#b3261e",
    "badbg": "#fcecea",
    "badtint": "#f8ebea",
    "area": "#cfd4da",
}
DARK = {
    "paper": "#12161b",
    "ink": "#e8ebef",
    "ink2": "#a5afbb",
    "rule": "#303842",
    "grid": "#232a32",
    "wash": "#191f26",
    "on": "#587a9c",
    "ready": "#84b5e3",
    "readybg": "#1d3246",
    "off": "#b7c4d2",
    "offink": "#12161b",
    "held": "#bda9ec",
    "heldbg": "#2b2540",
    "moving": "#dcbd66",
    "movingbg": "#383017",
    "unknown": "#a5afbb",
    "good": "#5cc99b",
    "bad": "#ff8d83",
    "badbg": "#331a18",
    "badtint": "#261f22",
    "area": "#363d45",
}
FONT = (
    '-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans","DejaVu Sans",Arial,sans-serif'
)

# Classes: t is for text, b for bands; the others are lines and signs.
_CHART = """
.chart text{font-family:FONT;font-size:12px;fill:var(--ink);font-variant-numeric:tabular-nums}
.chart .t11{font-size:11px}.chart .t105{font-size:10.5px}.chart .t85{font-size:8.5px}
.chart .soft{fill:var(--ink2)}.chart .bold{font-weight:600}
.chart .end{text-anchor:end}.chart .mid{text-anchor:middle}
.chart .tbad{fill:var(--bad)}.chart .tgood{fill:var(--good)}
.chart .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
.chart .toff{fill:var(--offink)}.chart .tfail{fill:var(--paper)}
.chart .grid{stroke:var(--grid);fill:none}.chart .axis{stroke:var(--ink2);fill:none}
.chart .rule{stroke:var(--rule);fill:none}
.chart .guide{stroke:var(--ink2);stroke-dasharray:1 4;opacity:.75;fill:none}
.chart .stop{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:5 3;fill:none}
.chart .dim{stroke:var(--ink);fill:none}.chart .dimbad{stroke:var(--bad);fill:none}
.chart .limit{stroke:var(--ink2);stroke-dasharray:3 3;fill:none}
.chart .b-powered_on{fill:var(--on)}.chart .b-powered_off{fill:var(--off)}
.chart .b-readying{fill:url(#fill-ready);stroke:var(--ready);stroke-width:.8}
.chart .b-suspended{fill:url(#fill-suspended);stroke:var(--held);stroke-width:.8}
.chart .b-paused{fill:url(#fill-paused);stroke:var(--held);stroke-width:.8}
.chart .b-transitioning{fill:url(#fill-moving);stroke:var(--moving);stroke-width:.8}
.chart .b-unknown{fill:var(--paper);stroke:var(--unknown);stroke-dasharray:3 2}
.chart .mark{stroke:var(--ready);stroke-width:1.6;fill:none}
.chart .pass{stroke:var(--good);stroke-width:1.2;fill:none}.chart .fail{fill:var(--bad)}
.chart .judged{stroke:var(--ink2);stroke-width:1.2;fill:none}
.chart .act{fill:var(--ink2)}
.chart .hollow{fill:var(--paper);stroke:var(--ink2);stroke-width:1.2}
.chart .tint{fill:var(--badtint)}.chart .area{fill:var(--area);stroke:var(--off);stroke-width:1.2}
.chart .ring{fill:var(--paper);stroke:var(--ink2);stroke-width:1.3}
.chart .okring{fill:none;stroke:var(--good);stroke-width:1.5}
.chart .oktick{fill:none;stroke:var(--good);stroke-width:1.8;stroke-linecap:round}
.chart .cross{fill:none;stroke:var(--paper);stroke-width:1.8;stroke-linecap:round}
.chart .torn{fill:var(--paper);stroke:var(--ink2)}
.chart .f-readybg{fill:var(--readybg)}.chart .f-heldbg{fill:var(--heldbg)}
.chart .f-movingbg{fill:var(--movingbg)}.chart .f-moving{fill:var(--moving)}
.chart .s-ready{stroke:var(--ready);stroke-width:.7;opacity:.55;fill:none}
.chart .s-held{stroke:var(--held);fill:none}.chart .sheet{fill:var(--paper)}
""".replace("FONT", FONT)

# Each is one texture, so that states differ without color as well.
PATTERNS = (
    '<pattern id="fill-ready" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<rect class="f-readybg" width="5" height="5"/>'
    '<path class="s-ready" d="M-1 1 1-1M-1 6 6-1M4 6 6 4"/></pattern>'
    '<pattern id="fill-suspended" width="8" height="8" patternUnits="userSpaceOnUse">'
    '<rect class="f-heldbg" width="8" height="8"/>'
    '<path class="s-held" stroke-width="1.5" d="M-1-1 9 9M-1 7 1 9M7-1 9 1"/></pattern>'
    '<pattern id="fill-paused" width="4" height="4" patternUnits="userSpaceOnUse">'
    '<rect class="f-heldbg" width="4" height="4"/>'
    '<path class="s-held" stroke-width="1.3" d="M1.5 0V4"/></pattern>'
    '<pattern id="fill-moving" width="4" height="4" patternUnits="userSpaceOnUse">'
    '<rect class="f-movingbg" width="4" height="4"/>'
    '<circle class="f-moving" cx="1.3" cy="1.3" r=".85"/>'
    '<circle class="f-moving" cx="3.3" cy="3.3" r=".85"/></pattern>'
)


def variables(colors: Mapping[str, str]) -> str:
    """The colors as custom properties."""
    return "".join(f"--{name}:{value};" for name, value in colors.items())


def chart_style(colors: Mapping[str, str] | None = None) -> str:
    """The rules of the chart; with ``colors``, without custom properties.

    Programs other than browsers do not know those.
    """
    if colors is None:
        return _CHART
    return re.sub(r"var\(--(\w+)\)", lambda found: colors[found[1]], _CHART)
