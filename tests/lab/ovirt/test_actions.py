"""Start, stop, shut down... and what becomes of it, by status."""

from __future__ import annotations

import re
from typing import Any

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from chaosvm.lab import Durations, Guest, State, World
from tests.lab.conftest import Plain
from tests.moments import eventually

Status = types.VmStatus
ACTIONS = ("start", "stop", "shutdown", "reboot", "reset", "suspend")


class Ways:
    """One VM, its service, and what the engine wrote down about it."""

    def __init__(self, world: World, engine: Any, **fields: Any) -> None:
        self.world = world
        self.id = world.add_vm("web", **fields).id
        self.service = engine.system_service().vms_service().vm_service(self.id)
        self._events = engine.system_service().events_service()

    @property
    def status(self) -> Any:
        return self.service.get().status

    def becomes(self, status: Any) -> None:
        eventually(lambda: self.status == status)

    @property
    def elapsed(self) -> float:
        found = self.service.statistics_service().list()
        value: float = next(e for e in found if e.name == "elapsed.time").values[0].datum
        return value

    def events(self) -> list[tuple[int, str | None]]:
        """Code and correlation id, the oldest first, of what is about VMs."""
        return [(e.code, e.correlation_id) for e in self._events.list() if e.vm][::-1]

    def codes(self) -> list[int]:
        return [code for code, _ in self.events()]


def refused(action: Any, code: int, text: str = "") -> None:
    with pytest.raises(ovirtsdk4.Error) as caught:
        action()
    assert caught.value.code == code
    assert caught.value.fault.reason == "Operation Failed"
    assert text in caught.value.fault.detail


def test_start(world: World, engine: Any) -> None:
    world.durations = Durations().times(10)
    web = Ways(world, engine, state=State.OFF)
    web.service.start(query={"correlation_id": "start-1"})
    assert web.status in (Status.WAIT_FOR_LAUNCH, Status.POWERING_UP)
    web.becomes(Status.UP)
    assert web.events() == [(153, "start-1"), (32, "start-1")]
    assert web.elapsed < 60
    assert web.service.get().start_time is not None


def test_stop(world: World, engine: Any) -> None:
    web = Ways(world, engine, guest=Guest.ignores(60))
    web.service.stop(reason="chaos", query={"correlation_id": "stop-1"})
    web.becomes(Status.DOWN)
    assert web.events() == [(33, "stop-1"), (61, None)]
    vm = web.service.get()
    assert (vm.host, vm.stop_reason) == (None, "chaos")
    assert web.elapsed == 0


def test_shutdown(world: World, engine: Any) -> None:
    web = Ways(world, engine)
    web.service.shutdown()
    assert web.status in (Status.POWERING_DOWN, Status.DOWN)
    web.becomes(Status.DOWN)
    assert web.codes() == [73, 61]


def test_a_guest_that_ignores_a_shutdown_comes_back_to_up(world: World, engine: Any) -> None:
    web = Ways(world, engine, guest=Guest.ignores(2))
    web.service.shutdown()
    assert web.status == Status.POWERING_DOWN
    web.becomes(Status.UP)
    assert web.codes() == [73, 147]


@pytest.mark.parametrize(
    ("state", "guest"),
    [
        (State.RUNNING, Guest.deaf()),
        (State.BOOTING, Guest.obeys()),
        (State.LAUNCHING, Guest.obeys()),
        (State.PAUSED, Guest.obeys()),
        (State.REBOOTING, Guest.obeys()),
        (State.SHUTTING_DOWN, Guest.ignores()),
        (State.NOT_RESPONDING, Guest.obeys()),
    ],
)
def test_a_shutdown_that_cannot_be_done_is_a_hard_stop(
    world: World, engine: Any, state: State, guest: Guest
) -> None:
    web = Ways(world, engine, state=state, guest=guest)
    web.service.shutdown(query={"correlation_id": "down-1"})
    web.becomes(Status.DOWN)
    (code, correlation_id), *others = web.events()
    # The engine's own command: not the request's id, and no 73 (events-conv-slow).
    assert code == 76
    assert re.fullmatch("[0-9a-f]{8}", correlation_id or "")
    assert others == [(61, None)]


def test_acpi_is_enough_for_a_shutdown(world: World, engine: Any) -> None:
    web = Ways(world, engine, guest=Guest.without_agent())
    web.service.shutdown()
    web.becomes(Status.DOWN)
    assert web.codes() == [73, 61]


@pytest.mark.parametrize("action", ["stop", "shutdown"])
def test_a_suspended_vm_loses_its_memory(world: World, engine: Any, action: str) -> None:
    web = Ways(world, engine, state=State.SUSPENDED)
    getattr(web.service, action)()
    assert web.status == Status.DOWN
    assert web.codes() == [111]


@pytest.mark.parametrize("action", ["stop", "shutdown"])
def test_one_that_is_down_is_left_alone(world: World, engine: Any, action: str) -> None:
    web = Ways(world, engine, state=State.OFF)
    getattr(web.service, action)()
    assert web.status == Status.DOWN
    assert web.codes() == [254]


