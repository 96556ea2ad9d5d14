"""What events prove, as recorded on a real engine (tests/lab/ovirt/recordings)."""

from __future__ import annotations

import datetime as dt

import pytest

from chaosvm.olvm import events
from chaosvm.olvm.events import Event, failed_start, start_failure, was_forced
from tests.lab.ovirt.recorded import exchange

APP, REASON = "7602b0b1-7acd-4406-b35d-cda7c36a970f", "why not"
SLOW = "1530dd44-d680-4dbe-811f-172284121bfd"
STOPPED = dt.datetime.fromisoformat("2026-11-30T01:09:46.500Z")


def recorded(name: str) -> list[Event]:
    items = events._events()
    whole, end, _ = exchange(name).answer.rpartition("</event>")  # long ones were cut
    items.feed(f"{whole}{end}</events>".encode() if end else b"<events/>")
    return items.close()


def under(id_: str, found: list[Event]) -> list[Event]:
    return [event for event in found if event.correlation_id == id_]


# Hard stops that were made of shutdowns ------------------------------------------------------


def test_a_hard_stop_is_recorded_under_an_id_of_its_own() -> None:
    """So a search by the id of the shutdown finds nothing at all (events-conv-1)."""
    assert recorded("events-conv-1") == []
    (forced,) = recorded("event-76-json")
    assert (forced.code, forced.vm_id) == (76, SLOW)
    assert f"(Reason: {REASON})" in forced.text
    assert was_forced(SLOW, STOPPED, REASON, [], [forced]) is True


def test_one_of_another_vm_or_of_another_time_is_not_taken_for_it() -> None:
    forced = recorded("event-76-json")
    assert was_forced(APP, STOPPED, REASON, [], forced) is None
    later = STOPPED + dt.timedelta(minutes=1)
    assert was_forced(SLOW, later, REASON, [], forced) is None


@pytest.mark.parametrize(("reason", "expected"), [(REASON, True), ("another", None)])
def test_without_the_time_of_the_stop_the_reason_tells(reason: str, expected: bool | None) -> None:
    assert was_forced(SLOW, None, reason, [], recorded("event-76-json")) is expected


def test_a_shutdown_that_went_to_the_guest_is_recorded_under_the_id_of_the_call() -> None:
    (initiated,) = recorded("events-corr-shutdown")
    assert (initiated.code, initiated.correlation_id) == (73, "corr-shutdown-1")
    earlier = Event(1, 76, initiated.vm_id, "37be6eb8", "", initiated.at)
    assert initiated.vm_id is not None
    assert was_forced(initiated.vm_id, initiated.at, REASON, [initiated], [earlier]) is False


# Starts that failed ------------------------------------------------------------------------


def test_a_start_that_failed_on_every_host() -> None:
    everything = recorded("events-failed-start")
    found = under("corr-fail-1", everything)
    failed = failed_start(APP, found)
    assert failed is not None
    assert start_failure(failed, found, everything) == (
        "no host could start the VM (tried host-04, host-03, host-01): internal error: process "
        "exited while connecting to monitor"
    )
    assert start_failure(failed, found, []) == (
        "no host could start the VM (tried host-04, host-03, host-01)"
    )
    assert failed_start(SLOW, found) is None


def test_a_start_that_has_not_failed_on_the_last_host_yet() -> None:
    found = under("corr-fail-1", recorded("events-failed-start"))
    for newest in range(1, len(found) + 1):
        seen = found[newest:]
        assert failed_start(APP, seen) is None


def test_a_start_that_was_refused_at_first_and_then_accepted() -> None:
    """Each try leaves a 54 as well, under the same id (events-severity)."""
    refused = under("chaosvm-a2c13281cd34", recorded("events-severity"))
    assert [event.code for event in refused] == [54] * 5
    vm_id = refused[0].vm_id
    assert vm_id is not None
    assert failed_start(vm_id, refused) is None


def test_a_stateless_vm_is_started_long_after_its_start_was_accepted() -> None:
    found = recorded("events-stateless")
    vm_id = found[0].vm_id
    assert vm_id is not None
    starting = [event for event in found if event.code not in (537, 61, 33)]
    assert {event.code for event in starting} == {150, 54}
    assert failed_start(vm_id, starting) is None
