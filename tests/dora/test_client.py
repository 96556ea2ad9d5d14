"""Login, retries, deadlines and secrecy of the client, over the wire."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, quote_plus

import pytest
import responses

from chaosvm.dora.client import DoraClient
from chaosvm.errors import (
    AnswerTooLarge,
    ChaosVMError,
    ConnectionFailed,
    DeadlinePassed,
    InvalidValue,
    LoginFailed,
    PlatformError,
    ProtocolError,
)
from tests.dora.conftest import (
    HOSTS,
    LOGIN,
    PASSWORD,
    USER,
    VMS,
    Dora,
    Responder,
    drip,
    drop,
    ok,
    raw,
    silent,
    status,
    vm,
)
from tests.fakes import FakeClock

Clients = Callable[..., DoraClient]

ENV = "Arvig-Staging"
HEAD = b"HTTP/1.1 200 OK\r\n"


# Login -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    [
        "100%",
        "%41%2F",
        "a/b",
        "../../x",
        "a&b=c",
        "a#b",
        "a?b",
        "a b+c",
        "pässwörd-密码",
        "q'\"<>\\|`{}",
        ";:@,$!*()[]~",
        "\n",
    ],
)
def test_a_password_arrives_as_it_is(dora: Dora, client_of: Clients, password: str) -> None:
    if not password.strip():
        with pytest.raises(InvalidValue):
            client_of(password=password)
        return
    dora.then(LOGIN, ok({"token": "t"}))
    client_of(username=f"u{password}", password=password).connect()
    assert dora.requests[0].parts == (f"u{password}", password)
    assert dora.requests[0].query == {}


def test_a_password_that_is_not_utf8_logs_in(dora: Dora, client_of: Clients) -> None:
    """As os.environ gives a password whose bytes are Latin-1."""
    dora.then(LOGIN, ok({"token": "t"}))
    client_of(password="geheim\udcfc").connect()
    assert dora.count(LOGIN) == 1


def test_half_a_character_is_refused(dora: Dora, client_of: Clients) -> None:
    """As JSON may hold it."""
    with pytest.raises(InvalidValue) as raised:
        client_of(password="geheim\ud800").connect()
    assert "geheim" not in str(raised.value)
    assert raised.value.__context__ is None


@pytest.mark.parametrize("password", [".", ".."])
def test_a_password_of_dots_would_be_another_path(
    dora: Dora, client_of: Clients, password: str
) -> None:
    with pytest.raises(InvalidValue):
        client_of(password=password).connect()
    assert dora.requests == []


def test_what_is_asked_for(dora: Dora, client_of: Clients) -> None:
    coordinates = {"vcenter": "Örä%cle", "pattern_path": "P#1", "vm_path": "V 1"}
    environments = {"mine": {**coordinates, "host_filter": "dev&1=ü"}}
    client_of(environments=environments).inventory("mine")
    _, vms, hosts = dora.requests
    token = dora.valid
    query = {"listing_only": ["false"], "host_filter": ["dev&1=ü"]}
    assert (vms.kind, vms.parts, vms.query) == (VMS, (token, "Örä%cle", "V 1"), query)
    assert (hosts.kind, hosts.parts, hosts.query) == (HOSTS, (token, "Örä%cle", "P#1"), query)


def test_an_empty_host_filter_is_sent_as_such(dora: Dora, client_of: Clients) -> None:
    client_of(environments={"mine": {"host_filter": ""}}).list_vms("mine")
    assert dora.requests[-1].query["host_filter"] == [""]


def test_one_token_for_all_calls(dora: Dora, client: DoraClient) -> None:
    for _ in range(3):
        client.list_vms(ENV)
    client.hypervisors(ENV)
    assert (dora.count(LOGIN), dora.count(VMS), dora.count(HOSTS)) == (1, 3, 1)


def test_one_token_for_all_threads(dora: Dora, client: DoraClient) -> None:
    together = threading.Barrier(8)

    def call(_: int) -> int:
        together.wait(60)
        return client.count_vms(ENV)

    with ThreadPoolExecutor(8) as workers:
        assert list(workers.map(call, range(8))) == [1] * 8
    assert (dora.count(LOGIN), dora.count(VMS)) == (1, 8)


def test_threads_whose_token_ended_log_in_once(dora: Dora, client: DoraClient) -> None:
    client.connect()
    dora.valid = "another"
    together = threading.Barrier(8)

    def call(_: int) -> int:
        together.wait(60)
        return client.count_vms(ENV)

    with ThreadPoolExecutor(8) as workers:
        assert list(workers.map(call, range(8))) == [1] * 8
    assert dora.count(LOGIN) == 2


@pytest.mark.parametrize("refusal", [401, 403])
def test_a_token_that_ended_is_renewed(dora: Dora, client: DoraClient, refusal: int) -> None:
    client.connect()
    dora.then(VMS, status(refusal))
    assert client.count_vms(ENV) == 1
    assert (dora.count(LOGIN), dora.count(VMS)) == (2, 2)


def test_a_token_that_ends_in_the_middle(dora: Dora, client: DoraClient) -> None:
    def end(handler: object) -> None:
        ok(dora.vms)(handler)
        dora.valid = "another"

    dora.then(VMS, end)
    found = client.inventory(ENV)
    assert (len(found.vms), len(found.hypervisors)) == (1, 1)
    assert (dora.count(LOGIN), dora.count(VMS), dora.count(HOSTS)) == (2, 1, 2)


@pytest.mark.parametrize("refusal", [401, 403])
def test_a_new_token_that_is_refused_too(dora: Dora, client: DoraClient, refusal: int) -> None:
    dora.always[VMS] = status(refusal)
    with pytest.raises(LoginFailed, match=str(refusal)):
        client.list_vms(ENV)
    assert (dora.count(LOGIN), dora.count(VMS)) == (2, 2)


@pytest.mark.parametrize("refusal", [401, 403])
def test_a_refused_login(dora: Dora, client: DoraClient, refusal: int) -> None:
    dora.always[LOGIN] = status(refusal)
    with pytest.raises(LoginFailed):
        client.list_vms(ENV)
    assert (dora.count(LOGIN), dora.count(VMS)) == (1, 0)


def test_a_refused_login_is_no_login(dora: Dora, client: DoraClient) -> None:
    dora.then(LOGIN, status(401))
    client.clock = clock = FakeClock()
    for _ in range(2):  # the second time it is not even tried: that may lock the account
        with pytest.raises(LoginFailed):
            client.connect()
    assert dora.count(LOGIN) == 1
    clock.sleep(600)
    assert client.count_vms(ENV) == 1


@pytest.mark.parametrize("token", [{}, {"token": ""}, {"token": None}, {"token": 7}, [], "x"])
def test_an_answer_without_token(dora: Dora, client: DoraClient, token: object) -> None:
    dora.always[LOGIN] = ok(token)
    with pytest.raises(ProtocolError, match="token"):
        client.connect()
    assert dora.count(LOGIN) == 1


def test_a_disconnected_client_logs_in_again(dora: Dora, client: DoraClient) -> None:
    with client:
        client.list_vms(ENV)
    assert client.count_vms(ENV) == 1
    assert dora.count(LOGIN) == 2


# Trying again ------------------------------------------------------------------

PASSING = {
    "dropped": drop,
    "500": status(500, b"oops"),
    "502": status(502),
    "503": status(503),
    "cut body": raw(HEAD + b'Content-Length: 99\r\n\r\n{"items": ['),
    "cut chunk": raw(HEAD + b'Transfer-Encoding: chunked\r\n\r\n20\r\n{"items"'),
}


@pytest.mark.parametrize("kind", [LOGIN, VMS])
@pytest.mark.parametrize("trouble", PASSING)
def test_trouble_that_passes(dora: Dora, client: DoraClient, trouble: str, kind: str) -> None:
    dora.then(kind, PASSING[trouble], PASSING[trouble])
    assert client.count_vms(ENV) == 1
    assert dora.count(kind) == 3
    assert client.clock.monotonic() > 1_000  # it paused


@pytest.mark.parametrize("kind", [LOGIN, VMS])
@pytest.mark.parametrize("trouble", PASSING)
def test_trouble_that_stays(dora: Dora, client: DoraClient, trouble: str, kind: str) -> None:
    dora.always[kind] = PASSING[trouble]
    with pytest.raises(ConnectionFailed) as caught:
        client.list_vms(ENV)
    assert not isinstance(caught.value, DeadlinePassed)
    assert kind in str(caught.value)
    assert dora.count(kind) == 4
    assert client.clock.monotonic() < 1_000 + 20


@pytest.mark.parametrize("cut", [b"HTTP/1.1 200", HEAD, HEAD + b"Content-Le"])
def test_an_answer_cut_in_its_headers_is_an_error(
    dora: Dora, client: DoraClient, cut: bytes
) -> None:
    dora.always[VMS] = raw(cut)
    with pytest.raises(PlatformError, match=VMS):
        client.list_vms(ENV)


@pytest.mark.parametrize("code", [400, 404, 429, 204])
@pytest.mark.parametrize("kind", [LOGIN, VMS, HOSTS])
def test_other_answers_are_final(dora: Dora, client: DoraClient, code: int, kind: str) -> None:
    dora.always[kind] = status(code)
    with pytest.raises(ProtocolError, match=str(code)):
        client.inventory(ENV)
    assert dora.count(kind) == 1


def test_nobody_listens(client_of: Clients) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionFailed, match="dora_host") as caught:
        client_of(api_port=port, auth_port=port).connect()
    assert not isinstance(caught.value, DeadlinePassed)


def test_no_pause_is_longer_than_the_deadline(dora: Dora, client_of: Clients) -> None:
    client = client_of(timeout=0.5)
    dora.always[LOGIN] = status(503)
    with pytest.raises(ConnectionFailed):
        client.connect()
    assert client.clock.monotonic() <= 1_000.5
    assert dora.count(LOGIN) < 4


# Answers that are none ---------------------------------------------------------

NOT_JSON = {
    "html": status(200, b"<html>Sign in</html>"),
    "empty": status(200),
    "not utf-8": status(200, b'{"items": ["\xff"]}'),
    "half": status(200, b'{"items": [{"name"'),
}
NOT_ITEMS = {
    "no items": ok({"vms": []}),
    "null items": ok({"items": None}),
    "items a mapping": ok({"items": {}}),
    "null": ok(None),
    "number": ok(3),
    "text": ok("items"),
    "items of text": ok({"items": ["web-01"]}),
    "one odd item": ok({"items": [{"name": "web-01"}, None]}),
    "list of lists": ok([[]]),
}


@pytest.mark.parametrize("kind", [VMS, HOSTS])
@pytest.mark.parametrize("answer", [*NOT_JSON, *NOT_ITEMS])
def test_never_an_empty_inventory(dora: Dora, client: DoraClient, answer: str, kind: str) -> None:
    dora.always[kind] = {**NOT_JSON, **NOT_ITEMS}[answer]
    with pytest.raises(ProtocolError, match=f"{kind}.*{ENV}"):
        client.inventory(ENV)
    assert dora.count(kind) == 1


@pytest.mark.parametrize("answer", NOT_JSON)
def test_a_login_that_is_not_json(dora: Dora, client: DoraClient, answer: str) -> None:
    dora.always[LOGIN] = NOT_JSON[answer]
    with pytest.raises(ProtocolError, match="dora_auth_port"):
        client.connect()


def test_json_too_deep_to_read(dora: Dora, client: DoraClient) -> None:
    dora.always[VMS] = status(200, b"[" * 200_000)
    with pytest.raises(ProtocolError):
        client.list_vms(ENV)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(dora: Dora, client: DoraClient, code: int) -> None:
    where = f"https://me:pw@elsewhere.example.com:8443/v1/{VMS}/{quote('T/ök%en 1', safe='')}/x"
    dora.always[VMS] = status(code, Location=where)
    with pytest.raises(ProtocolError, match=r"https://elsewhere\.example\.com:8443") as caught:
        client.list_vms(ENV)
    shown = "".join(traceback.format_exception(caught.value))
    assert "me:pw" not in shown
    assert "ken" not in shown.replace("broken", "").replace("token", "")
    assert dora.count(VMS) == 1


@pytest.mark.parametrize("where", ["/login", "", "http://[::1/x", "http://a\u2100b/x", "//h/x"])
def test_an_odd_redirect(dora: Dora, client: DoraClient, where: str) -> None:
    content = f"HTTP/1.1 302 Found\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n"
    dora.always[VMS] = raw(content.encode())
    with pytest.raises(ProtocolError, match="redirect"):
        client.list_vms(ENV)


# Deadlines ---------------------------------------------------------------------

SLOW: dict[str, Responder] = {
    "silent": silent,
    "dripping headers": drip(HEAD, b"X-More: yes\r\n"),
    "dripping status line": drip(b"HTTP/1.1 200 ", b"O"),
    "continuing": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "dripping body": drip(HEAD + b"Content-Length: 99999\r\n\r\n[", b" "),
    "dripping chunks": drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "silent in the body": drip(HEAD + b"Content-Length: 99999\r\n\r\n[", b""),
    "dripping error": drip(b"HTTP/1.1 500 Oops\r\nContent-Length: 99999\r\n\r\n[", b" "),
}


@pytest.mark.parametrize("kind", [LOGIN, VMS])
@pytest.mark.parametrize("slow", SLOW)
def test_a_call_ends_with_its_deadline(
    dora: Dora, client_of: Clients, slow: str, kind: str
) -> None:
    client = client_of(own_clock=False, timeout=0.25)
    dora.always[kind] = SLOW[slow]
    began = time.monotonic()
    with pytest.raises(DeadlinePassed):
        client.list_vms(ENV)
    assert 0.2 < time.monotonic() - began < 15


def test_several_environments_share_a_deadline(dora: Dora, client_of: Clients) -> None:
    client = client_of(own_clock=False, timeout=0.4)
    dora.always[VMS] = silent
    began = time.monotonic()
    with pytest.raises(DeadlinePassed):
        client.inventories()
    assert time.monotonic() - began < 15


def test_a_slow_answer_is_an_answer(dora: Dora, client_of: Clients) -> None:
    body = b'{"items": []}'

    def slowly(handler: object) -> None:
        handler.wfile.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))  # type: ignore[attr-defined]
        for byte in body:
            time.sleep(0.01)
            handler.wfile.write(bytes([byte]))  # type: ignore[attr-defined]

    dora.then(VMS, slowly)
    assert client_of(own_clock=False, timeout=60).list_vms(ENV) == []


# What is said ------------------------------------------------------------------


def warnings_in(logs: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in logs.records if record.levelno == logging.WARNING]


def test_http_is_warned_of_once(
    dora: Dora, client: DoraClient, logs: pytest.LogCaptureFixture
) -> None:
    logs.clear()
    second = DoraClient(username=USER, password=PASSWORD, **dora.settings())
    second.clock = FakeClock()
    with second:
        second.list_vms(ENV)
        second.list_vms(ENV)
    (warning,) = warnings_in(logs)
    assert "plain HTTP" in warning
    assert "dora_scheme" in warning


@responses.activate
def test_https_is_not(logs: pytest.LogCaptureFixture) -> None:
    base = "https://dora.example.com"
    responses.get(f"{base}:51051/v1/{LOGIN}/u/p%25", json={"token": "t/1"})
    responses.get(f"{base}:8000/v1/{VMS}/t%2F1/{ENV}/{ENV}", json=[{"name": "web-01"}])
    with DoraClient("dora.example.com", "u", "p%", scheme="https") as client:
        assert client.count_vms(ENV) == 1
    assert warnings_in(logs) == []
    assert len(responses.calls) == 2


def test_an_empty_environment_is_warned_of(
    dora: Dora, client: DoraClient, logs: pytest.LogCaptureFixture
) -> None:
    dora.vms = {"items": []}
    logs.clear()
    assert client.list_vms(ENV) == []
    (warning,) = warnings_in(logs)
    assert ENV in warning


# Secrets -----------------------------------------------------------------------


def spellings(secret: str) -> set[str]:
    return {secret, repr(secret)[1:-1], quote(secret), quote(secret, safe=""), quote_plus(secret)}


def secrets_in(text: str) -> list[str]:
    every = {
        spelling
        for secret in (USER, PASSWORD, "T/ök%en 1", "T/ök%en 2")
        for spelling in spellings(secret)
    }
    return sorted(secret for secret in every if secret in text)


TROUBLE: dict[str, Responder] = {
    **PASSING,
    "404": status(404),
    "401": status(401),
    "redirect": status(302, Location="/v1/GetLoginToken/" + quote(PASSWORD, safe="")),
    "html": NOT_JSON["html"],
    "no items": NOT_ITEMS["no items"],
    "not HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "bad headers": raw(HEAD + b"Content-Length: 2\r\n: :\r\nno colon\r\n\r\n[]"),
    "bad length": raw(HEAD + b"Content-Length: x\r\n\r\n<"),
    "bad gzip": status(200, b"no gzip", **{"Content-Encoding": "gzip"}),
    "endless line": raw(b"HTTP/1.1 200 " + b"O" * 100_000 + b"\r\n\r\n"),
    "dropped once": drop,
}


@pytest.mark.parametrize("kind", [LOGIN, VMS, HOSTS])
@pytest.mark.parametrize("trouble", TROUBLE)
def test_no_secret_is_told(
    dora: Dora,
    client: DoraClient,
    logs: pytest.LogCaptureFixture,
    trouble: str,
    kind: str,
) -> None:
    logs.set_level(logging.DEBUG)
    logs.set_level(logging.DEBUG, "urllib3")
    if trouble == "dropped once":
        dora.then(kind, TROUBLE[trouble])
        client.inventory(ENV)
        assert f"/v1/{kind}/***" in logs.text
    else:
        dora.always[kind] = TROUBLE[trouble]
        try:
            client.inventory(ENV)
        except ChaosVMError as error:
            shown = "".join(traceback.format_exception(error))
            assert secrets_in(shown) == []
        else:
            assert trouble == "bad headers"
    # urllib3 did log, and its records contain no secret.
    assert any(record.name.startswith("urllib3") for record in logs.records)
    said = [logging.Formatter().format(record) for record in logs.records]
    said += [repr(record.args) for record in logs.records]
    assert secrets_in("\n".join(said)) == []


def test_no_secret_is_told_by_a_silent_server(
    dora: Dora, client_of: Clients, logs: pytest.LogCaptureFixture
) -> None:
    logs.set_level(logging.DEBUG)
    dora.always[VMS] = silent
    client = client_of(own_clock=False, timeout=60)
    client.connect()
    client.timeout = 0.5
    with pytest.raises(DeadlinePassed) as caught:
        client.list_vms(ENV)
    assert secrets_in("".join(traceback.format_exception(caught.value))) == []
    assert "/v1/GetLoginToken/***" in logs.text
    assert secrets_in(logs.text) == []


@pytest.mark.parametrize("port", ["auth_port", "api_port"])
def test_no_secret_is_told_when_nobody_listens(
    dora: Dora, client_of: Clients, logs: pytest.LogCaptureFixture, port: str
) -> None:
    """Of all errors of urllib3, this one's text has the URL."""
    logs.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    with pytest.raises(ConnectionFailed) as caught:
        client_of(**{port: closed}).list_vms(ENV)
    assert secrets_in("".join(traceback.format_exception(caught.value))) == []
    assert f":{closed}" in str(caught.value)
    assert secrets_in(logs.text) == []


