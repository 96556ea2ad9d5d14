"""Fixtures: adds the VMs that an experiment names and selects to a simulation.

This allows an experiment that was written for production to be rehearsed unchanged.
Existing VMs are not modified.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaosvm.lab.casting.adding import FixtureBuilder
from chaosvm.lab.casting.needs import read_needs
from chaosvm.lab.world import World

__all__ = ["cast"]


def cast(
    experiment: Mapping[str, Any], configuration: Mapping[str, Any] | None, world: World
) -> list[str]:
    """Add the VMs that an experiment needs; returns log lines.

    experiment: as loaded by Chaos Toolkit.
    configuration: the values of its ${variables}, as activities receive it.

    Adds each VM that an activity of this package names and, for each selection,
    ``count`` VMs that match, at least three. They are in the power state that the
    steady state expects or, without one, that the first action requires. A line that
    begins with "not added" names what cannot be created, such as VMs for a regular
    expression; the rehearsal continues without it.
    """
    builder = FixtureBuilder(world)
    required, problems = read_needs(experiment, configuration or {})
    for need in required:
        builder.provide(need)
    return [*(f"not added: {problem}" for problem in problems), *builder.lines]
