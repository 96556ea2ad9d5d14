from __future__ import annotations

from typing import Any

import pytest

from chaosvm.backend import PowerCommand
from chaosvm.errors import (
    AmbiguousVM,
    CommandFailed,
    InvalidValue,
    NoSuchVM,
    OperationFailed,
    OperationRefused,
)
from chaosvm.outcome import How
from chaosvm.vm import PowerState
from tests.fakes import OFF, ON, SUSPENDED, FakePlatform, fails, ignores


@pytest.fixture
def platform() -> FakePlatform:
    platform = FakePlatform()
    front = {"cluster": "prod", "datacenter": "DC", "tags": ()}
    platform.add("web-1", **front, host="esx1", cpu_count=2, memory_mb=1024)
    platform.add("web-2", **front, host="esx2", cpu_count=4)
    platform.add("db", OFF, datacenter="DC", instance_uuid="ABC-1", tags=("gold",))
    return platform


# Everything is checked before the platform is asked ------------------------------------

ONE = ["power_on", "power_off", "reboot", "suspend"]
MANY = [f"batch_{verb}" for verb in ONE]
BAD_NAMES = ["", "  ", None, 3, ["web-1"], "${vm_name}"]
BAD_SELECTIONS = [None, {}, "web", [], {"nmae": "x"}, {"count": 1}, {"names": ["${x}"]}]


def untouched(platform: FakePlatform) -> bool:
    return (platform.inventories, platform.looks, platform.sent) == (0, 0, [])


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("verb", [*ONE, "get_vm", "vm_power_state"])
def test_a_vm_name_that_cannot_be_used(platform, verb, name):
    with pytest.raises(InvalidValue, match=r"^vm_name is "):
        getattr(platform, verb)(name)
    assert untouched(platform)


@pytest.mark.parametrize("vms", BAD_SELECTIONS, ids=str)
@pytest.mark.parametrize("verb", MANY)
def test_a_selection_that_cannot_be_used(platform, verb, vms):
    with pytest.raises(InvalidValue, match=r"^vms[ .]"):
        getattr(platform, verb)(vms)
    assert untouched(platform)


@pytest.mark.parametrize("vms", BAD_SELECTIONS[1:], ids=str)
@pytest.mark.parametrize("verb", ["list_vms", "count_vms", "inventory_summary"])
def test_a_selection_to_read_that_cannot_be_used(platform, verb, vms):
    with pytest.raises(InvalidValue, match=r"^vms[ .]"):
        getattr(platform, verb)(vms)
    assert untouched(platform)


@pytest.mark.parametrize("vms", BAD_SELECTIONS, ids=str)
def test_a_selection_to_judge_that_cannot_be_used(platform, vms):
    with pytest.raises(InvalidValue, match=r"^vms[ .]"):
        platform.all_vms_have_power_state(vms, "powered_on")
    assert untouched(platform)


@pytest.mark.parametrize("timeout", [0, -1, "soon", None, True, 10**6, "${timeout}"])
@pytest.mark.parametrize("verb", [*ONE, *MANY])
def test_a_timeout_that_cannot_be_used(platform, verb, timeout):
    target: Any = "web-1" if verb in ONE else {"all": True}
    with pytest.raises(InvalidValue, match=r"^timeout is .*seconds"):
        getattr(platform, verb)(target, timeout=timeout)
    assert untouched(platform)


@pytest.mark.parametrize("parallel", [0, -1, 65, 1.5, "many", None, True])
@pytest.mark.parametrize("verb", MANY)
def test_a_width_that_cannot_be_used(platform, verb, parallel):
    with pytest.raises(InvalidValue, match=r"^parallel is .*from 1 to 64"):
        getattr(platform, verb)({"all": True}, parallel=parallel)
    assert untouched(platform)


@pytest.mark.parametrize(
    ("verb", "target"),
    [
        ("power_off", "web-1"),
        ("reboot", "web-1"),
        ("batch_power_off", {"all": True}),
        ("batch_reboot", {"all": True}),
    ],
)
def test_a_graceful_that_cannot_be_used(platform, verb, target):
    with pytest.raises(InvalidValue, match=r"^graceful is "):
        getattr(platform, verb)(target, graceful="perhaps")
    assert untouched(platform)


