"""Responses that are too large, from a TLS server that sends the same to every request."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme
from pyVmomi import vim, vmodl

from chaosvm.errors import AnswerTooLarge, ChaosVMError, ProtocolError
from chaosvm.runtime import Deadline
from chaosvm.vsphere import VSpherePlatform
from chaosvm.vsphere.retrieval import retrieve, retrieve_with_pyvmomi
from chaosvm.vsphere.settings import VSphereSettings
from chaosvm.vsphere.tags import TagReader
from chaosvm.vsphere.transport import Transport

MEGABYTE = 1024 * 1024
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope '
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n<soapenv:Body>\n'
    '<RetrievePropertiesExResponse xmlns="urn:vim25"><returnval>'
)
TAIL = "</returnval></RetrievePropertiesExResponse>\n</soapenv:Body>\n</soapenv:Envelope>"
MACHINE = (
    '<objects><obj type="VirtualMachine">vm-1</obj><propSet><name>name</name>'
    '<val xsi:type="xsd:string">web</val></propSet></objects>'
)


COMMENT = f"<!--{'x' * 10_000}-->"


class Server:
    """The response to every request."""

    def __init__(self) -> None:
        self.status, self.body, self.packing = 200, b"", ""
        self.requests = 0
        self.port = 0


@pytest.fixture
def server() -> Iterator[Server]:
    response = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            response.requests += 1
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.send_response(response.status)
            if response.packing:
                self.send_header("Content-Encoding", response.packing)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Not an error: the client closes the connection early."""

    made = Quiet(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    response.port = made.server_address[1]
    thread = threading.Thread(target=made.serve_forever, args=(0.005,), daemon=True)
    thread.start()
    yield response
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def settings(server: Server) -> VSphereSettings:
    address = {"server": "127.0.0.1", "port": server.port, "insecure": True, "timeout": 120}
    return VSphereSettings.of(**address, username="chaos", password="hunter2-Passw0rd")


@pytest.fixture
def transport(settings: VSphereSettings) -> Iterator[Transport]:
    made = Transport(settings, 2)
    yield made
    made.DropConnections()


_collector = vmodl.query.PropertyCollector
SPEC = _collector.FilterSpec(
    objectSet=[_collector.ObjectSpec(obj=vim.VirtualMachine("vm-1"))],
    propSet=[_collector.PropertySpec(type=vim.VirtualMachine, pathSet=["name"])],
)


def reading(read: Callable[[Any, Any], Any]) -> Callable[[Transport], Any]:
    def ask(transport: Transport) -> Any:
        content = vim.ServiceInstanceContent()
        content.propertyCollector = vmodl.query.PropertyCollector("pc", transport)
        with transport.within(Deadline(120)):
            return read(content, SPEC)

    return ask


STREAMED = reading(retrieve)
WHOLE = reading(lambda content, spec: retrieve_with_pyvmomi(content.propertyCollector, spec))


def packed(server: Server, body: str) -> None:
    server.body, server.packing = gzip.compress(body.encode(), 1), "gzip"


@pytest.mark.parametrize("ask", [STREAMED, WHOLE])
@pytest.mark.parametrize("packing", ["", "gzip"])
def test_a_response_of_ordinary_size_is_read(
    server: Server, transport: Transport, ask: Callable[[Transport], Any], packing: str
) -> None:
    if packing:
        packed(server, HEAD + MACHINE + TAIL)
    else:
        server.body = (HEAD + MACHINE + TAIL).encode()
    for _ in range(3):
        assert ask(transport)["vm-1"].properties == {"name": "web"}
    assert server.requests == 3
    assert len(transport.pool) == 1  # it was read to its end


@pytest.mark.parametrize("ask", [STREAMED, WHOLE])
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("filling", [" " * 10_000, COMMENT])
def test_a_bomb_is_an_error_and_costs_little(
    server: Server,
    transport: Transport,
    ask: Callable[[Transport], Any],
    status: int,
    filling: str,
    memory: Callable[[], int],
) -> None:
    packed(server, HEAD + filling * 7_000 + TAIL)
    server.status = status
    before = memory()
    with pytest.raises(ChaosVMError):
        ask(transport)
    assert memory() - before < 160 * MEGABYTE


def test_a_bomb_at_the_login_is_reported_and_not_requested_again(
    server: Server, settings: VSphereSettings
) -> None:
    packed(server, HEAD + COMMENT * 7_000 + TAIL)
    platform = VSpherePlatform.from_settings(settings)
    with pytest.raises(AnswerTooLarge, match=r"127\.0\.0\.1:\d+ answered with more than 64 MB"):
        platform.count_vms()
    assert server.requests == 1


def test_elements_without_end_are_an_error_before_they_take_up_memory(
    server: Server, transport: Transport
) -> None:
    packed(server, HEAD + "<objects/>" * 1_100_000 + TAIL)
    with transport.within(Deadline(120)):
        connection = transport.GetConnection()
        connection.request("POST", "/sdk", b"", {})
        with pytest.raises(AnswerTooLarge, match="1,000,000 elements"):
            connection.getresponse().read()
        connection.close()


def test_text_without_end_is_an_error_before_it_takes_up_time(
    server: Server, transport: Transport
) -> None:
    packed(server, HEAD + " " * 10 * MEGABYTE + TAIL)
    with pytest.raises(AnswerTooLarge, match="128 KB in one element"):
        WHOLE(transport)


def test_reading_ends_with_the_deadline_whatever_arrived(
    server: Server, transport: Transport
) -> None:
    """pyvmomi needs seconds to parse this."""
    packed(server, HEAD + MACHINE * 200_000 + TAIL)
    content = vmodl.query.PropertyCollector("pc", transport)
    begins = time.thread_time()
    with transport.within(Deadline(0.5)), pytest.raises(TimeoutError):
        retrieve_with_pyvmomi(content, SPEC)
    assert time.thread_time() - begins < 2


def test_objects_without_end_are_an_error(server: Server, transport: Transport) -> None:
    machine = MACHINE[: MACHINE.index("<propSet>")] + "<propSet><name>name</name>"
    machine += '<val xsi:type="xsd:string"></val></propSet></objects>'
    packed(server, HEAD + machine * 251_000 + TAIL)
    with pytest.raises(AnswerTooLarge, match="250,000 objects"):
        STREAMED(transport)


def test_pages_without_end_are_an_error(
    server: Server, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaosvm.vsphere.retrieval.MOST_ITEMS", 0)
    server.body = (HEAD + "<token>more</token>" + MACHINE + TAIL).encode()
    for ask in (STREAMED, WHOLE):
        with pytest.raises(AnswerTooLarge, match="objects"):
            ask(transport)


def test_a_bomb_instead_of_tags_is_an_error(
    server: Server, settings: VSphereSettings, transport: Transport
) -> None:
    packed(server, '"' + " " * 70 * MEGABYTE + '"')
    with pytest.raises(AnswerTooLarge, match="64 MB"):
        TagReader(transport, settings, "8.0.0.0").read(["vm-1"], Deadline(30))


def test_invalid_gzip_of_tags_is_a_protocol_error(
    server: Server, settings: VSphereSettings, transport: Transport
) -> None:
    server.body, server.packing = b'"session"', "gzip"
    with pytest.raises(ProtocolError, match="invalid or incomplete gzip"):
        TagReader(transport, settings, "8.0.0.0").read(["vm-1"], Deadline(30))


def test_deeply_nested_json_is_a_chaosvm_error(
    server: Server, settings: VSphereSettings, transport: Transport
) -> None:
    server.body = b"[" * 100_000
    with pytest.raises(ChaosVMError, match="unexpected content"):
        TagReader(transport, settings, "8.0.0.0").read(["vm-1"], Deadline(30))
