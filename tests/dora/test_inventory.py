"""What is read from Dora's answers, however odd, and several environments at once."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from chaosvm.dora.client import DoraClient
from chaosvm.dora.comparison import compare
from chaosvm.dora.environments import builtin_environments
from chaosvm.dora.inventory import (
    EnvironmentInventory,
    Hypervisor,
    parse_hypervisors,
    parse_items,
    parse_vms,
)
from chaosvm.errors import (
    AmbiguousVM,
    InvalidValue,
    LoginFailed,
    NoSuchVM,
    PlatformError,
    ProtocolError,
)
from chaosvm.vm import VM, PowerState
from tests.dora.conftest import LOGIN, VMS, Dora, host, silent, status, vm

Clients = Callable[..., DoraClient]

ENV = "Arvig-Staging"
STAGING = ["Arvig-Staging", "EPB-Staging", "Midco-Staging"]


def read(**fields: Any) -> VM:
    (found,) = parse_vms([fields], builtin_environments().find(ENV))
    return found


def read_host(**fields: Any) -> Hypervisor:
    (found,) = parse_hypervisors([fields], builtin_environments().find(ENV))
    return found


# The answer --------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda found: found, lambda found: {"items": found, "next": 1}])
def test_both_shapes_of_an_answer(dora: Dora, client: DoraClient, wrap: Any) -> None:
    dora.vms, dora.hosts = wrap([vm("a", "vm-1"), vm("b", "vm-2")]), wrap([host()])
    found = client.inventory(ENV)
    assert [each.name for each in found.vms] == ["a", "b"]
    assert [each.name for each in found.hypervisors] == ["esx-1.example.com"]


@pytest.mark.parametrize("empty", [[], {"items": []}])
def test_an_empty_answer(dora: Dora, client: DoraClient, empty: Any) -> None:
    dora.vms = dora.hosts = empty
    found = client.inventory(ENV)
    assert (found.vms, found.hypervisors) == ((), ())
    assert found.counts() == {
        "vms": 0,
        "hypervisors": 0,
        "hypervisors_connected": 0,
        "power_states": {},
    }
    with pytest.raises(NoSuchVM, match=ENV):
        client.get_vm(ENV, "a")


def test_every_field_of_a_vm(dora: Dora, client: DoraClient) -> None:
    assert client.get_vm(ENV, "web-01").to_json() == {
        "id": "vm-101",
        "name": "web-01",
        "platform": "dora",
        "power_state": "powered_on",
        "status": "poweredOn",
        "instance_uuid": None,
        "path": "/ORA-DEV/ORA-DEV/web-01",
        "datacenter": "ORA-DEV",
        "cluster": "cluster-1",
        "host": "esx-1.example.com",
        "folder": "/ORA-DEV/ORA-DEV",
        "cpu_count": 4,
        "memory_mb": 8192,
        "guest_os": "AlmaLinux:8.10",
        "tools_status": None,
        "hostname": None,
        "ip_addresses": None,
        "tags": None,
        "template": False,
        "metadata": {
            "environment": ENV,
            "vcenter": ENV,
            "moid": "vm-101",
            "cpu_usage_percent": 12.5,
            "memory_usage_percent": 40.0,
        },
    }


def test_a_vm_is_found_by_name_moid_and_path(dora: Dora, client: DoraClient) -> None:
    dora.vms = [vm("a", "vm-1"), vm("b", "vm-2")]
    for word in ("b", "vm-2", "/ORA-DEV/ORA-DEV/b"):
        assert client.get_vm(ENV, word).id == "vm-2"


def test_a_selection(dora: Dora, client: DoraClient) -> None:
    dora.vms = [vm("a1", "vm-1"), vm("a2", "vm-2", state="poweredOff"), vm("b", "vm-3")]
    assert [each.name for each in client.list_vms(ENV, {"name": "a*"})] == ["a1", "a2"]
    assert client.count_vms(ENV, {"power_state": "powered_off"}) == 1
    assert client.count_vms(ENV, {"name": "z*"}) == 0
    with pytest.raises(NoSuchVM, match=ENV):
        client.choose_vms(ENV, {"name": "z*"})
    with pytest.raises(InvalidValue, match="tag"):
        client.list_vms(ENV, {"tag": "gold"})


# VMs ---------------------------------------------------------------------------


def test_only_a_name() -> None:
    found = read(name="a")
    assert (found.id, found.name, found.power_state) == ("a", "a", PowerState.UNKNOWN)
    nothing = (found.path, found.datacenter, found.cluster, found.host, found.folder)
    assert nothing == (None,) * 5
    assert (found.cpu_count, found.memory_mb, found.guest_os) == (None,) * 3
    assert (found.status, found.metadata["moid"]) == ("", None)


def test_only_a_moid() -> None:
    found = read(managedObjRef="vm-1", name="")
    assert (found.id, found.name) == ("vm-1", "vm-1")


def test_without_moid_the_path_tells_vms_apart(dora: Dora, client: DoraClient) -> None:
    dora.vms = [vm("a", None, path="/x/a"), vm("a", None, path="/y/a")]
    assert [each.id for each in client.list_vms(ENV)] == ["/x/a", "/y/a"]
    assert client.get_vm(ENV, "/y/a").path == "/y/a"


@pytest.mark.parametrize("item", [{}, {"name": None}, {"name": " "}, {"path": "/a"}, {"name": {}}])
def test_a_vm_without_name(item: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match=ENV):
        read(**item)


ODD = [None, "", " ", True, False, [], {}, ["x"], {"value": {}}, math.nan, math.inf, -1, "?"]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_values_are_none(odd: Any) -> None:
    fields = ("path", "host", "os", "cpus", "memMb", "state", "managedObjRef", "cpuUsagePerc")
    found = read(name="a", **dict.fromkeys(fields, odd))
    assert (found.cpu_count, found.memory_mb) == (None, None)
    assert found.power_state is PowerState.UNKNOWN
    if odd is None or isinstance(odd, bool | list | dict) or not str(odd).strip():
        assert (found.path, found.host, found.guest_os) == (None, None, None)
        assert (found.id, found.metadata["moid"]) == ("a", None)
        assert found.metadata["cpu_usage_percent"] is None
    json.dumps(found.to_json())


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [("4", 4), (4.0, 4), (" 8 ", 8), (0, 0), ("4 cores", None), ("-1", None), ("1e400", None)],
)
def test_numbers(raw: Any, parsed: int | None) -> None:
    assert read(name="a", cpus=raw, memMb=raw).cpu_count == parsed
    assert read(name="a", cpus=raw, memMb=raw).memory_mb == parsed


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        ("poweredOn", PowerState.POWERED_ON),
        ("POWEREDOFF", PowerState.POWERED_OFF),
        (" suspended ", PowerState.SUSPENDED),
        ("running", PowerState.UNKNOWN),
        (1, PowerState.UNKNOWN),
    ],
)
def test_states(raw: Any, state: PowerState) -> None:
    found = read(name="a", state=raw)
    assert (found.power_state, found.status) == (state, str(raw).strip())


@pytest.mark.parametrize(
    ("raw", "moid"),
    [
        ("vm-1", "vm-1"),
        (" vm-1 ", "vm-1"),
        ("VirtualMachine:vm-1", "vm-1"),
        ({"type": "VirtualMachine", "value": "vm-1"}, "vm-1"),
        ({"value": "VirtualMachine:vm-1"}, "vm-1"),
        (101, "101"),
        ("", None),
        ("VirtualMachine:", None),
        ({"type": "VirtualMachine"}, None),
        (["vm-1"], None),
        (None, None),
    ],
)
def test_forms_of_a_moid(raw: Any, moid: str | None) -> None:
    found = read(name="a", managedObjRef=raw)
    assert (found.metadata["moid"], found.id) == (moid, moid or "a")


@pytest.mark.parametrize(
    ("raw", "cluster", "name"),
    [
        ("/dc/host/prod/esx-1", "prod", "esx-1"),
        ("/dc/host/folder/prod/esx-1", "prod", "esx-1"),
        ("/dc/host/esx-1/esx-1", None, "esx-1"),
        ("/dc/host/esx-1", None, "esx-1"),
        ("esx-1", None, "esx-1"),
        ("/", None, None),
    ],
)
def test_hosts_of_vms(raw: str, cluster: str | None, name: str | None) -> None:
    found = read(name="a", host=raw)
    assert (found.cluster, found.host) == (cluster, name)


@pytest.mark.parametrize(
    ("path", "folder", "datacenter"),
    [("/dc/x/a", "/dc/x", "dc"), ("/dc/x/", "/dc/x", "dc"), ("/a", None, "a"), ("/", None, None)],
)
def test_folders(path: str, folder: str | None, datacenter: str | None) -> None:
    found = read(name="a", path=path)
    assert (found.folder, found.datacenter) == (folder, datacenter)


def test_unknown_fields_are_kept() -> None:
    found = read(name="a", annotations={"owner": ["me"]}, snapshots=3, nil=None)
    kept = {key: found.metadata[key] for key in ("annotations", "snapshots", "nil")}
    assert kept == {"annotations": {"owner": ["me"]}, "snapshots": 3, "nil": None}


@pytest.mark.parametrize(
    ("field", "ours"),
    [
        ("moid", "vm-1"),
        ("environment", ENV),
        ("vcenter", ENV),
        ("cpu_usage_percent", 5.0),
        ("memory_usage_percent", 6.0),
    ],
)
def test_unknown_fields_do_not_displace_ours(field: str, ours: Any) -> None:
    """Power goes by metadata["moid"]: another VM's must not get there."""
    raw = {"managedObjRef": "vm-1", "cpuUsagePerc": 5, "memUsagePerc": 6, field: "theirs"}
    assert read(name="a", **raw).metadata[field] == ours


