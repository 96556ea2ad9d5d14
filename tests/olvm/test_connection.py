"""Reaching an engine, logging in and out, and all that can go wrong with it."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pycurl
import pytest
import trustme
from cryptography import x509

from chaosvm.errors import (
    AnswerLost,
    CertificateRejected,
    ChaosVMError,
    ConnectionFailed,
    DeadlinePassed,
    InvalidValue,
    LoginFailed,
    PlatformError,
    ProtocolError,
    RequestNotSent,
)
from chaosvm.lab import Lab, State, World, rule, when
from chaosvm.olvm import OLVMPlatform, client, http, sso
from chaosvm.olvm.http import HttpChannel
from chaosvm.runtime import Deadline
from tests.moments import eventually, hold_clock
from tests.olvm.conftest import DB, OTHER, VM, Connect, at_most, sent

LISTS = ("vms", "hosts", "clusters", "datacenters")
READING = ["login", *(f"GET /api/{name}" for name in LISTS)]
TOKEN = "POST /sso/oauth/token"


# Who it is ---------------------------------------------------------------------------


def test_the_right_ca_is_accepted(connect: Connect, warnings_logged: list[str]) -> None:
    assert connect().count_vms() == 3
    assert warnings_logged == []


def test_without_a_ca_the_certificate_is_rejected(connect: Connect, lab: Lab) -> None:
    with pytest.raises(CertificateRejected, match="olvm_ca_file"):
        connect(ca_file=None).count_vms()
    assert lab.requests() == {}


def test_another_ca_is_rejected(connect: Connect, lab: Lab, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with pytest.raises(CertificateRejected):
        connect(ca_file=str(other)).count_vms()
    assert lab.requests() == {}


def test_only_the_ca_file_is_trusted(
    connect: Connect, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's libcurl also trusts a folder of CAs, whatever CAINFO is."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    pem = Path(lab.ca_file).read_bytes()
    (tmp_path / f"{subject_hash(pem)}.0").write_bytes(pem)

    class DebianCurl(pycurl.Curl):
        def __init__(self) -> None:
            self.setopt(pycurl.CAPATH, str(tmp_path))

    monkeypatch.setattr(pycurl, "Curl", DebianCurl)
    assert connect(ca_file=None).count_vms() == 3
    with pytest.raises(CertificateRejected):
        connect(ca_file=str(other)).count_vms()


def subject_hash(pem: bytes) -> str:
    """As OpenSSL names a certificate in a folder of CAs."""
    subject = x509.load_pem_x509_certificate(pem).subject
    lower = [x509.NameAttribute(each.oid, str(each.value).lower()) for each in subject]
    content = x509.Name(lower).public_bytes()[2:]  # without the header of the sequence
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def test_another_ca_is_rejected_after_the_login_as_well(
    connect: Connect, lab: Lab, tmp_path: Path
) -> None:
    """Every connection verifies like that of the login does."""
    trusted = tmp_path / "ca.pem"
    trusted.write_text(Path(lab.ca_file).read_text())
    platform = connect(ca_file=str(trusted))
    platform.connect()
    trustme.CA().cert_pem.write_to_path(str(trusted))
    with pytest.raises(CertificateRejected):
        platform.count_vms()
    assert set(lab.requests()) == {TOKEN}


def test_a_certificate_for_another_name_is_rejected(connect: Connect) -> None:
    with Lab(World(), names=["engine.example.com"]) as elsewhere:
        with pytest.raises(CertificateRejected, match="olvm_url a name that is in it"):
            connect(url=elsewhere.olvm_url, ca_file=elsewhere.ca_file).count_vms()
        assert elsewhere.requests() == {}


def test_insecure_connects_and_warns(connect: Connect, warnings_logged: list[str]) -> None:
    assert connect(ca_file=None, insecure=True).count_vms() == 3
    assert any("not verified" in message for message in warnings_logged)


def test_a_server_that_is_not_there(connect: Connect) -> None:
    with pytest.raises(ConnectionFailed, match=r"no connection to .*\. Is olvm_url right\?"):
        connect(url="https://engine.invalid/ovirt-engine/api").count_vms()


def test_http_is_warned_about(connect: Connect, warnings_logged: list[str]) -> None:
    connect(url="http://127.0.0.1:9/ovirt-engine/api", ca_file=None)
    assert any("unencrypted" in message for message in warnings_logged)


def test_a_ca_file_that_is_no_certificate_is_named(connect: Connect, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(ChaosVMError, match="ca_file"):
        connect(ca_file=str(wrong)).count_vms()


def test_a_wrong_password_is_refused_and_not_shown(connect: Connect, lab: Lab) -> None:
    with pytest.raises(LoginFailed, match="Unable to log in") as caught:
        connect(password="not-the-password").count_vms()
    assert "not-the-password" not in str(caught.value)
    assert lab.sessions()["logins"] == 0


@pytest.mark.parametrize("username", ["nobody@internal", "admin"])
def test_a_wrong_user_is_refused(connect: Connect, username: str) -> None:
    with pytest.raises(LoginFailed):
        connect(username=username).count_vms()


def test_a_user_of_keycloak_and_a_password_of_all_sorts(connect: Connect) -> None:
    password = "ä&=+%20 \"'\\/?#"
    with Lab(World(), username="admin@ovirt@internalsso", password=password) as keycloak:
        platform = connect(
            url=keycloak.olvm_url,
            ca_file=keycloak.ca_file,
            username="admin@ovirt@internalsso",
            password=password,
        )
        assert platform.count_vms() == 0
        platform.disconnect()
        assert keycloak.sessions() == {"logins": 1, "logouts": 1, "alive": 0}


@pytest.mark.parametrize("ending", ["", "/", "//"])
def test_a_slash_at_the_end_of_the_url_does_not_matter(
    connect: Connect, lab: Lab, ending: str
) -> None:
    assert connect(url=lab.olvm_url + ending).count_vms() == 3


@pytest.mark.parametrize("path", ["", "/", "/ovirt-engine", "/ovirt-engine/", "/ovirt-engine/apis"])
@pytest.mark.parametrize("scheme", ["", "https://"])
def test_a_url_without_api_gets_a_hint(path: str, scheme: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        OLVMPlatform(f"{scheme}engine.example.com:8443{path}", "admin@internal", "secret")
    assert "did you mean 'https://engine.example.com:8443/ovirt-engine/api'?" in str(caught.value)


@pytest.mark.parametrize("url", ["engine.example.com", "ftp://engine/ovirt-engine/api", "https://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidValue, match="url"):
        OLVMPlatform(url, "admin@internal", "secret")


def test_a_password_in_the_url_is_not_shown() -> None:
    with pytest.raises(InvalidValue) as caught:
        OLVMPlatform("https://admin:hunter2@engine/ovirt-engine/api", "admin@internal", "secret")
    assert "hunter2" not in str(caught.value)


def test_a_wrong_path_in_the_url_is_reported(connect: Connect, lab: Lab) -> None:
    """Its lists are 404: not a VM that is missing, but no engine."""
    with pytest.raises(PlatformError, match=r"/\w+ \(code 404\): .* path of olvm_url wrong\?"):
        connect(url=lab.olvm_url.replace("ovirt-engine/api", "elsewhere/api")).count_vms()


def test_http_on_a_tls_port_gets_a_hint(connect: Connect, lab: Lab) -> None:
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:\d+ .*did you mean https://\?"):
        connect(url=lab.olvm_url.replace("https:", "http:"), ca_file=None).count_vms()


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The address of a server that sends this to whatever it is sent, and hangs up."""

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                with listening.accept()[0] as one:
                    if one.recv(65_536):
                        one.sendall(answer)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 13\r\n\r\n<html></html>"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("scheme", "answer", "error", "hint"),
    [
        ("http", b"", ConnectionFailed, r"did you mean https://\?"),
        ("http", BAD_REQUEST, ProtocolError, r"is it one\? Or did you mean https://\?"),
        ("http", NOT_FOUND, ProtocolError, r"does not answer as an oVirt engine does .*404"),
        ("https", BAD_REQUEST, ConnectionFailed, r"does not speak TLS .*is the port right\?"),
    ],
)
def test_a_server_that_is_no_engine_is_named_with_a_hint(
    connect: Connect, scheme: str, answer: bytes, error: type[Exception], hint: str
) -> None:
    """A TLS port closes, or answers 400, as Apache does, when it gets plain HTTP."""
    with answering(answer) as address:
        platform = connect(url=f"{scheme}://{address}/ovirt-engine/api")
        with pytest.raises(error, match=rf"{address}.*{hint}") as caught:
            platform.count_vms()
    assert not isinstance(caught.value, LoginFailed)


