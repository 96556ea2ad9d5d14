from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients import known_failures, table
from tests.clients.servers import NotBuilt

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--clients-table", action="store_true", help="write what passed to docs/clients.md"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test` leaves these out: they need what `make clients` builds and installs."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.clients)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.getoption("--clients-table"):
        table.write(terminalreporter.stats)


@pytest.fixture
def judge(record_property: Callable[[str, object], None]) -> Any:
    """Ends a test by what a client did: known failures have to fail, and all else has to pass."""

    def judged(family: str, name: str, problem: str) -> None:
        record_property("family", family)
        reason = known_failures.reason(family, name)
        if problem and reason:
            pytest.xfail(f"{reason}: {problem[:300]}")
        assert not problem, problem
        assert not reason, f"it passes: remove it from known_failures.yaml ({reason})"

    return judged


@pytest.fixture(scope="session")
def clients_or_skip() -> Callable[[Callable[[], Any]], Any]:
    """What is not built is a failure in CI, and skips elsewhere."""

    def call(do: Callable[[], Any]) -> Any:
        try:
            return do()
        except NotBuilt as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(missing))

    return call
