"""How long a request waits for its answer before it looks again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chaosvm.olvm import http


class Multi:
    """libcurl's handle, with one answer that comes after one wait."""

    def __init__(self, due: int) -> None:
        self._due = due
        self._running = 2
        self.waited: list[float] = []

    def perform(self) -> tuple[int, int]:
        self._running -= 1
        return 0, self._running

    def timeout(self) -> int:
        return self._due

    def select(self, seconds: float) -> None:
        self.waited.append(seconds)

    def info_read(self) -> tuple[int, list[Any], list[Any]]:
        return 0, [], []

    def add_handle(self, curl: Any) -> None: ...

    def remove_handle(self, curl: Any) -> None: ...


@pytest.mark.parametrize(("due", "seconds"), [(-1, 0.25), (0, 0), (100, 0.1), (9000, 0.25)])
def test_it_waits_no_longer_than_libcurl_says(due: int, seconds: float) -> None:
    """Data in libcurl's own buffer does not make the socket readable (curl_multi_timeout)."""
    multi = Multi(due)
    http.perform(multi, SimpleNamespace(), None)  # type: ignore[arg-type]
    assert multi.waited == [seconds]