def test_a_port_where_nobody_listens(connect: Connect) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{port}"):
        connect(url=f"https://127.0.0.1:{port}/ovirt-engine/api").count_vms()


def test_a_host_that_does_not_exist(connect: Connect) -> None:
    with pytest.raises(ConnectionFailed, match=r"engine\.invalid"):
        connect(url="https://engine.invalid/ovirt-engine/api").count_vms()


class LookingUp:
    """A multi handle whose DNS lookup does not end in time: closing it waits for the lookup."""

    closed_by: ClassVar[list[threading.Thread]] = []
    over = threading.Event()

    def add_handle(self, curl: object) -> None:
        self._curl = curl

    def remove_handle(self, curl: object) -> None: ...

    def perform(self) -> tuple[int, int]:
        return 0, 0

    def info_read(self) -> tuple[int, list[object], list[tuple[object, int, str]]]:
        return 0, [], [(self._curl, pycurl.E_OPERATION_TIMEDOUT, "Resolving timed out")]

    def close(self) -> None:
        self.closed_by.append(threading.current_thread())
        self.over.set()


@pytest.mark.parametrize("step", ["certificate", "login", "read"])
def test_a_lookup_that_does_not_end_is_not_waited_for(
    step: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = connect(ca_file=None, insecure=step == "login")
    if step == "read":
        platform = connect()
        platform.connect()
    monkeypatch.setattr(pycurl, "CurlMulti", LookingUp)
    LookingUp.over.clear()
    LookingUp.closed_by.clear()
    with pytest.raises(DeadlinePassed, match="did not answer in time"):
        platform.count_vms()
    assert LookingUp.over.wait(60)
    assert threading.current_thread() not in LookingUp.closed_by


def test_a_server_that_accepts_and_never_answers(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/ovirt-engine/api"
        with at_most(0.5), pytest.raises(DeadlinePassed, match=r"127\.0\.0\.1:\d+"):
            connect(url=url, timeout=0.5).count_vms()


# Trouble while reading -----------------------------------------------------------------


@pytest.mark.parametrize("request_", READING)
@pytest.mark.parametrize("manner", ["silent", "silent_after", "drip"])
def test_silence_at_any_point_ends_with_the_deadline(
    connect: Connect, lab: Lab, request_: str, manner: str
) -> None:
    platform = connect(timeout=4)
    lab.rules(when(request_, hold_clock(platform).release), rule(request_, manner))
    with at_most(4), pytest.raises(DeadlinePassed):
        platform.count_vms()
    assert lab.applied()[1] >= 1


@pytest.mark.parametrize("request_", READING)
@pytest.mark.parametrize(
    ("manner", "error"),
    [
        ("cut", (ConnectionFailed, ProtocolError)),
        ("html", ProtocolError),
        ("empty", ProtocolError),
        ("status", (ConnectionFailed, ProtocolError)),
        ("drop_before", ConnectionFailed),
        ("drop_after", ConnectionFailed),
    ],
)
def test_a_broken_answer_is_an_error_never_an_empty_inventory(
    connect: Connect, lab: Lab, request_: str, manner: str, error: Any
) -> None:
    lab.rules(rule(request_, manner, code=503 if manner == "status" else 0))
    platform = connect()
    hold_clock(platform)  # its own waits between two attempts do not take that long
    with at_most(5), pytest.raises(error):
        platform.list_vms()
    assert lab.applied()[0] >= 1


@pytest.mark.parametrize("request_", READING[1:])
@pytest.mark.parametrize("manner", ["cut", "html", "status", "drop_before", "drop_after"])
def test_one_broken_answer_is_made_good(
    connect: Connect, lab: Lab, request_: str, manner: str
) -> None:
    lab.rules(rule(request_, manner, times=1, code=503 if manner == "status" else 0))
    assert {vm.name for vm in connect().list_vms()} == {VM, OTHER, DB}
    assert lab.applied() == [1]


def test_one_silence_is_not_the_end_of_an_action(connect: Connect, lab: Lab) -> None:
    """A single request may take ``timeout`` seconds, the action more."""
    lab.rules(rule("GET /api/vms/{id}", "silent", skip=1, times=1))
    with at_most(20):
        assert connect(timeout=2).power_off(VM, graceful=False, timeout=60).changed


def test_a_refusal_is_reported_and_not_retried(connect: Connect, lab: Lab) -> None:
    lab.rules(rule("GET /api/vms", "fault", code=403, message="You may not."))
    with pytest.raises(PlatformError, match="You may not"):
        connect().count_vms()
    assert lab.requests()["GET /api/vms"] == 1


def test_connections_dropped_while_idle_go_unnoticed(
    connect: Connect, lab: Lab, world: World
) -> None:
    platform = connect()
    platform.count_vms()
    lab.drop_connections()
    assert platform.power_off(VM, graceful=False).changed
    assert world.vm(VM).state is State.OFF
    assert sent(lab) == {"stop": 1}


# Logging in ------------------------------------------------------------------------------


def test_a_token_that_no_header_can_hold_is_not_from_an_engine(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = '{"access_token": "t\u00f6ken"}'.encode()
    monkeypatch.setattr(sso, "post", lambda *_: (200, answer))
    with pytest.raises(ProtocolError, match="no token, code 200"):
        connect().count_vms()


def test_a_refused_login_quotes_the_engine(connect: Connect, lab: Lab) -> None:
    """A locked account and a wrong password differ (sso-lock-6-wrong)."""
    with pytest.raises(LoginFailed) as caught:
        connect(username="nobody@internal").count_vms()
    message = str(caught.value)
    assert "refused user 'nobody@internal': Cannot authenticate user" in message
    assert "Verify your login information" in message
    with pytest.raises(LoginFailed, match=r"the domain is missing \(as in admin@internal\)"):
        connect(username="admin").count_vms()


def test_a_refusal_that_quotes_the_password_does_not_show_it(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = b'{"error_code": "access_denied", "error": "No user has hunter2 as password"}'
    monkeypatch.setattr(sso, "post", lambda *_: (400, answer))
    with pytest.raises(LoginFailed, match=r"No user has \*\*\* as password") as caught:
        connect(password="hunter2").count_vms()
    assert "hunter2" not in str(caught.value)


def test_a_user_without_access_to_the_api_is_reported(connect: Connect, lab: Lab) -> None:
    """Such a user gets a token, and then a page with a 401 (viewer-no-role-api)."""
    lab.rules(rule("GET /api/*", "status", code=401, message="is not authorized to perform login"))
    with pytest.raises(LoginFailed, match="is not authorized to perform"):
        connect().count_vms()


def test_the_first_refusal_is_no_repetition(connect: Connect, lab: Lab) -> None:
    """However many lists are read at once."""
    platform = connect(password="wrong")
    with pytest.raises(LoginFailed) as first:
        platform.list_vms()
    with pytest.raises(LoginFailed) as second:
        platform.list_vms()
    assert "before" not in str(first.value)
    assert "before; not tried again" in str(second.value)
    assert lab.requests() == {TOKEN: 1}


@pytest.mark.parametrize("manner", ["silent", "drop_before"])
def test_a_login_that_fails_before_an_action_sent_nothing(
    connect: Connect, lab: Lab, monkeypatch: pytest.MonkeyPatch, manner: str
) -> None:
    """The token has expired by then; the login is tried again, and then the request is sent."""
    monkeypatch.setattr(sso, "_MIN_SECONDS", 2)
    platform = connect(timeout=2)
    platform.connect()
    lab.rules(rule("stop", "status", code=401, times=1), rule("login", manner, times=1))
    outcome = platform.power_off(VM, graceful=False, timeout=60)
    assert outcome.changed
    assert sent(lab) == {"stop": 2}


def test_a_login_may_take_as_long_as_a_refusal(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5 s: who leaves before would count as wrong again and again (sso-token-wrong-password)."""
    limits: list[tuple[float, float]] = []
    original = http.new_request

    def seen(settings: Any, url: str, headers: Any, deadline: Any, min_seconds: float = 0.0) -> Any:
        if url.endswith("/token"):
            limits.append(
                (min(max(settings.timeout, min_seconds), deadline.remaining), min_seconds)
            )
        return original(settings, url, headers, deadline, min_seconds)

    monkeypatch.setattr(http, "new_request", seen)
    connect(timeout=1).power_off(VM, graceful=False, timeout=60)
    assert limits == [(10.0, 10.0)]


# Requests that change something ------------------------------------------------------------


@pytest.mark.parametrize("verb", ["stop", "start", "suspend", "shutdown", "reset", "reboot"])
def test_a_connection_that_dies_repeats_nothing(
    connect: Connect, lab: Lab, world: World, verb: str
) -> None:
    """libcurl by itself sends a request again over a new connection when an old one is dead."""
    platform = connect()
    platform.list_vms()
    lab.rules(rule(verb, "drop_before"))
    with pytest.raises(AnswerLost):
        platform.backend._client.act(world.vm(VM).id, verb, Deadline(10), "chaosvm-test")
    assert sent(lab) == {verb: 1}


def test_a_connection_that_was_never_made_sent_nothing(
    connect: Connect, lab: Lab, world: World
) -> None:
    """Also one that only hangs before the request is out."""
    platform = connect()
    platform.connect()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        moved = replace(platform.settings, url=f"https://127.0.0.1:{port}/ovirt-engine/api")
        platform.backend._client.settings = moved
        with pytest.raises(RequestNotSent):
            platform.backend._client.act(world.vm(VM).id, "stop", Deadline(1), "chaosvm-test")
        platform.backend._client.settings = platform.settings


def test_nothing_is_printed_of_answers_that_are_broken(
    connect: Connect, lab: Lab, capfd: pytest.CaptureFixture[str], world: World
) -> None:
    lab.rules(rule("GET /api/vms", "cut", times=1), rule("stop", "cut", times=1))
    assert connect().power_off(VM, graceful=False, timeout=30).changed
    output = capfd.readouterr()
    assert "<vm" not in output.out + output.err
    assert "<action" not in output.out + output.err


# Tokens --------------------------------------------------------------------------------


def test_a_token_that_expired_is_renewed_once_for_a_probe(connect: Connect, lab: Lab) -> None:
    platform = connect()
    assert platform.count_vms() == 3
    lab.expire_tokens()
    assert platform.count_vms() == 3
    assert lab.sessions()["logins"] == 2


def test_a_token_that_expires_before_an_action(connect: Connect, lab: Lab, world: World) -> None:
    platform = connect()
    platform.count_vms()
    lab.expire_tokens()
    assert platform.power_off(VM, graceful=False).changed
    assert world.vm(VM).state is State.OFF
    assert lab.sessions()["logins"] == 2


@pytest.mark.parametrize(("verb", "graceful"), [("reset", False), ("reboot", True)])
def test_a_token_refused_while_sending_does_no_harm(
    connect: Connect, lab: Lab, verb: str, graceful: bool
) -> None:
    """A 401 means that nothing was done: even a reset may follow it."""
    lab.rules(rule(verb, "status", code=401, times=1))
    assert connect().reboot(VM, graceful=graceful, timeout=60).changed
    assert sent(lab) == {verb: 2}
    assert lab.applied() == [1]
    assert lab.sessions()["logins"] == 2


def test_a_token_that_expires_while_waiting(connect: Connect, lab: Lab, world: World) -> None:
    lab.rules(when("stop", lab.expire_tokens))
    platform = connect()
    platform.connect()
    assert platform.power_off(VM, graceful=False, timeout=60).changed
    assert world.vm(VM).state is State.OFF
    assert lab.sessions()["logins"] == 2
    assert sent(lab)["stop"] <= 2


def test_an_engine_that_takes_no_token_at_all(
    connect: Connect, lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "chaostoolkit")
    lists = threading.Barrier(len(LISTS))
    together = [when(f"GET /api/{name}", lambda: lists.wait(60)) for name in LISTS]
    lab.rules(*together, rule("GET /api/*", "status", code=401))
    with at_most(5), pytest.raises(LoginFailed, match="but not the new token"):
        connect().count_vms()
    assert lab.sessions()["logins"] == 2
    # Once, although several lists are read at the same time.
    assert [each for each in caplog.messages if "logging in again" in each] == [
        f"{lab.olvm_url.split('/')[2]} no longer accepts the token: logging in again"
    ]


def test_many_threads_share_one_token_and_never_a_connection(
    connect: Connect, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.latency = 0.02
    under_way: dict[int, int] = defaultdict(int)
    most: list[int] = []
    lock = threading.Lock()
    original: Callable[..., Any] = HttpChannel.get

    def counted(connection: Any, *request: Any) -> Any:
        with lock:
            under_way[id(connection)] += 1
            most.append(under_way[id(connection)])
        try:
            return original(connection, *request)
        finally:
            with lock:
                under_way[id(connection)] -= 1

    monkeypatch.setattr(HttpChannel, "get", counted)
    platform = connect()
    with ThreadPoolExecutor(16) as pool:
        counts = list(pool.map(lambda _: platform.count_vms(), range(48)))
    assert counts == [3] * 48
    assert len(most) == 48 * 4
    assert max(most) == 1
    assert lab.sessions()["logins"] == 1
    # One more to look at the certificate, and one to log in.
    assert lab.connections <= 4 * 16 + 2


def test_many_threads_log_in_again_only_once(connect: Connect, lab: Lab) -> None:
    platform = connect()
    platform.connect()
    lab.expire_tokens()
    lab.latency = 0.05
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: platform.count_vms(), range(8))) == [3] * 8
    assert lab.sessions()["logins"] == 2


def test_a_slow_login_holds_every_thread_no_longer_than_its_deadline(
    connect: Connect, lab: Lab
) -> None:
    lab.rules(rule("login", "silent"))
    platform = connect(timeout=1)

    def fails(_: int) -> bool:
        with pytest.raises(DeadlinePassed):
            platform.count_vms()
        return True

    with at_most(1), ThreadPoolExecutor(6) as pool:
        assert all(pool.map(fails, range(6)))


# The end -------------------------------------------------------------------------------


def test_leaving_the_context_revokes_the_token(connect: Connect, lab: Lab) -> None:
    with connect() as platform:
        platform.list_vms()
        assert lab.sessions()["alive"] == 1
    assert lab.sessions() == {"logins": 1, "logouts": 1, "alive": 0}


def test_what_was_never_used_neither_logs_in_nor_out(connect: Connect, lab: Lab) -> None:
    connect().disconnect()
    assert lab.requests() == {}


def test_a_platform_can_be_used_again_after_disconnecting(connect: Connect, lab: Lab) -> None:
    platform = connect()
    platform.count_vms()
    platform.disconnect()
    assert platform.count_vms() == 3
    assert lab.sessions() == {"logins": 2, "logouts": 1, "alive": 1}


@pytest.mark.parametrize("manner", ["silent", "drip"])
def test_logging_out_of_a_silent_engine_is_bounded(connect: Connect, lab: Lab, manner: str) -> None:
    platform = connect()
    platform.count_vms()
    lab.rules(rule("logout", manner, seconds=2))
    platform.backend.timeout = 2
    with at_most(2):
        platform.disconnect()
    assert lab.applied() == [1]


@pytest.mark.parametrize("manner", ["cut", "html", "status", "drop_before", "drop_after"])
def test_a_logout_that_breaks_is_no_error(connect: Connect, lab: Lab, manner: str) -> None:
    platform = connect()
    platform.count_vms()
    lab.rules(rule("logout", manner, code=503 if manner == "status" else 0))
    with at_most(2):
        platform.disconnect()
    assert lab.applied() == [1]


def test_logging_out_of_an_engine_that_is_gone(connect: Connect) -> None:
    with Lab(World()) as brief:
        platform = connect(url=brief.olvm_url, password=brief.password, ca_file=brief.ca_file)
        platform.count_vms()
    with at_most(2):
        platform.disconnect()
    with pytest.raises(PlatformError):
        platform.count_vms()


def test_neither_password_nor_token_is_logged(
    connect: Connect, lab: Lab, logs: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[str] = []
    original = client.api_headers

    def seen(token: str) -> list[str]:
        tokens.append(token)
        return original(token)

    monkeypatch.setattr(client, "api_headers", seen)
    platform = connect()
    lab.rules(rule("GET /api/vms", "cut", times=1), rule("logout", "drop_before"))
    platform.power_off(VM, graceful=False)
    platform.disconnect()
    eventually(lambda: logs.text)
    assert "reading again" in logs.text
    assert len(set(tokens)) == 1
    assert not [secret for secret in (lab.password, *tokens) if secret in logs.text]