@pytest.mark.parametrize(
    ("verb", "target"), [("power_off", "web-1"), ("batch_power_off", {"all": True})]
)
def test_an_on_timeout_that_cannot_be_used(platform, verb, target):
    with pytest.raises(InvalidValue, match=r"^on_timeout is .*hard, fail, leave"):
        getattr(platform, verb)(target, on_timeout="explode")
    assert untouched(platform)


@pytest.mark.parametrize("expected", ["on", "poweredOn", "", None, 1, "Powered_On", "${expected}"])
def test_a_power_state_that_is_none(platform, expected):
    with pytest.raises(InvalidValue, match=r"^expected is .*one of powered_on"):
        platform.vm_has_power_state("web-1", expected)
    with pytest.raises(InvalidValue, match=r"^expected is .*one of powered_on"):
        platform.all_vms_have_power_state({"all": True}, expected)
    assert untouched(platform)


# What arrives as a text ----------------------------------------------------------------


def test_texts_are_taken_for_what_they_mean(platform):
    outcome = platform.power_off("web-1", graceful="false", timeout="60", on_timeout="fail")
    assert outcome.how is How.HARD
    assert platform.steps("web-1") == [PowerCommand.POWER_OFF]

    batch = platform.batch_power_off(
        {"names": ["web-2"], "count": "1", "seed": "3"}, parallel="2", graceful="no", timeout="60"
    )
    assert (batch.seed, batch.changed) == (3, 1)
    assert platform.steps("web-2") == [PowerCommand.POWER_OFF]


def test_a_timeout_given_as_a_text_is_kept(platform):
    platform.on("web-1", PowerCommand.SUSPEND, ignores())
    start = platform.clock.now
    with pytest.raises(OperationFailed):
        platform.suspend("web-1", timeout="45")
    assert platform.clock.now - start == pytest.approx(45, abs=0.1)


# One VM --------------------------------------------------------------------------------


def test_what_the_verbs_do_by_default(platform):
    assert platform.power_off("web-1").how is How.GUEST
    assert platform.power_on("db").how is How.HARD
    assert platform.reboot("web-2").how is How.GUEST
    assert platform.suspend("web-2").after is SUSPENDED
    assert platform.sent == [
        ("web-1", PowerCommand.SHUTDOWN_GUEST),
        ("db", PowerCommand.POWER_ON),
        ("web-2", PowerCommand.REBOOT_GUEST),
        ("web-2", PowerCommand.SUSPEND),
    ]


def test_by_default_a_guest_that_ignores_its_shutdown_is_cut_off_in_five_minutes(platform):
    platform.on("web-1", PowerCommand.SHUTDOWN_GUEST, ignores())
    outcome = platform.power_off("web-1")
    assert outcome.how is How.FALLBACK_HARD
    assert 260 < outcome.seconds < 300


def test_an_action_reads_the_inventory_once(platform):
    platform.power_off("web-1")
    assert platform.inventories == 1
    platform.batch_power_on({"all": True})
    assert platform.inventories == 2


@pytest.mark.parametrize("word", ["db", "vm-3", "abc-1"])
def test_a_vm_by_name_id_or_uuid(platform, word):
    assert platform.power_on(word).id == "vm-3"


@pytest.mark.parametrize("verb", ONE)
def test_a_vm_that_is_not_there(platform, verb):
    with pytest.raises(NoSuchVM, match=r"'wbe-1' \(did you mean 'web-1'\?\)"):
        getattr(platform, verb)("wbe-1")
    assert platform.sent == []


@pytest.mark.parametrize("verb", ONE)
def test_a_name_that_fits_two_vms(platform, verb):
    platform.add("db", path="/Lyon/vm/db")
    with pytest.raises(AmbiguousVM, match=r"/Lyon/vm/db \(id vm-4\)"):
        getattr(platform, verb)("db")
    assert platform.sent == []


@pytest.mark.parametrize("verb", ONE)
def test_a_template_is_refused(platform, verb):
    platform.add("tpl", template=True)
    with pytest.raises(OperationRefused, match=r"nothing was touched: 'tpl' \(vm-4\) is a templ"):
        getattr(platform, verb)("tpl")
    assert platform.sent == []