def test_duplicates_of_a_vm_are_one() -> None:
    same, other = vm("a", "vm-1"), vm("a", "vm-1", state="poweredOff")
    env = builtin_environments().find(ENV)
    assert len(parse_vms([same, vm("b", "vm-2"), dict(same)], env)) == 2
    assert len(parse_vms([same, other], env)) == 2
    assert len(parse_vms([same, other, same], env)) == 2


def test_a_moid_with_two_descriptions_is_ambiguous(dora: Dora, client: DoraClient) -> None:
    dora.vms = [vm("a", "vm-1"), vm("a", "vm-1", state="poweredOff")]
    with pytest.raises(AmbiguousVM):
        client.get_vm(ENV, "vm-1")


def test_the_order_of_the_answer_does_not_matter() -> None:
    raw = [vm(f"v{number % 7}", f"vm-{number}") for number in range(50)]
    env = builtin_environments().find(ENV)
    assert parse_vms(raw, env) == parse_vms(reversed(raw), env)


def test_numbers_that_json_has_not_are_no_answer_or_kept_out() -> None:
    """NaN would make what is exported no JSON."""
    try:
        found = parse_items(b'{"items": [{"name": "a", "load": NaN}]}', "dora")
    except ProtocolError:
        return
    assert "NaN" not in json.dumps(
        [each.to_json() for each in parse_vms(found, builtin_environments().find(ENV))]
    )


