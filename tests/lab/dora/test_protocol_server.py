"""Dora's face, asked by a client that is not ours."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import pytest
import requests

from chaosvm.errors import InvalidValue
from chaosvm.lab import Guest, Lab, State, World, rule
from chaosvm.lab.fault_rules import ACTIONS
from chaosvm.lab.simulation import EventKind
from tests.fakes import FakeClock
from tests.lab.conftest import Plain
from tests.moments import eventually

ODD = [
    "a/b%2Fc&#?ü",
    "%25",
    "/",
    "//",
    "{x}",
    "a b+c",
    "a;b=c",
    "\n",
    "日本",
    "100%",
    "?x=1",
    "é\\",
]
LOGIN = "GET /v1/GetLoginToken/{user}/{password}"
VMS = "GET /v1/GetVirtualMachines/{token}/{vcenter}/{vm_path}"
HYPERVISORS = "GET /v1/GetHypervisors/{token}/{vcenter}/{pattern}"


class Dora:
    """Asks a lab's Dora, with a token of its own."""

    def __init__(self, lab: Lab) -> None:
        self._where = lab.environment()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = lab.ca_file
        self.token = ""

    def __enter__(self) -> Dora:
        self.token = self.login().json()["token"]
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def login(self, user: str | None = None, password: str | None = None) -> requests.Response:
        who = (user or self._where["DORA_USERNAME"], password or self._where["DORA_PASSWORD"])
        return self.get("AUTH", "GetLoginToken", *who)

    def ask(
        self,
        call: str = "GetVirtualMachines",
        vcenter: str = "any",
        path: str = "thing",
        host_filter: str = "",
        **options: Any,
    ) -> requests.Response:
        query = {"listing_only": "false", "host_filter": host_filter}
        return self.get("API", call, self.token, vcenter, path, params=query, **options)

    def get(self, port: str, call: str, *parts: str, **options: Any) -> requests.Response:
        root = "{DORA_SCHEME}://{DORA_HOST}".format(**self._where)
        path = "/".join(quote(part, safe="") for part in parts)
        url = f"{root}:{self._where[f'DORA_{port}_PORT']}/v1/{call}/{path}"
        return self._session.get(url, **({"timeout": 60} | options))

    def vms(self, **where: Any) -> dict[str, dict[str, Any]]:
        return {item["name"]: item for item in self.ask(**where).json()["items"]}

    def hypervisors(self, **where: Any) -> dict[str, dict[str, Any]]:
        return self.vms(call="GetHypervisors", **where)


Serve = Callable[..., Dora]


@pytest.fixture
def world() -> World:
    made = World()
    made.add_vm("web-01")
    made.add_vm("db-01", State.OFF)
    return made


@pytest.fixture
def lab(world: World) -> Iterator[Lab]:
    with Lab(world, platforms=["dora"]) as running:
        yield running


@pytest.fixture
def dora(lab: Lab) -> Iterator[Dora]:
    with Dora(lab) as client:
        yield client


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A Dora over a world, with the lab's options as given."""
    with ExitStack() as opened:

        def make(world: World, **options: Any) -> Dora:
            lab = opened.enter_context(Lab(world, platforms=["dora"], **options))
            return opened.enter_context(Dora(lab))

        yield make


# Where it is, and logging in ----------------------------------------------------------------


def test_it_tells_where_it_is(lab: Lab) -> None:
    found = lab.environment()
    assert found.pop("DORA_API_PORT") != found.pop("DORA_AUTH_PORT")
    assert found == {
        "DORA_HOST": "127.0.0.1",
        "DORA_SCHEME": "http",
        "DORA_USERNAME": "admin@internal",
        "DORA_PASSWORD": lab.password,
    }


def test_a_lab_has_all_platforms_over_one_world(world: World) -> None:
    with Lab(world) as lab, Plain(lab) as plain, Dora(lab) as dora:
        assert lab.environment().keys() >= {"OLVM_URL", "DORA_HOST"}
        plain.post(f"/vms/{world.vm('web-01').id}/stop")
        eventually(lambda: dora.vms()["web-01"]["state"] == "poweredOff")
        assert lab.sessions()["logins"] == 2
    # The engine knows of its own users only.
    assert [event.kind for event in world.events].count(EventKind.LOGGED_IN) == 1


