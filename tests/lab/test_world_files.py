"""Worlds from files: what can be written, what is refused, and what ships."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosvm.dora import probes as dora
from chaosvm.errors import InvalidValue
from chaosvm.lab import Described, Durations, Guest, Lab, Role, State, Topology, load
from chaosvm.lab.world_files import ready_made
from chaosvm.olvm import OLVMPlatform
from chaosvm.vm import VM
from chaosvm.vsphere import VSpherePlatform

ID = "6f790959-1c2b-4d3e-8f40-a1b2c3d4e5f6"
HOUSE = {
    "title": "a house",
    "datacenters": {
        "north": {
            "description": "up there",
            "clusters": {
                "prod": {"version": 4.6, "hosts": ["esx-{1..2}", {"name": "out", "up": False}]},
                "test": None,
            },
            "hosts": [{"name": "alone", "cpu_count": 8, "memory_mb": 1024}],
        },
        "south": {"clusters": {"prod": {"hosts": ["esx-1"]}}},
    },
}


def house(*vms: dict[str, Any], **more: Any) -> Described:
    return load({**HOUSE, "vms": list(vms), **more})


@pytest.mark.parametrize(
    ("fields", "hostname"),
    [
        ({}, "web-01.lab.example"),
        ({"name": "Web 01 (old)"}, "web-01-old.lab.example"),
        ({"hostname": "web.example"}, "web.example"),
        ({"guest": "without_agent"}, None),
    ],
)
def test_a_guest_with_an_agent_has_a_host_name(
    fields: dict[str, Any], hostname: str | None
) -> None:
    (vm,) = house({"name": "web-01", **fields}).world.vms
    assert vm.fqdn == hostname


def test_tools_of_a_plain_vm_are_seen_to_run() -> None:
    """An engine tells that an agent runs only by what it reports."""
    with Lab({**HOUSE, "vms": [{"name": "web-01", "state": "off"}]}, platforms=("olvm",)) as lab:
        credentials = {"username": lab.username, "password": lab.password}
        with OLVMPlatform(lab.olvm_url, ca_file=lab.ca_file, **credentials) as platform:
            outcome = platform.power_on("web-01", timeout=60, wait_for="tools")
            assert list(outcome.milestones or ()) == ["power", "tools"]


def test_places() -> None:
    made = house({"name": "vm"}).world
    north, south = made.datacenters
    assert (north.name, north.description, south.name) == ("north", "up there", "south")
    assert [(c.name, c.standalone, c.version) for c in made.clusters] == [
        ("prod", False, (4, 6)),
        ("test", False, (4, 7)),
        ("alone", True, (4, 7)),
        ("prod", False, (4, 7)),
    ]
    assert [(h.name, h.usable) for h in made.hosts] == [
        ("esx-1", True),
        ("esx-2", True),
        ("out", False),
        ("alone", True),
        ("esx-1", True),
    ]
    assert (made.hosts[3].topology.cpus, made.hosts[3].memory) == (8, 2**30)


def test_a_vm_with_everything() -> None:
    number = ID
    told = {
        "name": "web",
        "id": number.upper(),
        "moid": "vm-77",
        "datacenter": "north",
        "cluster": "prod",
        "host": "esx-2",
        "state": "powered_off",
        "guest": {"slow": 7},
        "guest_os": "Debian GNU/Linux 12 (64-bit)",
        "cpu_count": {"sockets": 2, "cores": 3},
        "memory_mb": 2048,
        "hostname": "web.example",
        "ip_addresses": "10.0.0.1",
        "tags": ["gold", "web"],
        "folder": "data/prod",
        "template": True,
        "attributes": {"owner": "me"},
        "managed_by": "com.example",
        "question": "Which?",
        "description": "d",
        "comment": "c",
        "highly_available": True,
        "stateless": True,
        "pool_id": number,
        "origin": "kvm",
        "tells_start": True,
        "comes_back_after": 3,
        "created": "2023-05-06",
    }
    made = house(told, tags={"gold": "tier"}).world
    vm = made.vm("web")
    home = made.host(vm.home_id)
    assert home is not None
    assert (vm.id, vm.moid, home.name, vm.host_id) == (number, "vm-77", "esx-2", None)
    assert (vm.state, vm.guest, vm.topology) == (State.OFF, Guest.slow(7), Topology(2, 3))
    assert (vm.os, vm.memory, vm.fqdn) == (told["guest_os"], 2**31, "web.example")
    assert (vm.ip_addresses, vm.tags, vm.folder) == (
        ("10.0.0.1",),
        ("gold", "web"),
        ("data", "prod"),
    )
    assert made.tags_of(vm) == ("gold", "web", "tier")
    kept = ("template", "attributes", "managed_by", "question", "description", "comment")
    kept += ("highly_available", "stateless", "pool_id", "origin", "tells_start")
    assert {key: getattr(vm, key) for key in kept} == {key: told[key] for key in kept}
    assert (vm.comes_back_after, vm.created.year) == (3, 2023)


def test_a_range_is_many_with_all_that_counts_along() -> None:
    made = house(
        {
            "name": "web-{08..11}",
            "moid": "vm-{8..11}",
            "hostname": "w{1..4}.example",
            "ip_addresses": ["10.0.0.{1..4}", "fe80::1"],
            "tags": ["web"],
        }
    ).world
    assert [(vm.name, vm.moid, vm.fqdn, vm.ip_addresses[0]) for vm in made.vms] == [
        ("web-08", "vm-8", "w1.example", "10.0.0.1"),
        ("web-09", "vm-9", "w2.example", "10.0.0.2"),
        ("web-10", "vm-10", "w3.example", "10.0.0.3"),
        ("web-11", "vm-11", "w4.example", "10.0.0.4"),
    ]
    assert all(vm.ip_addresses[1:] == ("fe80::1",) for vm in made.vms)


def test_a_range_may_be_of_one() -> None:
    made = house({"name": "web-{01..01}", "hostname": "w{1..1}.example"}).world
    assert [(vm.name, vm.fqdn) for vm in made.vms] == [("web-01", "w1.example")]


@pytest.mark.parametrize(
    ("written", "state"),
    [
        ("off", State.OFF),  # which YAML takes for false
        ("on", State.RUNNING),
        ("powered_off", State.OFF),
        ("running", State.RUNNING),
        ("suspended", State.SUSPENDED),
        ("disks_illegal", State.DISKS_ILLEGAL),
    ],
)
def test_states(written: str, state: State, tmp_path: Path) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(f"vms:\n  - name: a\n    state: {written}\n")
    assert load(path).world.vm("a").state is state
    assert load({"vms": [{"name": "a", "state": written}]}).world.vm("a").state is state


def test_every_state_can_be_written() -> None:
    for state in State:
        assert house({"name": "a", "state": state.value}).world.vm("a").state is state


def test_stuck_and_busy() -> None:
    made = house(
        {"name": "s", "state": "booting", "stuck": True}, {"name": "b", "busy_for": 1000}
    ).world
    made.power.shut_down(made.vm("s").id)
    assert made.vm("s").state is State.BOOTING
    assert made.vm("b").busy_until > made.now


@pytest.mark.parametrize(
    ("written", "guest"),
    [
        ("obeys", Guest.obeys()),
        ("ignores", Guest.ignores()),
        ("without_agent", Guest.without_agent()),
        ("deaf", Guest.deaf()),
        ({"ignores": 9}, Guest.ignores(9)),
    ],
)
def test_guests(written: Any, guest: Guest) -> None:
    assert house({"name": "a", "guest": written}).world.vm("a").guest == guest


def test_where_a_vm_is() -> None:
    made = house(
        {"name": "first"},
        {"name": "southern", "datacenter": "south"},
        {"name": "hosted", "host": "esx-2"},
        {"name": "single", "host": "alone"},
    ).world
    places = {vm.name: made.cluster(vm.cluster_id) for vm in made.vms}
    assert {name: place and place.name for name, place in places.items()} == {
        "first": "prod",
        "southern": "prod",
        "hosted": "prod",
        "single": "alone",
    }
    assert places["first"] is not places["southern"]


def test_a_vm_that_was_off_starts_where_it_belongs() -> None:
    made = house({"name": "a", "host": "esx-2", "cluster": "prod", "state": "off"}).world
    made.power.start(made.vm("a").id)
    host = made.host(made.vm("a").host_id)
    assert host is not None
    assert host.name == "esx-2"


def test_durations() -> None:
    assert load({"durations": {"times": 10, "boot": 3}}).world.durations == Durations(
        **{**{n: 10 * getattr(Durations(), n) for n in Durations.__slots__}, "boot": 3}
    )


def test_users_with_roles() -> None:
    plain = {"name": "plain@internal", "password": "p", "role": "user", "vms": ["vm"]}
    made = house({"name": "vm", "bootable": False}, users=[plain]).world
    user = made.user("plain@internal")
    assert user is not None
    assert (user.role, user.sees(made.vm("vm").id), user.sees_all) == (Role.USER, True, False)
    assert made.vm("vm").bootable is False
    with pytest.raises(InvalidValue, match=r"users\[0\].vms: 0 VMs are called 'vm'"):
        house(users=[plain])


def test_generated_ones_are_the_same_for_a_seed() -> None:
    told = {"seed": 4, "generate": {"vms": 30, "clusters": 3, "running": 0.5}}
    one, other = load(told).world, load(told).world
    assert [(vm.name, vm.id, vm.state) for vm in one.vms] == [
        (vm.name, vm.id, vm.state) for vm in other.vms
    ]
    assert (len(one.vms), len(one.clusters)) == (30, 3)


def test_ids_that_are_given_out_do_not_meet_those_that_are_written() -> None:
    made = house({"name": "a"}, {"name": "b", "moid": "vm-1001"}, generate={"vms": 5}).world
    made.add_vm("c")
    assert len({vm.moid for vm in made.vms}) == 8


def test_an_id_of_another_world_is_not_given_to_something_else() -> None:
    """Ids are random, but the same for a seed: that of a VM elsewhere may be anything's here."""
    elsewhere = load("small").world
    ids = [
        *(each.id for each in (*elsewhere.datacenters, *elsewhere.clusters, *elsewhere.hosts)),
        *(vm.id for vm in elsewhere.vms),
    ]
    made = house({"name": "a"}, *({"name": f"vm {id}", "id": id} for id in ids)).world
    assert len(made.vms) == len(ids) + 1
    things = [*made.datacenters, *made.clusters, *made.hosts, *made.vms]
    assert len({thing.id for thing in things}) == len(things)


