from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import logzero
import pytest

from chaosvm import connections, ledger, rehearsal

# For `make mutants`: that an example fails is enough, and the next run finds the same.
hypothesis.settings.register_profile(
    "mutants",
    derandomize=True,
    max_examples=30,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    database=None,
)

# ... and what a module does is seen by its own tests, named after it, and by these.
MORE_TESTS = {
    "job": ("test_power",),
    "ledger": ("test_undo_control",),
    "undo": ("test_plan", "test_recovery"),
}

OURS = ("VSPHERE_", "OLVM_", "DORA_", "CHAOSVM_")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of all tests that reach a mutant, leave those of its module; see tests/README.md."""
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    if not mutant.startswith("chaosvm."):
        return
    module = mutant.split(".x", 1)[0].rpartition(".")[2]
    names = (f"test_{module}", *MORE_TESTS.get(module, ()))
    left = [item for item in items if item.path.name.startswith(names)]
    config.hook.pytest_deselected(items=[item for item in items if item not in left])
    items[:] = left


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of whoever runs it."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_rehearsal() -> Iterator[None]:
    """What a test or an import began is over for the next one."""
    rehearsal.forget()
    yield
    rehearsal.forget()


@pytest.fixture(autouse=True)
def closed_connections() -> Iterator[None]:
    """None is left for the end of the process, when nobody sees what it says."""
    yield
    connections.close_all()


@pytest.fixture(autouse=True)
def own_ledgers(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """What a test changes is noted in a folder of its own, which is made when it is needed."""

    def default_folder(run: object) -> Path:
        return tmp_path_factory.mktemp("ledgers")

    monkeypatch.setattr(ledger, "_default_folder", default_folder)
    yield
    ledger.close_all()


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """What logzero's logger, which does not propagate, is told during the test."""
    monkeypatch.setattr(logzero.logger, "level", logging.DEBUG)
    logzero.logger.addHandler(caplog.handler)
    yield caplog
    logzero.logger.removeHandler(caplog.handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--crashes", type=int, default=2, help="runs to kill, for each kind of crash")
    parser.addoption("--crash-seed", type=int, default=0, help="draws the moments of the kills")
