"""Experiments made for elsewhere, in worlds that lack what they name."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from chaoslib.configuration import load_configuration
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment
from chaoslib.loader import load_experiment

from chaosvm.dora import probes as dora
from chaosvm.lab import Lab, State, World, load
from chaosvm.lab.fixtures import cast
from chaosvm.lab.fixtures.glob_matches import matching_names, shortest_match
from chaosvm.lab.fixtures.platform_vms import platform_vms
from chaosvm.lab.waits import shorten_waits
from chaosvm.olvm import probes as olvm
from chaosvm.vsphere import probes as vsphere
from tests.examples import EXAMPLES, WITHOUT_VAULT
from tests.http_service import serving

NUMBER = "6f790959-1c2b-4d3e-8f40-a1b2c3d4e5f6"
ON, OFF = State.RUNNING, State.OFF


def activity(
    kind: str, func: str, tolerance: Any = None, at: str = "vsphere", **arguments: Any
) -> dict[str, Any]:
    provider = {
        "type": "python",
        "module": f"chaosvm.{at}.{kind}s",
        "func": func,
        "arguments": arguments,
    }
    made: dict[str, Any] = {"type": kind, "name": f"{func} {arguments}", "provider": provider}
    return made if tolerance is None else made | {"tolerance": tolerance}


def action(func: str, at: str = "vsphere", **arguments: Any) -> dict[str, Any]:
    return activity("action", func, at=at, **arguments)


def probe(
    func: str, tolerance: Any = True, at: str = "vsphere", **arguments: Any
) -> dict[str, Any]:
    return activity("probe", func, tolerance, at, **arguments)


def experiment(
    *method: Any, steady: list[Any] | None = None, rollbacks: list[Any] | None = None
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "title": "A test",
        "description": "A test",
        "method": list(method),
        "rollbacks": rollbacks or [],
    }
    if steady:
        made["steady-state-hypothesis"] = {"title": "Steady", "probes": steady}
    return made


def made(*method: Any, world: World | None = None, **parts: Any) -> dict[str, State]:
    """Names and states of a world that was empty, after an experiment was cast in it."""
    world = world or World()
    before = {vm.id for vm in world.vms}
    lines = cast(experiment(*method, **parts), {}, world)
    assert [line for line in lines if line.startswith("not added")] == []
    found = {vm.name: vm.state for vm in world.vms if vm.id not in before}
    assert len(lines) == len(found)
    return found


@pytest.mark.parametrize("at", ["vsphere", "olvm", "dora"])
@pytest.mark.parametrize(("verb", "state"), [("power_off", ON), ("reboot", ON), ("power_on", OFF)])
def test_the_first_action_says_how_a_vm_is(verb: str, state: State, at: str) -> None:
    told = {"environment": "Here"} if at == "dora" else {}
    assert made(action(verb, at, vm_name="a", **told)) == {"a": state}


@pytest.mark.parametrize(("verb", "state"), [("power_off", ON), ("power_on", OFF)])
def test_a_plan_says_how_a_vm_is_and_acting_on_it_adds_none(verb: str, state: State) -> None:
    plan = activity("probe", f"plan_{verb}", vms={"names": ["a"]}, path="plan.json")
    act = action(f"batch_{verb}", vms={"plan": "plan.json"})
    assert made(plan, act) == {"a": state}


def test_what_probes_of_hosts_and_numbers_need() -> None:
    running = probe("running_vms_at_least", vms={"name": "a-*"}, minimum=5)
    assert made(steady=[running]) == dict.fromkeys((f"a-0{number}" for number in range(1, 6)), ON)
    world = World()
    made(steady=[probe("hosts_available", [1, 9], cluster="gold")], world=world)
    made(steady=[probe("host_connection_state", "connected", host="esx-77")], world=world)
    assert "gold" in [each.name for each in world.clusters]
    assert "esx-77" in [each.name for each in world.hosts]


def test_what_comes_later_does_not() -> None:
    first = action("power_off", vm_name="a")
    then = action("power_on", vm_name="a")
    assert made(first, then) == {"a": ON}
    assert made(then, first) == {"a": OFF}
    assert made(rollbacks=[then]) == {"a": ON}
    assert made(first, rollbacks=[action("power_on", vm_name="b")]) == {"a": ON, "b": ON}


def test_what_the_steady_state_expects_says_more() -> None:
    on = action("power_on", vm_name="a")
    for expected in (
        probe("vm_has_power_state", vm_name="a", expected="powered_on"),
        probe("vm_power_state", "powered_on", vm_name="a"),
        probe("all_vms_have_power_state", vms={"names": ["a"]}, expected="powered_on"),
    ):
        assert made(on, steady=[expected]) == {"a": ON}
    known = probe("vm_power_state", {"type": "regex", "pattern": "^powered"}, vm_name="a")
    assert made(on, steady=[known]) == {"a": OFF}
    gone = probe("vm_has_power_state", False, vm_name="a", expected="powered_off")
    assert made(steady=[gone]) == {"a": ON}
    asleep = probe("vm_has_power_state", vm_name="a", expected="suspended")
    assert made(steady=[asleep]) == {"a": State.SUSPENDED}


def test_what_probes_expect_by_default() -> None:
    told = {"environment": "Here"}
    absent = activity("probe", "vm_exists", False, "dora", vm_name="a", **told)
    assert made(steady=[absent]) == {}
    on = action("power_on", vm_name="a")
    assert made(on, steady=[probe("vm_has_power_state", vm_name="a")]) == {"a": ON}
    valid = action("validate_targets", "dora", vms={"names": ["a"]}, **told)
    assert made(valid, on) == {"a": ON}


def test_selections_get_three_or_what_they_count() -> None:
    off = {"name": "web-*", "power_state": "powered_on"}
    three = {"web-01": ON, "web-02": ON, "web-03": ON}
    assert made(action("batch_power_off", vms=off)) == three
    assert made(action("batch_power_off", vms={**off, "count": 1})) == three
    assert len(made(action("batch_power_off", vms={**off, "count": 7}))) == 7
    assert len(made(action("batch_power_off", vms={**off, "percent": 20}))) == 5
    assert len(made(steady=[probe("count_vms", 2, vms={"name": "web-*"})])) == 2
    assert len(made(steady=[probe("count_vms", [4, 9], vms={"name": "web-*"})])) == 4
    at_most = {"type": "range", "range": [0, 2]}
    assert len(made(steady=[probe("count_vms", at_most, vms={"name": "web-*"})])) == 2
    assert made(steady=[probe("count_vms", 0, vms={"name": "web-*"})]) == {}


def test_what_is_there_already_stays_as_it_is() -> None:
    world = load("small").world
    before = world.vms
    assert made(action("power_off", vm_name="web-01"), world=world) == {}
    assert made(action("batch_power_off", vms={"tag": "web", "count": 2}), world=world) == {}
    assert made(action("power_on", vm_name=world.vm("db-01").moid), world=world) == {}
    assert made(action("power_on", vm_name="/dc-1/vm/shop/web/web-02"), world=world) == {}
    assert made(action("power_on", "olvm", vm_name="/dc-1/prod/web-02"), world=world) == {}
    assert world.vms == before


def test_a_state_that_none_of_them_has() -> None:
    world = load("small").world
    wanted = {"name": "web-*", "power_state": "powered_off"}
    found = made(action("batch_power_on", vms=wanted), world=world)
    assert found == {"web-04": OFF, "web-05": OFF, "web-06": OFF}


def test_a_state_that_an_action_before_brings_about() -> None:
    first = action("batch_power_off", vms={"name": "web-*"})
    then = action("batch_power_on", vms={"name": "web-*", "power_state": "powered_off"})
    assert set(made(first, then).values()) == {ON}
    assert set(made(first, rollbacks=[then]).values()) == {ON}


@pytest.mark.parametrize(
    ("vms", "names"),
    [
        ({"names": ["a", "b"]}, ["a", "b"]),
        ({"name": ["a-*", "b-*"]}, ["a-01", "a-02", "a-03"]),
        ({"name": "web-[12]", "count": 2}, ["web-1", "web-2"]),
        ({"name": "w?b"}, ["w1b", "w2b", "w3b"]),
        ({"name": "*", "cluster": "x"}, ["01", "02", "03"]),
        ({"name": "web-*", "exclude": "web-02"}, ["web-01", "web-02", "web-03", "web-04"]),
        ({"cluster": "Prod East"}, ["prod-east-01", "prod-east-02", "prod-east-03"]),
        ({"tag": "tier/gold"}, ["gold-01", "gold-02", "gold-03"]),
        ({"ids": ["vm-12"]}, ["vm-12"]),
        ({"ids": [NUMBER]}, ["vm-6f790959"]),
        ({"all": True}, ["vm-01", "vm-02", "vm-03"]),
        ({"name": "a/*"}, ["a/01", "a/02", "a/03"]),
    ],
)
def test_names(vms: dict[str, Any], names: list[str]) -> None:
    if vms.get("name") == "web-[12]":
        steady = [probe("count_vms", 2, vms={"name": "web-[12]"})]
        assert sorted(made(steady=steady)) == names
        return
    assert sorted(made(action("batch_power_off", vms=vms))) == names


def test_ids_fit_the_platform() -> None:
    world = World()
    method = [
        action("power_off", vm_name="vm-17"),
        action("power_off", at="olvm", vm_name=NUMBER),
        action("batch_power_off", vms={"ids": ["18"]}),
    ]
    cast(experiment(*method), {}, world)
    assert [vm.moid for vm in world.vms][::2] == ["vm-17", "18"]
    assert world.vms[1].id == NUMBER


# All of it, run -----------------------------------------------------------------------


@pytest.fixture
def no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rehearsed(told: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs an experiment on the lab; what failed in it."""
    world = World() if name == "empty" else load(name).world
    configuration = load_configuration(told.get("configuration", {}))
    lines = cast(told, configuration, world)
    assert not [line for line in lines if line.startswith("not added")]
    shorten_waits(told, configuration, longest=0.2)
    ensure_experiment_is_valid(told)
    with Lab(world) as lab, serving() as port:  # what is not a platform is not simulated
        for key, value in lab.environment().items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("SERVICE_URL", f"http://127.0.0.1:{port}/")
        journal = run_experiment(told)
    assert journal["status"] == "completed"
    states = journal["steady_states"]
    ran = [
        *(part for key in ("before", "after") for part in (states[key] or {}).get("probes", ())),
        *journal["run"],
        *journal["rollbacks"],
    ]
    return [
        f"{each['activity']['name']}: {each.get('exception', each.get('output'))}"
        for each in ran
        if each["status"] != "succeeded" or each.get("tolerance_met") is False
    ]


