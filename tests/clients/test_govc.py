from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.clients import govc_commands
from tests.clients.servers import lab_server

FILES = govc_commands.files()
LINES = [line for file in FILES for line in govc_commands.lines(file)]


@cache
def on_lab(file: str) -> dict[str, str]:
    """What went wrong with each line of a file, by the line."""
    with lab_server() as server:
        outcomes = govc_commands.run(govc_commands.lines(file), server)
        return {str(outcome.line): outcome.problem for outcome in outcomes}


@pytest.mark.parametrize("line", LINES, ids=str)
@pytest.mark.timeout(1800)
def test_command(line: govc_commands.Line, judge: Any, clients_or_skip: Any) -> None:
    problems = clients_or_skip(lambda: on_lab(line.file))
    judge(f"govc: {line.file.replace('_', ' ')}", line.command, problems[str(line)])


def test_no_line_is_written_twice() -> None:
    written = [str(line) for line in LINES]
    assert len(written) == len(set(written)) >= 299