def test_with_tls_it_is_good_with_the_labs_authority(world: World) -> None:
    with Lab(world, platforms=["dora"], dora_tls=True) as lab, Dora(lab) as dora:
        assert lab.environment()["DORA_SCHEME"] == "https"
        assert lab.environment()["DORA_CA_FILE"] == lab.ca_file
        assert len(dora.vms()) == 2


@pytest.mark.parametrize("odd", ODD)
def test_any_name_and_password_arrive_whole(world: World, serve: Serve, odd: str) -> None:
    dora = serve(world, username=f"{odd}me", password=odd)
    assert len(dora.vms(vcenter=odd, path=odd, host_filter=odd)) == 2
    assert dora.login(password=f"{odd}x").status_code == 401


def test_coordinates_arrive_whole(world: World, serve: Serve) -> None:
    center = world.datacenters[0].name
    dora = serve(world, dora_estates={odd: {odd: [center]} for odd in ODD})
    for odd in ODD:
        assert len(dora.vms(vcenter=odd, path=odd)) == 2
        assert dora.vms(vcenter=odd, path=f"{odd}x") == {}


@pytest.mark.parametrize("wrong", [{"user": "eve"}, {"password": "guess"}])
def test_a_login_is_refused(lab: Lab, dora: Dora, wrong: dict[str, str]) -> None:
    answer = dora.login(**wrong)
    assert answer.status_code == 401
    assert answer.json()["error"]
    assert lab.sessions() == {"logins": 1, "logouts": 0, "alive": 1}


@pytest.mark.parametrize("call", ["GetVirtualMachines", "GetHypervisors"])
def test_without_a_good_token_nothing_is_told(dora: Dora, call: str) -> None:
    for token in ("", "guess", dora.token[:-1]):
        answer = dora.get("API", call, token, "any", "thing")
        assert answer.status_code == 401
        assert set(answer.json()) == {"error"}


def test_tokens_can_be_expired(lab: Lab, dora: Dora) -> None:
    lab.expire_tokens()
    assert dora.ask().status_code == 401
    assert lab.sessions()["alive"] == 0
    dora.token = dora.login().json()["token"]
    assert dora.ask().status_code == 200


def test_tokens_end_by_themselves(slow_world: World, clock: FakeClock, serve: Serve) -> None:
    dora = serve(slow_world, token_seconds=60)
    clock.sleep(59)
    assert dora.ask().status_code == 200
    clock.sleep(1)
    assert dora.ask().status_code == 401


def test_a_port_has_its_own_calls_only(dora: Dora) -> None:
    for answer in (
        dora.get("AUTH", "GetVirtualMachines", dora.token, "any", "thing"),
        dora.get("API", "GetLoginToken", "me", "secret"),
        dora.get("API", "GetVirtualMachines", dora.token, "any", "thing", "more"),
    ):
        assert (answer.status_code, set(answer.json())) == (404, {"error"})