HERE = {"vcenter": "v", "pattern_path": "p", "vm_path": "p", "host_filter": "", "vsphere": {}}


@pytest.mark.parametrize(
    ("name", "world"),
    [
        (path.name, world)
        for path in WITHOUT_VAULT
        if path.suffix == ".json"  # the others take the VM's name from a file
        for world in ("small", "awkward", "empty")
        if path.name != "recover.json"  # which needs the ledger of a run that died
        # Dora tells names without their spaces: it and the vCenter would differ.
        if not (world == "awkward" and path.name.startswith("dora_"))
    ],
)
@pytest.mark.usefixtures("no_journal")
def test_every_example_can_be_rehearsed(
    name: str, world: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = load_experiment(str(EXAMPLES / name))
    monkeypatch.setenv("VM_NAME", "payments-*" if "batch" in name else "payments-01")
    monkeypatch.setenv("TARGET_ENVIRONMENT", "Here")
    monkeypatch.setenv("TARGET_ENVIRONMENTS", "Here")
    environments = tmp_path / "coordinates.json"  # the example writes environments.json
    environments.write_text(json.dumps({"Here": HERE}), encoding="utf-8")
    monkeypatch.setenv("DORA_ENVIRONMENTS", str(environments))
    with serving() as port:
        monkeypatch.setenv("SERVICE_URL", f"http://127.0.0.1:{port}/")
        assert rehearsed(told, world, monkeypatch) == []


ELSEWHERE = {
    "selections of all kinds": [
        action("batch_power_off", vms={"name": "pay-*", "cluster": "prod-eu*", "count": 2}),
        action("batch_reboot", vms={"tag": "tier/silver", "power_state": "powered_on"}),
        action("batch_suspend", vms={"folder": "/DC West/vm/shop/data"}),
        action("batch_power_off", vms={"datacenter": "DC*", "guest_os": "*windows*"}),
        action(
            "batch_power_on",
            # The VM that the steady state wants off may have been put on that host.
            vms={"host": "esx-9[0-9].example.com", "exclude": "standb?", "percent": 10},
        ),
        action("batch_power_off", vms={"folder": "backup", "exclude": ["keep-me", "no-*"]}),
    ],
    "one engine's": [
        action("batch_power_off", "olvm", vms={"name": ["a?-*"], "datacenter": "north"}),
        action("batch_reboot", "olvm", vms={"host": "node-*", "count": 2}, graceful=False),
        action("batch_suspend", "olvm", vms={"ids": [NUMBER]}),
        action("batch_power_on", "olvm", vms={"guest_os": "rhel*", "cluster": "db"}),
        action("power_off", "olvm", vm_name="/north/db/some-vm"),
        action("power_off", "olvm", vm_name="größe 100%"),
    ],
    "names that are ids or paths": [
        action("power_off", vm_name="vm-4711"),
        action("power_off", vm_name=NUMBER.upper()),
        action("power_off", vm_name="/Köln/vm/a%2fb/c%25d"),
        action("reboot", vm_name="two words"),
        action("batch_power_off", vms={"ids": ["vm-12", "vm-13"], "cluster": "prod"}),
    ],
    "in the background, and again": [
        {**action("power_off", vm_name="first"), "background": True, "name": "one"},
        {"ref": "one"},
        probe("vm_info", None, vm_name="second"),
    ],
}


@pytest.mark.parametrize("world", ["small", "awkward", "empty"])
@pytest.mark.parametrize("which", ELSEWHERE)
@pytest.mark.usefixtures("no_journal")
def test_an_experiment_from_elsewhere(
    which: str, world: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = experiment(
        *ELSEWHERE[which],
        steady=[
            probe("count_vms", {"type": "range", "range": [5, 500]}, vms={"name": "front-*"}),
            probe("all_vms_have_power_state", vms={"name": "lb-??"}, expected="powered_on"),
            probe("vm_has_power_state", at="olvm", vm_name="standby", expected="powered_off"),
        ],
        rollbacks=[action("batch_power_on", vms={"name": "front-*"})],
    )
    assert rehearsed(told, world, monkeypatch) == []


def test_variables() -> None:
    world = World()
    told = experiment(action("batch_power_off", vms={"name": "${tier}-*", "count": "${number}"}))
    cast(told, {"tier": "web", "number": 4}, world)
    assert [vm.name for vm in world.vms] == ["web-01", "web-02", "web-03", "web-04"]


# What cannot be made up ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (action("power_off", vm_name="${who}"), "'${who}'"),
        (action("power_off", vm_name=""), "vm_name is empty: set VM_NAME, or --var vm_name=NAME"),
        (action("batch_power_off", vms={"regex": "pay-[0-9]+"}), "regular expression"),
        (action("batch_power_off", vms={"nam": "web"}), "did you mean 'name'?"),
        (action("batch_power_off", at="olvm", vms={"ids": ["vm-3"]}), "'vm-3'"),
        (action("power_off", vm_name="/somewhere/else"), "'/somewhere/else'"),
        (action("batch_power_off", vms={"name": "web-[9-0]*"}), "no more names"),
        (action("batch_power_off", vms={"name": "w-*", "exclude": "w*"}), "no more names"),
        (action("batch_power_off", vms={"names": ["lb-01"], "cluster": "test"}), "does not match"),
        (
            action("batch_power_on", vms={"names": ["lb-01"], "power_state": "powered_off"}),
            "is powered_on",
        ),
        (action("batch_power_off", vms={"tag": "colour/web"}), "another category"),
        (probe("count_vms", 2, vms={"name": "web-*"}), "at most 2 are expected"),
    ],
)
def test_what_cannot_be_made_up_is_told(told: dict[str, Any], said: str) -> None:
    world = load("small").world
    before = world.vms
    parts = {"steady": [told]} if told["type"] == "probe" else {}
    method = [] if parts else [told]
    lines = cast(experiment(*method, **parts), {}, world)
    assert [said in line for line in lines if line.startswith("not added")] == [True]
    assert world.vms == before