def test_reboot_is_the_guests(world: World, engine: Any) -> None:
    web = Ways(world, engine)
    web.service.reboot()
    web.becomes(Status.UP)
    eventually(lambda: web.elapsed < 60)
    assert web.codes() == [157]


def test_an_ignored_reboot_ends_without_proof(world: World, engine: Any) -> None:
    web = Ways(world, engine, guest=Guest.ignores(2))
    web.service.reboot()
    assert web.status == Status.REBOOT_IN_PROGRESS
    web.becomes(Status.UP)
    assert web.elapsed >= 3600
    assert web.codes() == [157]


def test_reset(world: World, engine: Any) -> None:
    web = Ways(world, engine, guest=Guest.ignores(60))
    web.service.reset()
    assert web.elapsed < 60
    web.becomes(Status.UP)
    assert web.codes() == [221]


def test_an_old_cluster_level_cannot_reset(world: World, engine: Any) -> None:
    web = Ways(world, engine, cluster=world.add_cluster("old", version=(4, 5)))
    refused(web.service.reset, 400)
    assert web.elapsed >= 3600


def test_suspend_is_accepted_and_takes_its_time(world: World, engine: Any, plain: Plain) -> None:
    world.durations = Durations().times(10)
    web = Ways(world, engine)
    answer = plain.post(f"/vms/{web.id}/suspend")
    assert answer.status_code == 202
    assert "<status>pending</status>" in answer.text
    assert web.status in (Status.UP, Status.SAVING_STATE)
    web.becomes(Status.SUSPENDED)
    assert web.codes() == [501, 503]
    web.service.start()
    assert web.status in (Status.WAIT_FOR_LAUNCH, Status.RESTORING_STATE, Status.UP)
    web.becomes(Status.UP)
    assert web.elapsed >= 3600


def test_a_suspend_is_dropped_by_what_is_done_meanwhile(world: World, engine: Any) -> None:
    """act-INDEX: a reboot in that time was done, and the suspend forgotten without an event."""
    world.durations = Durations(before_saving=0.5)
    web = Ways(world, engine, guest=Guest.slow(60))
    web.service.suspend()
    assert web.status == Status.UP
    refused(web.service.suspend, 409, "[Cannot hibernate VM. VM is hibernating.]")
    web.service.reboot()
    eventually(lambda: not world.vm("web").hibernating_until)
    assert web.status == Status.REBOOT_IN_PROGRESS
    assert web.codes() == [501, 157]


def test_a_paused_vm_is_resumed(world: World, engine: Any) -> None:
    web = Ways(world, engine, state=State.PAUSED)
    web.service.start()
    web.becomes(Status.UP)
    assert web.codes() == [40]


ALLOWED = {
    "start": "down suspended paused",
    "stop": "down up powering_up wait_for_launch powering_down reboot_in_progress migrating "
    "paused not_responding suspended",
    "shutdown": "down up powering_up wait_for_launch powering_down reboot_in_progress migrating "
    "paused not_responding suspended",
    "reboot": "up powering_up",
    "reset": "up powering_up powering_down reboot_in_progress migrating",
    "suspend": "up",
}


@pytest.mark.parametrize("action", ALLOWED)
def test_where_an_action_is_allowed(world: World, engine: Any, action: str) -> None:
    vms = engine.system_service().vms_service()
    allowed = set()
    for state in State:
        vm = world.add_vm(state)
        world.stick(vm.id, state)
        service = vms.vm_service(vm.id)
        status = service.get().status
        word = status.value if status else "no status"
        if word in ALLOWED[action].split():
            getattr(service, action)()
            allowed.add(word)
        else:
            refused(getattr(service, action), 409)
    assert allowed == set(ALLOWED[action].split())


def test_a_refusal_says_why(world: World, engine: Any) -> None:
    web = Ways(world, engine)
    refused(web.service.start, 409, "[Cannot run VM because the VM is in Up status.]")
    world.stick("web", State.SAVING)
    refused(web.service.reset, 409, "[Cannot reset VM because the VM is in Saving State status.]")
    refused(web.service.stop, 409, "[Cannot stop VM. VM is in saving/restoring state.\n-Please")


@pytest.mark.parametrize(
    ("fields", "text"),
    [({"stateless": True}, "VM is stateless."), ({"pool_id": "some"}, "VM-Pool")],
)
def test_some_vms_cannot_be_suspended(world: World, engine: Any, fields: Any, text: str) -> None:
    refused(Ways(world, engine, **fields).service.suspend, 409, text)


def test_a_lock_refuses_everything_for_a_while(world: World, engine: Any) -> None:
    web = Ways(world, engine)
    world.occupy("web", 60)
    for action in ACTIONS:
        refused(getattr(web.service, action), 409, "Related operation is currently in progress")
    world.occupy("web", 0)
    web.service.stop()