def test_a_failure_of_one_vm_keeps_its_outcome(platform):
    platform.on("web-1", PowerCommand.SUSPEND, fails(CommandFailed("not supported")))
    with pytest.raises(OperationFailed, match=r"^suspend failed: 'web-1' \(vm-1\) ") as failed:
        platform.suspend("web-1")
    assert [outcome.error for outcome in failed.value.outcomes] == [
        "refused the suspend: not supported"
    ]


# Many ----------------------------------------------------------------------------------


def test_a_batch_reports_in_the_order_of_names(platform):
    batch = platform.batch_power_off({"all": True}, graceful=False)
    assert [outcome.name for outcome in batch.outcomes] == ["db", "web-1", "web-2"]
    assert (batch.changed, batch.failed, batch.seed) == (2, 0, None)


@pytest.mark.parametrize("verb", MANY)
def test_a_batch_of_nothing(platform, verb):
    with pytest.raises(NoSuchVM, match="no VM matches"):
        getattr(platform, verb)({"name": "nothing-*"})
    assert platform.sent == []


def test_templates_are_passed_over_and_told(platform, logs):
    platform.add("web-tpl", template=True, cluster="prod")

    batch = platform.batch_power_off({"cluster": "prod"}, graceful=False)

    assert [outcome.name for outcome in batch.outcomes] == ["web-1", "web-2"]
    assert [(vm.name, why) for vm, why in batch.passed_over] == [("web-tpl", "is a template")]
    assert "'web-tpl' (vm-4) is a template, so it is passed over" in logs.text


def test_the_seed_is_logged_and_told_and_draws_the_same_again(platform, logs):
    batch = platform.batch_power_off({"cluster": "prod", "count": 1}, graceful=False)

    assert f"drawn with seed {batch.seed}" in logs.text
    again = {"cluster": "prod", "count": 1, "seed": batch.seed}
    assert [vm.id for vm in platform.list_vms(again)] == [batch.outcomes[0].id]


def test_a_batch_that_is_refused_for_one_is_done_to_none(platform):
    with pytest.raises(OperationRefused, match=r"'db' \(vm-3\) is powered_off"):
        platform.batch_suspend({"all": True})
    assert platform.sent == []


# Reading -------------------------------------------------------------------------------


def test_listing_means_all_unless_told_otherwise(platform):
    assert [vm.name for vm in platform.list_vms()] == ["db", "web-1", "web-2"]
    assert [vm.name for vm in platform.list_vms({"cluster": "prod"})] == ["web-1", "web-2"]


def test_no_match_is_an_empty_list_and_a_count_of_zero(platform):
    assert platform.list_vms({"name": "nothing-*"}) == []
    assert platform.count_vms({"name": "nothing-*"}) == 0
    assert platform.count_vms({"names": ["nothing"]}) == 0
    assert platform.inventory_summary({"name": "nothing-*"})["vms"] == 0


def test_counting(platform):
    assert platform.count_vms() == 3
    assert platform.count_vms({"power_state": "powered_on"}) == 2


def test_one_vm(platform):
    assert platform.get_vm("db").id == "vm-3"
    assert platform.vm_power_state("db") is OFF
    for read in (platform.get_vm, platform.vm_power_state):
        with pytest.raises(NoSuchVM):
            read("nothing")


@pytest.mark.parametrize(
    ("name", "expected", "answer"),
    [("db", "powered_off", True), ("db", "powered_on", False), ("web-1", "powered_on", True)],
)
def test_whether_a_vm_has_a_power_state(platform, name, expected, answer):
    assert platform.vm_has_power_state(name, expected) is answer


def test_a_vm_that_is_not_there_has_no_power_state(platform):
    with pytest.raises(NoSuchVM):
        platform.vm_has_power_state("nothing", "powered_off")


@pytest.mark.parametrize(
    ("vms", "answer"),
    [({"cluster": "prod"}, True), ({"all": True}, False), ({"names": ["db"]}, False)],
    ids=str,
)
def test_whether_all_have_a_power_state(platform, vms, answer):
    assert platform.all_vms_have_power_state(vms, "powered_on") is answer


