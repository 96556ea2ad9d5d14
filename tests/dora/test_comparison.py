"""Comparison with the vCenter, with tolerance for Dora's lag, on a fake clock."""

from __future__ import annotations

from typing import Any

import pytest

from chaosvm.dora.comparison import Differences, compare, compare_until_equal, relevant_vms
from chaosvm.runtime import Deadline
from chaosvm.vm import VM, PowerState
from tests.fakes import FakeClock

ON, OFF = PowerState.POWERED_ON, PowerState.POWERED_OFF


def dora_vm(moid: str | None, name: str, state: PowerState = ON) -> VM:
    return VM(
        id=moid or name,
        name=name,
        platform="dora",
        power_state=state,
        status="",
        metadata={"moid": moid},
    )


def real_vm(id: str, name: str, state: PowerState = ON, **fields: Any) -> VM:
    return VM(id=id, name=name, platform="vsphere", power_state=state, status="", **fields)


# One look ----------------------------------------------------------------------


def test_the_same_on_both_sides() -> None:
    found = compare(
        [dora_vm("vm-1", "a"), dora_vm("vm-2", "b", OFF)],
        [real_vm("vm-2", "b", OFF), real_vm("vm-1", "a")],
    )
    assert found.to_json() == {
        "matches": True,
        "compared": 2,
        "only_in_dora": [],
        "only_in_vcenter": [],
        "different_state": [],
        "different_name": [],
        "listed_twice": [],
        "without_moid": [],
    }


def test_every_kind_of_difference() -> None:
    found = compare(
        [
            dora_vm("vm-1", "gone"),
            dora_vm("vm-2", "off", OFF),
            dora_vm("vm-3", "old"),
            dora_vm(None, "nameless"),
        ],
        [real_vm("vm-2", "off", ON), real_vm("vm-3", "new"), real_vm("vm-4", "fresh", OFF)],
    ).to_json()
    assert found == {
        "matches": False,
        "compared": 2,
        "only_in_dora": [{"id": "vm-1", "name": "gone", "power_state": "powered_on"}],
        "only_in_vcenter": [{"id": "vm-4", "name": "fresh", "power_state": "powered_off"}],
        "different_state": [
            {"id": "vm-2", "name": "off", "dora": "powered_off", "vcenter": "powered_on"}
        ],
        "different_name": [{"id": "vm-3", "name": "new", "dora": "old", "vcenter": "new"}],
        "listed_twice": [],
        "without_moid": ["nameless"],
    }


def test_one_vm_may_differ_twice() -> None:
    found = compare([dora_vm("vm-1", "a", OFF)], [real_vm("vm-1", "b", ON)])
    assert set(found.entries) == {("different_state", "vm-1"), ("different_name", "vm-1")}


def test_a_vm_without_moid_is_not_compared_by_name() -> None:
    found = compare([dora_vm(None, "vm-1")], [real_vm("vm-1", "vm-1")])
    assert found.compared == 0
    assert [entry["id"] for entry in found.of("only_in_vcenter")] == ["vm-1"]
    assert found.without_moid == ("vm-1",)


def test_generators_can_be_compared() -> None:
    found = compare(
        (vm for vm in [dora_vm("vm-1", "a"), dora_vm(None, "b")]),
        (vm for vm in [real_vm("vm-1", "a")]),
    )
    assert (found.compared, found.entries, found.without_moid) == (1, {}, ("b",))


# Which of the vCenter's VMs count ----------------------------------------------

ESTATE = [
    real_vm("vm-1", "here", host="esx-1"),
    real_vm("vm-2", "elsewhere", host="esx-9"),
    real_vm("vm-3", "moved", host="esx-9"),
    real_vm("vm-4", "nowhere"),
    real_vm("vm-5", "image", host="esx-1", template=True),
    real_vm("vm-6", "known image", template=True),
]


@pytest.mark.parametrize(
    ("hosts", "moids", "names"),
    [
        (["esx-1"], [], ["here"]),
        (["esx-1"], ["vm-3"], ["here", "moved"]),
        (["esx-1"], ["vm-6", "vm-99"], ["here", "known image"]),
        (["esx-5"], [], []),
        ([], [], ["here", "elsewhere", "moved", "nowhere"]),
        ([None, ""], ["vm-5"], ["here", "elsewhere", "moved", "nowhere", "image"]),
    ],
)
def test_vms_that_count(hosts: list[str | None], moids: list[str], names: list[str]) -> None:
    assert [vm.name for vm in relevant_vms(ESTATE, hosts, moids)] == names
    found = relevant_vms(iter(ESTATE), iter(hosts), iter(moids))
    assert [vm.name for vm in found] == names