def test_what_is_counted_and_logged_holds_no_secret(
    lab: Lab, dora: Dora, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("aiohttp", "asyncio", "chaosvm"):
        caplog.set_level(logging.DEBUG, name)
    dora.login(password="secret")
    dora.ask()
    dora.ask("GetHypervisors")
    dora.get("API", "GetLoginToken", "me", "secret\n")
    dora.get("AUTH", "GetLoginToken", "me", "secret", "more")
    assert lab.requests() == {LOGIN: 2, VMS: 1, HYPERVISORS: 1, "GET /{unknown}": 2}
    logged = [r.getMessage() for r in caplog.records if not r.name.startswith("urllib3")]
    assert not [text for text in logged if "secret" in text or dora.token in text]


# What there is ------------------------------------------------------------------------------


def test_a_vm(world: World, dora: Dora) -> None:
    vm = world.add_vm("wëb/2", os="AlmaLinux:8.10", memory=3 * 1024**3)
    shown = dora.vms()["wëb/2"]
    usage = [shown.pop("cpuUsagePerc"), shown.pop("memUsagePerc")]
    assert all(0 < value <= 100 for value in usage)
    assert shown == {
        "name": "wëb/2",
        "path": "/Default/Default/wëb%2f2",
        "host": "/Default/host/Default/host-1",
        "os": "AlmaLinux:8.10",
        "cpus": 1,
        "memMb": 3072,
        "state": "poweredOn",
        "managedObjRef": vm.moid,
    }


def test_a_vm_that_is_off_has_a_host_and_uses_nothing(dora: Dora) -> None:
    shown = dora.vms()["db-01"]
    assert shown["host"] == "/Default/host/Default/host-1"
    assert (shown["state"], shown["cpuUsagePerc"], shown["memUsagePerc"]) == ("poweredOff", 0, 0)


def test_a_vm_stays_where_it_ran(world: World, serve: Serve) -> None:
    for number in range(2, 9):
        world.add_host(f"host-{number}")
    ran_on = {f"vm-{host.name}": host for host in world.hosts}
    for name, host in ran_on.items():
        world.add_vm(name, host=host)
    dora = serve(world)
    for name in ran_on:
        world.change(name, state=State.OFF)
    shown = dora.vms()
    for name, host in ran_on.items():
        assert shown[name]["host"].endswith(f"/{host.name}")


def test_a_world_without_hosts_or_data_centers(serve: Serve) -> None:
    world = World()
    world.add_vm("web", cluster=world.add_cluster("alone"))
    dora = serve(world)
    assert dora.vms()["web"]["host"] is None
    assert dora.hypervisors() == {}


def test_a_hypervisor(world: World, dora: Dora) -> None:
    world.add_host("host-2", up=False)
    shown = dora.hypervisors()
    assert {key: shown["host-1"][key] for key in ("address", "connectionStatus", "path")} == {
        "address": "host-1.lab.example",
        "connectionStatus": "connected",
        "path": "/Default/host/Default/host-1",
    }
    assert shown["host-2"]["connectionStatus"] == "disconnected"
    assert shown["host-1"]["type"]
    assert sum(host["numVms"] for host in shown.values()) == 2


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State.OFF, "poweredOff"),
        (State.SUSPENDED, "suspended"),
        (State.DISKS_LOCKED, "poweredOff"),
        *(
            (state, "poweredOn")
            for state in (
                State.LAUNCHING,
                State.BOOTING,
                State.RUNNING,
                State.SHUTTING_DOWN,
                State.REBOOTING,
                State.SAVING,
                State.RESTORING,
                State.PAUSED,
            )
        ),
    ],
)
def test_states_are_those_of_a_vcenter(world: World, dora: Dora, state: State, word: str) -> None:
    world.stick("web-01", state)
    assert dora.vms()["web-01"]["state"] == word


def test_a_power_change_is_seen(slow_world: World, clock: FakeClock, serve: Serve) -> None:
    slow_world.add_vm("web", guest=Guest.obeys(5))
    dora = serve(slow_world)
    seen = []
    for change in (slow_world.power.shut_down, slow_world.power.start, slow_world.power.suspend):
        change("web")
        seen.append(dora.vms()["web"]["state"])
        clock.sleep(10)
        seen.append(dora.vms()["web"]["state"])
    assert seen == ["poweredOn", "poweredOff", "poweredOn", "poweredOn", "poweredOn", "suspended"]


def test_bare_lists(world: World, serve: Serve) -> None:
    dora = serve(world, dora_bare=True)
    assert [item["name"] for item in dora.ask().json()] == ["web-01", "db-01"]
    assert [item["name"] for item in dora.ask("GetHypervisors").json()] == ["host-1"]