def test_no_secret_is_in_the_settings_as_shown(client: DoraClient) -> None:
    assert "127.0.0.1" in repr(client.settings)
    assert secrets_in(repr(client.settings)) == []


def test_the_search_for_secrets_finds_them() -> None:
    assert secrets_in(f"GET /v1/GetLoginToken/x/{quote(PASSWORD, safe='')} HTTP/1.1")
    assert secrets_in(f"{PASSWORD}")


def test_a_traceback_of_urllib3_does_not_tell_the_path(
    client: DoraClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Headers that cannot be read are logged with the error that quotes them."""
    logger = logging.getLogger("urllib3.connection")
    try:
        raise ValueError("unparsed data: 'GET /v1/GetVirtualMachines/geheim/Paytv'")
    except ValueError:
        logger.warning(
            "Failed to parse headers (url=%s)", "/v1/GetHypervisors/geheim/x", exc_info=True
        )
    assert "GetHypervisors/***" in caplog.text
    assert "geheim" not in caplog.text


# What is too much ------------------------------------------------------------------------

MEGABYTE = 1024 * 1024
BOMB = gzip.compress(b"[" + b" " * (200 * MEGABYTE) + b"]")


@pytest.mark.parametrize("kind", [LOGIN, VMS, HOSTS])
def test_a_bomb_is_an_error_and_costs_little(
    client: DoraClient, dora: Dora, kind: str, memory: Callable[[], int]
) -> None:
    dora.then(kind, status(200, BOMB, **{"Content-Encoding": "gzip"}))
    with pytest.raises(AnswerTooLarge, match=rf"{kind}\) answered with more than 64 MB"):
        client.inventory("Paytv")
    assert dora.count(kind) == 1
    # 64 MB as they came, and once more as a whole.
    assert memory() < 160 * MEGABYTE
    assert client.count_vms("Paytv") == 1


def test_an_answer_without_an_end_is_an_error(client: DoraClient, dora: Dora) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    dora.then(VMS, raw(head + b"[" + b" " * (65 * MEGABYTE)))
    with pytest.raises(AnswerTooLarge, match="64 MB"):
        client.count_vms("Paytv")


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[" * 51 + b"]" * 51, b'{"a":' * 5_000])
def test_json_that_is_nested_too_deeply_is_an_error_of_ours(
    client: DoraClient, dora: Dora, content: bytes
) -> None:
    for kind in (VMS, LOGIN):
        client.disconnect()
        dora.then(kind, status(200, content))
        with pytest.raises(ProtocolError, match="JSON"):
            client.count_vms("Paytv")


def test_json_of_very_many_items_is_an_error_and_costs_little(
    client: DoraClient, dora: Dora, memory: Callable[[], int]
) -> None:
    dora.then(VMS, status(200, b"[" + b"[]," * (10 * MEGABYTE) + b"[]]"))
    with pytest.raises(ProtocolError, match="3,000,000 items"):
        client.count_vms("Paytv")
    assert memory() < 160 * MEGABYTE


def test_gzip_is_unpacked(client: DoraClient, dora: Dora) -> None:
    packed = gzip.compress(json.dumps({"items": [vm("one"), vm("two", "vm-2")]}).encode())
    dora.then(VMS, status(200, packed, **{"Content-Encoding": "gzip"}))
    assert client.count_vms("Paytv") == 2


@pytest.mark.parametrize("packing", ["br", "deflate", "gzip"])
def test_what_is_packed_otherwise_is_an_error_of_ours(
    client: DoraClient, dora: Dora, packing: str
) -> None:
    dora.always[VMS] = status(200, b"[]", **{"Content-Encoding": packing})
    with pytest.raises(ConnectionFailed):
        client.count_vms("Paytv")


def test_half_a_character_in_an_answer_is_written_out(client: DoraClient, dora: Dora) -> None:
    """Neither a log nor a journal could hold it."""
    content = rb'[{"name": "web-\ud800", "managedObjRef": "vm-1", "note\udfff": ["\ud801"]}]'
    dora.then(VMS, status(200, content))
    (found,) = client.list_vms("Paytv")
    assert found.name == "web-\\ud800"
    json.dumps(found.to_json(), ensure_ascii=False).encode()


@pytest.mark.parametrize("name", [r"\ud83d\ude00", "\U0001f600"])
def test_whole_characters_are_left_as_they_are(client: DoraClient, dora: Dora, name: str) -> None:
    dora.then(VMS, status(200, f'[{{"name": "{name}"}}]'.encode()))
    assert client.list_vms("Paytv")[0].name == "\U0001f600"
