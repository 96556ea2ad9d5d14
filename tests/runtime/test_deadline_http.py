"""Connections within the deadline: the DNS lookup, and each address of a host."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaosvm.dora import DoraClient
from chaosvm.errors import DeadlinePassed
from chaosvm.runtime import Deadline
from chaosvm.runtime.deadline_http import DeadlineBudget
from chaosvm.vsphere import VSpherePlatform
from tests.moments import HeldClock

Answer = Callable[[], list[Any]]
# Long enough for what should work, and nothing that works waits for it.
AMPLE = 30.0


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    def answering(answer: Answer) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer())

    return answering


@pytest.fixture
def stuck(resolver: Callable[[Answer], None]) -> Iterator[threading.Event]:
    """A name server that does not answer."""
    let_go = threading.Event()
    resolver(lambda: let_go.wait(AMPLE) and [])
    yield let_go
    let_go.set()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """An address where connections are neither accepted nor refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = []
        while True:
            sock = socket.socket()
            sock.settimeout(0.2)
            waiting.append(sock)
            try:
                sock.connect(server.getsockname())
            except TimeoutError:
                break
        yield server.getsockname()
        for sock in waiting:
            sock.close()


def resolved(*addresses: tuple[str, int]) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]


@pytest.mark.usefixtures("stuck")
def test_a_lookup_ends_with_the_deadline() -> None:
    budget = DeadlineBudget(AMPLE)
    deadline = Deadline(0.2)
    with budget.within(deadline), pytest.raises(TimeoutError, match=r"vc\.example\.com"):
        budget.create_connection(("vc.example.com", 443))
    assert deadline.elapsed < AMPLE / 2


@pytest.mark.usefixtures("stuck")
def test_a_lookup_for_a_vcenter_ends_with_the_deadline() -> None:
    platform = VSpherePlatform("vc.example.com", "user", "password", timeout=1)
    with pytest.raises(DeadlinePassed, match=r"vc\.example\.com:443 did not answer in time"):
        platform.count_vms()


@pytest.mark.usefixtures("stuck")
def test_a_lookup_for_dora_ends_with_the_deadline() -> None:
    where = {"vcenter": "a", "pattern_path": "b", "vm_path": "c", "host_filter": "d"}
    dora = DoraClient("dora.example.com", "user", "pw", timeout=1, environments={"here": where})
    with pytest.raises(DeadlinePassed, match=r"dora\.example\.com"):
        dora.count_vms("here")


def test_a_name_that_does_not_exist_is_an_error(resolver: Callable[[Answer], None]) -> None:
    def unknown() -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    resolver(unknown)
    with pytest.raises(socket.gaierror, match="not known"):
        DeadlineBudget(AMPLE).create_connection(("vc.example.com", 443))


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    resolver: Callable[[Answer], None],
    listener: socket.socket,
    silent: tuple[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolver(lambda: resolved(silent, listener.getsockname()))
    budget = DeadlineBudget(AMPLE)
    connect, shares = budget._connect, []

    def connect_and_note(candidate: Any, seconds: float) -> socket.socket:
        shares.append(seconds)
        return connect(candidate, seconds)

    monkeypatch.setattr(budget, "_connect", connect_and_note)
    with budget.within(Deadline(0.8, HeldClock())):
        sock = budget.create_connection(("vc.example.com", 443))
    with sock:
        assert sock.getpeername() == listener.getsockname()
    assert shares == [0.4, 0.8]  # the clock has not moved


def test_addresses_that_do_not_answer_end_with_the_deadline(
    resolver: Callable[[Answer], None], silent: tuple[str, int]
) -> None:
    resolver(lambda: resolved(silent, silent, silent))
    budget, deadline = DeadlineBudget(AMPLE), Deadline(0.6)
    with budget.within(deadline), pytest.raises(TimeoutError):
        budget.create_connection(("vc.example.com", 443))
    assert deadline.elapsed < AMPLE / 2


def test_the_last_refusal_is_raised(
    resolver: Callable[[Answer], None], listener: socket.socket
) -> None:
    address = listener.getsockname()
    listener.close()
    resolver(lambda: resolved(address, address))
    with pytest.raises(ConnectionRefusedError):
        DeadlineBudget(AMPLE).create_connection(("vc.example.com", 443))


def test_an_address_of_an_unsupported_family_is_skipped(
    resolver: Callable[[Answer], None], listener: socket.socket
) -> None:
    unsupported = (65_000, socket.SOCK_STREAM, 6, "", ("::1", 443))
    resolver(lambda: [unsupported, *resolved(listener.getsockname())])
    with DeadlineBudget(AMPLE).create_connection(("vc.example.com", 443)) as sock:
        assert sock.getpeername() == listener.getsockname()


def test_a_name_without_addresses_is_an_error(resolver: Callable[[Answer], None]) -> None:
    resolver(list)
    with pytest.raises(OSError, match="has no address"):
        DeadlineBudget(AMPLE).create_connection(("vc.example.com", 443))


def test_a_lookup_at_exit_is_a_failed_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.12 starts no thread at exit, and a logout may have to connect again."""

    def too_late(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", too_late)
    with pytest.raises(OSError, match=r"vcenter\.example\.com cannot be resolved.*at interpreter"):
        DeadlineBudget(AMPLE).create_connection(("vcenter.example.com", 443))