def test_twenty_thousand_vms(dora: Dora, client_of: Clients) -> None:
    dora.vms = {"items": [vm(f"vm-{n:05}", f"vm-{n}") for n in range(20_000)]}
    client = client_of(own_clock=False)
    began = time.monotonic()
    assert client.count_vms(ENV) == 20_000
    assert client.get_vm(ENV, "vm-19999").name == "vm-19999"
    assert time.monotonic() - began < 60


# Hypervisors -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["address", "ipAddress", "ip", "host"])
def test_names_of_an_address(name: str) -> None:
    found = read_host(**{"name": "esx", name: "10.0.0.1"})
    assert (found.address, found.metadata) == ("10.0.0.1", {})


@pytest.mark.parametrize("name", ["type", "hypervisorType", "productType"])
def test_names_of_a_type(name: str) -> None:
    found = read_host(**{"name": "esx", name: "ESXi"})
    assert (found.type, found.metadata) == ("ESXi", {})


@pytest.mark.parametrize(
    "name", ["connectionStatus", "connectionState", "connection", "status", "state"]
)
def test_names_of_a_connection_status(name: str) -> None:
    for raw, connected in [("connected", True), ("Connected", True), ("disconnected", False)]:
        found = read_host(**{"name": "esx", name: raw})
        assert (found.connection_status, found.connected) == (raw, connected)
        assert found.metadata == {}
    assert read_host(**{"name": "esx", name: None}).connected is None


def test_the_first_name_is_taken_and_the_others_kept() -> None:
    found = read_host(
        name="esx", status="green", connectionStatus="notResponding", vendor={"a": 1}, ip="1.2.3.4"
    )
    assert (found.connection_status, found.connected) == ("notResponding", False)
    assert found.metadata == {"status": "green", "vendor": {"a": 1}}
    assert found.address == "1.2.3.4"


def test_an_odd_status_is_kept_and_the_next_taken() -> None:
    found = read_host(name="esx", connectionStatus={"a": 1}, state="connected")
    assert found.connected is True
    assert found.metadata == {"connectionStatus": {"a": 1}}


def test_a_hypervisor_without_name() -> None:
    assert read_host(address="10.0.0.1").name == "10.0.0.1"
    with pytest.raises(ProtocolError, match=ENV):
        read_host(type="ESXi")


def test_a_hypervisor_as_json() -> None:
    found = read_host(name="esx", cpuUsagePerc="7.5", memUsagePerc=[], more=1)
    assert found.to_json() == {
        "name": "esx",
        "environment": ENV,
        "address": None,
        "type": None,
        "connection_status": None,
        "cpu_usage_percent": 7.5,
        "memory_usage_percent": None,
        "metadata": {"more": 1},
    }


