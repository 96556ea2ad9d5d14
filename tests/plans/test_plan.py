from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chaosvm.backend import PowerCommand
from chaosvm.errors import (
    GuardStopped,
    InvalidValue,
    NoSuchVM,
    OperationRefused,
    PlanOutdated,
)
from chaosvm.ledger import ledger_for_run
from chaosvm.plans import preview, read_plan, save_plan
from chaosvm.service.orders import checked_order
from chaosvm.settings import Safety
from chaosvm.vm import PowerState
from tests.fakes import OFF, ON, SUSPENDED, FakePlatform

VMS = {"name": "web-*"}


@pytest.fixture
def platform() -> FakePlatform:
    made = FakePlatform()
    for number in range(4):
        place = {"cluster": "c1", "host": "h1" if number else None}
        made.add(f"web-{number}", instance_uuid=f"uuid-{number}", tags=(), **place)
    made.add("db", OFF, tags=("chaosvm-protect",))
    return made


def will(plan: Any) -> dict[str, str]:
    return {vm["name"]: vm["will"] for vm in plan.to_json()["vms"]}


# What a plan tells ----------------------------------------------------------------------


def test_a_plan_in_full(platform: FakePlatform) -> None:
    platform.safety = Safety.of(max_vms=3, protect="web-3", min_running=3)
    platform.change("web-0", state=OFF)
    shown = platform.plan("power_off", VMS, parallel=4, timeout=300).to_json()
    assert shown == {
        "plan": 1,
        "platform": "fake",
        "server": "fake.example.com",
        "operation": "power_off",
        "options": {
            "timeout": 300,
            "parallel": 4,
            "graceful": True,
            "on_timeout": "hard",
        },
        "selection": VMS,
        "seed": None,
        "possible": False,
        "vms": [
            {
                "id": "vm-1",
                "name": "web-0",
                "instance_uuid": "uuid-0",
                "power_state": "powered_off",
                "datacenter": None,
                "cluster": "c1",
                "host": None,
                "step": None,
                "will": "nothing: is powered_off already",
                "changes": False,
            },
            *(
                {
                    "id": f"vm-{number + 1}",
                    "name": f"web-{number}",
                    "instance_uuid": f"uuid-{number}",
                    "power_state": "powered_on",
                    "datacenter": None,
                    "cluster": "c1",
                    "host": "h1",
                    "step": "guest shutdown",
                    "will": "guest shutdown, then hard power off after 270 s",
                    "changes": True,
                }
                for number in (1, 2)
            ),
        ],
        "passed_over": [
            {
                "name": "web-3",
                "id": "vm-4",
                "reason": "is protected: it matches 'web-3' in chaosvm_protect",
            }
        ],
        "refused": [],
        "guards": [
            {
                "key": "chaosvm_max_vms",
                "scope": "this run",
                "limit": 3,
                "so_far": 0,
                "would_be": 2,
                "ok": True,
            },
            {
                "key": "chaosvm_min_running",
                "scope": "the matching inventory",
                "limit": 3,
                "so_far": 2,
                "would_be": 0,
                "ok": False,
                "of": 3,
            },
        ],
    }
    assert json.loads(json.dumps(shown)) == shown


def test_planning_touches_nothing_and_notes_nothing(platform: FakePlatform) -> None:
    for verb in ("power_off", "power_on", "reboot", "suspend"):
        platform.plan(verb, {"all": True})
    assert (platform.sent, platform.looks) == ([], 0)
    assert not ledger_for_run(None).path.exists()