def test_a_regular_expression_that_fits_is_fine() -> None:
    world = load("small").world
    told = action("batch_power_off", vms={"regex": "web-[0-9]+"})
    assert cast(experiment(told), {}, world) == []


def test_what_is_not_of_this_package_is_left_alone() -> None:
    world = World()
    others = [
        {"type": "action", "name": "a", "provider": {"type": "process", "path": "ls"}},
        {
            "type": "probe",
            "name": "b",
            "provider": {
                "type": "python",
                "module": "chaosk8s.pod",
                "func": "f",
                "arguments": {"vm_name": "a"},
            },
        },
        {"type": "probe", "name": "c", "provider": {"type": "http", "url": "http://x"}},
    ]
    assert cast(experiment(*others, steady=others[1:]), {}, world) == []
    assert world.vms == []


def test_lines_say_what_was_done() -> None:
    lines = cast(experiment(action("power_on", vm_name="a")), None, load("small").world)
    assert lines == ["added VM 'a' (powered off) in cluster prod"]


# VMs as platforms show them ------------------------------------------------------------


# Where selections look, of what each platform tells.
PLACE = {"id", "cluster", "host"}
EVERYWHERE = PLACE | {"name", "path", "datacenter", "folder", "instance_uuid"}
JUDGED = {"vsphere": EVERYWHERE | {"guest_os", "template"}, "olvm": EVERYWHERE, "dora": PLACE}