def test_counts(dora: Dora, client: DoraClient) -> None:
    dora.vms = [vm("a", "1"), vm("b", "2", state="poweredOff"), vm("c", "3"), vm("d", "4", state=1)]
    dora.hosts = [host("x"), host("y", connectionStatus="disconnected"), {"name": "z"}]
    assert client.inventory(ENV).counts() == {
        "vms": 4,
        "hypervisors": 3,
        "hypervisors_connected": 1,
        "power_states": {"powered_off": 1, "powered_on": 2, "unknown": 1},
    }


# Several environments ----------------------------------------------------------


def test_one_that_fails_does_not_hide_the_others(
    dora: Dora, client: DoraClient, logs: pytest.LogCaptureFixture
) -> None:
    dora.of["EPB-Staging"] = {"vms": status(404)}
    found = client.inventories("staging")
    assert sorted(found) == sorted(STAGING)
    assert isinstance(found["EPB-Staging"], ProtocolError)
    assert "404" in str(found["EPB-Staging"])
    others = [found[name] for name in STAGING if name != "EPB-Staging"]
    assert all(isinstance(each, EnvironmentInventory) and len(each.vms) == 1 for each in others)
    assert dora.count(LOGIN) == 1
    said = [record.getMessage() for record in logs.records if "could not be read" in record.msg]
    assert len(said) == 1
    assert "EPB-Staging" in said[0]


def test_hypervisors_that_fail_are_a_failure_too(dora: Dora, client: DoraClient) -> None:
    dora.of["EPB-Staging"] = {"hosts": status(404)}
    assert isinstance(client.inventories("staging")["EPB-Staging"], ProtocolError)


def test_all_that_fail_raise_each_cause_once(dora: Dora, client: DoraClient) -> None:
    dora.always[VMS] = status(404)
    with pytest.raises(PlatformError) as caught:
        client.inventories("staging")
    assert f"{', '.join(STAGING)}: " in str(caught.value)
    assert str(caught.value).count("status 404") == 1


def test_a_refused_login_is_reported_once(dora: Dora, client: DoraClient) -> None:
    dora.always[LOGIN] = status(401)
    with pytest.raises(LoginFailed, match=r"^127\S+ \(GetLoginToken\): Dora refused the [^;]*$"):
        client.inventories()
    assert dora.count(LOGIN) == 1


def test_all_of_them_by_default(dora: Dora, client: DoraClient) -> None:
    found = client.inventories()
    assert list(found) == [each.name for each in builtin_environments().environments]
    assert dora.count(LOGIN) == 1


def test_they_are_read_at_the_same_time(dora: Dora, client: DoraClient) -> None:
    together = threading.Barrier(3)

    def answer(handler: Any) -> None:
        together.wait(60)  # broken, were they asked one by one
        handler.answer(200, b"[]", {})

    for name in STAGING:
        dora.of[name] = {"vms": answer}
    assert all(
        isinstance(each, EnvironmentInventory) for each in client.inventories("staging").values()
    )


def test_an_unknown_environment_asks_nothing(dora: Dora, client: DoraClient) -> None:
    with pytest.raises(InvalidValue, match="Paytw"):
        client.inventories(["Paytv", "Paytw"])
    assert dora.requests == []


def test_environments_that_hang_do_not_hold_up_the_others(
    dora: Dora, client_of: Callable[..., DoraClient]
) -> None:
    hanging = [each.name for each in builtin_environments().environments[:9]]
    for name in hanging:
        dora.of[name] = {"vms": silent}
    found = client_of(own_clock=False, timeout=3).inventories()
    assert [name for name, each in found.items() if isinstance(each, PlatformError)] == hanging


def test_what_has_no_identity_may_be_two() -> None:
    assert len(parse_vms([{"name": "a"}, {"name": "a"}], builtin_environments().find(ENV))) == 2


@pytest.mark.parametrize("key", ["error", "errors", "errorMessage"])
def test_an_error_beside_no_items_is_an_error(key: str) -> None:
    with pytest.raises(ProtocolError, match="an error instead of items") as caught:
        parse_items(json.dumps({key: "/v1/GetHypervisors/geheim", "items": []}).encode(), "dora")
    assert "geheim" not in str(caught.value)


def test_a_moid_with_two_descriptions_is_a_difference() -> None:
    items = [{"managedObjRef": "vm-1", "state": each} for each in ("poweredOn", "poweredOff")]
    vms = parse_vms(items, builtin_environments().find(ENV))
    for there in vms:
        assert compare(vms, [there]).to_json()["matches"] is False
        assert [each["id"] for each in compare(vms, [there]).of("listed_twice")] == ["vm-1"]