@pytest.mark.parametrize(
    ("verb", "state", "options", "description"),
    [
        ("power_off", ON, {"graceful": False}, "hard power off"),
        ("power_off", ON, {"timeout": 60}, "guest shutdown, then hard power off after 48 s"),
        (
            "power_off",
            ON,
            {"on_timeout": "fail"},
            "guest shutdown, and fails if it still runs after 300 s",
        ),
        (
            "power_off",
            ON,
            {"on_timeout": "leave"},
            "guest shutdown, and is left as it is after 300 s",
        ),
        ("power_on", OFF, {}, "power on"),
        ("power_on", SUSPENDED, {}, "power on, which resumes it"),
        ("power_on", ON, {}, "nothing: is powered_on already"),
        ("power_on", OFF, {"wait_for": "port:22"}, "power on, then waits for port:22"),
        (
            "power_on",
            ON,
            {"wait_for": "tools"},
            "nothing: is powered_on already, then waits for tools",
        ),
        ("reboot", ON, {}, "guest reboot, and fails if it has not rebooted after 300 s"),
        (
            "reboot",
            ON,
            {"on_timeout": "reset", "wait_for": "ip"},
            "guest reboot, then reset after 270 s, then waits for ip",
        ),
        ("reboot", ON, {"graceful": False}, "reset"),
        ("suspend", ON, {}, "suspend"),
        (
            "power_off",
            PowerState.TRANSITIONING,
            {},
            "waits until it is no longer poweredOn, then hard power off if still needed",
        ),
    ],
)
def test_what_would_be_done(
    platform: FakePlatform, verb: str, state: PowerState, options: dict[str, Any], description: str
) -> None:
    platform.change("web-0", state=state)
    assert will(platform.plan(verb, {"names": ["web-0"]}, **options)) == {"web-0": description}


@pytest.mark.parametrize(
    ("on_timeout", "description"),
    [
        ("hard", "hard power off, as "),
        ("fail", "nothing, and fails, as "),
        ("leave", "nothing, as"),
    ],
)
def test_a_guest_that_is_unavailable(
    platform: FakePlatform, on_timeout: str, description: str
) -> None:
    platform.deaf["web-0"] = "VMware Tools are not running"
    plan = platform.plan("power_off", {"names": ["web-0"]}, on_timeout=on_timeout)
    assert will(plan)["web-0"].startswith(description)
    assert will(plan)["web-0"].endswith("VMware Tools are not running")


def test_refusals_are_foreseen_where_the_action_would_raise(platform: FakePlatform) -> None:
    platform.refused["web-1"] = "waits for an answer to: moved or copied?"
    plan = platform.plan("power_off", {"names": ["web-0", "web-1", "db"]})
    shown = plan.to_json()
    assert shown["possible"] is False
    assert [(each["name"], each["id"]) for each in shown["refused"]] == [
        ("db", "vm-5"),
        ("web-1", "vm-2"),
    ]
    assert will(plan)["web-1"] == "refused: waits for an answer to: moved or copied?"
    with pytest.raises(OperationRefused):
        platform.batch_power_off({"names": ["web-0", "web-1", "db"]})


def test_a_plan_shows_the_waves(platform: FakePlatform, logs: pytest.LogCaptureFixture) -> None:
    options = {"graceful": False, "waves": 2, "interval": 30}
    plan = platform.plan("reboot", {"names": ["web-3", "web-1", "web-0"]}, **options)
    shown = plan.to_json()
    waves = [(vm["name"], vm["wave"]) for vm in shown["vms"]]
    assert waves == [("web-3", 1), ("web-1", 1), ("web-0", 2)]
    assert shown["options"].items() >= {"waves": 2, "interval": 30}.items()
    assert "reboot of 3 VM(s), on fake.example.com, in 2 waves, 30 s apart:" in logs.text
    assert "  wave 2: 'web-0' (vm-1), powered_on: reset" in logs.text
    with pytest.raises(PlanOutdated, match="the plan is for waves=2, and this is waves=None"):
        platform.batch_reboot(plan, graceful=False)
    assert [each.name for each in platform.batch_reboot(plan, **options).outcomes] == [
        "web-3",
        "web-1",
        "web-0",
    ]


