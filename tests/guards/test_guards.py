from __future__ import annotations

import threading
from typing import Any

import pytest

from chaosvm.backend import PowerCommand
from chaosvm.errors import (
    CommandFailed,
    GuardStopped,
    GuardUnchecked,
    InvalidValue,
    NoSuchVM,
    OperationFailed,
    OperationRefused,
    PlatformError,
)
from chaosvm.guards import disables_protection
from chaosvm.ledger import ledger as ledgers
from chaosvm.settings import Percent, Safety, load
from tests.fakes import OFF, ON, SUSPENDED, FakePlatform, does, fails, ignores, refuses

TAG = "chaosvm-protect"


@pytest.fixture
def platform() -> FakePlatform:
    """Ten that run: web-0 to web-9, half of them in each of two clusters, on five hosts."""
    made = FakePlatform()
    for number in range(10):
        made.add(f"web-{number}", cluster=f"c{number % 2}", host=f"h{number % 5}", tags=())
    return made


def guarded(platform: FakePlatform, **settings: Any) -> FakePlatform:
    platform.safety = Safety.of(**settings)
    return platform


def off(platform: FakePlatform, *names: str) -> int:
    return platform.batch_power_off({"names": list(names)}, graceful=False).changed


def record(platform: FakePlatform) -> set[str]:
    return {name for name, _ in platform.sent}


# Settings ------------------------------------------------------------------------------


def settings(**configuration: Any) -> Safety:
    given = {f"chaosvm_{key}": value for key, value in configuration.items()}
    return load(Safety, given, None, {})


def test_without_settings_only_the_mark_is_looked_for() -> None:
    assert load(Safety, None, None, {}) == Safety(
        max_vms=None, max_percent=None, min_running=None, protect=(), protect_tag=(TAG,)
    )


@pytest.mark.parametrize(
    ("key", "given", "expected"),
    [
        ("max_vms", "8", 8),
        ("max_vms", 0, 0),
        ("max_percent", "30", Percent(30, 30, 30)),
        ("max_percent", 12.5, Percent(12.5, 12.5, 12.5)),
        ("max_percent", {"inventory": 30, "host": "100"}, Percent(30, None, 100)),
        ("max_percent", '{"cluster": 50}', Percent(None, 50, None)),
        ("min_running", "2", 2),
        ("protect", "db-*, vcenter", ("db-*", "vcenter")),
        ("protect", ["db,1"], ("db,1",)),
        ("protect", '["db,1", "x"]', ("db,1", "x")),
        ("protect", "[ab]*", ("[ab]*",)),
        ("protect", "db-[12], web", ("db-[12]", "web")),
        ("protect", ["bob's"], ("bob's",)),
        ("protect_tag", " hands-off ", ("hands-off",)),
        ("protect_tag", ["one", "two"], ("one", "two")),
        ("protect_tag", '["one", "two"]', ("one", "two")),
        ("protect_tag", "None", ()),
        ("protect_tag", False, ()),
        ("dry_run", "yes", True),
    ],
)
def test_settings_as_people_write_them(key: str, given: Any, expected: Any) -> None:
    found = settings(**{key: given})
    assert getattr(found, key) == expected
    assert hash(found) == hash(settings(**{key: given}))
    if isinstance(given, str):
        assert getattr(load(Safety, None, None, {f"CHAOSVM_{key.upper()}": given}), key) == expected


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("max_vms", -1),
        ("max_vms", "few"),
        ("max_vms", True),
        ("max_percent", 101),
        ("max_percent", "a third"),
        ("max_percent", True),
        ("max_percent", [30]),
        ("max_percent", {"hosts": 30}),
        ("max_percent", {}),
        ("max_percent", '{"host": -1}'),
        ("min_running", 1.5),
        ("protect", 7),
        ("protect", [""]),
        ("protect", ","),
        ("protect", "${names}"),
        ("protect", "[db-*, web-*]"),
        ("protect", "[v-*]"),
        ("protect", "['db-*']"),
        ("protect", '["db-*"'),
        ("protect", "[db-*"),
        ("protect", "'db-*'"),
        ("protect", "db-*;web-*"),
        ("protect_tag", "false"),
        ("protect_tag", " Off "),
        ("protect_tag", "no"),
        ("protect_tag", "0"),
        ("protect_tag", ["one", "no"]),
        ("protect_tag", ["one", "none"]),
        ("protect_tag", True),
        ("protect_tag", 3),
        ("dry_run", "perhaps"),
    ],
)
def test_settings_that_cannot_be_used(key: str, given: Any) -> None:
    with pytest.raises(InvalidValue, match=rf"^chaosvm_{key}"):
        settings(**{key: given})