@pytest.mark.parametrize("name", ["small", "awkward"])
def test_vms_are_judged_as_the_platforms_show_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Lab(name) as lab:
        for key, value in lab.environment().items():
            monkeypatch.setenv(key, value)
        environments = {"dora_environments": {"Here": HERE}}
        told = {
            "vsphere": vsphere.list_vms(),
            "olvm": olvm.list_vms(),
            "dora": dora.list_vms("Here", configuration=environments),
        }
        ours = {
            at: [vm.to_json() for vm in platform_vms(lab.world, lab.world.vms, at)] for at in told
        }
    for at, keys in JUDGED.items():
        assert judged(ours[at], keys) == judged(told[at], keys)
    for key in ("tags", "qualified_tags"):
        assert tags(ours["vsphere"], key) == tags(told["vsphere"], key)


def judged(vms: list[dict[str, Any]], keys: set[str]) -> list[dict[str, Any]]:
    return sorted(({key: vm[key] for key in keys} for vm in vms), key=lambda vm: vm["id"])


def tags(vms: list[dict[str, Any]], key: str) -> dict[str, list[str]]:
    return {vm["id"]: sorted({**vm["metadata"], **vm}.get(key, ())) for vm in vms}


# Texts that fit -----------------------------------------------------------------------


def first(glob: str) -> list[str]:
    return list(islice(matching_names(glob), 3))


