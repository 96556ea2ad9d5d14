from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import trustme

from chaosvm.backend import PowerCommand
from chaosvm.errors import (
    AnswerLost,
    CertificateRejected,
    ConnectionFailed,
    DeadlinePassed,
    InvalidValue,
    LoginFailed,
    OperationFailed,
    PermissionDenied,
    PlatformError,
    ProtocolError,
)
from chaosvm.runtime import Deadline
from chaosvm.service.orders import checked_order
from chaosvm.vsphere import VSpherePlatform
from tests.moments import once_sent
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate

Connect = Callable[..., VSpherePlatform]


def test_the_right_ca_is_accepted(connect: Connect) -> None:
    assert connect().count_vms() == 4


def test_without_a_ca_the_certificate_is_rejected(connect: Connect, vcsim: Vcsim) -> None:
    with pytest.raises(CertificateRejected, match="vsphere_ca_file must contain"):
        connect(ca_file=None).count_vms()
    assert vcsim.sessions()["logins"] == 0


def test_another_ca_is_rejected(connect: Connect, vcsim: Vcsim, tmp_path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with pytest.raises(CertificateRejected):
        connect(ca_file=str(other)).count_vms()
    assert vcsim.sessions()["logins"] == 0


def test_a_certificate_for_another_name_is_rejected(connect: Connect) -> None:
    with Vcsim.start(names=["vcenter.example.com"]) as elsewhere:
        with pytest.raises(CertificateRejected, match="set vsphere_server to a name in"):
            connect(port=elsewhere.port, ca_file=elsewhere.ca_file).count_vms()
        assert elsewhere.sessions()["logins"] == 0


def test_localhost_is_verified_as_well(connect: Connect) -> None:
    with pytest.raises(CertificateRejected):
        connect(server="localhost", ca_file=None).count_vms()
    assert connect(server="localhost").count_vms() == 4


def test_insecure_connects_and_warns(connect: Connect, warnings_logged: list[str]) -> None:
    assert connect(ca_file=None, insecure=True).count_vms() == 4
    assert any("not verified" in message for message in warnings_logged)


def test_a_verified_connection_does_not_warn(connect: Connect, warnings_logged: list[str]) -> None:
    connect().count_vms()
    assert warnings_logged == []


def test_a_ca_file_that_is_no_certificate_is_named(connect: Connect, tmp_path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(InvalidValue, match=r"ca_file.*wrong\.pem"):
        connect(ca_file=str(wrong)).count_vms()


@pytest.mark.parametrize(
    ("username", "cause"),
    [
        ("chaos", r"wrong password, or the domain is missing \(chaos@vsphere.local\)"),
        ("chaos@vsphere.local", "wrong user name or password"),
        (r"EXAMPLE\chaos", "wrong user name or password"),
    ],
)
def test_a_wrong_password_is_refused_and_not_shown(
    connect: Connect, vcsim: Vcsim, username: str, cause: str
) -> None:
    with pytest.raises(LoginFailed) as caught:
        connect(username=username, password="not-the-password").count_vms()
    refused = f"{vcsim.host}:{vcsim.port} refused user {username!r}: {cause}"
    assert re.fullmatch(refused.replace("\\\\", r"\\\\"), str(caught.value))
    assert "not-the-password" not in str(caught.value)


@pytest.fixture
def plain_port() -> Iterator[int]:
    """The port of an HTTP server without TLS."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.005,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_port_without_tls(connect: Connect, plain_port: int) -> None:
    with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{plain_port} does not answer with TLS"):
        connect(port=plain_port).count_vms()


@pytest.mark.parametrize("manner", ["html", "status"])
def test_another_server_is_named(connect: Connect, vcsim: Vcsim, manner: str) -> None:
    vcsim.rules(rule("RetrieveServiceContent", manner, code=404 if manner == "status" else 0))
    named = f"{vcsim.host}:{vcsim.port} does not answer as a vCenter does .*: is it one?"
    with pytest.raises(PlatformError, match=named):
        connect().count_vms()


def test_a_port_where_nobody_listens(connect: Connect) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    named = f"127.0.0.1:{port}: .*refused. Are vsphere_server and vsphere_port right"
    with pytest.raises(ConnectionFailed, match=named):
        connect(port=port).count_vms()


def test_a_server_that_accepts_and_never_answers(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(DeadlinePassed, match="did not answer in time"):
            connect(port=silent.getsockname()[1], timeout=0.5).count_vms()
        assert time.monotonic() - start < 15


@pytest.mark.parametrize("method", ["RetrieveServiceContent", "Login", "RetrievePropertiesEx"])
@pytest.mark.parametrize("manner", ["silent", "drip"])
def test_silence_at_any_point_ends_with_the_deadline(
    connect: Connect, vcsim: Vcsim, method: str, manner: str
) -> None:
    vcsim.rules(rule(method, manner))
    start = time.monotonic()
    with pytest.raises(DeadlinePassed):
        connect(timeout=1.5).count_vms()
    assert time.monotonic() - start < 15


@pytest.mark.parametrize("method", ["RetrieveServiceContent", "Login", "RetrievePropertiesEx"])
@pytest.mark.parametrize(
    ("manner", "error"),
    [
        ("cut", ProtocolError),
        ("html", ProtocolError),
        ("status", ConnectionFailed),
        ("drop_before", ConnectionFailed),
    ],
)
def test_a_broken_response_is_an_error_never_an_empty_inventory(
    connect: Connect, vcsim: Vcsim, method: str, manner: str, error: type[PlatformError]
) -> None:
    vcsim.rules(rule(method, manner, code=503 if manner == "status" else 0))
    with pytest.raises(error):
        connect().list_vms()


def test_a_read_is_retried_after_a_broken_connection(connect: Connect, vcsim: Vcsim) -> None:
    platform = connect()
    platform.count_vms()
    vcsim.rules(rule("RetrievePropertiesEx", "drop_before", times=1))
    assert platform.count_vms() == 4


def test_connections_dropped_while_idle_go_unnoticed(connect: Connect, vcsim: Vcsim) -> None:
    platform = connect()
    platform.count_vms()
    vcsim.drop_connections()
    assert platform.power_off("DC0_H0_VM0", graceful=False).changed


def test_an_empty_response_is_not_an_empty_inventory(connect: Connect, vcsim: Vcsim) -> None:
    vcsim.rules(rule("RetrievePropertiesEx", "empty"))
    with pytest.raises(PlatformError):
        connect().list_vms()


def test_an_expired_session_is_renewed_for_a_probe(connect: Connect, vcsim: Vcsim) -> None:
    platform = connect()
    assert platform.count_vms() == 4
    vcsim.expire_sessions()
    assert platform.count_vms() == 4
    assert vcsim.sessions()["logins"] == 2


def test_a_session_that_expires_before_an_action(
    connect: Connect, vcsim: Vcsim, estate: Estate
) -> None:
    platform = connect()
    platform.count_vms()
    vcsim.expire_sessions()
    assert platform.power_off("DC0_H0_VM0", graceful=False).changed
    assert estate.power_state("DC0_H0_VM0") == "poweredOff"


def test_a_session_that_expires_while_sending(
    connect: Connect, vcsim: Vcsim, estate: Estate
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "fault", fault="NotAuthenticated", times=1))
    assert connect().power_off("DC0_H0_VM0", graceful=False).changed
    assert estate.power_state("DC0_H0_VM0") == "poweredOff"


def test_a_session_that_expires_while_waiting(
    connect: Connect, vcsim: Vcsim, estate: Estate
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "slow_task", seconds=1))
    platform = connect()
    once_sent(platform, vcsim.expire_sessions)
    outcome = platform.power_off("DC0_H0_VM0", graceful=False, timeout=60)
    assert outcome.changed
    assert estate.power_state("DC0_H0_VM0") == "poweredOff"
    assert vcsim.sessions()["logins"] >= 2
    assert vcsim.requests()["methods"]["PowerOffVM_Task"] == 1


def test_many_threads_share_one_login(connect: Connect, vcsim: Vcsim) -> None:
    platform = connect()
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(platform.count_vms())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [4] * 8
    assert vcsim.sessions()["logins"] == 1


def test_leaving_the_context_logs_out(connect: Connect, vcsim: Vcsim) -> None:
    with connect() as platform:
        platform.list_vms()
    sessions = vcsim.sessions()
    assert (sessions["logins"], sessions["logouts"]) == (1, 1)
    assert (sessions["rest_logins"], sessions["rest_logouts"]) == (1, 1)


def test_a_platform_can_be_used_again_after_disconnecting(connect: Connect) -> None:
    platform = connect()
    platform.count_vms()
    platform.disconnect()
    assert platform.count_vms() == 4


def test_logging_out_of_a_silent_server_is_bounded(connect: Connect, vcsim: Vcsim) -> None:
    platform = connect(timeout=3)
    platform.count_vms()
    vcsim.rules(rule("Logout", "silent"))
    start = time.monotonic()
    platform.disconnect()
    assert time.monotonic() - start < 15


def test_logging_out_of_a_server_that_is_gone(connect: Connect) -> None:
    with Vcsim.start() as brief:
        platform = connect(port=brief.port, ca_file=brief.ca_file, password=brief.password)
        platform.count_vms()
    platform.disconnect()
    with pytest.raises(ConnectionFailed):
        platform.count_vms()


# Faults with status 200 -----------------------------------------------------------------


@pytest.fixture
def faults_with_200(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = http.client.HTTPResponse.begin

    def begin_well(response: http.client.HTTPResponse) -> None:
        begin(response)
        if response.status == 500:
            response.status = 200

    monkeypatch.setattr(http.client.HTTPResponse, "begin", begin_well)


@pytest.mark.usefixtures("faults_with_200")
def test_a_fault_is_raised_whatever_the_status(connect: Connect, vcsim: Vcsim) -> None:
    with pytest.raises(LoginFailed, match="refused user"):
        connect(password="wrong").count_vms()
    platform = connect()
    vm = platform.list_vms()[0]
    vcsim.expire_sessions()
    assert platform.get_vm(vm.name) == vm
    vcsim.rules(rule("*", "fault", fault="NoPermission"))
    with pytest.raises(PermissionDenied):
        platform.count_vms()
    vcsim.rules(rule("PowerOffVM_Task", "fault", fault="NoPermission"))
    with pytest.raises(OperationFailed, match="lacks the privilege"):
        platform.power_off(vm.name, graceful=False)


def with_500(response: http.client.HTTPResponse) -> None:
    _begin(response)
    response.status = 500


_begin = http.client.HTTPResponse.begin


def test_an_error_status_without_a_fault_is_a_protocol_error(
    connect: Connect, vcsim: Vcsim, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyvmomi raises a bare Exception for status 500 without a fault."""
    platform = connect()
    vm = platform.backend.inventory(Deadline(20), ["DC0_H0_VM0"])[0]
    order = checked_order("power_off", 60, graceful=False)
    with monkeypatch.context() as broken:
        broken.setattr(http.client.HTTPResponse, "begin", with_500)
        with pytest.raises(ProtocolError, match="not SOAP, or incomplete"):
            connect().connect()
        with pytest.raises(AnswerLost, match="not SOAP, or incomplete"):
            platform.backend.send(vm, PowerCommand.POWER_OFF, order, Deadline(20))
    assert platform.count_vms() == 4


def test_a_request_that_ends_after_disconnecting_leaves_nothing_open(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    platform.count_vms()
    with platform.backend._client.transport.within(Deadline(20)):
        late = platform.backend._client.transport.GetConnection()
        platform.disconnect()
        assert late.sock is not None
        platform.backend._client.transport.ReturnConnection(late)
    assert late.sock is None
    assert platform.count_vms() == 4
