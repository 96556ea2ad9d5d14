"""The results of limits, and their messages."""

from __future__ import annotations

from typing import Any

import pytest

from chaosvm.backend import Operation, PowerCommand
from chaosvm.errors import GuardStopped, GuardUnchecked
from chaosvm.guards import (
    GuardRequest,
    GuardResult,
    Usage,
    disables_protection,
    going_down,
    guard_results,
    protected_by_name,
    raise_if_exceeded,
    takes_down,
    unmatched_globs,
)
from chaosvm.ledger import OperationRecord, VMRecord
from chaosvm.settings import Percent, Safety
from chaosvm.vm import VM, PowerState

ON, OFF = PowerState.POWERED_ON, PowerState.POWERED_OFF


def vm(number: int, **fields: Any) -> VM:
    known = {"power_state": ON, "status": "up", "cluster": "c", "host": "h", **fields}
    return VM(name=f"web-{number}", id=f"vm-{number}", platform="fake", **known)


def case(
    changing: list[VM], inventory: list[VM], operation: Operation = Operation.POWER_OFF
) -> GuardRequest:
    return GuardRequest(operation, "fake", "there", changing, inventory, lambda each: True)


def counted(*changed: VM) -> Usage:
    return Usage({("fake", "there", each.id): [each] for each in changed}, frozenset())


def results_json(
    made: GuardRequest, before: Usage | None = None, **limits: Any
) -> list[dict[str, Any]]:
    safety = Safety(**limits)
    return [each.to_json() for each in guard_results(made, before or counted(), safety)]


TEN = [vm(number) for number in range(10)]


# Words -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", " ", "false", " No ", "OFF", "0"])
def test_values_that_disable_protection(value: str) -> None:
    assert disables_protection(value)


@pytest.mark.parametrize("value", ["true", "yes", "on", "1", "f", "none", "no way"])
def test_values_that_protect(value: str) -> None:
    assert not disables_protection(value)


def test_only_a_power_on_takes_nothing_down() -> None:
    assert {each for each in Operation if not takes_down(each)} == {Operation.POWER_ON}


def test_the_first_glob_that_fits_is_named() -> None:
    assert protected_by_name(vm(1), ["db-*", "WEB-*", "*"]) == (
        "is protected: it matches 'WEB-*' in chaosvm_protect"
    )
    assert protected_by_name(vm(1), ["db-*"]) is None
    assert protected_by_name(vm(1), []) is None


@pytest.mark.parametrize(
    ("fields", "glob"),
    [
        ({}, "vm-1"),
        ({"instance_uuid": "5010-A"}, "5010-a"),
        ({"path": "/dc/vm/web-1"}, "/dc/*"),
        ({"aliases": ("other",)}, "oth*"),
    ],
    ids=str,
)
def test_all_that_a_vm_is_known_by_protects_it(fields: dict[str, Any], glob: str) -> None:
    assert protected_by_name(vm(1, **fields), [glob]) is not None
    assert protected_by_name(vm(2), [glob]) is None


def test_globs_that_fit_nothing() -> None:
    assert unmatched_globs(TEN, ["web-1", "db-*", "*-9", "x"]) == ["db-*", "x"]
    assert unmatched_globs([], ["*"]) == ["*"]
    assert unmatched_globs(TEN, []) == []


@pytest.mark.parametrize(
    ("operation", "command", "after", "goes_down"),
    [
        (Operation.POWER_OFF, PowerCommand.SHUTDOWN_GUEST, None, True),
        (Operation.REBOOT, PowerCommand.RESET, None, True),
        (Operation.POWER_ON, PowerCommand.POWER_ON, None, False),
        (Operation.POWER_OFF, None, None, False),
        (Operation.POWER_OFF, PowerCommand.POWER_OFF, OFF, False),
    ],
)
def test_what_may_still_go_down(
    operation: Operation, command: PowerCommand | None, after: PowerState | None, goes_down: bool
) -> None:
    sent = OperationRecord("run", "call", operation, ON, False, command=command, after=after)
    record = VMRecord("fake", "there", "vm-1", "web-1", None, ON, "up", [sent])
    assert going_down([record]) == ({("fake", "there", "vm-1")} if goes_down else set())


# Verdicts --------------------------------------------------------------------------------


def test_without_limits_there_is_nothing_to_say() -> None:
    assert results_json(case(TEN, TEN)) == []


