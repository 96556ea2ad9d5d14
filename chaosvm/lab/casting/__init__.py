"""An experiment made for somebody's production, rehearsed in a world that lacks its VMs.

``cast`` reads what the activities of an experiment name and select, and adds it
to the world. What is there already stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaosvm.lab.casting.adding import Adding
from chaosvm.lab.casting.needs import needs
from chaosvm.lab.world import World

__all__ = ["cast"]


def cast(
    experiment: Mapping[str, Any], configuration: Mapping[str, Any] | None, world: World
) -> list[str]:
    """Add to the world the VMs that an experiment needs; what was done, in lines for a log.

    experiment: as Chaos Toolkit loads it.
    configuration: what its ${variables} stand for, as activities get it.

    Every VM that an activity of this package names is added, and for selections
    at least three that fit, or ``count`` of them, in the state that the steady
    state expects or, where it expects none, the first action needs. A line that
    begins with "not added" says what could not be made up, such as for a
    regular expression; the rehearsal then goes on without it.
    """
    adding = Adding(world)
    wanted, problems = needs(experiment, configuration or {})
    for need in wanted:
        adding.provide(need)
    return [*(f"not added: {problem}" for problem in problems), *adding.lines]