# Several looks -----------------------------------------------------------------


class Looks:
    """What is seen at each moment of the clock."""

    def __init__(self, clock: FakeClock, seen: Any) -> None:
        self.clock, self.seen = clock, seen
        self.start = clock.monotonic()
        self.at: list[float] = []

    def __call__(self) -> Differences:
        now = self.clock.monotonic() - self.start
        self.at.append(now)
        return Differences(1, {("different_state", id): {"id": id} for id in self.seen(now)})


def looked(seen: Any, seconds: float) -> tuple[Differences, list[float]]:
    clock = FakeClock()
    looks = Looks(clock, seen)
    return compare_until_equal(looks, Deadline(seconds, clock)), looks.at


def ids(found: Differences) -> list[str]:
    return [entry["id"] for entry in found.of("different_state")]


def test_agreement_at_once_waits_for_nothing() -> None:
    found, at = looked(lambda now: [], 60)
    assert (ids(found), at) == ([], [0])


def test_a_lag_that_heals() -> None:
    found, at = looked(lambda now: ["vm-1"] if now < 31 else [], 60)
    assert found.to_json()["matches"] is True
    assert at == pytest.approx([0, 5, 10, 15, 20, 25, 30, 35])


def test_a_lag_that_heals_at_the_last_look() -> None:
    found, at = looked(lambda now: ["vm-1"] if now < 11.9 else [], 12)
    assert ids(found) == []
    assert at == pytest.approx([0, 5, 10, 12])


def test_a_lag_longer_than_the_tolerance_is_a_difference() -> None:
    found, at = looked(lambda now: ["vm-1"] if now < 31 else [], 30)
    assert ids(found) == ["vm-1"]
    assert at[-1] == pytest.approx(30)


def test_a_real_difference_lasts() -> None:
    found, at = looked(lambda now: ["vm-1", "vm-2"] if now < 20 else ["vm-1"], 60)
    assert ids(found) == ["vm-1"]
    assert found.to_json()["matches"] is False
    assert at[-1] == pytest.approx(60)


def test_without_tolerance_there_is_one_look() -> None:
    found, at = looked(lambda now: ["vm-1"], 0)
    assert (ids(found), at) == (["vm-1"], [0])


def test_alternating_differences_never_last() -> None:
    found, at = looked(lambda now: ["vm-1"] if round(now / 5) % 2 else ["vm-2"], 60)
    assert ids(found) == []
    assert len(at) == 2


def test_a_difference_that_comes_back_has_not_lasted() -> None:
    found, _ = looked(
        lambda now: ["vm-1", "vm-2"] if now < 4 or now > 6 else ["vm-2"],
        30,
    )
    assert ids(found) == ["vm-2"]


def test_a_difference_that_comes_later_is_not_reported() -> None:
    found, _ = looked(lambda now: ["vm-1", "vm-2"] if now > 4 else ["vm-1"], 30)
    assert ids(found) == ["vm-1"]


def test_another_difference_of_the_same_vm_is_another() -> None:
    clock = FakeClock()
    seen = iter(
        [
            compare([dora_vm("vm-1", "a", OFF)], [real_vm("vm-1", "a")]),
            compare([dora_vm("vm-1", "a")], [real_vm("vm-1", "b")]),
        ]
    )
    assert compare_until_equal(lambda: next(seen), Deadline(60, clock)).entries == {}


def test_the_last_look_is_what_is_shown() -> None:
    clock = FakeClock()
    seen = iter(
        [
            compare([dora_vm("vm-1", "a", OFF)], [real_vm("vm-1", "a")]),
            compare([dora_vm("vm-1", "a")], [real_vm("vm-1", "a", OFF), real_vm("vm-2", "b")]),
        ]
    )
    found = compare_until_equal(lambda: next(seen), Deadline(1, clock)).to_json()
    assert found["different_state"] == [
        {"id": "vm-1", "name": "a", "dora": "powered_on", "vcenter": "powered_off"}
    ]
    assert found["only_in_vcenter"] == []


def test_an_error_of_a_look_is_the_error() -> None:
    def look() -> Differences:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        compare_until_equal(look, Deadline(60, FakeClock()))
