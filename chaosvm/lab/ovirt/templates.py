"""Templates: Blank, which every engine has, and those that clients make from VMs.

Source: the recordings ``template-*``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from chaosvm.lab.simulation import Machine, World

__all__ = ["BLANK", "Template", "Templates"]


@dataclass(frozen=True, slots=True)
class Template:
    id: str
    name: str
    description: str
    created: dt.datetime
    # The VM that it was made from, as it was then.
    machine: Machine | None = None
    # Until then it is being made.
    locked_until: float = 0.0
    cluster_id: str | None = None


BLANK = Template(
    "00000000-0000-0000-0000-000000000000",
    "Blank",
    "Blank template",
    dt.datetime(2008, 3, 31, 21, tzinfo=dt.UTC),
)


class Templates:
    """All templates."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._templates: dict[str, Template] = {}

    def all(self) -> Sequence[Template]:
        return [BLANK, *sorted(self._templates.values(), key=lambda each: each.name.lower())]

    def find(self, id_or_name: str) -> Template | None:
        return next((each for each in self.all() if id_or_name in (each.id, each.name)), None)

    def put(self, template: Template) -> Template:
        self._templates[template.id] = template
        return template

    def drop(self, template: Template) -> None:
        self._templates.pop(template.id, None)