def test_the_vms_that_do_not_have_it_are_logged(platform, logs):
    platform.all_vms_have_power_state({"all": True}, "powered_on")
    assert "'db' (vm-3) is powered_off, not powered_on" in logs.text
    assert "web-1" not in logs.text


@pytest.mark.parametrize("vms", [{"name": "nothing-*"}, {"names": ["db", "nothing"]}], ids=str)
def test_judging_nothing_is_an_error(platform, vms):
    with pytest.raises(NoSuchVM):
        platform.all_vms_have_power_state(vms, "powered_off")


def test_what_is_judged_is_what_would_be_acted_on(platform):
    """A template, which no action touches, must not decide, nor be drawn."""
    for number in range(20):
        platform.add(f"tpl-{number}", OFF, template=True, cluster="prod")

    assert platform.all_vms_have_power_state({"cluster": "prod"}, "powered_on") is True
    sample = {"cluster": "prod", "count": 1, "seed": 4}
    platform.batch_power_off(sample, graceful=False)
    assert platform.all_vms_have_power_state(sample, "powered_off") is True


def test_tags_are_only_read_where_they_are_needed(platform):
    asked: list[int] = []
    with_tags = platform.with_tags
    platform.with_tags = lambda vms, deadline: asked.append(len(vms)) or with_tags(vms, deadline)
    everything = platform.count_vms()

    for read in (
        lambda: platform.count_vms(),
        lambda: platform.vm_power_state("db"),
        lambda: platform.batch_power_off({"name": "db"}),
    ):
        read()
        assert asked == []
    platform.count_vms({"tag": "gold"})
    platform.batch_power_on({"tag": "gold"})
    platform.get_vm("db")
    platform.list_vms({"name": "db"})
    assert asked == [everything, everything, 1, 1]
    platform.lists_include_tags = False
    platform.list_vms()
    assert asked == [everything, everything, 1, 1]


def test_a_summary(platform):
    platform.add("tpl", OFF, template=True, datacenter="Lyon")

    assert platform.inventory_summary() == {
        "platform": "fake",
        "version": "1.2.3",
        "vms": 4,
        "templates": 1,
        "cpu_count": 6,
        "memory_mb": 1024,
        "power_states": {"powered_off": 2, "powered_on": 2},
        "datacenters": {"DC": 3, "Lyon": 1},
        "clusters": {"prod": 2},
        "hosts": {"esx1": 1, "esx2": 1},
    }


# Connecting ----------------------------------------------------------------------------


def test_a_platform_is_opened_and_closed_by_with(platform):
    with platform as reserve:
        assert reserve is platform
        assert (platform.opened, platform.closed) == (1, 0)
    assert (platform.opened, platform.closed) == (1, 1)


def test_a_platform_is_closed_after_an_error(platform):
    with pytest.raises(NoSuchVM), platform:
        platform.get_vm("nothing")
    assert platform.closed == 1


def test_connecting_without_with(platform):
    assert platform.connect() is platform
    platform.disconnect()
    assert (platform.opened, platform.closed) == (1, 1)


@pytest.mark.parametrize(("timeout", "longest"), [(60, 10), (3, 3)])
def test_logging_out_is_not_waited_for_for_long(platform, monkeypatch, timeout, longest):
    platform.timeout = timeout
    given: list[float] = []
    monkeypatch.setattr(platform, "close", lambda deadline: given.append(deadline.remaining))
    platform.disconnect()
    assert given == [longest]


def test_probes_have_the_platforms_timeout_and_actions_their_own(platform):
    given: list[float] = []
    inventory = platform.inventory
    platform.inventory = lambda deadline, *others, **named: (
        given.append(deadline.seconds) or inventory(deadline, *others, **named)
    )

    platform.timeout = 7
    platform.count_vms()
    platform.power_on("db", timeout=99)

    assert given == [7, 99]


def test_a_state_that_the_platform_does_not_know_is_no_match(platform):
    platform.change("db", state=PowerState.UNKNOWN)
    assert platform.vm_has_power_state("db", "powered_off") is False
    assert platform.vm_has_power_state("db", "unknown") is True
    assert platform.vm_has_power_state("web-1", ON.value) is True
