"""Outages as servers record them: an engine's events as recorded, a vCenter's as documented."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from chaosvm.backend import EventKind as K
from chaosvm.backend import ServerEvent
from chaosvm.observe import Outage, outages, was_restarted_by_ha

VM, OTHER = "vm-1", "vm-2"
BEGIN = dt.datetime(2026, 11, 30, 2, 0, tzinfo=dt.UTC)


def events(*rows: tuple[float, K, str | None, str | None]) -> list[ServerEvent]:
    """From rows of seconds, kind, VM and host."""
    return [
        ServerEvent(
            number=number,
            at=BEGIN + dt.timedelta(seconds=seconds),
            kind=kind,
            type="-",
            text="-",
            vm_id=vm,
            host=host,
        )
        for number, (seconds, kind, vm, host) in enumerate(rows, 100)
    ]


def told(found: list[Outage]) -> list[tuple[Any, ...]]:
    return [
        (each.seconds, each.requested, each.by_ha, each.host_before, each.host_after)
        for each in found
    ]


# Recordings ha-events-after-crash, -vanish, -stop and -shutdown, and host-events-failure.
CRASH = events(
    (0, K.FAILED, VM, "host-03"),
    (0, K.FAILED, OTHER, "host-04"),
    (0.012, K.HA_FAILOVER, VM, None),
    (0.609, K.HA_RESTARTED, VM, "host-02"),
    (9.613, K.HA_RESTARTED, VM, "host-02"),
)
VANISH = events(
    (0, K.HA_FAILOVER, VM, None),
    (0.809, K.HA_RESTARTED, VM, "host-04"),
    (9.814, K.HA_RESTARTED, VM, "host-04"),
)
STOP = events((0, K.POWER_OFF_REQUESTED, VM, "host-04"), (0.63, K.POWERED_OFF, VM, "host-04"))
SHUTDOWN = events((0, K.SHUTDOWN_REQUESTED, VM, "host-04"), (4.92, K.POWERED_OFF, VM, "host-04"))
HOST_FAILURE = events(
    (0, K.STATE_UNKNOWN, VM, None),
    (0.008, K.HOST_LOST, None, "host-04"),
    (0.25, K.FAILED, VM, "host-04"),
    (0.546, K.HA_RESTARTED, VM, "host-02"),
    (9.55, K.HA_RESTARTED, VM, "host-02"),
)
# The vSphere API reference: the host is lost, and its VMs are restarted on another one.
VSPHERE_HA = events(
    (0, K.POWERED_ON, VM, "esx-1"),
    (60, K.HOST_LOST, None, "esx-1"),
    (90, K.HA_RESTARTED, VM, "esx-2"),
    (91, K.POWERED_ON, VM, "esx-2"),
)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (CRASH, (9.613, False, True, "host-03", "host-02")),
        (VANISH, (9.814, False, True, "host-01", "host-04")),
        (HOST_FAILURE, (9.55, False, True, "host-04", "host-02")),
        (VSPHERE_HA, (31.0, False, True, "esx-1", "esx-2")),
    ],
    ids=["crash", "vanish", "host failure", "vSphere"],
)
def test_a_restart_tells_how_long_and_where(
    recorded: list[ServerEvent], expected: tuple[Any, ...]
) -> None:
    found = outages(recorded, VM, host="host-01")
    assert told(found) == [expected]
    assert was_restarted_by_ha(found) is found[0]


@pytest.mark.parametrize("recorded", [STOP, SHUTDOWN], ids=["stop", "shutdown"])
def test_a_clean_stop_is_an_outage_on_request(recorded: list[ServerEvent]) -> None:
    found = outages(recorded, VM)
    assert told(found) == [(None, True, False, "host-04", None)]
    assert was_restarted_by_ha(found) is None


def test_a_vm_that_is_not_highly_available_stays_down() -> None:
    assert told(outages(CRASH, OTHER)) == [(None, False, False, "host-04", None)]


def test_an_unknown_state_that_passes_is_no_outage() -> None:
    recorded = events((0, K.STATE_UNKNOWN, VM, None), (30, K.HOST_CONNECTED, None, "host-04"))
    assert outages(recorded, VM) == []


def test_a_restart_whose_beginning_nobody_saw_has_no_duration() -> None:
    found = outages(events((0, K.HA_RESTARTED, VM, "esx-2")), VM)
    assert told(found) == [(None, False, True, None, "esx-2")]


def test_outages_follow_each_other() -> None:
    recorded = events(
        (0, K.POWER_OFF_REQUESTED, VM, "a"),
        (1, K.POWERED_OFF, VM, "a"),
        (10, K.POWER_ON_REQUESTED, VM, "a"),
        (12, K.POWERED_ON, VM, "b"),
        (20, K.FAILED, VM, "b"),
        (25, K.HA_RESTARTED, VM, "a"),
    )
    assert told(outages(recorded, VM)) == [
        (11.0, True, False, "a", "b"),
        (5.0, False, True, "b", "a"),
    ]


def test_a_reboot_is_an_outage_of_the_guest_only() -> None:
    recorded = events((0, K.REBOOT_REQUESTED, VM, "a"))
    assert outages(recorded, VM) == []
    (found,) = outages(recorded, VM, guest=True)
    assert found.guest_only
