from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import pytest

from chaosvm.activities import connections
from chaosvm.runtime import Deadline
from chaosvm.settings import Settings, setting, values
from tests.fakes import FakeClock, FakePlatform


@dataclass(frozen=True)
class FakeSettings(Settings):
    prefix: ClassVar[str] = "fake"

    server: str = setting(values.string, required=True)
    password: str = setting(values.string, required=True, secret=True)


@dataclass(frozen=True)
class OtherSettings(FakeSettings):
    pass


HERE = FakeSettings("here", "secret")


@pytest.fixture(autouse=True)
def no_connections() -> Iterator[None]:
    connections.close_all()
    yield
    connections.close_all()


def make(settings: Settings) -> FakePlatform:
    return FakePlatform()


def test_the_same_settings_share_a_platform():
    assert connections.shared_connection(make, HERE) is connections.shared_connection(
        make, FakeSettings("here", "secret")
    )


@pytest.mark.parametrize(
    "other",
    [
        FakeSettings("there", "secret"),
        FakeSettings("here", "other"),
        OtherSettings("here", "secret"),
    ],
)
def test_other_settings_have_a_platform_of_their_own(other):
    assert connections.shared_connection(make, HERE) is not connections.shared_connection(
        make, other
    )


def test_a_platform_is_made_once_though_many_threads_ask():
    made = []

    def slowly(settings: Settings) -> FakePlatform:
        threading.Event().wait(0.02)
        made.append(make(settings))
        return made[-1]

    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda _: connections.shared_connection(slowly, HERE), range(8)))

    assert len(made) == 1
    assert all(platform is made[0] for platform in got)


def test_what_could_not_be_made_is_not_kept():
    def fails(settings: Settings) -> FakePlatform:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        connections.shared_connection(fails, HERE)
    assert isinstance(connections.shared_connection(make, HERE), FakePlatform)


def test_closing_logs_out_of_all_once_and_forgets_them():
    first = connections.shared_connection(make, HERE)
    second = connections.shared_connection(make, FakeSettings("there", "secret"))

    connections.close_all()
    connections.close_all()

    assert (first.closed, second.closed) == (1, 1)
    assert connections.shared_connection(make, HERE) is not first


def test_one_that_does_not_answer_leaves_the_others_their_time(monkeypatch):
    """All logouts together take ten seconds at the most."""
    clock = FakeClock()
    monkeypatch.setattr(connections, "Deadline", partial(Deadline, clock=clock))
    left: list[float] = []

    class Silent(FakePlatform):
        def close(self, deadline: Deadline) -> None:
            left.append(deadline.remaining)
            deadline.sleep(60)

    class Prompt(FakePlatform):
        def close(self, deadline: Deadline) -> None:
            left.append(deadline.remaining)

    for name, kind in (("a", Silent), ("b", Prompt), ("c", Silent), ("d", Silent)):
        connections.shared_connection(
            lambda settings, kind=kind: kind(), FakeSettings(name, "secret")
        )
    start = clock.monotonic()

    connections.close_all()

    assert left == [2.5, 2.5, 3.75, 3.75]
    assert clock.monotonic() - start == 10