@pytest.mark.parametrize(
    ("glob", "texts"),
    [
        ("web", ["web"]),
        ("web-*", ["web-01", "web-02", "web-03"]),
        ("*-web-*", ["-web-01", "-web-02", "-web-03"]),
        ("[!a]*", None),
        ("db?", ["db1", "db2", "db3"]),
        ("[ab]-x", ["b-x", "a-x"]),
        ("[", ["["]),
        ("[9-0]", []),
    ],
)
def test_matching_names(glob: str, texts: list[str] | None) -> None:
    found = first(glob)
    if texts is None:
        assert len(found) == 3
    else:
        assert sorted(found) == sorted(texts)


@pytest.mark.parametrize(
    ("glob", "text"),
    [("*windows*", "windows"), ("prod*", "prod"), ("?", "1"), ("*", "01"), ("[9-0]", None)],
)
def test_shortest_match(glob: str, text: str | None) -> None:
    assert shortest_match(glob) == text


def test_an_exact_name_is_all_that_can_be_meant() -> None:
    assert made(action("batch_power_off", vms={"name": "pay-1"})) == {"pay-1": State.RUNNING}
    world = load("small").world
    assert cast(experiment(action("batch_power_off", vms={"name": "web-01"})), {}, world) == []


def test_one_reason_is_told_once() -> None:
    told = [{**action("power_off", vm_name=""), "name": name} for name in ("a", "b", "a")]
    lines = cast(experiment(*told), {}, load("small").world)
    assert [line.partition(": vm_name")[0] for line in lines] == ["not added: for 'a', 'b'"]