@pytest.mark.parametrize(("limit", "ok"), [(2, False), (3, True)])
def test_how_many_a_run_changes(limit: int, ok: bool) -> None:
    assert results_json(case(TEN[:2], TEN), counted(TEN[5]), max_vms=limit) == [
        {
            "key": "chaosvm_max_vms",
            "scope": "this run",
            "limit": limit,
            "so_far": 1,
            "would_be": 3,
            "ok": ok,
        }
    ]


def test_what_was_changed_before_may_be_changed_again() -> None:
    (found,) = results_json(case(TEN[:2], TEN), counted(*TEN[:4]), max_vms=1)
    assert (found["so_far"], found["would_be"], found["ok"]) == (4, 4, True)


@pytest.mark.parametrize(("percent", "limit"), [(29, 2), (30, 3), (0, 0), (100, 10)])
def test_the_share_of_an_inventory(percent: float, limit: int) -> None:
    made = case(TEN[:3], TEN)
    (found,) = results_json(made, max_percent=Percent(percent, None, None))
    assert found == {
        "key": "chaosvm_max_percent",
        "scope": "the matching inventory",
        "limit": limit,
        "so_far": 0,
        "would_be": 3,
        "ok": limit >= 3,
        "of": 10,
        "percent": percent,
    }


def test_a_share_that_floating_point_makes_too_small() -> None:
    """1000 * 32.3 / 100 is a little less than 323, which are agreed to."""
    estate = [vm(number) for number in range(1000)]
    (found,) = results_json(case(estate[:323], estate), max_percent=Percent(32.3, None, None))
    assert (found["limit"], found["ok"]) == (323, True)


def test_the_shares_of_places() -> None:
    estate = [vm(number, cluster=f"c{number % 2}", datacenter="d") for number in range(4)]
    found = results_json(case(estate[:2], estate), max_percent=Percent(None, 50, 50))
    assert [(each["scope"], each["limit"], each["would_be"], each["ok"]) for each in found] == [
        ("the cluster 'c0' of 'd'", 1, 1, True),
        ("the cluster 'c1' of 'd'", 1, 1, True),
        ("the host 'h' of 'd'", 2, 2, True),
    ]


def test_a_place_without_a_datacenter_comes_first() -> None:
    estate = [vm(0, datacenter="A"), vm(1), vm(2, cluster="b", datacenter="A")]
    found = results_json(case(estate, estate), max_percent=Percent(None, 100, None))
    assert [each["scope"] for each in found] == [
        "the cluster 'c'",
        "the cluster 'b' of 'A'",
        "the cluster 'c' of 'A'",
    ]


@pytest.mark.parametrize("part", ["cluster", "host"])
def test_what_matched_where_it_was_changed_still_counts(part: str) -> None:
    before, now = vm(5, **{part: "old"}), vm(5, **{part: "new"})
    estate = [now, *(vm(number, **{part: "old"}) for number in range(3))]
    made = GuardRequest(
        Operation.POWER_OFF,
        "fake",
        "there",
        estate[1:2],
        [*estate, vm(6, **{part: "new"})],
        lambda each: getattr(each, part) == "old",
    )
    (found,) = results_json(made, counted(before), max_percent=Percent(100, None, None))
    assert (found["of"], found["so_far"], found["would_be"]) == (4, 1, 2)


def test_a_location_that_is_not_reported() -> None:
    (found, _) = results_json(
        case([vm(0, host=None), vm(1)], TEN[1:]), max_percent=Percent(None, None, 100)
    )
    assert found == {
        "key": "chaosvm_max_percent",
        "scope": "the host",
        "limit": 0,
        "so_far": 0,
        "would_be": 1,
        "ok": False,
        "percent": 100,
        "unchecked": "fake does not report the host of 'web-0' (vm-0)",
    }


@pytest.mark.parametrize("state", [OFF, PowerState.SUSPENDED])
def test_what_takes_up_no_place_need_not_be_on_one(state: PowerState) -> None:
    nowhere = vm(0, host=None, power_state=state)
    assert results_json(case([nowhere], TEN[1:]), max_percent=Percent(None, None, 1)) == []


def test_a_host_that_stands_alone_is_in_no_cluster_but_is_a_host() -> None:
    alone = vm(0, host=None, cluster=None, metadata={"standalone_host": True})
    assert results_json(case([alone], TEN[1:]), max_percent=Percent(None, 1, None)) == []
    (found,) = results_json(case([alone], TEN[1:]), max_percent=Percent(None, None, 1))
    assert found["unchecked"]


