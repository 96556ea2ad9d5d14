from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import pytest

from chaosvm import connections, values
from chaosvm.deadline import Deadline
from chaosvm.settings import Settings, setting
from tests.fakes import FakePlatform


@dataclass(frozen=True)
class FakeSettings(Settings):
    prefix: ClassVar[str] = "fake"

    server: str = setting(values.text)
    password: str = setting(values.text, secret=True)


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
    assert connections.shared(make, HERE) is connections.shared(
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
    assert connections.shared(make, HERE) is not connections.shared(make, other)


def test_a_platform_is_made_once_though_many_threads_ask():
    made = []

    def slowly(settings: Settings) -> FakePlatform:
        threading.Event().wait(0.02)
        made.append(make(settings))
        return made[-1]

    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda _: connections.shared(slowly, HERE), range(8)))

    assert len(made) == 1
    assert all(platform is made[0] for platform in got)


def test_what_could_not_be_made_is_not_kept():
    def fails(settings: Settings) -> FakePlatform:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        connections.shared(fails, HERE)
    assert isinstance(connections.shared(make, HERE), FakePlatform)


def test_closing_logs_out_of_all_once_and_forgets_them():
    first = connections.shared(make, HERE)
    second = connections.shared(make, FakeSettings("there", "secret"))

    connections.close_all()
    connections.close_all()

    assert (first.closed, second.closed) == (1, 1)
    assert connections.shared(make, HERE) is not first


def test_all_logouts_share_ten_seconds(monkeypatch):
    left: list[float] = []

    class Slow(FakePlatform):
        def close(self, deadline: Deadline) -> None:
            left.append(deadline.remaining)

    for name in ("a", "b", "c"):
        connections.shared(lambda settings: Slow(), FakeSettings(name, "secret"))

    connections.close_all()

    assert len(left) == 3
    assert left == sorted(left, reverse=True)
    assert 9 < left[-1] <= 10


def test_a_logout_that_takes_all_the_time_leaves_none_for_the_others(monkeypatch):
    monkeypatch.setattr(connections, "_CLOSING_SECONDS", 0.5)
    asked: list[str] = []

    class Hanging(FakePlatform):
        def close(self, deadline: Deadline) -> None:
            asked.append("one")
            deadline.sleep(60)

    for name in ("a", "b", "c"):
        connections.shared(lambda settings: Hanging(), FakeSettings(name, "secret"))

    connections.close_all()

    assert asked == ["one"]
