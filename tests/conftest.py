from __future__ import annotations

import logging
import os
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from chaosvm import redaction
from chaosvm.activities import connections
from chaosvm.ledger import ledger
from chaosvm.runtime import login, rehearsal

# Ignored in what a shell has started in the background, and so in its children.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast the machine is at the moment is not what is tested.
hypothesis.settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("default")
# For `make mutants`: that an example fails is enough, and the next run finds the same.
hypothesis.settings.register_profile(
    "mutants",
    derandomize=True,
    max_examples=30,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    database=None,
)

# ... and what a package does is seen by its own tests, in the folder of its name, and by these.
MORE_TESTS = {"ledger": ("controls/test_undo.py",)}
TESTS = Path(__file__).parent

OURS = ("VSPHERE_", "OLVM_", "DORA_", "CHAOSVM_")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of all tests that reach a mutant, leave those of its package; see tests/README.md."""
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    if not mutant.startswith("chaosvm."):
        return
    package = mutant.split(".")[1]
    places = [TESTS / each for each in (package, *MORE_TESTS.get(package, ()))]
    left = [item for item in items if any(item.path.is_relative_to(each) for each in places)]
    config.hook.pytest_deselected(items=[item for item in items if item not in left])
    items[:] = left


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Before the fixtures of a module, too: a thread of the last test may have been late."""
    rehearsal.forget()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of whoever runs it."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_rehearsal() -> Iterator[None]:
    """What a test or an import began is over for the next one."""
    yield
    rehearsal.forget()


@pytest.fixture(autouse=True)
def no_refused_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulators of other tests may have had the same address and password."""
    monkeypatch.setattr(login, "_known", {})


@pytest.fixture(autouse=True)
def no_secrets() -> None:
    """The password of one test may be an ordinary word in another."""
    redaction.forget()


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
    """What is logged during the test, whether or not Chaos Toolkit has set its logger up."""
    logger = logging.getLogger("chaostoolkit")
    monkeypatch.setattr(logger, "propagate", False)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
    logger.setLevel(before)


@pytest.fixture
def warnings_logged() -> Iterator[list[str]]:
    """The warnings so far; a fixture of a test may log some, too."""
    messages: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    handler = Keep(logging.WARNING)
    logger = logging.getLogger("chaostoolkit")
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


@pytest.fixture
def memory() -> Iterator[Callable[[], int]]:
    """How many bytes Python had at the most since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--crashes", type=int, default=1, help="runs to kill, for each kind of crash")
    parser.addoption("--fuzz", type=int, default=0, help="examples of each kind of bad input")
    parser.addoption("--crash-seed", type=int, default=0, help="draws the moments of the kills")
    parser.addoption("--trials", type=int, default=40, help="actions on a bad network")
    parser.addoption("--trial-seed", type=int, default=0, help="the first of their seeds")
