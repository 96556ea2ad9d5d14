from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients import govc_commands


@pytest.mark.timeout(1800)
def test_the_newest_simulator(
    record_property: Callable[[str, object], None], clients_or_skip: Any
) -> None:
    """What it passes of the same lines, to compare with: for docs/clients.md."""
    passed = {file: clients_or_skip(lambda file=file: _passed(file)) for file in _FILES}
    counts = {f"govc: {file.replace('_', ' ')}": f"{n} of {m}" for file, (n, m) in passed.items()}
    record_property("simulator", counts)
    assert all(n for n, _ in passed.values())


_FILES = govc_commands.files()
# Some lines wait for ever for what the simulator does not do.
_WITHIN = 10.0


def _passed(file: str) -> tuple[int, int]:
    with govc_commands.small_world_in_simulator() as server:
        outcomes = list(govc_commands.run(govc_commands.lines(file), server, _WITHIN))
    return sum(not outcome.problem for outcome in outcomes), len(outcomes)
