"""HTML pages of one file that need no network and no script, from Jinja templates."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from chaosvm.errors import MissingExtra
from chaosvm.observe.chart.style import DARK, FONT, LIGHT, variables

__all__ = ["TEMPLATES", "page_style", "render_html"]

TEMPLATES = files(__package__) / "templates"
_LONGEST_UNBROKEN = 40


def render_html(template: Traversable, values: Mapping[str, Any], markup: Mapping[str, str]) -> str:
    """The page; the template escapes all values, ``markup`` is inserted as it is."""
    try:
        from jinja2 import DictLoader, Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise MissingExtra(
            "the report needs Jinja2: pip install 'chaostoolkit-vm[report]'"
        ) from error

    def unbroken(text: str, most: int = _LONGEST_UNBROKEN) -> Markup:
        """Words with a hyphen, such as names of VMs, stay on one line."""
        words = [
            Markup('<span class="line">{}</span>').format(word)
            if _is_name(word, most)
            else Markup.escape(word)
            for word in text.split(" ")
        ]
        return Markup(" ").join(words)

    environment = Environment(
        loader=DictLoader({"page": template.read_text("utf-8")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = unbroken
    inserted = {name: Markup(text) for name, text in markup.items()}
    page: str = environment.get_template("page").render(**values, **inserted)
    return page.lstrip()


def page_style() -> str:
    """The style of every page, in light and dark colors, and for print."""
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"
    rules = (TEMPLATES / "report.css").read_text("utf-8")
    return f":root{{{variables(LIGHT)}}}\n{dark}\nbody{{font-family:{FONT}}}\n{rules}"


def _is_name(word: str, most: int) -> bool:
    return "-" in word and len(word) <= most