@pytest.mark.parametrize("given", ["'db-*','web-*'", '"db-*"', "db-*;web-*", "[db-*"])
def test_how_to_write_patterns_in_a_string(given: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        load(Safety, None, None, {"CHAOSVM_PROTECT": given})
    assert str(refused.value) == (
        f"chaosvm_protect is {given!r}: expected a glob or a list of globs, "
        'such as ["db-*", "vcenter"]; in a string, separate patterns with commas, without quotes'
    )


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("CHAOSVM_MAX_VM", "CHAOSVM_MAX_VMS"),
        ("CHAOSVM_MAXVMS", "CHAOSVM_MAX_VMS"),
        ("chaosvm_protect", "CHAOSVM_PROTECT"),
        # As Chaos Toolkit reads `export A=b` and `A = b` in a .env file.
        ("export CHAOSVM_MAX_VMS", "CHAOSVM_MAX_VMS"),
        ("CHAOSVM_MAX_VMS ", "CHAOSVM_MAX_VMS"),
    ],
)
def test_a_misspelled_variable_is_refused(variable: str, expected: str) -> None:
    with pytest.raises(InvalidValue, match=rf"unknown setting '?{variable}'? .*mean '{expected}'"):
        load(Safety, None, None, {variable: "3", "VSPHERE_SERVERS": "x"})


@pytest.mark.parametrize("word", ["", "  ", "false", "no", "off", "0", "False", " NO ", "oFF"])
def test_values_that_disable_a_mark(word: str) -> None:
    assert disables_protection(word)


@pytest.mark.parametrize("word", ["true", "yes", "on", "1", "00", "not", "offline", "none", "n"])
def test_any_other_value_of_a_mark_protects(word: str) -> None:
    assert not disables_protection(word)


# How many ------------------------------------------------------------------------------


def test_two_actions_of_five_do_not_pass_a_limit_of_eight(platform: FakePlatform) -> None:
    guarded(platform, max_vms=8)
    assert off(platform, *(f"web-{n}" for n in range(5))) == 5
    with pytest.raises(GuardStopped) as stopped:
        off(platform, *(f"web-{n}" for n in range(5, 10)))
    message = str(stopped.value)
    assert "nothing was touched" in message
    assert "'web-5' (vm-6)" in message
    assert "chaosvm_max_vms is 8" in message
    assert "5 changed so far" in message
    assert "10 with this action" in message
    assert "raise chaosvm_max_vms" in message
    assert len(record(platform)) == 5
    assert off(platform, "web-5", "web-6", "web-7") == 3


def test_all_verbs_count(platform: FakePlatform) -> None:
    guarded(platform, max_vms=3)
    platform.power_off("web-0")
    platform.suspend("web-1")
    platform.reboot("web-2")
    for act in (platform.power_off, platform.suspend, platform.reboot):
        with pytest.raises(GuardStopped):
            act("web-3")
    with pytest.raises(GuardStopped):
        platform.operate_by_id("power_off", "vm-4", "web-3", timeout=60, graceful=False)
    assert record(platform) == {"web-0", "web-1", "web-2"}