def test_faults_become_rules() -> None:
    told = {"method": "stop", "action": "fault", "vm": "a", "times": 2, "code": 409, "skip": 1}
    described = house({"name": "a"}, faults=[told])
    with Lab(described, platforms=["dora"]) as lab:
        assert lab.world is described.world
        assert lab.applied() == [0]
    (made,) = described.rules
    assert (made.method, made.action, made.vm, made.times, made.skip) == (
        "stop",
        "fault",
        "a",
        2,
        1,
    )


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"vmz": []}, ["'vmz'", "did you mean 'vms'?"]),
        ({}, ["such as"]),
        ({"vms": {"name": "a"}}, ["vms is", "a list"]),
        ({"vms": ["a"]}, ["vms[0] is 'a'", "a mapping"]),
        ({"vms": [{"name": "a"}, {"state": "off"}]}, ["vms[1]", "no name"]),
        ({"vms": [{"name": 7}]}, ["vms[0].name is 7"]),
        ({"vms": [{"name": "a", "state": "runing"}]}, ["vms[0].state", "did you mean 'running'"]),
        ({"vms": [{"name": "a", "guest": "ignore"}]}, ["vms[0].guest", "did you mean 'ignores'"]),
        ({"vms": [{"name": "a", "guest": {"deaf": 3}}]}, ["vms[0].guest", "deaf"]),
        ({"vms": [{"name": "a", "memory_gb": 3}]}, ["'memory_gb'", "did you mean 'memory_mb'?"]),
        ({"vms": [{"name": "a", "memory_mb": -3}]}, ["vms[0].memory_mb is -3"]),
        ({"vms": [{"name": "a", "cpu_count": {"sokets": 3}}]}, ["vms[0].cpu_count", "'sockets'"]),
        ({"vms": [{"name": "a", "id": "vm-3"}]}, ["vms[0].id is 'vm-3'", "UUID"]),
        ({"vms": [{"name": "a", "moid": "three"}]}, ["vms[0].moid is 'three'", "vm-101"]),
        (
            {"vms": [{"name": "a", "moid": "vm-1"}, {"name": "b", "moid": "vm-1"}]},
            ["vms[1].moid", "already that of 'a'"],
        ),
        ({"vms": [{"name": "a-{1..2}", "moid": "vm-1"}]}, ["vms[0].moid", "already"]),
        ({"vms": [{"name": "a-{2..1}"}]}, ["vms[0].name is 'a-{2..1}'", "lower number first"]),
        ({"vms": [{"name": "a-{1..9999999}"}]}, ["at most 100000"]),
        (
            {"vms": [{"name": "a-{1..3}", "hostname": "h{1..2}"}]},
            ["vms[0].hostname", "a range of 2", "one of 3"],
        ),
        ({"vms": [{"name": "a", "attributes": {"x": 1}}]}, ["vms[0].attributes.x is 1"]),
        ({"vms": [{"name": "a", "created": "soon"}]}, ["vms[0].created is 'soon'"]),
        ({"vms": [{"name": "a", "folder": 3}]}, ["vms[0].folder is 3"]),
        ({"generate": {"vms": 0}}, ["generate.vms is 0"]),
        ({"generate": {"vm": 10}}, ["generate", "did you mean 'vms'?"]),
        ({"durations": {"bot": 3}}, ["durations", "did you mean 'boot'?"]),
        ({"seed": "x"}, ["seed is 'x'"]),
        ({"datacenters": ["a"]}, ["datacenters is", "a mapping"]),
        ({"datacenters": {"a": {"cluster": {}}}}, ["datacenters.a", "did you mean 'clusters'?"]),
        (
            {"datacenters": {"a": {"clusters": {"b": {"hosts": "c"}}}}},
            ["datacenters.a.clusters.b.hosts is 'c'"],
        ),
        (
            {"datacenters": {"a": {"clusters": {"b": {"version": "new"}}}}},
            ["datacenters.a.clusters.b.version is 'new'", "4.7"],
        ),
        (
            {"datacenters": {"a": {"hosts": [{"name": "h", "up": "maybe"}]}}},
            ["datacenters.a.hosts[0].up is 'maybe'"],
        ),
        (
            {"datacenters": {"a": {"clusters": {"b": {"hosts": ["h{1..3}", "h2"]}}}}},
            ["datacenters.a.clusters.b.hosts", "h2", "already"],
        ),
        (
            {"datacenters": {"a": {"id": ID}, "b": {"clusters": {"c": {"id": ID}}}}},
            ["datacenters.b.clusters.c.id", "already that of 'datacenters.a'"],
        ),
        (
            {"datacenters": {"a": {"hosts": [{"name": "h{1..3}", "id": ID}]}}},
            ["datacenters.a.hosts", "already that of 'h1'"],
        ),
        ({"faults": [{"method": "stop"}]}, ["faults[0]", "no action"]),
        (
            {"faults": [{"method": "stop", "action": "drop_afer"}]},
            ["faults[0].action", "did you mean 'drop_after'?"],
        ),
        (
            {"faults": [{"method": "stop", "action": "status", "code": 42}]},
            ["faults[0].code is 42"],
        ),
        (
            {"vms": [{"name": "web"}], "faults": [{"method": "*", "action": "html", "vm": "wep"}]},
            ["faults[0].vm is 'wep'", "did you mean 'web'?"],
        ),
        ({"tags": {"gold": 3}}, ["tags.gold is 3"]),
    ],
)
def test_what_is_wrong_is_named(told: Any, said: list[str], tmp_path: Path) -> None:
    path = tmp_path / "my-world.yaml"
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    with pytest.raises(InvalidValue) as raised:
        load(path)
    for words in (*said, f"{path}: "):
        assert words in str(raised.value)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"cluster": "prot"}, ["vms[0].cluster is 'prot'", "did you mean 'prod'?", "known are"]),
        ({"cluster": "prod"}, ["vms[0].cluster is 'prod'", "2 have that name", "datacenter"]),
        ({"datacenter": "nord"}, ["vms[0].datacenter is 'nord'", "known are north, south"]),
        ({"host": "esx-1"}, ["vms[0].host is 'esx-1'", "2 have that name"]),
        ({"datacenter": "south", "host": "esx-2"}, ["vms[0].host is 'esx-2'", "known are esx-1"]),
        ({"cluster": "alone"}, ["vms[0].cluster is 'alone'"]),
    ],
)
def test_a_place_that_is_not_there(wanted: dict[str, str], said: list[str]) -> None:
    with pytest.raises(InvalidValue) as raised:
        house({"name": "a", **wanted})
    for words in said:
        assert words in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("w.json", b"{", "cannot be read as JSON"),
        ("w.yaml", b"a: [", "cannot be read as YAML"),
        ("w.yaml", b"\xff\xfe\x00", "cannot be read"),
        ("w.yaml", b"", "None"),
        ("w.yaml", b"vms:\n- {name: web-{01..03}}", "line 2. A range needs quotes there"),
        ("w.yaml", b"vms: [{name: {01..03}}]", ". A range needs quotes there"),
        ("w.csv", b"a,b\n1,2\n", "needs the columns"),
        ("w.csv", b"", "needs the columns"),
    ],
)
def test_a_file_that_is_no_world(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidValue) as raised:
        load(path)
    assert said in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_world_that_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"did you mean 'small'\?"):
        load("smal")
    with pytest.raises(InvalidValue, match="it is neither a file nor one of"):
        load(tmp_path / "none.yaml")
    with pytest.raises(InvalidValue, match="cannot be read"):
        load(tmp_path)