def test_a_plan_of_nothing_is_an_error(platform: FakePlatform) -> None:
    with pytest.raises(NoSuchVM):
        platform.plan("power_off", {"name": "nothing-*"})


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("power_of", VMS), "operation is 'power_of'"),
        (("power_off", {}), "vms is {}"),
        (("power_off", VMS, 0), "parallel is 0"),
    ],
)
def test_arguments_that_cannot_be_used(platform: FakePlatform, arguments: Any, named: str) -> None:
    with pytest.raises(InvalidValue, match=named):
        platform.plan(*arguments)
    with pytest.raises(InvalidValue, match=r"unknown option 'gracefull' \(did you mean 'graceful'"):
        platform.plan("power_off", VMS, gracefull=True)
    assert platform.inventories == 0


def test_it_is_logged_for_people(platform: FakePlatform, logs: pytest.LogCaptureFixture) -> None:
    platform.safety = Safety.of(max_vms=8)
    platform.plan("power_off", {"all": True, "count": 2, "seed": 7}, graceful=False)
    assert "plan: power_off of 2 VM(s), drawn with seed 7, on fake.example.com:" in logs.text
    assert "), powered_on: hard power off" in logs.text
    assert "'db' (vm-5) is protected" in logs.text
    assert "chaosvm_max_vms is 8 for this run: 0 changed so far" in logs.text


# Acting on it ---------------------------------------------------------------------------


