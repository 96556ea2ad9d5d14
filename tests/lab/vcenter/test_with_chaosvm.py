"""The client of this package against the lab's vCenter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chaosvm.errors import OperationRefused
from chaosvm.lab import Durations, Guest, Lab, State, World
from chaosvm.outcome import How
from chaosvm.vm import PowerState
from chaosvm.vsphere import VSpherePlatform
from tests.moments import ForwardClock, once_sent


@pytest.fixture
def platform(lab: Lab) -> Iterator[VSpherePlatform]:
    with VSpherePlatform(
        lab.vsphere_server,
        lab.username,
        lab.password,
        port=lab.vsphere_port,
        ca_file=lab.ca_file,
    ) as opened:
        yield opened


def test_an_inventory(platform: VSpherePlatform, world: World, lab: Lab) -> None:
    world.add_tag("gold", parent="tier")
    world.add_vm(
        "web/01", folder=("data", "prod"), tags=("gold",), attributes={"owner": "data team"}
    )
    vm = platform.get_vm("web/01")
    assert (vm.path, vm.folder) == ("/Default/vm/data/prod/web%2f01", "/Default/vm/data/prod")
    assert (vm.datacenter, vm.cluster, vm.host) == ("Default", "Default", "host-1")
    assert vm.tags == ("gold",)
    assert vm.metadata["qualified_tags"] == ["tier/gold"]
    assert vm.metadata["custom_attributes"] == {"owner": "data team"}
    assert platform.inventory_summary()["datacenters"] == {"Default": 1}


def test_all_the_verbs(platform: VSpherePlatform, world: World) -> None:
    world.add_vm("web")
    off = platform.power_off("web")
    assert (off.how, off.after) == (How.GUEST, PowerState.POWERED_OFF)
    assert platform.power_on("web").changed
    world.change("web", state=State.RUNNING)
    assert platform.reboot("web").how is How.GUEST
    assert platform.reboot("web", graceful=False).how is How.HARD
    world.change("web", state=State.RUNNING, booting_again=False)
    assert platform.suspend("web").after is PowerState.SUSPENDED
    with pytest.raises(OperationRefused, match="suspended"):
        platform.power_off("web")
    assert platform.power_on("web").changed


def test_a_guest_that_ignores_it_loses_its_power(platform: VSpherePlatform, world: World) -> None:
    world.durations = Durations(power_off=0.0)
    world.add_vm("web", guest=Guest.ignores())
    platform.backend.clock = clock = ForwardClock()
    once_sent(platform, lambda: clock.put_forward(85))
    assert platform.power_off("web", timeout=100).how is How.FALLBACK_HARD


def test_agents_and_templates_are_left_alone(platform: VSpherePlatform, world: World) -> None:
    world.add_vm("agent", managed_by="com.vmware.vim.eam")
    world.add_vm("golden", State.OFF, template=True)
    for name in ("agent", "golden"):
        with pytest.raises(OperationRefused):
            platform.power_off(name)


def test_two_hundred_cost_little_more_than_their_requests(
    platform: VSpherePlatform, world: World, lab: Lab
) -> None:
    for number in range(200):
        world.add_vm(f"web-{number:03}")
    batch = platform.batch_power_off({"all": True}, graceful=False, parallel=20)
    assert (batch.changed, batch.failed) == (200, 0)
    assert sum(lab.requests().values()) <= 260


def test_a_session_that_ends_is_renewed(platform: VSpherePlatform, world: World, lab: Lab) -> None:
    world.add_vm("web")
    assert platform.count_vms() == 1
    lab.expire_tokens()
    assert platform.count_vms() == 1
    assert lab.sessions()["logins"] == 2
