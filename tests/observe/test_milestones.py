"""Which milestones of a start a guest has reached, with real sockets and servers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from chaosvm.backend import GuestStatus, ToolsStatus
from chaosvm.errors import ConnectionFailed, InvalidValue, NotInRehearsal
from chaosvm.observe import Milestone, port_open
from chaosvm.runtime import Deadline, rehearsal
from chaosvm.vm import PowerState
from tests.http_service import answering, serving

STATUSES = {"/": 200, "/moved": 302, "/broken": 500}


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    with serving(STATUSES) as port:
        yield port


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken, but does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def guest(**fields: Any) -> GuestStatus:
    values = {"power_state": PowerState.POWERED_ON, "ip_addresses": ("127.0.0.1",), **fields}
    return GuestStatus(vm_id="vm-1", **values)


def reached(text: str, status: GuestStatus, seconds: float = 60) -> bool:
    return Milestone.parse("wait_for", text).reached(status, Deadline(seconds))


@pytest.mark.parametrize(
    ("text", "status", "expected"),
    [
        ("power", guest(), True),
        ("power", guest(power_state=PowerState.TRANSITIONING), False),
        ("tools", guest(tools=ToolsStatus.RUNNING), True),
        ("tools", guest(tools=ToolsStatus.UNKNOWN), False),
        ("tools", guest(tools=ToolsStatus.RUNNING, power_state=PowerState.POWERED_OFF), False),
        ("ip", guest(), True),
        ("ip", guest(ip_addresses=()), False),
        ("ip", guest(ip_addresses=("fe80::1", "169.254.0.3")), False),
    ],
    ids=str,
)
def test_what_the_server_reports_is_reached(text: str, status: GuestStatus, expected: bool) -> None:
    assert reached(text, status) is expected


def test_a_port_is_open_or_not(service: int, closed_port: int) -> None:
    assert reached(f"port:{service}", guest())
    assert not reached(f"port:{closed_port}", guest())
    assert not reached(f"port:{service}", guest(ip_addresses=()))
    assert not reached(f"port:{service}", guest(power_state=PowerState.POWERED_OFF))


@pytest.mark.parametrize(
    ("path", "expected"), [("", True), ("/moved", True), ("/broken", False), ("/missing", False)]
)
def test_a_service_answers_or_not(service: int, path: str, expected: bool) -> None:
    assert reached(f"http:{service}{path}", guest()) is expected
    assert reached(f"http://127.0.0.1:{service}{path}", guest(ip_addresses=())) is expected


def test_a_service_that_answers_byte_by_byte_is_not_waited_for() -> None:
    def drip(request: BaseHTTPRequestHandler) -> tuple[int, Any]:
        with suppress(OSError):
            request.wfile.write(b"HTTP/1.0 200 OK\r\nSlow: ")
            for _ in range(100):
                request.wfile.write(b"-")
                threading.Event().wait(0.2)
            request.wfile.write(b"\r\n\r\n")
        return 200, None

    with answering(drip) as port:
        assert not reached(f"http:{port}", guest(), seconds=1)
        assert not reached(f"http://127.0.0.1:{port}/", guest(), seconds=1)


def test_a_proxy_does_not_answer_for_a_guest(
    service: int, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{service}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert not reached(f"http:{closed_port}", guest())
    assert reached(f"http:{service}", guest())


def test_nobody_listens_for_http(closed_port: int) -> None:
    assert not reached(f"http:{closed_port}", guest())


def test_a_name_that_means_nothing_is_an_error_and_not_a_closed_port() -> None:
    with pytest.raises(ConnectionFailed, match=r"no\.such\.name\.invalid"):
        port_open("no.such.name.invalid", 22, Deadline(5))


@pytest.mark.parametrize("text", ["port:22", "http:80", "http://shop.example.com/"])
def test_a_rehearsal_connects_nowhere_else(text: str) -> None:
    rehearsal.begin({}, [])
    with pytest.raises(NotInRehearsal):
        reached(text, guest())


@pytest.mark.parametrize(
    "text",
    ["", "prot:22", "port", "port:0", "port:70000", "port:22/x", "http:", "http://", "tools:3", 22],
)
def test_a_milestone_that_cannot_be_meant_is_refused(text: object) -> None:
    with pytest.raises(InvalidValue, match="wait_for"):
        Milestone.parse("wait_for", text)


@pytest.mark.parametrize(
    "url",
    [
        "https://chaos:hush@shop.example.com/health",
        "htps://chaos:hush@shop.example.com/health",
        "https://chaos:hush@shop.example.com:70000/health",
        "'https://chaos:hush@shop.example.com/health'",
    ],
)
def test_a_password_in_a_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InvalidValue, match="wait_for contains an @") as refused:
        Milestone.parse("wait_for", url)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("prot:22", "port:22"),
        ("port 443", "port:443"),
        ("443", "port:443"),
        ("http 8080", "http:8080"),
        ("htp:8080/health", "http:8080/health"),
        ("htps://shop.example.com/", "https://shop.example.com/"),
        ("port:22 ", "port:22"),
        ("tools:3", "tools"),
    ],
)
def test_a_misspelt_milestone_gets_a_hint(text: str, meant: str) -> None:
    with pytest.raises(InvalidValue, match=f"did you mean '{meant}'"):
        Milestone.parse("wait_for", text)


@pytest.mark.parametrize("text", ["prot", "port:", "70000", "'port:22'", "later"])
def test_a_hint_is_a_milestone(text: str) -> None:
    with pytest.raises(InvalidValue, match="wait_for is") as refused:
        Milestone.parse("wait_for", text)
    assert "did you mean" not in str(refused.value)


def test_a_milestone_is_written_as_it_was_given() -> None:
    for text in ("power", "tools", "ip", "port:22", "http:8080/health", "https://shop.example"):
        assert str(Milestone.parse("wait_for", text)) == text


@pytest.mark.parametrize(
    "text", ["htp:80/?token=hush", "htps://x/?token=hush", "https://x:0/?a&token=hush hush"]
)
def test_the_query_of_a_url_that_is_refused_is_not_shown(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"\?\*\*\*'") as refused:
        Milestone.parse("wait_for", text)
    assert "hush" not in str(refused.value)


def test_the_query_of_a_url_that_cannot_be_requested_is_not_shown(service: int) -> None:
    url = f"https://127.0.0.1:{service}/health"  # which does not speak TLS
    with pytest.raises(ConnectionFailed, match=r"/health\?\*\*\* .*SSL.*") as failed:
        reached(f"{url}?token=hush", guest())
    assert "hush" not in str(failed.value)
