from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import logzero
import pytest

from chaosvm import connections, rehearsal

OURS = ("VSPHERE_", "OLVM_", "DORA_", "CHAOSVM_")


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


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """What logzero's logger, which does not propagate, is told during the test."""
    monkeypatch.setattr(logzero.logger, "level", logging.DEBUG)
    logzero.logger.addHandler(caplog.handler)
    yield caplog
    logzero.logger.removeHandler(caplog.handler)