@pytest.fixture(params=["object", "mapping", "file"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A plan as people can give it back."""

    def made(plan: Any) -> Any:
        if request.param == "object":
            return plan
        if request.param == "mapping":
            return plan.to_json()
        path = tmp_path / "plan.json"
        save_plan(str(path), lambda: plan)
        return {"plan": str(path)}

    return made


def test_the_vms_of_a_plan_and_no_others(platform: FakePlatform, given: Any) -> None:
    plan = platform.plan("power_off", {**VMS, "count": 2}, graceful=False)
    platform.add("web-9", tags=())
    batch = platform.batch_power_off(given(plan), graceful=False)
    assert batch.seed == plan.seed
    assert [outcome.name for outcome in batch.outcomes] == list(will(plan))
    assert {step for _, step in platform.sent} == {PowerCommand.POWER_OFF}


@pytest.mark.parametrize(
    ("what", "description"),
    [
        ({"state": SUSPENDED}, "was powered_on and is suspended"),
        ({"exists": False}, "no longer exists"),
    ],
)
def test_a_world_that_has_drifted(
    platform: FakePlatform, given: Any, what: dict[str, Any], description: str
) -> None:
    plan = given(platform.plan("power_off", VMS))
    platform.change("web-2", **what)
    with pytest.raises(
        PlanOutdated, match=rf"touched: .*'web-2' \(vm-3\) {description}\. Make a new plan"
    ):
        platform.batch_power_off(plan)
    assert platform.sent == []


@pytest.mark.parametrize(
    ("changed", "description"),
    [
        ({"name": "web-x"}, "was renamed to 'web-x'"),
        ({"name": "WEB-2"}, "was renamed to 'WEB-2'"),
        ({"instance_uuid": "other"}, "no longer exists"),
    ],
)
def test_another_vm_under_its_id(
    platform: FakePlatform, given: Any, changed: dict[str, str], description: str
) -> None:
    plan = given(platform.plan("power_off", VMS))
    platform.become("web-2", **changed)
    with pytest.raises(PlanOutdated, match=description):
        platform.batch_power_off(plan)
    assert platform.sent == []


@pytest.mark.parametrize(
    ("selection", "changed", "description"),
    [
        (VMS, {"cluster": "c2"}, "was in the cluster 'c1' and is in 'c2'"),
        (VMS, {"datacenter": "dc"}, "was in the datacenter None and is in 'dc'"),
        ({"host": "h1"}, {"host": "h2"}, 'no longer matches {"host": "h1"}'),
        ({"tag": "web"}, {"tags": ()}, 'no longer matches {"tag": "web"}'),
    ],
)
def test_a_vm_that_is_not_any_more_where_it_was(
    platform: FakePlatform, given: Any, selection: Any, changed: dict[str, Any], description: str
) -> None:
    platform.become("web-2", tags=("web",))
    plan = given(platform.plan("power_off", selection))
    platform.become("web-2", **changed)
    with pytest.raises(PlanOutdated, match=rf"'web-2' \(vm-3\) {description}\. Make a new plan"):
        platform.batch_power_off(plan)
    assert platform.sent == []


def test_a_cluster_may_move_a_vm_to_another_host(platform: FakePlatform, given: Any) -> None:
    plan = given(platform.plan("power_off", VMS))
    platform.become("web-2", host="h2")
    assert platform.batch_power_off(plan).changed == 4


def test_a_vm_that_would_meet_with_something_else(platform: FakePlatform, given: Any) -> None:
    """Its guest could be asked when it was planned, and cannot any more; or the reverse."""
    plan = given(platform.plan("power_off", {"names": ["web-2"]}))
    platform.deaf["web-2"] = "VMware Tools are not running"
    with pytest.raises(PlanOutdated, match=r"would now get 'hard power off, as VMware"):
        platform.batch_power_off(plan)
    plan = given(platform.plan("power_off", {"names": ["web-2"]}))
    platform.deaf.clear()
    with pytest.raises(PlanOutdated, match=r"get 'guest shutdown, then .* instead of 'hard power"):
        platform.batch_power_off(plan)
    platform.refused["web-2"] = "waits for an answer"
    with pytest.raises(PlanOutdated, match="would now get 'refused: waits for an answer'"):
        platform.batch_power_off(plan)
    assert platform.sent == []


def test_another_timeout_does_not_outdate_a_plan(platform: FakePlatform, given: Any) -> None:
    plan = given(platform.plan("power_off", VMS, timeout=60))
    assert platform.batch_power_off(plan, timeout=90).changed == 4


@pytest.mark.parametrize("key", ["graceful", "on_timeout", "discard_memory"])
def test_what_binds(platform: FakePlatform, key: str) -> None:
    other = {"graceful": False, "on_timeout": "fail", "discard_memory": True}[key]
    plan = read_plan(platform.plan("power_off", VMS))
    options = {"graceful": True, "on_timeout": "hard", key: other}
    order = checked_order("power_off", timeout=300, **options)
    with pytest.raises(PlanOutdated, match=f"is for {key}="):
        plan.check("fake", platform.address, order, lambda vm: preview(platform, vm, order))


def test_a_plan_for_something_else(platform: FakePlatform, given: Any) -> None:
    plan = given(platform.plan("power_off", VMS))
    with pytest.raises(PlanOutdated, match="for the operation 'power_off', and this is 'suspend'"):
        platform.batch_suspend(plan)
    with pytest.raises(PlanOutdated, match="for graceful=True, and this is graceful=False"):
        platform.batch_power_off(plan, graceful=False)
    with pytest.raises(PlanOutdated, match="on_timeout"):
        platform.batch_power_off(plan, on_timeout="fail")
    for key, value in {"server": "other.example.com", "platform": "olvm"}.items():
        other = platform.plan("power_off", VMS).to_json() | {key: value}
        with pytest.raises(PlanOutdated, match=f"for the {key} '{value}'"):
            platform.batch_power_off(other)
    assert platform.sent == []


def test_what_has_been_protected_since(platform: FakePlatform, given: Any) -> None:
    plan = given(platform.plan("power_off", VMS))
    platform.safety = Safety.of(protect="web-1")
    with pytest.raises(OperationRefused, match=r"'web-1' \(vm-2\) is protected"):
        platform.batch_power_off(plan)
    assert platform.sent == []


def test_a_plan_that_tells_of_refusals(platform: FakePlatform, given: Any) -> None:
    plan = given(platform.plan("power_off", {"names": ["web-0", "db"]}))
    with pytest.raises(OperationRefused, match=r"the plan has VMs that are refused.*'db'"):
        platform.batch_power_off(plan)
    assert platform.sent == []


def test_a_plan_of_nothing_but_refusals(platform: FakePlatform, given: Any) -> None:
    plan = platform.plan("power_off", {"names": ["db"]})
    with pytest.raises(OperationRefused, match=r"the plan has VMs that are refused.*'db'"):
        platform.batch_power_off(given(plan))
    assert (platform.sent, platform.inventories) == ([], 1)


@pytest.mark.parametrize("sample", [{"count": 2}, {"percent": 50}])
def test_a_sample_that_is_too_small_for_what_is_refused(
    platform: FakePlatform, sample: dict[str, Any]
) -> None:
    vms = {"names": ["web-0", "db"], **sample}
    plan = platform.plan("power_off", vms).to_json()
    assert [each["name"] for each in plan["refused"]] == ["db"]
    assert not plan["possible"]
    with pytest.raises(OperationRefused, match="'db'"):
        platform.batch_power_off(vms)


def test_a_plan_is_measured_by_what_its_selection_matches(
    platform: FakePlatform, given: Any
) -> None:
    platform.add("app", tags=())
    platform.safety = Safety.of(max_percent={"inventory": 25})
    plan = given(platform.plan("power_off", {**VMS, "count": 1}))
    assert platform.batch_power_off(plan).changed == 1
    platform.safety = Safety.of(max_percent={"inventory": 30})
    left = platform.plan("power_off", {**VMS, "power_state": "powered_on", "count": 1})
    with pytest.raises(GuardStopped, match=r"1 of the 4 VMs\) for the matching inventory"):
        platform.batch_power_off(given(left))


def test_guards_count_for_a_plan_too(platform: FakePlatform, given: Any) -> None:
    """And measure what its selection matched, not only what it drew."""
    platform.safety = Safety.of(max_percent={"inventory": 50})
    plan = given(platform.plan("power_off", {**VMS, "count": 2}))
    assert platform.batch_power_off(plan).changed == 2
    left = given(platform.plan("power_off", {**VMS, "power_state": "powered_on"}))
    with pytest.raises(GuardStopped, match="2 of the 4 VMs"):
        platform.batch_power_off(left)


GOOD = {"id": "vm-1", "name": "web-0", "power_state": "powered_on", "will": "x", "step": None}
BAD = {
    "of no version": {"plan": True, "vms": [{**GOOD, "cluster": None, "datacenter": None}]},
    "without a place": {"plan": 1, "vms": [GOOD]},
    "no version": {"plan": 2, "vms": [{"id": "vm-1", "name": "x", "power_state": "powered_on"}]},
    "no vms": {"plan": 1},
    "no ids": {"plan": 1, "vms": [{"name": "web-0"}]},
    "twice": {"plan": 1, "vms": [{"id": "a", "name": "a", "power_state": "powered_on"}] * 2},
    "no path": {"plan": ""},
    "no file": {"plan": "/nowhere/plan.json"},
    "more": {"plan": "plan.json", "count": 2},
    "placeholder": {"plan": "${plan}"},
    "nothing": {"plan": None},
}


@pytest.mark.parametrize("vms", BAD.values(), ids=BAD)
def test_an_invalid_plan_is_refused(platform: FakePlatform, vms: Any) -> None:
    with pytest.raises(InvalidValue, match=r"^vms"):
        platform.batch_power_off(vms)
    assert platform.inventories == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        ("{}", "its version is None, not 1"),
        ("not json", "it is not JSON"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"plan": 2, "vms": []}', "its version is 2, not 1"),
        ('{"plan": 1, "vms": 3}', "its vms are 3"),
        ('{"plan": 1, "vms": [3]}', "its vms have 3"),
        (
            '{"name": "web", "description": "an experiment"}',
            "its version is None, not 1",
        ),
    ],
)
def test_a_file_that_is_not_a_plan(
    platform: FakePlatform, tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(InvalidValue) as refused:
        platform.batch_power_off({"plan": str(path)})
    assert str(refused.value) == (
        f"vms.plan is {str(path)!r}, which is not a plan written by chaosvm: {reason}"
    )


def test_a_plan_that_cannot_be_saved_is_not_made(platform: FakePlatform, tmp_path: Path) -> None:
    for path in (str(tmp_path), str(tmp_path / "no" / "plan.json"), 3):
        with pytest.raises(InvalidValue, match="path is"):
            save_plan(path, lambda: platform.plan("power_off", VMS))  # type: ignore[arg-type]
    assert platform.inventories == 0
    assert save_plan("", lambda: platform.plan("power_off", VMS))["plan"] == 1


# Dry runs -------------------------------------------------------------------------------


@pytest.fixture
def dry(platform: FakePlatform) -> FakePlatform:
    platform.safety = Safety.of(dry_run=True, max_vms=3)
    return platform


def test_a_dry_run_tells_and_does_nothing(
    dry: FakePlatform, logs: pytest.LogCaptureFixture
) -> None:
    shown = dry.batch_power_off({**VMS, "count": 2, "seed": 3}).to_json()
    assert (shown["dry_run"], shown["changed"], shown["seed"]) == (True, 0, 3)
    assert [vm["name"] for vm in shown["plan"]["vms"]] == [o["name"] for o in shown["outcomes"]]
    description = "guest shutdown, then hard power off after 270 s"
    assert {outcome["detail"] for outcome in shown["outcomes"]} == {f"dry run: {description}"}
    assert "dry run: power_off of 2 VM(s), drawn with seed 3" in logs.text
    assert f"powered_on: {description}" in logs.text
    assert json.loads(json.dumps(shown)) == shown
    assert (dry.sent, dry.looks) == ([], 0)
    assert not ledger_for_run(None).path.exists()


@pytest.mark.parametrize("verb", ["power_off", "power_on", "reboot", "suspend"])
def test_every_single_action_keeps_to_it(dry: FakePlatform, verb: str) -> None:
    dry.change("web-0", state=OFF if verb == "power_on" else ON)
    shown = getattr(dry, verb)("web-0").to_json()
    assert (shown["dry_run"], shown["changed"], shown["how"]) == (True, False, "none")
    assert shown["before"] == shown["after"]
    assert shown["plan"]["operation"] == verb
    assert dry.operate_by_id(verb, "vm-1", "web-0", timeout=60).plan
    assert dry.sent == []


def test_a_dry_run_fails_where_the_run_would(dry: FakePlatform) -> None:
    dry.refused["web-3"] = "waits for an answer"
    with pytest.raises(OperationRefused, match="waits for an answer"):
        dry.power_off("web-3")
    assert dry.batch_power_off({"names": ["web-0", "web-1"]}).to_json()["changed"] == 0
    dry.power_off("web-0")
    dry.refused.clear()
    with pytest.raises(GuardStopped, match="2 changed so far, 4 with this action"):
        dry.batch_reboot({"names": ["web-2", "web-3"]})
    assert dry.sent == []


def test_what_was_rehearsed_does_not_count_in_earnest(platform: FakePlatform) -> None:
    platform.power_off("web-0")
    platform.safety = Safety.of(dry_run=True, max_vms=2)
    platform.power_off("web-1")
    with pytest.raises(GuardStopped, match="2 changed so far"):
        platform.power_off("web-2")
    platform.safety = Safety.of(max_vms=2)
    assert platform.power_off("web-3").changed


def test_in_a_dry_run_what_was_powered_on_again_is_a_survivor(platform: FakePlatform) -> None:
    platform.safety = Safety.of(dry_run=True, min_running=3)
    platform.power_off("web-0")
    with pytest.raises(GuardStopped):
        platform.power_off("web-1")
    platform.power_on("web-0")
    assert platform.power_off("web-1").plan


def test_a_dry_run_of_undo(platform: FakePlatform, logs: pytest.LogCaptureFixture) -> None:
    platform.batch_power_off({"names": ["web-0", "web-1"]}, graceful=False)
    sent = list(platform.sent)
    platform.safety = Safety.of(dry_run=True)
    shown = platform.restore_power_states().to_json()
    assert (shown["dry_run"], shown["changed"]) == (True, 0)
    assert [vm["will"] for vm in shown["plan"]["vms"]] == [
        "dry run: power_on, to bring it to powered_on"
    ] * 2
    assert "'web-1' (vm-2), powered_off: dry run: power_on" in logs.text
    assert platform.sent == sent
    platform.safety = Safety()
    assert platform.restore_power_states().changed == 2
