"""Many VMs at once: what it costs the engine, and that nothing is under way too often."""

from __future__ import annotations

import threading
from urllib.parse import quote_plus

import pytest

from chaosvm.errors import OperationFailed
from chaosvm.lab import Guest, Lab, World, rule, when
from chaosvm.olvm import OLVMPlatform
from chaosvm.olvm.bulk_reads import map_parallel
from chaosvm.olvm.search import by_names
from chaosvm.runtime import Deadline
from tests.fakes import FakeClock
from tests.olvm.conftest import VM, Connect, sent

STATISTICS = "GET /api/vms/{id}/statistics"


def many(world: World, number: int) -> list[str]:
    """The ids of so many new VMs, app-0000 and so on."""
    return [world.add_vm(f"app-{each:04}").id for each in range(number)]


# Concurrency ----------------------------------------------------------------------------


def test_requests_are_concurrent() -> None:
    """No request is answered before all are sent."""
    together = threading.Barrier(3)

    def ask(number: int) -> int:
        together.wait(timeout=60)
        return number * 2

    assert map_parallel(ask, [1, 2, 3], concurrency=3) == [2, 4, 6]


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_concurrency_is_bounded(concurrency: int) -> None:
    free = threading.Semaphore(concurrency)

    def ask(number: int) -> int:
        assert free.acquire(blocking=False)
        threading.Event().wait(0.002)
        free.release()
        return number

    assert map_parallel(ask, range(20), concurrency) == list(range(20))
    assert map_parallel(ask, [], concurrency) == []


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_error_is_no_answer(concurrency: int) -> None:
    with pytest.raises(ZeroDivisionError):
        map_parallel(lambda number: 1 / number, [2, 1, 0, 5], concurrency)


# By name and by id ----------------------------------------------------------------------


@pytest.mark.parametrize(("number", "searches"), [(100, 1), (101, 2), (250, 3), (1000, 10)])
def test_many_names_are_several_searches(number: int, searches: int) -> None:
    names = [f"app-{each:04}" for each in range(number)]
    made = by_names(names) or []
    assert len(made) == searches
    assert " or ".join(made) == " or ".join(f'name="{name}"' for name in names)


@pytest.mark.parametrize("letter", ["a", "ü", "機", "𝒳"])
def test_no_search_is_too_long_for_a_url(letter: str) -> None:
    names = [f"{each:02}{letter * 60}" for each in range(50)]
    made = by_names(names) or []
    assert made
    assert max(len(quote_plus(search)) for search in made) <= 6_000
    assert sum(search.count("name=") for search in made) == 50


def test_names_that_are_too_many_or_too_long() -> None:
    assert by_names([f"app-{each:04}" for each in range(1001)]) is None
    assert by_names([f"{each:04}{'x' * 250}" for each in range(300)]) is None
    assert by_names(["x" * 6_000]) is None


def test_many_names_of_a_large_estate_are_searched_for(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    many(world, 400)
    names = [f"app-{each:04}" for each in range(150)]
    lab.rules(rule("GET /api/vms", "status", code=500, skip=2))  # the whole list would be next
    assert len(platform.list_vms({"names": names})) == 150
    assert lab.requests()["GET /api/vms"] == 2


def test_many_names_of_an_estate_that_is_hardly_larger_are_not(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    many(world, 200)
    platform.list_vms()
    lab.reset_requests()
    assert len(platform.list_vms({"names": [f"app-{each:04}" for each in range(150)]})) == 150
    assert lab.requests()["GET /api/vms"] == 1


@pytest.mark.parametrize(("number", "one_by_one"), [(50, 50), (51, 0)])
def test_ids_are_read_one_by_one_unless_there_are_many(
    platform: OLVMPlatform, world: World, lab: Lab, number: int, one_by_one: int
) -> None:
    ids = many(world, 100)[:number]
    assert sorted(vm.id for vm in platform.list_vms({"ids": ids})) == sorted(ids)
    assert lab.requests().get("GET /api/vms/{id}", 0) == one_by_one


def test_ids_of_an_estate_that_is_small_are_read_with_it(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    ids = many(world, 100)[:20]
    platform.list_vms()
    assert len(platform.list_vms({"ids": ids})) == 20
    assert "GET /api/vms/{id}" not in lab.requests()


def test_a_batch_of_very_many_is_watched_to_its_end(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    """By several searches; one of the VMs gets another name meanwhile."""
    many(world, 300)
    renamed = world.vm("app-0001").id
    lab.rules(when("stop", lambda: world.change(renamed, name="other"), vm="app-0001"))
    batch = platform.batch_power_off(
        {"regex": "app-0[01].*"}, graceful=False, parallel=20, timeout=100
    )
    assert (batch.changed, batch.failed) == (200, 0)
    assert renamed in {outcome.id for outcome in batch.outcomes}


# Uptimes --------------------------------------------------------------------------------


def test_the_uptimes_of_a_batch_are_read_together(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    many(world, 30)
    batch = platform.batch_reboot({"name": "app-*"}, parallel=10, timeout=100)
    assert batch.changed == 30
    assert sent(lab) == {"reboot": 30}
    assert lab.requests()["GET /api/vms"] < 30
    assert STATISTICS not in lab.requests()


@pytest.mark.parametrize("shows", [True, False])
def test_uptimes_are_not_read_all_the_time(connect: Connect, shows: bool) -> None:
    """The engine itself has a new one every 15 s only."""
    clock = FakeClock()
    world = World(clock=clock)
    world.add_vm(VM, up_for=400, guest=Guest(obedient=False, seconds=20, shows_reboot=shows))
    with Lab(world) as lab:
        platform = connect(url=lab.olvm_url, ca_file=lab.ca_file, password=lab.password)
        platform.backend.clock = clock
        with pytest.raises(OperationFailed, match="has not rebooted"):
            platform.reboot(VM, timeout=100)
        assert lab.requests()["GET /api/vms"] <= 60
        platform.disconnect()


def test_hosts_are_read_again_only_for_a_vm_on_an_unknown_one(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    (vm,) = platform.list_vms({"name": VM})

    def host() -> str | None:
        return platform.backend.guest_statuses([vm], Deadline(60))[vm.id].host

    old = host()
    lab.reset_requests()
    assert host() == old is not None
    assert lab.requests() == {"GET /api/vms": 1}
    new = world.add_host("new")
    world.change(VM, host_id=new.id)
    assert host() == "new"
