"""The lab's Dora, driven by a client that is not ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
import requests

from chaosvm.lab import Lab, State, World, rule
from tests.fakes import FakeClock

Client = Callable[..., requests.Response]


@contextmanager
def opened(world: World, **options: Any) -> Iterator[tuple[Lab, Client]]:
    with Lab(world, platforms=["dora"], **options) as lab, requests.Session() as session:
        session.trust_env = False
        found = lab.environment()

        def get(command: str, *parts: str, **query: str) -> requests.Response:
            port = found["DORA_AUTH_PORT" if command == "GetLoginToken" else "DORA_API_PORT"]
            path = "/".join(quote(part, safe="") for part in parts)
            url = f"{found['DORA_SCHEME']}://127.0.0.1:{port}/v1/{command}/{path}"
            return session.get(url, params=query, timeout=5, verify=lab.ca_file)

        yield lab, get


def token(lab: Lab, get: Client) -> str:
    told: str = get("GetLoginToken", lab.username, lab.password).json()["token"]
    return told


def vms(lab: Lab, get: Client, *where: str, **query: str) -> list[dict[str, Any]]:
    answer = get("GetVirtualMachines", token(lab, get), *(where or ("any", "where")), **query)
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


@pytest.mark.parametrize("password", ["a/b%2Fc", "100%", "a&b=c#d?e", "pässwörd", "with space"])
def test_any_password_logs_in(world: World, password: str) -> None:
    with opened(world, password=password) as (lab, get):
        assert get("GetLoginToken", lab.username, password).status_code == 200
        assert get("GetLoginToken", lab.username, "other").status_code == 401
        assert lab.sessions() == {"logins": 1, "logouts": 0, "alive": 1}


def test_tokens_end(world: World) -> None:
    with opened(world) as (lab, get):
        good = token(lab, get)
        assert get("GetVirtualMachines", good, "v", "p").status_code == 200
        lab.expire_tokens()
        assert get("GetVirtualMachines", good, "v", "p").status_code == 401


def test_tokens_end_by_themselves() -> None:
    clock = FakeClock()
    with opened(World(clock=clock), token_seconds=60) as (lab, get):
        good = token(lab, get)
        assert get("GetHypervisors", good, "v", "p").status_code == 200
        clock.sleep(61)
        assert get("GetHypervisors", good, "v", "p").status_code == 401


def test_a_vm_is_told_as_dora_tells_it(world: World) -> None:
    vm = world.add_vm("web-01", State.OFF)
    with opened(world) as (lab, get):
        (told,) = vms(lab, get)
    assert told == {
        "name": "web-01",
        "path": "/Default/vm/web-01",
        "host": "/Default/host/Default/host-1",
        "os": "other_linux",
        "cpus": 1,
        "memMb": 1024,
        "state": "poweredOff",
        "managedObjRef": vm.moid,
        "cpuUsagePerc": 0,
        "memUsagePerc": 0,
    }


def test_states(world: World) -> None:
    for state in (State.RUNNING, State.SUSPENDED, State.OFF, State.BOOTING):
        world.add_vm(state.value, state)
    with opened(world) as (lab, get):
        found = {told["name"]: told["state"] for told in vms(lab, get)}
    assert found == {
        "running": "poweredOn",
        "suspended": "suspended",
        "off": "poweredOff",
        "booting": "poweredOn",
    }


def test_coordinates_and_host_filter_where_they_mean_something(world: World) -> None:
    for number in (1, 2):
        cluster = world.add_cluster(f"c{number}", world.add_datacenter(f"dc-{number}"))
        for name in ("dev1", "dev2"):
            world.add_vm(
                f"vm-{number}-{name}",
                host=world.add_host(f"{name}-{number}", cluster),
                cluster=cluster,
            )
    with opened(world, dora_estates={"OracleQA": {"ORA-DEV": ["dc-1"]}}) as (lab, get):
        assert len(vms(lab, get, "OracleQA", "ORA-DEV")) == 2
        narrowed = vms(lab, get, "OracleQA", "ORA-DEV", host_filter="dev1")
        assert [told["name"] for told in narrowed] == ["vm-1-dev1"]
        assert vms(lab, get, "OracleQA", "elsewhere") == []
        hosts = get("GetHypervisors", token(lab, get), "OracleQA", "ORA-DEV").json()["items"]
        assert [host["connectionStatus"] for host in hosts] == ["connected", "connected"]


def test_it_lags() -> None:
    clock = FakeClock()
    world = World(clock=clock)
    world.add_vm("web-01")
    with opened(world, dora_lag=45) as (lab, get):
        assert vms(lab, get)[0]["state"] == "poweredOn"
        world.change("web-01", state=State.OFF)
        clock.sleep(30)
        assert vms(lab, get)[0]["state"] == "poweredOn"
        clock.sleep(30)
        assert vms(lab, get)[0]["state"] == "poweredOff"


def test_bare_lists_and_tls(world: World) -> None:
    world.add_vm("web-01")
    with opened(world, dora_bare=True, dora_tls=True) as (lab, get):
        told = get("GetVirtualMachines", token(lab, get), "v", "p").json()
    assert [vm["name"] for vm in told] == ["web-01"]


def test_trouble(world: World) -> None:
    with opened(world) as (lab, get):
        good = token(lab, get)
        for trouble, status in (("status", 503), ("html", 200), ("fault", 500)):
            lab.rules(rule("vms", trouble, code=status))
            answer = get("GetVirtualMachines", good, "v", "p")
            assert answer.status_code == status
            assert ("html" in answer.headers["Content-Type"]) == (trouble != "fault")
        lab.rules(rule("login", "drop_before"))
        with pytest.raises(requests.ConnectionError):
            get("GetLoginToken", "a", "b")
        lab.rules()


def test_no_secret_is_counted(world: World) -> None:
    with opened(world) as (lab, get):
        vms(lab, get)
        assert sorted(lab.requests()) == [
            "GET /v1/GetLoginToken/{user}/{password}",
            "GET /v1/GetVirtualMachines/{token}/{vcenter}/{vm_path}",
        ]


def test_paths_of_another_length_are_not_found(world: World) -> None:
    with opened(world) as (lab, get):
        assert get("GetLoginToken", "a").status_code == 404
        assert get("GetVirtualMachines", token(lab, get), "v").status_code == 404
