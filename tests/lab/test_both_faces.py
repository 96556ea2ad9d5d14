"""One world under two platforms: what happens is seen on both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from chaosvm.lab import Durations, Lab, State, World
from chaosvm.lab.simulation import HighAvailability
from tests.lab.conftest import connected
from tests.lab.vcenter.conftest import connected as connected_to_vcenter
from tests.lab.vcenter.conftest import left
from tests.moments import eventually


class Faces(NamedTuple):
    world: World
    host: Callable[[], tuple[str, str]]
    vm: Callable[[], tuple[str, str]]
    vm_host: Callable[[], tuple[str | None, str | None]]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    world = World(durations=Durations(host_missed=0.0, host_given_up=0.0))
    with Lab(world, platforms=["vsphere", "olvm"]) as running:
        yield running


@pytest.fixture
def faces(lab: Lab) -> Iterator[Faces]:
    """A cluster of two hosts with a VM on the first; what both platforms tell of them."""
    world = lab.world
    number = len(world.clusters)
    cluster = world.add_cluster(f"c{number}", world.add_datacenter(f"dc{number}"))
    first, _ = (world.add_host(f"{name}-{number}", cluster) for name in ("a", "b"))
    machine = world.add_vm(f"web-{number}", cluster=cluster, host=first)
    service = connected_to_vcenter(lab, host="127.0.0.1")
    try:
        with connected(lab) as engine:
            root = engine.system_service()
            engine_host = root.hosts_service().host_service(first.id)
            engine_vm = root.vms_service().vm_service(machine.id)
            search = service.content.searchIndex

            def vcenter_vm() -> Any:
                return search.FindByUuid(None, machine.id, True, True)

            def vcenter_host() -> Any:
                hosts = vcenter_vm().resourcePool.owner.host
                return next(host for host in hosts if host.name == first.name)

            def vm_host() -> tuple[str | None, str | None]:
                link = engine_vm.get().host
                engine_name = world.host(link.id).name if link else None
                return vcenter_vm().runtime.host.name, engine_name

            yield Faces(
                world,
                lambda: (
                    vcenter_host().runtime.connectionState,
                    engine_host.get().status.value,
                ),
                lambda: (
                    vcenter_vm().runtime.connectionState,
                    engine_vm.get().status.value,
                ),
                vm_host,
            )
    finally:
        left(service)
        world.remove_vm(machine.id)


def test_a_host_that_is_lost_and_comes_back(faces: Faces) -> None:
    world, name = faces.world, world_host(faces)
    assert (faces.host(), faces.vm()) == (("connected", "up"), ("connected", "up"))
    world.outages.lose(name)
    eventually(lambda: faces.host() == ("notResponding", "non_responsive"))
    assert faces.vm() == ("disconnected", "unknown")
    world.outages.restore(name)
    assert (faces.host(), faces.vm()) == (("connected", "up"), ("connected", "up"))


def test_a_host_that_is_disconnected(faces: Faces) -> None:
    world, name = faces.world, world_host(faces)
    world.host_operations.disconnect(world.outages.find(name).id)
    assert faces.host() == ("disconnected", "non_responsive")
    assert faces.vm() == ("disconnected", "unknown")


def test_high_availability_after_a_failure(faces: Faces) -> None:
    world, name = faces.world, world_host(faces)
    host = world.outages.find(name)
    world.change_cluster(host.cluster_id, ha=HighAvailability(enabled=True))
    world.outages.fail(name)
    other = name.replace("a-", "b-")
    eventually(lambda: faces.vm_host() == (other, other))
    eventually(lambda: faces.vm() == ("connected", "up"))


def test_a_vm_that_is_off_keeps_its_host_on_a_vcenter_only(faces: Faces) -> None:
    world, name = faces.world, world_host(faces)
    (vm,) = (vm for vm in world.vms if vm.host_id == world.outages.find(name).id)
    world.power.power_off(vm.id)
    eventually(lambda: world.vm(vm.id).state is State.OFF)
    assert faces.vm_host() == (name, None)


def world_host(faces: Faces) -> str:
    """The name of the VM's host."""
    return faces.vm_host()[0] or ""