def test_a_stateless_vm_is_locked_after_it_went_down(world: World, engine: Any) -> None:
    world.durations = Durations(clean_up=60)
    web = Ways(world, engine, stateless=True)
    web.service.stop()
    assert web.status == Status.DOWN
    refused(web.service.start, 409, "[Cannot run VM. The VM is performing an operation on a Snap")


def test_the_engines_own_vm_is_not_managed(world: World, engine: Any) -> None:
    refused(Ways(world, engine, origin="hosted_engine").service.stop, 409, "not managed")


def test_an_action_on_an_unknown_vm_is_400_and_a_start_500(plain: Plain, engine: Any) -> None:
    vm_id = "6f790959-a3e0-4b3b-b56b-0715e7180322"
    for action in ACTIONS:
        answer = plain.post(f"/vms/{vm_id}/{action}")
        assert answer.status_code == (500 if action == "start" else 400)
        assert "<reason>Operation Failed</reason>" in answer.text
    service = engine.system_service().vms_service().vm_service(vm_id)
    refused(service.stop, 400, "[Cannot stop VM. VM is not found.]")
    refused(service.start, 500, "NullPointerException")
    assert plain.post("/vms/web-01/stop").status_code == 404


@pytest.mark.parametrize("state", [State.OFF, State.RUNNING, State.DISKS_LOCKED, State.SUSPENDED])
def test_a_start_is_refused_for_a_missing_disk_before_anything_else(
    world: World, engine: Any, state: State
) -> None:
    """As an engine does with a running VM, and as RunVmValidator.canRunVm in its source does."""
    vm = world.add_vm("web", state, disks=())
    service = engine.system_service().vms_service().vm_service(vm.id)
    if state is State.SUSPENDED:
        service.start()
    else:
        refused(service.start, 409, "without at least one bootable disk")


def test_a_preview_without_a_snapshot_is_refused(world: World, plain: Plain) -> None:
    answer = plain.post(f"/vms/{world.add_vm('web', State.OFF).id}/previewsnapshot")
    assert answer.status_code == 400
    assert "Parameter 'snapshot.id' is mandatory but was not provided." in answer.text


@pytest.mark.parametrize(("body", "code"), [("", 400), ("nonsense", 400), ("<vm/>", 500)])
def test_a_body_that_is_no_action_is_refused(
    world: World, plain: Plain, body: str, code: int
) -> None:
    vm = world.add_vm("web")
    assert plain.post(f"/vms/{vm.id}/stop", body).status_code == code
    assert world.vm("web").state is State.RUNNING


def test_a_response_repeats_the_options(world: World, plain: Plain) -> None:
    vm = world.add_vm("web")
    body = "<action><reason>a &amp; b</reason><force>true</force><async>true</async></action>"
    answer = plain.post(f"/vms/{vm.id}/stop?correlation_id=c-1", body)
    assert answer.status_code == 200
    action = ovirtsdk4.reader.Reader.read(answer.text)
    assert (action.status, action.reason, action.force) == ("complete", "a & b", True)
    assert answer.headers["Correlation-Id"] == "c-1"
    assert action.vm.id == vm.id
    assert action.job.href.startswith("/ovirt-engine/api/jobs/")


@pytest.mark.parametrize(
    ("correlation_id", "expected"),
    [
        ("plain_ID-1", "plain_ID-1"),
        ("with spaces; and: more!", "withspacesandmore"),
        ("x" * 50, "x" * 36),
    ],
)
def test_a_correlation_id_is_stripped_and_cut(
    world: World, plain: Plain, engine: Any, correlation_id: str, expected: str
) -> None:
    vm = world.add_vm("web")
    plain.post(f"/vms/{vm.id}/stop", **{"Correlation-Id": correlation_id})
    events = engine.system_service().events_service()
    (event,) = events.list(search=f"correlation_id={expected}")
    assert (event.code, event.vm.id, event.user.name) == (33, vm.id, "admin@internal-authz")


def test_events_come_newest_first_and_can_be_had_from_a_number_on(
    world: World, engine: Any
) -> None:
    web = Ways(world, engine, state=State.OFF)
    events = engine.system_service().events_service()
    before = events.list(max=1)[0]
    web.service.start()
    web.becomes(Status.UP)
    fresh = events.list(from_=int(before.id))
    assert [event.code for event in fresh] == [32, 153]
    assert fresh[0].time > fresh[1].time
    assert "started on Host host-1" in fresh[0].description
    assert [e.code for e in events.list(search="type=153")] == [153]
    assert [e.code for e in events.list(search="event_vm=web and message=*Host*", max=1)] == [32]
    assert events.event_service(before.id).get().code == before.code


def test_a_stuck_vm_takes_requests_and_stays(world: World, engine: Any) -> None:
    web = Ways(world, engine)
    world.stick("web", State.SHUTTING_DOWN)
    web.service.stop()
    assert web.status == Status.POWERING_DOWN
    world.release("web")
    web.service.stop()
    web.becomes(Status.DOWN)