def test_long_answers_are_compressed_if_that_is_asked_for(serve: Serve) -> None:
    dora = serve(World.generated(200))
    packed = dora.ask()
    plain = dora.ask(headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(plain.content) / 2
    assert packed.content == plain.content
    assert "Content-Encoding" not in plain.headers


# Coordinates --------------------------------------------------------------------------------


def test_by_default_everything_is_everywhere(dora: Dora) -> None:
    assert len(dora.vms(vcenter="x", path="y", host_filter="nowhere")) == 2
    assert len(dora.hypervisors(vcenter="x", path="y", host_filter="nowhere")) == 1


@pytest.fixture
def estate() -> World:
    """Data centers A and B, with two hosts each, and a VM on every host and one off in A."""
    made = World()
    for center in "AB":
        cluster = made.add_cluster(f"c-{center}", made.add_datacenter(center))
        for name in ("dev1", "prod1"):
            host = made.add_host(f"{name}-{center}", cluster)
            made.add_vm(f"vm-{name}-{center}", host=host, cluster=cluster)
    made.add_vm("loose", cluster=made.add_cluster("of no data center"))
    made.add_vm("off", State.OFF, cluster=made.clusters[0])
    return made


def test_coordinates_name_data_centers(estate: World, serve: Serve) -> None:
    dora = serve(estate, dora_estates={"QA": {"A-only": ["A"], "both": ["A", "B"], "none": []}})
    assert set(dora.vms(vcenter="QA", path="A-only")) == {"vm-dev1-A", "vm-prod1-A", "off"}
    assert set(dora.hypervisors(vcenter="QA", path="A-only")) == {"dev1-A", "prod1-A"}
    assert len(dora.vms(vcenter="QA", path="both")) == 5
    for vcenter, path in (("QA", "none"), ("QA", "other"), ("other", "both"), ("", "")):
        for call in ("GetVirtualMachines", "GetHypervisors"):
            assert dora.ask(call, vcenter, path).json() == {"items": []}


def test_a_host_filter_narrows(estate: World, serve: Serve) -> None:
    dora = serve(estate, dora_estates={"QA": {"all": ["A", "B"]}})
    where = {"vcenter": "QA", "path": "all", "host_filter": "dev1"}
    assert set(dora.hypervisors(**where)) == {"dev1-A", "dev1-B"}
    assert set(dora.vms(**where)) - {"off"} == {"vm-dev1-A", "vm-dev1-B"}
    # The one that is off is on one of its cluster's hosts, and always on the same.
    on = [name for name in ("dev1", "prod1") if "off" in dora.vms(**where | {"host_filter": name})]
    assert len(on) == 1
    assert dora.vms(**where | {"host_filter": "dev2"}) == {}


def test_a_vm_does_not_leave_its_estate_by_going_off(estate: World, serve: Serve) -> None:
    dora = serve(estate, dora_estates={"QA": {"all": ["A", "B"]}})
    where = {"vcenter": "QA", "path": "all", "host_filter": "dev1"}
    for name in ("vm-dev1-A", "vm-dev1-B"):
        estate.change(name, state=State.OFF)
    assert dora.vms(**where).keys() >= {"vm-dev1-A", "vm-dev1-B"}


def test_estates_need_lists(world: World) -> None:
    with pytest.raises(InvalidValue, match="needs a list"):
        Lab(world, platforms=["dora"], dora_estates={"QA": {"all": "Default"}})


# Lag ----------------------------------------------------------------------------------------


def test_it_lags(slow_world: World, clock: FakeClock, serve: Serve) -> None:
    slow_world.add_vm("web")
    dora = serve(slow_world, dora_lag=30)
    clock.sleep(20)
    slow_world.power.power_off("web")
    seen = []
    for seconds in (0, 9, 1, 30):  # read anew at 30, whether or not it was asked before
        clock.sleep(seconds)
        seen.append(dora.vms()["web"]["state"])
    assert seen == ["poweredOn", "poweredOn", "poweredOff", "poweredOff"]


def test_it_shows_the_moment_when_it_read(
    slow_world: World, clock: FakeClock, serve: Serve
) -> None:
    """Also if nobody looked then: off at 29, on again at 31."""
    slow_world.add_vm("web")
    dora = serve(slow_world, dora_lag=30)
    clock.sleep(29)
    slow_world.power.power_off("web")
    clock.sleep(2)
    slow_world.power.start("web")
    clock.sleep(20)
    assert dora.vms()["web"]["state"] == "poweredOff"
    clock.sleep(10)
    assert dora.vms()["web"]["state"] == "poweredOn"


def test_a_new_vm_and_a_removed_one_are_seen_late(
    slow_world: World, clock: FakeClock, serve: Serve
) -> None:
    slow_world.add_vm("old")
    dora = serve(slow_world, dora_lag=30)
    slow_world.remove_vm("old")
    slow_world.add_vm("new")
    assert set(dora.vms()) == {"old"}
    clock.sleep(30)
    assert set(dora.vms()) == {"new"}


def test_it_lags_by_a_real_clock(world: World, serve: Serve) -> None:
    dora = serve(world, dora_lag=2)
    world.change("web-01", state=State.OFF)
    assert dora.vms()["web-01"]["state"] == "poweredOn"
    eventually(lambda: dora.vms()["web-01"]["state"] == "poweredOff")


def test_a_lag_is_not_negative(world: World) -> None:
    with pytest.raises(InvalidValue, match="dora_lag"):
        Lab(world, platforms=["dora"], dora_lag=-1)


# Trouble ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "name"), [("vms", VMS), ("hypervisors", HYPERVISORS)])
def test_rules_name_calls(lab: Lab, dora: Dora, verb: str, name: str) -> None:
    call = name.split("/")[2]
    other = "GetHypervisors" if verb == "vms" else "GetVirtualMachines"
    for method in (verb, name):
        lab.rules(rule(method, "status", code=500, times=2))
        assert dora.ask(other).status_code == 200
        assert [dora.ask(call).status_code for _ in range(3)] == [500, 500, 200]


def test_logins_can_be_troubled(lab: Lab, dora: Dora) -> None:
    lab.rules(rule("login", "status", code=503))
    assert dora.login().status_code == 503
    assert dora.ask().status_code == 200
    lab.rules(rule("login", "drop_after"))
    with pytest.raises(requests.ConnectionError):
        dora.login()
    assert lab.sessions()["logins"] == 2


def test_fault(lab: Lab, dora: Dora) -> None:
    lab.rules(rule("vms", "fault", code=401, message="no more"))
    answer = dora.ask()
    assert (answer.status_code, answer.json()) == (401, {"error": "no more"})


def test_html_and_empty(lab: Lab, dora: Dora) -> None:
    lab.rules(rule("vms", "html"), rule("hypervisors", "empty"))
    page = dora.ask()
    assert (page.status_code, page.text[:9]) == (200, "<!DOCTYPE")
    nothing = dora.ask("GetHypervisors")
    assert (nothing.status_code, nothing.content) == (200, b"")


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_cut(lab: Lab, dora: Dora, encoding: str) -> None:
    lab.rules(rule("vms", "cut"))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        dora.ask(headers={"Accept-Encoding": encoding})


def test_slow_answers(lab: Lab, dora: Dora) -> None:
    lab.rules(rule("vms", "delay", seconds=0.2), rule("hypervisors", "drip", seconds=0.001))
    began = time.monotonic()
    assert dora.ask().status_code == 200
    assert time.monotonic() - began >= 0.2
    assert dora.hypervisors()
    lab.rules(rule("vms", "silent"))
    with pytest.raises(requests.Timeout):
        dora.ask(timeout=(60, 0.2))


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_after_any_trouble_all_is_well_again(lab: Lab, dora: Dora, action: str) -> None:
    lab.rules(rule("vms", action, times=1, seconds=0.001))
    try:
        dora.ask(timeout=(60, 0.2))
    except requests.RequestException:
        eventually(lambda: lab.applied() == [1])
    assert len(dora.vms()) == 2


# Size ---------------------------------------------------------------------------------------


def test_many_clients_at_once(serve: Serve) -> None:
    world = World.generated(500)
    dora = serve(world)
    told: list[int] = []

    def work() -> None:
        told.append(len(dora.ask().json()["items"]))

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [500] * 20


def test_twenty_thousand_vms(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    dora = serve(World.generated(20_000, hosts=50))
    took = []
    for encoding in ("identity", "gzip"):
        for _ in range(2):
            began = time.perf_counter()
            answer = dora.ask(headers={"Accept-Encoding": encoding})
            took.append(f"{encoding} {time.perf_counter() - began:.3f} s")
            assert time.perf_counter() - began < 30
    with capsys.disabled():
        print(f"\n20,000 VMs, {len(answer.content)} bytes: {'; '.join(took)}")
    assert len(json.loads(answer.content)["items"]) == 20_000
