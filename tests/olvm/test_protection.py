"""What a VM itself says about being touched: the engine's tags."""

from __future__ import annotations

import pytest

from chaosvm.errors import GuardUnchecked, OperationRefused
from chaosvm.lab import Lab, State, World, rule
from chaosvm.olvm import OLVMPlatform
from chaosvm.safety import Safety
from tests.olvm.conftest import DB, OTHER, VM, Connect, sent

MARK = "chaosvm-protect"


@pytest.mark.parametrize("tag", [MARK, "ChaosVM-Protect"])
def test_a_tag_protects(platform: OLVMPlatform, world: World, tag: str) -> None:
    world.change(DB, tags=(tag,))
    with pytest.raises(OperationRefused, match=f"has the tag '{MARK}', as chaosvm_protect_tag"):
        platform.power_off(DB)
    batch = platform.batch_power_off({"all": True}, graceful=False)
    assert [vm.name for vm, _ in batch.passed_over] == [DB]
    assert (batch.changed, world.vm(DB).state) == (2, State.RUNNING)


def test_a_tag_below_it_protects(platform: OLVMPlatform, world: World) -> None:
    world.add_tag("databases", parent=MARK)
    world.change(DB, tags=("databases",))
    with pytest.raises(OperationRefused, match="is protected"):
        platform.power_off(DB)


def test_another_tag_does_not(platform: OLVMPlatform, world: World) -> None:
    world.change(VM, tags=("chaosvm-protect-not", "prod"))
    world.change(OTHER, tags=(MARK,))
    assert platform.power_off(VM, graceful=False).changed


@pytest.mark.parametrize("asked", ["hands*off", "Hands*OFF"])
@pytest.mark.parametrize("many", [False, True])
def test_a_tag_that_the_engine_cannot_be_asked_for(
    connect: Connect, world: World, asked: str, many: bool
) -> None:
    for number in range(10 if many else 0):
        world.add_vm(f"app-{number}", tags=(f"t{number}",))
    world.add_tag("hands*off")
    world.add_tag("databases", parent="hands*off")
    world.add_tag("replicas", parent="databases")
    world.change(DB, tags=("hands*off",))
    world.change(OTHER, tags=("replicas",))
    world.change(VM, tags=("hands-off",))
    platform = connect(safety=Safety.of(protect_tag=asked, max_percent=100))
    for name in (DB, OTHER):
        with pytest.raises(OperationRefused, match=r"has the tag '(?i:hands\*off)'"):
            platform.power_off(name)
    assert platform.power_off(VM, graceful=False).changed


def test_a_tag_that_is_nowhere_is_on_no_vm(connect: Connect, world: World, lab: Lab) -> None:
    platform = connect(safety=Safety.of(protect_tag="hands*off"))
    assert platform.power_off(VM, graceful=False).changed
    assert not [name for name in lab.requests() if "/vms/{id}/tags" in name]


@pytest.mark.parametrize("fqdn", ["engine.example.com", "ENGINE"])
def test_the_engines_own_vm_is_known_by_its_name(connect: Connect, world: World, fqdn: str) -> None:
    world.add_vm("manager", fqdn=fqdn)
    platform = connect(url="https://engine.example.com/ovirt-engine/api")
    manager = connect().get_vm("manager")
    assert platform.untouchable(manager) == "is the engine's own VM"
    assert platform.untouchable(connect().get_vm(VM)) is None


def test_marks_cost_one_request_however_many_vms_there_are(
    connect: Connect, world: World, lab: Lab
) -> None:
    for number in range(50):
        world.add_vm(f"app-{number}", tags=(f"t{number % 7}",))
    platform = connect()
    platform.connect()
    for vms in ({"names": [VM]}, {"all": True}):
        lab.reset_requests()
        platform.plan("power_off", vms)
        with_marks = sum(lab.requests().values())
        lab.reset_requests()
        connect(safety=Safety.of(protect_tag="none")).plan("power_off", vms)
        without = sum(lab.requests().values()) - lab.requests().get("POST /sso/oauth/token", 0)
        assert with_marks - without <= 1


def test_tags_that_cannot_be_read_let_nothing_pass(platform: OLVMPlatform, lab: Lab) -> None:
    lab.rules(rule("GET /api/vms", "status", skip=1, code=500))
    with pytest.raises(GuardUnchecked, match="chaosvm_protect_tag"):
        platform.power_off(VM)
    assert sent(lab) == {}
