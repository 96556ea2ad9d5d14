"""Being told what changed, instead of asking."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from chaosvm.lab import Lab, State, World, when
from tests.lab.vcenter.conftest import view
from tests.lab.vcenter.test_reading import Collector, spec_of

Wait = Collector.WaitOptions


def filtered(content: Any, *paths: str) -> Any:
    """A collector of its own, that looks at all VMs."""
    collector = content.propertyCollector.CreatePropertyCollector()
    spec = spec_of(view(content, vim.VirtualMachine), vim.VirtualMachine, *paths)
    collector.CreateFilter(spec, False)
    return collector


def changes(update: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    return {
        each.obj._moId: (each.kind, {change.name: change.val for change in each.changeSet})
        for filter in update.filterSet
        for each in filter.objectSet
    }


def test_first_everything_then_what_changes(content: Any, world: World) -> None:
    one, two = world.add_vm("one"), world.add_vm("two")
    collector = filtered(content, "runtime.powerState", "name")
    first = collector.WaitForUpdatesEx("", Wait(maxWaitSeconds=0))
    assert changes(first) == {
        one.moid: ("enter", {"runtime.powerState": "poweredOn", "name": "one"}),
        two.moid: ("enter", {"runtime.powerState": "poweredOn", "name": "two"}),
    }
    assert collector.WaitForUpdatesEx(first.version, Wait(maxWaitSeconds=0)) is None
    world.change("two", state=State.OFF)
    second = collector.WaitForUpdatesEx(first.version, Wait(maxWaitSeconds=5))
    assert changes(second) == {two.moid: ("modify", {"runtime.powerState": "poweredOff"})}


def test_it_blocks_and_wakes(content: Any, world: World, lab: Lab) -> None:
    vm = world.add_vm("one")
    collector = filtered(content, "runtime.powerState")
    version = collector.WaitForUpdatesEx("", None).version
    change = threading.Timer(0.4, world.change, ("one",), {"state": State.OFF})
    lab.rules(when("WaitForUpdatesEx", change.start))
    began = time.monotonic()
    update = collector.WaitForUpdatesEx(version, Wait(maxWaitSeconds=100))
    assert 0.4 <= time.monotonic() - began < 60
    assert changes(update) == {vm.moid: ("modify", {"runtime.powerState": "poweredOff"})}


def test_what_nobody_looks_at_wakes_nobody(content: Any, world: World) -> None:
    world.add_vm("one")
    collector = filtered(content, "runtime.powerState")
    version = collector.WaitForUpdatesEx("", None).version
    threading.Timer(0.2, world.change, ("one",), {"description": "new"}).start()
    began = time.monotonic()
    assert collector.WaitForUpdatesEx(version, Wait(maxWaitSeconds=1)) is None
    assert time.monotonic() - began > 0.9


def test_vms_come_and_go(content: Any, world: World) -> None:
    one = world.add_vm("one")
    collector = filtered(content, "name")
    version = collector.WaitForUpdatesEx("", None).version
    two = world.add_vm("two")
    update = collector.WaitForUpdatesEx(version, Wait(maxWaitSeconds=5))
    assert changes(update) == {two.moid: ("enter", {"name": "two"})}
    world.remove_vm("one")
    update = collector.WaitForUpdatesEx(update.version, Wait(maxWaitSeconds=5))
    assert changes(update) == {one.moid: ("leave", {})}


def test_an_update_that_was_lost_is_told_again(content: Any, world: World) -> None:
    world.add_vm("one")
    collector = filtered(content, "runtime.powerState")
    version = collector.WaitForUpdatesEx("", None).version
    world.change("one", state=State.OFF)
    told = [collector.WaitForUpdatesEx(version, Wait(maxWaitSeconds=5)) for _ in range(2)]
    assert changes(told[0]) == changes(told[1])
    assert told[0].version == told[1].version
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        collector.WaitForUpdatesEx("17", None)


def test_long_updates_come_in_parts(content: Any, world: World) -> None:
    for number in range(5):
        world.add_vm(f"web-{number}")
    collector = filtered(content, "name")
    parts, version, truncated = [], "", True
    while truncated:
        update = collector.WaitForUpdatesEx(version, Wait(maxWaitSeconds=0, maxObjectUpdates=2))
        parts.append(len(changes(update)))
        version, truncated = update.version, update.truncated
    assert parts == [2, 2, 1]


def test_a_wait_can_be_called_off(content: Any, world: World, lab: Lab) -> None:
    world.add_vm("one")
    collector = filtered(content, "name")
    version = collector.WaitForUpdatesEx("", None).version
    cancel = threading.Timer(0.3, collector.CancelWaitForUpdates)
    lab.rules(when("WaitForUpdatesEx", cancel.start))
    with pytest.raises(vmodl.fault.RequestCanceled):
        collector.WaitForUpdatesEx(version, Wait(maxWaitSeconds=100))
    cancel.join()


def test_a_wait_ends_with_its_session(content: Any, world: World, lab: Lab) -> None:
    world.add_vm("one")
    collector = filtered(content, "name")
    version = collector.WaitForUpdatesEx("", None).version
    lab.rules(when("WaitForUpdatesEx", threading.Timer(0.3, lab.expire_tokens).start))
    began = time.monotonic()
    assert collector.WaitForUpdatesEx(version, Wait(maxWaitSeconds=100)) is None
    assert time.monotonic() - began < 60


def test_objects_that_are_gone_can_be_told(content: Any, world: World) -> None:
    moid = world.add_vm("one").moid
    collector = content.propertyCollector.CreatePropertyCollector()
    gone = vim.VirtualMachine("vm-9", collector._stub)
    spec = Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=each) for each in (vim.VirtualMachine(moid), gone)],
        propSet=[Collector.PropertySpec(type=vim.VirtualMachine, pathSet=["name"])],
    )
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        collector.CreateFilter(spec, False)
    spec.reportMissingObjectsInResults = True
    collector.CreateFilter(spec, False)
    update = collector.WaitForUpdatesEx("", None)
    assert [each.obj for each in update.filterSet[0].missingSet] == [gone]
    assert list(changes(update)) == [moid]


def test_a_filter_or_collector_that_was_destroyed_is_gone(content: Any, world: World) -> None:
    world.add_vm("one")
    collector = filtered(content, "name")
    (filter,) = collector.filter
    filter.DestroyPropertyFilter()
    assert collector.filter == []
    assert collector.WaitForUpdatesEx("", Wait(maxWaitSeconds=0)) is None
    collector.DestroyPropertyCollector()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        collector.WaitForUpdatesEx("", Wait(maxWaitSeconds=0))
