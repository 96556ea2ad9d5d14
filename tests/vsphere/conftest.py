from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from chaosvm.activities import connections
from chaosvm.vsphere import VSpherePlatform
from tests.vcsim import Vcsim
from tests.vcsim.estate import Estate

# Two VMs on a standalone host (DC0_H0), two in a cluster of three hosts (DC0_C0).
STANDALONE, CLUSTERED = "DC0_H0_VM0", "DC0_C0_RP0_VM0"


@pytest.fixture
def vcsim() -> Iterator[Vcsim]:
    with Vcsim.start() as running:
        yield running


@pytest.fixture
def estate(vcsim: Vcsim) -> Iterator[Estate]:
    with Estate(vcsim) as opened:
        yield opened


@pytest.fixture
def connect(vcsim: Vcsim) -> Iterator[Callable[..., VSpherePlatform]]:
    """Makes platforms for the simulator, with some arguments replaced."""
    with ExitStack() as opened:

        def make(**replaced: Any) -> VSpherePlatform:
            arguments = {
                "server": vcsim.host,
                "port": vcsim.port,
                "username": vcsim.username,
                "password": vcsim.password,
                "ca_file": vcsim.ca_file,
                "timeout": 60,
            }
            platform = VSpherePlatform(**(arguments | replaced))
            opened.callback(platform.disconnect)
            return platform

        yield make


@pytest.fixture
def platform(connect: Callable[..., VSpherePlatform]) -> VSpherePlatform:
    return connect()


@pytest.fixture
def environment(vcsim: Vcsim, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The settings for the simulator in the environment, as a user would have them."""
    for name, value in vcsim.environment().items():
        monkeypatch.setenv(name, value)
    yield vcsim.environment()
    connections.close_all()