@pytest.mark.parametrize(("least", "ok"), [(7, True), (8, False)])
def test_how_many_are_left_running(least: int, ok: bool) -> None:
    estate = [*TEN[:9], vm(9, power_state=OFF)]
    assert results_json(case(TEN[:2], estate), min_running=least) == [
        {
            "key": "chaosvm_min_running",
            "scope": "the matching inventory",
            "limit": least,
            "so_far": 9,
            "would_be": 7,
            "ok": ok,
            "of": 10,
        }
    ]


def test_too_few_run_already_and_nothing_that_runs_is_taken_down() -> None:
    """Powering off what is off leaves as many running as before."""
    down = vm(9, power_state=OFF)
    (found,) = results_json(case([down], [*TEN[:3], down]), min_running=5)
    assert (found["so_far"], found["would_be"], found["ok"]) == (3, 3, True)
    assert results_json(case([down], [*TEN[:3], down], Operation.POWER_ON), min_running=5) == []


@pytest.mark.parametrize("whose", ["case", "run"])
def test_what_is_going_down_does_not_run(whose: str) -> None:
    keys = frozenset({("fake", "there", "vm-5")})
    made = GuardRequest(
        Operation.POWER_OFF,
        "fake",
        "there",
        TEN[:1],
        TEN,
        lambda each: True,
        keys if whose == "case" else frozenset(),
    )
    before = Usage({}, keys if whose == "run" else frozenset())
    (found,) = results_json(made, before, min_running=1)
    assert (found["so_far"], found["would_be"]) == (9, 8)


# What is said ----------------------------------------------------------------------------

UNCHECKED = GuardResult(
    "chaosvm_max_percent", "the host", 0, 0, 1, False, unchecked="nobody tells it"
)
PASSED = GuardResult("chaosvm_max_vms", "this run", 2, 1, 3, False)
SHARE = GuardResult("chaosvm_max_percent", "the cluster 'c'", 2, 1, 3, False, 10, 25.0)
LEAST = GuardResult("chaosvm_min_running", "the matching inventory", 8, 9, 7, False, 10)


@pytest.mark.parametrize(
    ("result", "message", "advice"),
    [
        (
            UNCHECKED,
            "chaosvm_max_percent cannot be checked for the host: nobody tells it",
            "let the user see clusters and hosts, or give chaosvm_max_percent as a mapping "
            "without host",
        ),
        (
            PASSED,
            "chaosvm_max_vms is 2 for this run: 1 changed so far, 3 with this action",
            "select fewer VMs, or raise chaosvm_max_vms",
        ),
        (
            SHARE,
            "chaosvm_max_percent is 25 (2 of the 10 VMs) for the cluster 'c': "
            "1 changed so far, 3 with this action",
            "select fewer VMs, or raise chaosvm_max_percent",
        ),
        (
            LEAST,
            "chaosvm_min_running is 8: of the 10 VMs in the matching inventory, 9 running now, "
            "7 after this action",
            "select fewer VMs, or lower chaosvm_min_running",
        ),
    ],
    ids=["unchecked", "passed", "share", "least"],
)
def test_a_verdict_in_words(result: GuardResult, message: str, advice: str) -> None:
    assert str(result) == message
    assert result.advice == advice


def test_all_exceeded_limits_are_in_one_error() -> None:
    fine = GuardResult("chaosvm_max_vms", "this run", 5, 1, 3, True)
    with pytest.raises(GuardStopped) as caught:
        raise_if_exceeded([fine, PASSED, LEAST, PASSED], case(TEN[:2], TEN))
    assert str(caught.value) == (
        "power_off of 'web-0' (vm-0), 'web-1' (vm-1) is stopped by a guard, and nothing was "
        f"touched: {PASSED}; {LEAST}; {PASSED}. To go on, {PASSED.advice}; {LEAST.advice}"
    )
    raise_if_exceeded([fine], case(TEN[:2], TEN))


def test_what_cannot_be_checked_is_another_error_unless_something_is_passed() -> None:
    with pytest.raises(GuardUnchecked):
        raise_if_exceeded([UNCHECKED], case(TEN[:1], TEN))
    with pytest.raises(GuardStopped) as caught:
        raise_if_exceeded([UNCHECKED, PASSED], case(TEN[:1], TEN))
    assert not isinstance(caught.value, GuardUnchecked)


@pytest.mark.parametrize(("number", "last"), [(10, "'web-9' (vm-9)"), (12, "and 2 more")])
def test_no_more_than_ten_are_named(number: int, last: str) -> None:
    estate = [vm(each) for each in range(number)]
    with pytest.raises(GuardStopped) as caught:
        raise_if_exceeded([PASSED], case(estate, estate))
    assert f"{last} is stopped by a guard" in str(caught.value)
    assert str(caught.value).count("(vm-") == 10
