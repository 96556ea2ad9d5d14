"""Being told of changes, as scripts that wait are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from tests.contract.backend import VCenter
from tests.contract.vim_helpers import COLLECTOR, filter_of, view_of, walk_of

Find = Callable[[str], Any]
LONG = COLLECTOR.WaitOptions(maxWaitSeconds=20)
NOW = COLLECTOR.WaitOptions(maxWaitSeconds=0)


@pytest.fixture
def collector(content: Any) -> Any:
    return content.propertyCollector.CreatePropertyCollector()


def changes(update: Any) -> dict[tuple[str, str], Any]:
    """The values in an update, by object and path."""
    return {
        (item.obj._moId, change.name): change.val
        for each in update.filterSet
        for item in each.objectSet
        for change in item.changeSet
    }


def kinds(update: Any) -> dict[str, str]:
    return {item.obj._moId: item.kind for each in update.filterSet for item in each.objectSet}


def test_the_first_update_tells_everything(collector: Any, vm: Find) -> None:
    web, app = vm("web-01"), vm("app-01")
    collector.CreateFilter(filter_of([web, app], vim.VirtualMachine, "runtime.powerState"), False)
    update = collector.WaitForUpdatesEx("", NOW)
    assert kinds(update) == {web._moId: "enter", app._moId: "enter"}
    assert changes(update) == {
        (web._moId, "runtime.powerState"): "poweredOn",
        (app._moId, "runtime.powerState"): "poweredOff",
    }
    assert update.version
    assert not update.truncated


def test_without_news_nothing_is_told(collector: Any, vm: Find) -> None:
    collector.CreateFilter(filter_of([vm("web-01")], vim.VirtualMachine, "name"), False)
    version = collector.WaitForUpdatesEx("", NOW).version
    assert collector.WaitForUpdatesEx(version, NOW) is None
    assert collector.WaitForUpdatesEx(version, COLLECTOR.WaitOptions(maxWaitSeconds=1)) is None


def test_a_change_wakes_who_waits(collector: Any, vm: Find, vcenter: VCenter) -> None:
    web = vm("web-01")
    collector.CreateFilter(filter_of([web], vim.VirtualMachine, "runtime.powerState"), False)
    version = collector.WaitForUpdatesEx("", NOW).version
    # Should it come before the wait, that returns at once: no test can see the server wait.
    other = threading.Timer(0.3, vcenter.switch_off, ("web-01",))
    other.start()
    update = collector.WaitForUpdatesEx(version, LONG)
    other.join()
    assert changes(update) == {(web._moId, "runtime.powerState"): "poweredOff"}
    assert set(kinds(update).values()) == {"modify"}


def test_only_what_was_asked_for_wakes(collector: Any, vm: Find, vcenter: VCenter) -> None:
    collector.CreateFilter(filter_of([vm("web-01")], vim.VirtualMachine, "name"), False)
    version = collector.WaitForUpdatesEx("", NOW).version
    vcenter.switch_off("web-01")
    vcenter.switch_off("web-02")
    assert collector.WaitForUpdatesEx(version, NOW) is None


def test_changes_between_two_waits_are_not_lost(collector: Any, vm: Find, vcenter: VCenter) -> None:
    web = vm("web-01")
    collector.CreateFilter(filter_of([web], vim.VirtualMachine, "runtime.powerState"), False)
    version = collector.WaitForUpdatesEx("", NOW).version
    vcenter.switch_off("web-01")
    update = collector.WaitForUpdatesEx(version, LONG)
    assert changes(update) == {(web._moId, "runtime.powerState"): "poweredOff"}


def test_a_task_is_followed_to_its_end(collector: Any, vm: Find) -> None:
    task = vm("web-01").PowerOffVM_Task()
    collector.CreateFilter(filter_of([task], vim.Task, "info.state", "info.error"), False)
    version, state = "", None
    while state not in ("success", "error"):
        update = collector.WaitForUpdatesEx(version, LONG)
        assert update is not None
        version = update.version
        state = changes(update).get((task._moId, "info.state"), state)
    assert state == "success"


def test_two_collectors_do_not_disturb_each_other(content: Any, vm: Find, vcenter: VCenter) -> None:
    both = [content.propertyCollector.CreatePropertyCollector() for _ in range(2)]
    versions = []
    for each, name in zip(both, ("web-01", "web-02"), strict=True):
        spec = filter_of([vm(name)], vim.VirtualMachine, "runtime.powerState")
        each.CreateFilter(spec, False)
        versions.append(each.WaitForUpdatesEx("", NOW).version)
    vcenter.switch_off("web-02")
    assert both[0].WaitForUpdatesEx(versions[0], NOW) is None
    assert both[1].WaitForUpdatesEx(versions[1], LONG) is not None


def test_one_update_tells_of_several_filters(collector: Any, vm: Find) -> None:
    for name in ("web-01", "web-02"):
        collector.CreateFilter(filter_of([vm(name)], vim.VirtualMachine, "name"), False)
    update = collector.WaitForUpdatesEx("", NOW)
    assert {each.filter._moId for each in update.filterSet} == {
        each._moId for each in collector.filter
    }
    assert sorted(changes(update).values()) == ["web-01", "web-02"]


def test_a_filter_that_was_destroyed_is_silent(collector: Any, vm: Find, vcenter: VCenter) -> None:
    kept = collector.CreateFilter(filter_of([vm("web-01")], vim.VirtualMachine, "name"), False)
    spec = filter_of([vm("web-02")], vim.VirtualMachine, "runtime.powerState")
    gone = collector.CreateFilter(spec, False)
    version = collector.WaitForUpdatesEx("", NOW).version
    gone.DestroyPropertyFilter()
    assert collector.filter == [kept]
    vcenter.switch_off("web-02")
    assert collector.WaitForUpdatesEx(version, NOW) is None


def test_a_collector_that_was_destroyed_is_gone(collector: Any) -> None:
    collector.DestroyPropertyCollector()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        collector.WaitForUpdatesEx("", NOW)


def test_a_filter_over_a_view(content: Any, collector: Any, vcenter: VCenter, vm: Find) -> None:
    view = view_of(content, vim.VirtualMachine)
    spec = walk_of(view, vim.VirtualMachine, "runtime.powerState")
    collector.CreateFilter(spec, False)
    update = collector.WaitForUpdatesEx("", NOW)
    assert sorted(kinds(update)) == sorted(vcenter.ids.values())
    vcenter.switch_off("web-03")
    update = collector.WaitForUpdatesEx(update.version, LONG)
    assert changes(update) == {(vm("web-03")._moId, "runtime.powerState"): "poweredOff"}


def test_waiting_ends_when_it_is_cancelled(collector: Any, vm: Find) -> None:
    collector.CreateFilter(filter_of([vm("web-01")], vim.VirtualMachine, "name"), False)
    version = collector.WaitForUpdatesEx("", NOW).version
    over = threading.Event()

    def cancel() -> None:
        """Once more where it came before the wait."""
        while not over.wait(0.2):
            collector.CancelWaitForUpdates()

    cancelling = threading.Thread(target=cancel)
    cancelling.start()
    with pytest.raises(vmodl.fault.RequestCanceled):
        collector.WaitForUpdatesEx(version, LONG)
    over.set()
    cancelling.join()


def test_updates_come_in_parts(content: Any, collector: Any, vcenter: VCenter) -> None:
    spec = walk_of(view_of(content, vim.VirtualMachine), vim.VirtualMachine, "name")
    collector.CreateFilter(spec, False)
    options = COLLECTOR.WaitOptions(maxWaitSeconds=0, maxObjectUpdates=5)
    seen: dict[str, str] = {}
    version, parts = "", 0
    while (update := collector.WaitForUpdatesEx(version, options)) is not None:
        assert len(kinds(update)) <= 5
        seen |= kinds(update)
        version, parts = update.version, parts + 1
        if not update.truncated:
            break
    assert sorted(seen) == sorted(vcenter.ids.values())
    assert parts == 3


def test_a_version_that_nobody_gave_is_refused(collector: Any, vm: Find) -> None:
    collector.CreateFilter(filter_of([vm("web-01")], vim.VirtualMachine, "name"), False)
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        collector.WaitForUpdatesEx("nonsense", NOW)
