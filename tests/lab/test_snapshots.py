"""Snapshots in the simulated world, on a fake clock."""

from __future__ import annotations

import pytest

from chaosvm.lab import Machine, State, World
from chaosvm.lab.simulation import EventKind, NotFound, Origin
from tests.fakes import FakeClock

OFF, RUNNING, SUSPENDED = State.OFF, State.RUNNING, State.SUSPENDED


def tree(world: World) -> dict[str, str | None]:
    """The parent of each snapshot of the VM, by name."""
    names = {each.id: each.name for each in world.snapshots.of("web")}
    return {each.name: names.get(each.parent_id or "") for each in world.snapshots.of("web")}


@pytest.fixture
def web(slow_world: World) -> Machine:
    """A VM with the snapshots a, b on it, and c beside b, which is current."""
    vm = slow_world.add_vm("web")
    first = slow_world.snapshots.create(vm.id, "a", "the first")
    slow_world.snapshots.create(vm.id, "b")
    slow_world.snapshots.revert(vm.id, first.id)
    slow_world.snapshots.create(vm.id, "c")
    return slow_world.vm(vm.id)


def test_snapshots_are_a_tree(slow_world: World, web: Machine) -> None:
    assert tree(slow_world) == {"a": None, "b": "a", "c": "a"}
    current = slow_world.snapshots.current(web.id)
    assert current is not None
    assert (current.name, current.number) == ("c", 3)


@pytest.mark.parametrize(
    ("removed", "children", "left", "current"),
    [
        ("a", False, {"b": None, "c": None}, "c"),
        ("c", False, {"a": None, "b": "a"}, "a"),
        ("a", True, {}, None),
        ("b", True, {"a": None, "c": "a"}, "c"),
    ],
)
def test_what_is_left_after_a_removal(
    slow_world: World,
    web: Machine,
    removed: str,
    children: bool,
    left: dict[str, str | None],
    current: str | None,
) -> None:
    ids = {each.name: each.id for each in web.snapshots}
    slow_world.snapshots.remove(web.id, ids[removed], children)
    assert tree(slow_world) == left
    now = slow_world.snapshots.current(web.id)
    assert (now.name if now else None) == current


def test_all_can_be_removed(slow_world: World, web: Machine) -> None:
    slow_world.snapshots.remove_all(web.id)
    assert slow_world.snapshots.of(web.id) == []
    with pytest.raises(NotFound):
        slow_world.snapshots.find(web.id, web.snapshots[0].id)


def test_a_snapshot_can_be_renamed(slow_world: World, web: Machine) -> None:
    slow_world.snapshots.rename(web.id, web.snapshots[0].id, name="new")
    renamed = slow_world.snapshots.of(web.id)[0]
    assert (renamed.name, renamed.description) == ("new", "the first")


@pytest.mark.parametrize(
    ("then", "memory", "now", "after"),
    [
        (RUNNING, True, OFF, RUNNING),
        (RUNNING, False, RUNNING, OFF),
        (OFF, True, RUNNING, OFF),
        (SUSPENDED, False, RUNNING, SUSPENDED),
    ],
)
def test_a_revert_brings_back_state_and_hardware(
    slow_world: World, clock: FakeClock, then: State, memory: bool, now: State, after: State
) -> None:
    vm = slow_world.add_vm("web", then, up_for=100)
    snapshot = slow_world.snapshots.create(vm.id, "a", memory=memory)
    slow_world.change(vm.id, state=now, nics=(), memory=1)
    clock.sleep(1000)
    slow_world.snapshots.revert(vm.id, snapshot.id)
    reverted = slow_world.vm(vm.id)
    assert (reverted.state, reverted.nics, reverted.memory) == (after, vm.nics, vm.memory)
    assert slow_world.uptime(reverted) == (100 if after is RUNNING else None)
    assert (reverted.host_id is not None) is (after is RUNNING)


def test_a_vm_is_busy_meanwhile(slow_world: World, clock: FakeClock) -> None:
    vm = slow_world.add_vm("web", OFF)
    snapshot = slow_world.snapshots.create(vm.id, "a", origin=Origin("me"))
    assert slow_world.vm(vm.id).busy_until > slow_world.now
    clock.sleep(1)
    assert slow_world.vm(vm.id).busy_until < slow_world.now
    slow_world.snapshots.revert(vm.id, snapshot.id, locked=True)
    assert slow_world.vm(vm.id).state is State.DISKS_LOCKED
    clock.sleep(1)
    assert slow_world.vm(vm.id).state is OFF
    assert [(event.kind, event.detail) for event in slow_world.events] == [
        (EventKind.SNAPSHOT_REQUESTED, "a"),
        (EventKind.SNAPSHOT_CREATED, "a"),
        (EventKind.SNAPSHOT_REVERT_REQUESTED, "a"),
        (EventKind.SNAPSHOT_REVERTED, "a"),
    ]
