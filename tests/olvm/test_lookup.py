"""One VM by name: what it costs, and what must never be taken from memory."""

from __future__ import annotations

import pytest

from chaosvm.errors import AmbiguousVM, NoSuchVM, PlatformError, ProtocolError
from chaosvm.lab import Lab, State, World, rule
from chaosvm.olvm import OLVMPlatform
from chaosvm.runtime import Deadline
from tests.olvm.conftest import OTHER, VM


def reads(platform: OLVMPlatform, lab: Lab, vm_name: str = VM) -> dict[str, int]:
    """What one probe asks the engine."""
    before = lab.requests()
    platform.vm_power_state(vm_name)
    now = lab.requests()
    return {name: now[name] - before.get(name, 0) for name in now if now[name] != before.get(name)}


def test_a_probe_that_is_repeated_costs_one_request(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    platform.vm_power_state(VM)
    connections = lab.connections
    for _ in range(3):
        assert reads(platform, lab) == {"GET /api/vms/{id}": 1}
    assert lab.connections == connections
    world.stick(VM, State.PAUSED)
    assert platform.vm_power_state(VM).value == "paused"


def test_a_vm_is_the_same_however_it_is_named(platform: OLVMPlatform, world: World) -> None:
    world.change(VM, tags=("a & b",), description="<it>", fqdn="web.example.com")
    vm = next(each for each in platform.backend.inventory(Deadline(10)) if each.name == VM)
    for word in (vm.name, vm.id, vm.path, vm.id.upper()):
        for allow_cached in (False, True, True):
            assert word
            assert vm in platform.backend.inventory(Deadline(10), [word], allow_cached)
    assert vm.host
    assert vm.cluster


def test_no_action_uses_the_cache(platform: OLVMPlatform, world: World) -> None:
    first = platform.get_vm(VM).id
    elsewhere = world.add_cluster("there", world.add_datacenter("Elsewhere"))
    world.add_host("there-1", elsewhere)
    world.add_vm(VM, cluster=elsewhere)
    # The probe stays with the VM that it began with.
    assert platform.get_vm(VM).id == first
    for act in (platform.power_off, platform.suspend, platform.reboot):
        with pytest.raises(AmbiguousVM, match=r"/Default/Default/.*/Elsewhere/there/"):
            act(VM)


def test_a_vm_that_went_or_has_another_name(platform: OLVMPlatform, world: World) -> None:
    gone = platform.get_vm(VM).id
    platform.get_vm(OTHER)
    world.remove_vm(VM)
    with pytest.raises(NoSuchVM):
        platform.vm_power_state(VM)
    made = world.add_vm(VM)
    assert platform.get_vm(VM).id == made.id != gone
    world.change(OTHER, name="renamed")
    with pytest.raises(NoSuchVM):
        platform.vm_power_state(OTHER)
    assert platform.get_vm("renamed").name == "renamed"


def test_a_new_host_is_known_by_its_name(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    """The names of places are remembered too, as long as they are enough."""
    platform.vm_power_state(VM)
    new = world.add_host("host-2", world.cluster(world.vm(VM).cluster_id))
    world.change(VM, host_id=new.id)
    assert platform.get_vm(VM).host == "host-2"
    assert reads(platform, lab) == {"GET /api/vms/{id}": 1}


def test_a_token_that_ends_between_two_probes(platform: OLVMPlatform, lab: Lab) -> None:
    platform.vm_power_state(VM)
    lab.expire_tokens()
    assert reads(platform, lab)["GET /api/vms/{id}"] == 2
    lab.rules(rule("GET /api/vms/*", "drop_after", times=1))
    assert platform.vm_power_state(VM).value == "powered_on"
    lab.rules(rule("GET /api/vms/*", "cut"))
    with pytest.raises(PlatformError):
        platform.vm_power_state(VM)
    lab.rules(rule("GET /api/vms/*", "html"))
    with pytest.raises(ProtocolError):
        platform.vm_power_state(VM)