def test_what_was_counted_is_not_counted_twice_so_a_rollback_passes(platform: FakePlatform) -> None:
    guarded(platform, max_vms=2)
    off(platform, "web-0", "web-1")
    assert platform.batch_power_on({"name": "web-*"}).changed == 2
    assert off(platform, "web-0", "web-1") == 2
    assert platform.restore_power_states().changed == 2


def test_undo_is_never_guarded(platform: FakePlatform) -> None:
    guarded(platform, max_vms=2)
    off(platform, "web-0", "web-1")
    platform.safety = Safety.of(max_vms=0, protect=["web-*"], min_running=10)
    assert platform.restore_power_states().changed == 2


def test_vms_that_are_there_already_do_not_count(platform: FakePlatform) -> None:
    for number in range(8):
        platform.change(f"web-{number}", state=OFF)
    guarded(platform, max_vms=2)
    assert platform.batch_power_off({"all": True}, graceful=False).changed == 2


def test_a_vm_to_which_nothing_was_sent_in_the_end_does_not_count(platform: FakePlatform) -> None:
    guarded(platform, max_vms=1)
    platform.before_first_look = lambda: platform.change("web-0", state=OFF)
    assert platform.power_off("web-0").changed is False
    assert platform.power_off("web-1").changed is True


def test_a_vm_that_failed_counts(platform: FakePlatform) -> None:
    guarded(platform, max_vms=1)
    platform.on("web-0", PowerCommand.POWER_OFF, refuses(PlatformError("no")))
    with pytest.raises(OperationFailed):
        platform.power_off("web-0", graceful=False)
    with pytest.raises(GuardStopped):
        platform.power_off("web-1")


def test_other_platforms_of_the_run_count_too(platform: FakePlatform) -> None:
    other = FakePlatform(address="other.example.com")
    other.add("db")
    guarded(other, max_vms=1)
    guarded(platform, max_vms=1)
    other.power_off("db")
    with pytest.raises(GuardStopped):
        platform.power_off("web-0")


def test_another_run_begins_at_nothing(platform: FakePlatform) -> None:
    guarded(platform, max_vms=1)
    platform.power_off("web-0")
    ledgers.close_all()
    assert platform.power_off("web-1").changed


def test_nothing_is_said_to_be_done_before_the_guards_agree(
    platform: FakePlatform, logs: pytest.LogCaptureFixture
) -> None:
    guarded(platform, max_vms=1)
    with pytest.raises(GuardStopped):
        off(platform, "web-0", "web-1")
    platform.change("web-0", state=OFF)
    with pytest.raises(OperationRefused):
        platform.suspend("web-0")
    assert " of 2 VM(s)" not in logs.text
    assert " of 1 VM(s)" not in logs.text


