"""Writes docs/activities/: the reference of every activity and control, from their docstrings.

    python docs/generate.py

The tests fail if a page is not what this would write.
"""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import chaosvm
import chaosvm.controls
import chaosvm.lab.control
from chaosvm.platforms import PLATFORMS

FOLDER = Path(__file__).resolve().parent / "activities"
# Chaos Toolkit passes these by itself.
IMPLICIT = ("configuration", "secrets")
# More than discovery shows, which has only the types that `chaos init` can ask for.
TYPES = {
    "vms": "[selection](../selection.md)",
    "environments": "string, or list of strings",
    **dict.fromkeys(
        ("timeout", "interval", "duration", "limit", "tolerance_seconds"), "number, in seconds"
    ),
}
NOTE = "<!-- Written by docs/generate.py from the docstrings: edit those. -->"

Activity = Mapping[str, Any]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in set(FOLDER.glob("*.md")) - {FOLDER / name for name in pages()}:
        old.unlink()
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """The text of each page, by the name of its file."""
    activities = chaosvm.discover(discover_system=False)["activities"]
    groups = {each.name: (each.title, f"{each.package}.") for each in PLATFORMS}
    groups["all-platforms"] = ("All platforms at once", "chaosvm.actions")
    found = {
        f"{name}.md": _platform_page(title, [a for a in activities if a["mod"].startswith(start)])
        for name, (title, start) in groups.items()
    }
    return {**found, "controls.md": _controls_page()}


def _platform_page(title: str, activities: Sequence[Activity]) -> str:
    actions = [each for each in activities if each["type"] == "action"]
    probes = [each for each in activities if each["type"] != "action"]
    lines = [f"# Activities: {title}", "", NOTE]
    for heading, group in (("Actions", actions), ("Probes", probes)):
        if group:
            ordered = sorted(group, key=lambda each: each["name"])
            lines += ["", f"## {heading}", "", *_summary(ordered)]
            for each in ordered:
                lines += ["", *_activity(each)]
    return "\n".join(lines) + "\n"


def _summary(activities: Sequence[Activity]) -> Iterator[str]:
    module = import_module(activities[0]["mod"])
    yield f"Module `{module.__name__}`: {_linked((module.__doc__ or '').strip())}"
    yield ""
    yield "| name | in short |"
    yield "|---|---|"
    for each in activities:
        yield f"| [`{each['name']}`](#{each['name']}) | {_first_sentence(each['doc'])} |"


def _first_sentence(doc: str) -> str:
    return " ".join(doc.partition("\n\n")[0].split()).replace("|", "\\|")


def _activity(activity: Activity) -> Iterator[str]:
    yield f"### `{activity['name']}`"
    yield ""
    arguments = [each for each in activity["arguments"] if each["name"] not in IMPLICIT]
    if arguments:
        yield "| argument | type | default |"
        yield "|---|---|---|"
        for each in arguments:
            default = f"`{json.dumps(each['default'])}`" if "default" in each else "required"
            kind = TYPES.get(each["name"], each["type"])
            yield f"| `{each['name']}` | {kind} | {default} |"
        yield ""
    yield f"Returns: {activity['return_type']}."
    yield ""
    yield _linked(activity["doc"])


def _linked(doc: str) -> str:
    return re.sub(r"docs/([\w-]+\.md)", r"[\1](../\1)", doc)


def _controls_page() -> str:
    package = chaosvm.controls
    names = sorted(each.name for each in pkgutil.iter_modules(package.__path__))
    modules = [import_module(f"{package.__name__}.{name}") for name in names]
    controls = [each for each in modules if hasattr(each, "validate_control")]
    lines = ["# Controls", "", NOTE]
    for module in (*controls, chaosvm.lab.control):
        lines += ["", f"## `{module.__name__}`", ""]
        lines.append(_linked((module.__doc__ or "").strip()))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