def test_the_same_in_json_and_yaml(tmp_path: Path) -> None:
    told = {**HOUSE, "vms": [{"name": "größe", "state": "off"}]}
    for name, content in (("w.json", json.dumps(told)), ("w.yml", yaml.safe_dump(told))):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        read = load(path)
        assert (read.title, read.world.vms[0].name) == ("a house", "größe")


def test_each_loading_makes_a_world_of_its_own() -> None:
    one, other = load("small"), load("small")
    one.world.change("web-01", state=State.OFF)
    assert other.world.vm("web-01").state is State.RUNNING
    assert load(one) is one


# What ships ---------------------------------------------------------------------------


def test_small_is_a_dozen_that_are_well() -> None:
    described = load("small")
    made = described.world
    assert ready_made() == ["awkward", "small"]
    assert described.title
    assert len(made.vms) == 12
    assert {vm.state for vm in made.vms} == {State.RUNNING, State.OFF}
    assert [vm.name for vm in made.vms if "web" in vm.tags] == ["web-01", "web-02", "web-03"]


@pytest.fixture(params=["small", "awkward"])
def shown(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab(request.param) as lab:
        yield lab


def names(vms: list[VM]) -> list[str]:
    return sorted(vm.name for vm in vms)


def test_the_clients_read_what_ships(shown: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = sorted(vm.name for vm in shown.world.vms)
    account = (shown.username, shown.password)
    with VSpherePlatform(
        shown.vsphere_server, *account, port=shown.vsphere_port, ca_file=shown.ca_file
    ) as vsphere:
        assert names(vsphere.list_vms()) == everything
        assert vsphere.inventory_summary()["vms"] == len(everything)
        assert {vm.id for vm in vsphere.list_vms()} == {vm.moid for vm in shown.world.vms}
        told = {vm.id: vm for vm in vsphere.list_vms()}
        for vm in shown.world.vms:
            assert told[vm.moid].tags == tuple(sorted(vm.tags))
            assert told[vm.moid].guest_os
    with OLVMPlatform(shown.olvm_url, *account, shown.ca_file) as olvm:
        assert names(olvm.list_vms()) == everything
        assert olvm.inventory_summary()["vms"] == len(everything)
        for vm in shown.world.vms:
            assert olvm.get_vm(vm.id).name == vm.name
    for key, value in shown.environment().items():
        monkeypatch.setenv(key, value)
    coordinates = {"vcenter": "v", "pattern_path": "p", "vm_path": "p", "host_filter": ""}
    configuration = {"dora_environments": {"Here": coordinates}}
    told = dora.list_vms("Here", configuration=configuration)
    assert sorted(vm["name"] for vm in told) == sorted(name.strip() for name in everything)


def test_the_example_of_the_guide() -> None:
    guide = Path(__file__).resolve().parents[2] / "docs" / "lab.md"
    example = guide.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    described = load(yaml.safe_load(example))
    assert described.title == "A shop in two clusters"
    assert len(described.world.vms) == 216
    assert described.world.vm("web-12").fqdn == "web-12.shop.example"
    assert described.rules[0].vm == "old-01"


@pytest.mark.parametrize(
    ("vm", "reason"),
    [
        ({"ip_addresses": ["1.2.3"]}, r"vms\[0\].ip_addresses is '1.2.3'"),
        ({"folder": "/x//y/"}, r"vms\[0\].folder"),
        ({"template": True, "state": "powered_on"}, "a template is off"),
        ({"cluster": "full", "host": "down"}, "host is 'down', which is down"),
        ({"cluster": "empty"}, "cluster is 'empty', which has no host that is up"),
    ],
)
def test_what_no_platform_could_show(vm: dict[str, Any], reason: str) -> None:
    clusters = {"full": {"hosts": ["up", {"name": "down", "up": False}]}, "empty": {}}
    told = {"datacenters": {"d": {"clusters": clusters}}, "vms": [{"name": "a", **vm}]}
    with pytest.raises(InvalidValue, match=reason):
        load(told)
