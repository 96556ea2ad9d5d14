"""Trouble on request."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import ovirtsdk4
import pytest
import requests

from chaosvm.lab import Lab, State, World, rule, when
from chaosvm.lab.fault_rules import ACTIONS
from tests.lab.conftest import Plain, connected
from tests.moments import eventually


@pytest.fixture(autouse=True)
def web(world: World) -> str:
    world.add_vm("db")
    return world.add_vm("web").id


def stop(plain: Plain, world: World, name: str, **options: Any) -> requests.Response:
    return plain.post(f"/vms/{world.vm(name).id}/stop", **options)


def impatient(seconds: float) -> tuple[float, float]:
    """For an answer only: however slow the machine is, the request is sent."""
    return 60, seconds


def runs(world: World, name: str) -> bool:
    return world.vm(name).state is State.RUNNING


@pytest.mark.parametrize(
    "method",
    ["stop", "POST /api/vms/{id}/stop", "POST /api/vms/*/stop", "POST *", "*"],
)
def test_a_rule_names_requests(lab: Lab, plain: Plain, world: World, method: str) -> None:
    lab.rules(rule(method, "status", code=503))
    assert stop(plain, world, "web").status_code == 503
    assert lab.applied() == [1]
    lab.rules()
    assert stop(plain, world, "web").status_code == 200


def test_a_rule_may_be_about_one_path(lab: Lab, plain: Plain, web: str) -> None:
    lab.rules(rule(f"GET /api/vms/{web}", "html"))
    assert "html" in plain.get(f"/vms/{web}").text
    assert "html" not in plain.get("/vms").text


def test_a_rule_may_be_about_one_vm_by_name_or_id(
    lab: Lab, plain: Plain, world: World, web: str
) -> None:
    for vm in ("web", web):
        lab.rules(rule("stop", "status", vm=vm, code=500))
        assert stop(plain, world, "web").status_code == 500
        assert stop(plain, world, "db").status_code == 200
    lab.rules(rule("*", "status", vm="web", code=500))
    assert plain.get("/vms").status_code == 200


def test_some_calls_pass_and_some_are_troubled(lab: Lab, plain: Plain) -> None:
    lab.rules(rule("GET /api/hosts", "status", skip=1, times=2, code=503))
    assert [plain.get("/hosts").status_code for _ in range(4)] == [200, 503, 503, 200]
    assert lab.applied() == [2]


def test_the_first_rule_that_applies_wins(lab: Lab, plain: Plain) -> None:
    lab.rules(rule("GET *", "status", times=1, code=502), rule("GET /api/vms", "status", code=503))
    assert [plain.get("/vms").status_code for _ in range(2)] == [502, 503]


def test_a_login_can_be_troubled(lab: Lab, plain: Plain) -> None:
    lab.rules(rule("login", "status", code=503), rule("logout", "drop_before"))
    assert plain.login().status_code == 503


def test_something_can_happen_when_a_request_arrives(
    lab: Lab, plain: Plain, world: World, web: str
) -> None:
    """Before it is answered; and what other rules say about it is done as well."""
    seen: list[tuple[str, bool]] = []
    lab.rules(
        rule("stop", "status", code=502, skip=1),
        when("stop", lambda: seen.append(("any", runs(world, "web"))), skip=1),
        when("stop", lambda: seen.append(("web", runs(world, "web"))), vm=web),
        when("stop", lambda: seen.append(("other", True)), vm="other"),
    )
    assert [stop(plain, world, "web").status_code for _ in range(3)] == [200, 502, 502]
    assert seen == [("web", True), ("any", False)]
    assert lab.applied() == [2, 1, 1, 0]


def test_what_is_no_rule() -> None:
    with pytest.raises(ValueError, match="unknown action"):
        rule("stop", "explode")
    with pytest.raises(ValueError, match="not an HTTP status"):
        rule("stop", "status", code=1000)


def test_latency(lab: Lab, plain: Plain) -> None:
    lab.latency = 0.2
    began = time.monotonic()
    plain.get("/vms")
    assert time.monotonic() - began >= 0.2


def test_delay(lab: Lab, plain: Plain, world: World) -> None:
    lab.rules(rule("stop", "delay", seconds=0.2))
    began = time.monotonic()
    assert stop(plain, world, "web").status_code == 200
    assert time.monotonic() - began >= 0.2
    assert not runs(world, "web")


def test_who_does_not_wait_gets_it_all_the_same(lab: Lab, plain: Plain, world: World) -> None:
    gone = threading.Event()
    lab.rules(when("stop", gone.wait))
    with pytest.raises(requests.Timeout):
        stop(plain, world, "web", timeout=impatient(0.1))
    assert runs(world, "web")
    gone.set()
    eventually(lambda: not runs(world, "web"))


def test_status_and_html(lab: Lab, plain: Plain, world: World, engine: Any) -> None:
    lab.rules(rule("stop", "status", code=503, message="too <busy>"))
    answer = stop(plain, world, "web")
    assert "<title>503 Service Unavailable</title>" in answer.text
    lab.rules(rule("GET /api/vms", "html"))
    with pytest.raises(ovirtsdk4.Error, match="text/html") as caught:
        engine.system_service().vms_service().list()
    assert caught.value.code is None
    assert runs(world, "web")


def test_empty(lab: Lab, plain: Plain) -> None:
    lab.rules(rule("GET /api/vms", "empty"))
    assert plain.get("/vms").content == b""


def test_ignore(lab: Lab, plain: Plain, world: World) -> None:
    lab.rules(rule("stop", "ignore"))
    assert "<status>complete</status>" in stop(plain, world, "web").text
    assert runs(world, "web")


def test_fault(lab: Lab, plain: Plain, world: World, engine: Any, web: str) -> None:
    lab.rules(rule("* /api/*", "fault", message="Not today."))
    with pytest.raises(ovirtsdk4.Error) as caught:
        engine.system_service().vms_service().vm_service(web).stop()
    assert (caught.value.code, caught.value.fault.detail) == (409, "[Not today.]")
    answer = plain.get("/vms")
    assert answer.status_code == 409
    assert "<fault>" in answer.text


def test_drop_before(lab: Lab, plain: Plain, world: World) -> None:
    lab.rules(rule("stop", "drop_before"))
    with pytest.raises(requests.ConnectionError):
        stop(plain, world, "web")
    assert runs(world, "web")


def test_drop_after(lab: Lab, plain: Plain, world: World) -> None:
    lab.rules(rule("stop", "drop_after"))
    with pytest.raises(requests.ConnectionError):
        stop(plain, world, "web")
    assert not runs(world, "web")


def test_cut(lab: Lab, plain: Plain, engine: Any) -> None:
    lab.rules(rule("GET /api/vms", "cut"))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        plain.get("/vms")
    with pytest.raises(ovirtsdk4.Error) as caught:
        engine.system_service().vms_service().list()
    assert caught.value.code is None


@pytest.mark.parametrize(("action", "done"), [("silent", False), ("silent_after", True)])
def test_silence(lab: Lab, plain: Plain, world: World, action: str, done: bool) -> None:
    lab.rules(rule("stop", action))
    with pytest.raises(requests.Timeout):
        stop(plain, world, "web", timeout=impatient(0.3))
    eventually(lambda: lab.applied() == [1] and runs(world, "web") is not done)


def test_drip(lab: Lab, plain: Plain, engine: Any) -> None:
    lab.rules(rule("GET /api/datacenters", "drip", seconds=0.001))
    assert plain.get("/datacenters", **{"Accept-Encoding": "identity"}).text.startswith("<?xml")
    lab.rules(rule("GET /api/vms", "drip", seconds=0.2))
    with connected(lab, timeout=1) as hasty, pytest.raises(ovirtsdk4.Error):
        hasty.system_service().vms_service().list()


def test_a_server_in_trouble_still_stops_at_once(world: World) -> None:
    with Lab(world) as lab, Plain(lab) as plain:
        lab.rules(rule("GET /api/vms", "silent"))
        with pytest.raises(requests.Timeout):
            plain.get("/vms", timeout=impatient(0.1))
        began = time.monotonic()
        lab.stop()
    assert time.monotonic() - began < 20


def test_connections_can_be_dropped(lab: Lab, plain: Plain) -> None:
    lab.rules(when("GET /api/vms", lab.drop_connections))
    with pytest.raises(requests.ConnectionError):
        plain.get("/vms")
    assert plain.get("/vms").status_code == 200


def test_libcurl_sends_a_post_twice_when_a_kept_connection_dies(
    lab: Lab, engine: Any, web: str
) -> None:
    """Why a reset must never go out over a connection that was used before."""
    engine.system_service().get()
    lab.rules(rule("reset", "drop_after", times=1))
    engine.system_service().vms_service().vm_service(web).reset()
    assert lab.requests()["POST /api/vms/{id}/reset"] == 2


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_after_any_trouble_all_is_well_again(lab: Lab, world: World, action: str) -> None:
    lab.rules(rule("GET /api/vms", action, times=1, seconds=0.001))
    with Plain(lab) as plain:
        with contextlib.suppress(requests.RequestException):
            plain.get("/vms", timeout=impatient(0.2))
        assert plain.get("/vms").status_code == 200