def test_two_at_the_same_moment_do_not_pass_together(platform: FakePlatform) -> None:
    guarded(platform, max_vms=5)
    inventory, both, this = platform.inventory, threading.Barrier(2), threading.local()

    def read(*arguments: Any, **more: Any) -> Any:
        # Either may read again later, alone.
        if not hasattr(this, "met"):
            this.met = both.wait(60)
        return inventory(*arguments, **more)

    platform.inventory = read  # type: ignore[method-assign]
    ends: list[BaseException | int] = []

    def act(first: int) -> None:
        try:
            ends.append(off(platform, *(f"web-{n}" for n in range(first, first + 4))))
        except Exception as error:  # noqa: BLE001  # shown if it is another one
            ends.append(error)

    threads = [threading.Thread(target=act, args=(first,)) for first in (0, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(end).__name__ for end in ends) == ["GuardStopped", "int"], ends
    assert len(record(platform)) == 4


# How large a part ----------------------------------------------------------------------


def test_a_percentage_of_what_matches_is_rounded_down(platform: FakePlatform) -> None:
    guarded(platform, max_percent={"inventory": 39})
    for number in range(5):
        platform.add(f"db-{number}", tags=())
    with pytest.raises(GuardStopped, match=r"39 \(3 of the 10 VMs\) for the matching inventory"):
        platform.batch_power_off({"name": "web-*", "count": 4})
    assert platform.batch_power_off({"name": "web-*", "count": 3}).changed == 3
    with pytest.raises(GuardStopped, match="3 changed so far, 4 with this action"):
        platform.batch_power_off({"name": "web-*", "power_state": "powered_on", "count": 1})
    assert platform.batch_power_off({"name": "db-*", "count": 1}).changed == 1


def test_names_alone_are_measured_against_everything(platform: FakePlatform) -> None:
    guarded(platform, max_percent={"inventory": 20})
    assert off(platform, "web-0") == 1
    assert platform.power_off("web-1").changed
    with pytest.raises(GuardStopped, match="2 of the 10 VMs"):
        platform.power_off("web-2")


def test_a_percentage_in_each_cluster(platform: FakePlatform) -> None:
    guarded(platform, max_percent={"cluster": 40})
    assert off(platform, "web-0", "web-2", "web-1", "web-3") == 4
    with pytest.raises(GuardStopped, match="for the cluster 'c0'"):
        platform.power_off("web-4")


def test_a_percentage_on_each_host_counts_a_vm_where_it_was(platform: FakePlatform) -> None:
    guarded(platform, max_percent={"host": 50})
    platform.power_off("web-0")
    platform.become("web-0", host=None)
    with pytest.raises(GuardStopped, match=r"\(1 of the 2 VMs\) for the host 'h0'"):
        platform.power_off("web-5")
    assert platform.power_off("web-1").changed


def test_a_vm_that_moved_twice_counts_where_it_was_first(platform: FakePlatform) -> None:
    guarded(platform, max_percent={"host": 50})
    for host in ("h0", "h1", "h2"):
        platform.become("web-0", host=host)
        platform.power_off("web-0")
        platform.power_on("web-0")
    with pytest.raises(GuardStopped, match=r"1 of the 2 VMs\) for the host 'h0'"):
        platform.power_off("web-5")
    assert platform.power_off("web-1").changed


def test_a_vm_that_was_off_at_first_counts_where_it_was_first_known_to_be(
    platform: FakePlatform,
) -> None:
    """An engine has a VM that is off on no host."""
    for name in ("web-0", "web-5"):
        platform.change(name, state=OFF)
        platform.become(name, host=None)
    guarded(platform, max_percent={"host": 50})
    assert platform.batch_power_on({"names": ["web-0", "web-5"]}).changed == 2
    for name in ("web-0", "web-5"):
        platform.become(name, host="h0")
    with pytest.raises(
        GuardStopped, match=r"1 of the 2 VMs\) for the host 'h0': .* 2 with this action"
    ):
        off(platform, "web-0", "web-5")
    assert off(platform, "web-0") == 1
    platform.become("web-0", host=None)
    with pytest.raises(GuardStopped, match=r"1 of the 2 VMs\) for the host 'h0'"):
        off(platform, "web-5")


@pytest.mark.parametrize(
    ("part", "unknown"),
    [("host", {"host": None}), ("cluster", {"cluster": None})],
)
def test_a_running_vm_whose_location_is_unknown_is_not_touched(
    platform: FakePlatform, part: str, unknown: dict[str, None]
) -> None:
    guarded(platform, max_percent={part: 100})
    platform.become("web-0", **unknown)
    with pytest.raises(GuardUnchecked) as unchecked:
        off(platform, "web-0", "web-1")
    message = str(unchecked.value)
    assert (
        "of 'web-0' (vm-1), 'web-1' (vm-2) is stopped by a guard, and nothing was touched"
        in message
    )
    assert (
        f"cannot be checked for the {part}: fake does not report the {part} of 'web-0'" in message
    )
    assert f"give chaosvm_max_percent as a mapping without {part}" in message
    plan = platform.plan("power_off", {"names": ["web-0"]})
    assert not plan.possible
    assert f"does not report the {part}" in plan.to_json()["guards"][0]["unchecked"]
    assert platform.sent == []
    platform.safety = Safety.of(max_percent={"inventory": 100})
    assert off(platform, "web-0") == 1


def test_where_a_guard_stops_it_anyway_that_is_what_it_is(platform: FakePlatform) -> None:
    guarded(platform, max_percent={"host": 100}, max_vms=0)
    platform.become("web-0", host=None)
    with pytest.raises(GuardStopped, match=r"chaosvm_max_vms is 0.*; chaosvm_max_percent cannot"):
        off(platform, "web-0")


def test_a_vm_on_a_standalone_host_is_in_no_cluster(platform: FakePlatform) -> None:
    guarded(platform, max_percent={"cluster": 0})
    platform.become("web-0", cluster=None, metadata={"standalone_host": True})
    assert off(platform, "web-0") == 1
    with pytest.raises(GuardStopped, match="cluster 'c1'"):
        off(platform, "web-1")


def test_a_vm_that_is_off_and_on_no_host_can_be_powered_on(platform: FakePlatform) -> None:
    guarded(platform, max_percent={"host": 0})
    platform.change("web-0", state=OFF)
    platform.become("web-0", host=None)
    assert platform.power_on("web-0").changed


@pytest.mark.parametrize("part", ["cluster", "host"])
def test_places_of_one_name_in_two_datacenters_are_two(platform: FakePlatform, part: str) -> None:
    guarded(platform, max_percent={part: 40})
    for number in range(10):
        place = {"datacenter": f"dc{number % 2}", "cluster": "prod", "host": "esx-1"}
        platform.become(f"web-{number}", **place)
    with pytest.raises(GuardStopped, match=rf"2 of the 5 VMs\) for the {part} '.*' of 'dc0'"):
        off(platform, "web-0", "web-2", "web-4")
    assert off(platform, "web-0", "web-2", "web-1", "web-3") == 4


def test_what_matched_where_it_was_at_first_still_does(platform: FakePlatform) -> None:
    guarded(platform, max_percent={"inventory": 50})
    assert platform.batch_power_off({"host": "h0", "count": 1, "seed": 1}).changed == 1
    (gone,) = record(platform)
    platform.become(gone, host=None)
    with pytest.raises(GuardStopped, match=r"1 of the 2 VMs\) for the matching inventory"):
        platform.batch_power_off({"host": "h0"})


def test_percentages_do_not_count_blocked_vms(platform: FakePlatform) -> None:
    for number in range(10):
        platform.add(f"tpl-{number}", OFF, template=True, tags=())
        platform.add(f"safe-{number}", tags=(TAG,))
    guarded(platform, max_percent={"inventory": 10})
    with pytest.raises(GuardStopped, match="1 of the 10 VMs"):
        off(platform, "web-0", "web-1")


def test_a_single_number_is_for_inventory_clusters_and_hosts(platform: FakePlatform) -> None:
    guarded(platform, max_percent=50)
    assert off(platform, "web-0", "web-1") == 2
    with pytest.raises(GuardStopped, match="host 'h0'"):
        off(platform, "web-5")


def test_a_percentage_counts_as_it_is_written() -> None:
    """Not as floating point has it: 1000 * 64.1 / 100 is 640.9999999999999."""
    platform = FakePlatform()
    for number in range(1_000):
        platform.add(f"web-{number:03}", tags=())
    guarded(platform, max_percent={"inventory": 64.1})
    assert limit_of(platform) == (641, 1_000)
    guarded(platform, max_percent={"inventory": 64.0999})
    assert limit_of(platform) == (640, 1_000)


def limit_of(platform: FakePlatform) -> tuple[int, int]:
    (message,) = platform.plan("power_off", {"all": True}).to_json()["guards"]
    return message["limit"], message["of"]


# How many are left ---------------------------------------------------------------------


def test_survivors_are_kept_and_those_down_already_are_none(platform: FakePlatform) -> None:
    platform.change("web-9", state=OFF)
    guarded(platform, min_running=7)
    assert off(platform, "web-0", "web-1") == 2
    with pytest.raises(GuardStopped) as stopped:
        platform.reboot("web-2")
    assert "chaosvm_min_running is 7: of the 10 VMs" in str(stopped.value)
    assert "7 running now, 6 after this action" in str(stopped.value)
    assert "lower chaosvm_min_running" in str(stopped.value)
    assert platform.batch_power_on({"all": True}).changed == 3
    assert platform.reboot("web-2").changed


def test_survivors_are_counted_among_those_that_match_in_any_state(
    platform: FakePlatform,
) -> None:
    guarded(platform, min_running=4)
    sample = {"cluster": "c0", "power_state": "powered_on", "count": 1}
    assert platform.batch_suspend(sample).changed == 1
    with pytest.raises(GuardStopped, match="of the 5 VMs"):
        platform.batch_suspend(sample)


def test_what_takes_no_running_vm_down_passes_although_too_few_run(
    platform: FakePlatform,
) -> None:
    for number in range(9):
        platform.change(f"web-{number}", state=SUSPENDED)
    guarded(platform, min_running=5)
    assert platform.batch_power_off({"names": ["web-0", "web-1"]}, graceful=False).changed == 2
    with pytest.raises(GuardStopped, match="1 running now, 0 after this action"):
        off(platform, "web-2", "web-9")
    assert record(platform) == {"web-0", "web-1"}


def test_exactly_so_many_may_be_left(platform: FakePlatform) -> None:
    guarded(platform, min_running=9)
    assert off(platform, "web-0") == 1
    with pytest.raises(GuardStopped):
        off(platform, "web-1")


def test_a_vm_whose_guest_is_shutting_down_does_not_count_as_running(
    platform: FakePlatform,
) -> None:
    guarded(platform, min_running=9)
    platform.on("web-0", PowerCommand.SHUTDOWN_GUEST, ignores())
    assert platform.power_off("web-0", timeout=5, on_timeout="leave").changed is False
    with pytest.raises(GuardStopped, match="9 running now, 8 after this action"):
        platform.power_off("web-1")


def test_a_vm_with_an_unconfirmed_reboot_does_not_count_as_running(platform: FakePlatform) -> None:
    guarded(platform, min_running=9)
    platform.on("web-0", PowerCommand.REBOOT_GUEST, ignores())
    with pytest.raises(OperationFailed):
        platform.reboot("web-0", timeout=5)
    with pytest.raises(GuardStopped, match="9 running now, 8 after this action"):
        platform.power_off("web-1")
    platform.on("web-0", PowerCommand.REBOOT_GUEST, does())
    assert platform.reboot("web-0").changed
    assert platform.power_off("web-1").changed


def test_a_reboot_that_was_refused_leaves_a_survivor(platform: FakePlatform) -> None:
    guarded(platform, min_running=9)
    platform.on("web-0", PowerCommand.RESET, refuses(CommandFailed("no")))
    with pytest.raises(OperationFailed):
        platform.reboot("web-0", graceful=False)
    assert platform.power_off("web-1").changed


def test_a_vm_whose_suspension_failed_is_a_survivor(platform: FakePlatform) -> None:
    guarded(platform, min_running=9)
    platform.on("web-0", PowerCommand.SUSPEND, fails(CommandFailed("no room")))
    with pytest.raises(OperationFailed):
        platform.suspend("web-0")
    assert platform.power_off("web-1").changed


def test_a_reading_from_before_another_action_ended_is_not_believed(
    platform: FakePlatform,
) -> None:
    """The inventory shows a VM running which another thread has powered off since."""
    guarded(platform, min_running=9)
    inventory = platform.inventory

    def read(*arguments: Any, **more: Any) -> Any:
        platform.inventory = inventory  # type: ignore[method-assign]
        seen = inventory(*arguments, **more)
        assert off(platform, "web-0") == 1
        return seen

    platform.inventory = read  # type: ignore[method-assign]
    with pytest.raises(GuardStopped, match="9 running now, 8 after this action"):
        off(platform, "web-1")
    assert record(platform) == {"web-0"}


# What is protected ---------------------------------------------------------------------


@pytest.mark.parametrize("glob", ["web-3", "WEB-3", "vm-4", "*b-3"])
def test_a_protected_vm_is_passed_over_and_listed(
    platform: FakePlatform, glob: str, logs: pytest.LogCaptureFixture
) -> None:
    guarded(platform, protect=[glob])
    batch = platform.batch_power_off({"name": "web-*"}, graceful=False)
    assert batch.changed == 9
    assert [vm.name for vm, _ in batch.passed_over] == ["web-3"]
    reason = f"is protected: it matches {glob!r} in chaosvm_protect"
    assert f"'web-3' (vm-4) {reason}, so it is passed over" in logs.text


# "é" as one character, and as an "e" with an accent.
NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("name", [NFC, NFD, NFC.upper(), NFD.upper()])
@pytest.mark.parametrize(
    "glob", [NFC, NFD, NFC.upper(), NFD.upper(), f"{NFC}*", f"{NFD}*", "caf?", "caf[\u00e9]"]
)
def test_a_name_is_protected_however_its_accents_are_encoded(
    platform: FakePlatform, glob: str, name: str
) -> None:
    platform.add(name, tags=())
    guarded(platform, protect=[glob])
    assert [vm.name for vm, _ in platform.plan("power_off", {"all": True}).passed_over] == [name]
    with pytest.raises(OperationRefused, match="chaosvm_protect"):
        platform.power_off(name)
    assert platform.sent == []


@pytest.mark.parametrize("name", ["stra\u00dfe", "STRASSE", "Stra\u1e9ee"])
@pytest.mark.parametrize("glob", ["stra\u00dfe", "strasse", "STRASSE"])
def test_a_name_is_protected_in_capitals_too(platform: FakePlatform, glob: str, name: str) -> None:
    platform.add(name, tags=())
    guarded(platform, protect=[glob])
    with pytest.raises(OperationRefused, match="chaosvm_protect"):
        platform.power_off(name)


def test_one_character_of_a_pattern_is_one_of_the_name(platform: FakePlatform) -> None:
    platform.add("stra\u00dfe", tags=())
    guarded(platform, protect=["stra?e"])
    with pytest.raises(OperationRefused, match="chaosvm_protect"):
        platform.power_off("stra\u00dfe")


def test_an_unpaired_surrogate_in_a_name_is_harmless(platform: FakePlatform) -> None:
    platform.add("web-\udc80", tags=())
    guarded(platform, protect=["web-*", "caf\u00e9"])
    with pytest.raises(NoSuchVM, match="never touched"):
        platform.batch_power_off({"all": True})


@pytest.mark.parametrize("word", ["web-3", "vm-4"])
@pytest.mark.parametrize("verb", ["power_on", "power_off", "reboot", "suspend"])
def test_a_protected_vm_that_is_selected_by_name_is_refused(
    platform: FakePlatform, verb: str, word: str
) -> None:
    guarded(platform, protect="web-3")
    with pytest.raises(OperationRefused, match=r"nothing was touched: 'web-3'.*chaosvm_protect$"):
        getattr(platform, verb)(word)
    with pytest.raises(OperationRefused):
        getattr(platform, f"batch_{verb}")({"ids": ["vm-4", "vm-5"]})
    assert platform.sent == []


def test_a_marked_vm_is_passed_over_before_the_sample_is_drawn(platform: FakePlatform) -> None:
    for number in range(20):
        platform.add(f"web-safe-{number}", tags=(TAG,))
    batch = platform.batch_power_off({"name": "web-*", "count": 10}, graceful=False)
    assert (batch.changed, len(batch.passed_over)) == (10, 20)
    assert record(platform) == {f"web-{number}" for number in range(10)}
    with pytest.raises(OperationRefused, match=f"has the tag '{TAG}', as chaosvm_protect_tag"):
        platform.power_off("web-safe-1")


def test_a_pattern_that_protects_nothing_is_warned_of_once(
    platform: FakePlatform, logs: pytest.LogCaptureFixture
) -> None:
    guarded(platform, protect=["web-3", "bd-*"])
    platform.power_off("web-0")  # this may have read one VM alone
    assert "'bd-*'" not in logs.text
    for _ in range(2):
        platform.plan("power_off", {"name": "web-*"})
    message = "'bd-*' in chaosvm_protect matches none of the 10 VMs on fake.example.com"
    assert logs.text.count(message) == 1
    assert "'web-3' in chaosvm_protect fits none" not in logs.text


def test_other_spellings_of_its_name_protect_it(platform: FakePlatform) -> None:
    """What an action takes for a VM's name, chaosvm_protect takes too."""
    platform.add("a/b", aliases=("a%2fb",), tags=())
    guarded(platform, protect=["A%2Fb"])
    with pytest.raises(OperationRefused, match=r"'a/b' .* matches 'A%2Fb' in chaosvm_protect"):
        platform.power_off("a%2fb")


def test_by_way_of_dora_too(platform: FakePlatform) -> None:
    guarded(platform, protect="web-3")
    with pytest.raises(OperationRefused, match="chaosvm_protect"):
        platform.operate_by_id("power_off", "vm-4", "web-3", timeout=60)
    assert platform.sent == []


def test_tags_are_read_once_and_only_where_they_matter(platform: FakePlatform) -> None:
    platform.batch_power_off({"cluster": "c0"})
    platform.power_off("web-1")
    guarded(platform, max_percent=100)
    platform.power_off("web-3")
    assert platform.marks_read == [5, 1, 10]
    guarded(platform, protect_tag="none")
    platform.power_off("web-5")
    assert len(platform.marks_read) == 3


def test_each_of_several_marks_protects(platform: FakePlatform) -> None:
    for name, tag in (("one", "mine"), ("other", "theirs"), ("third", TAG)):
        platform.add(name, tags=(tag,))
    guarded(platform, protect_tag=["mine", "theirs"])
    for name, tag in (("one", "mine"), ("other", "theirs")):
        with pytest.raises(OperationRefused, match=f"has the tag '{tag}', as chaosvm_protect_tag"):
            platform.power_off(name)
    assert platform.batch_power_off({"all": True}, graceful=False).changed == 11
    assert record(platform) >= {"third", "web-0"}
    # Of what one mark protects, the next is not asked.
    assert platform.marks_read == [1, 1, 1, 13, 12]


def test_marks_that_cannot_be_read_let_nothing_pass(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> dict[str, str]:
        raise PlatformError("the tags cannot be read")

    monkeypatch.setattr(platform, "protected_by_tag", fails)
    with pytest.raises(GuardUnchecked, match=r'chaosvm_protect_tag.*"none"'):
        platform.power_off("web-0")
    assert platform.sent == []
    guarded(platform, protect_tag="none")
    assert platform.power_off("web-0").changed


def test_where_all_that_fits_is_protected_it_says_so(platform: FakePlatform) -> None:
    guarded(platform, protect="web-*")
    with pytest.raises(NoSuchVM, match=r"never touched: .*chaosvm_protect"):
        platform.batch_power_off({"name": "web-*"})


def test_a_protected_vm_is_judged_but_in_no_sample(platform: FakePlatform) -> None:
    platform.change("web-3", state=OFF)
    guarded(platform, protect="web-3")
    assert platform.all_vms_have_power_state({"names": ["web-3"]}, "powered_off")
    assert not platform.all_vms_have_power_state({"name": "web-*"}, "powered_on")
    assert platform.all_vms_have_power_state({"name": "web-*", "count": 9}, ON.value)
