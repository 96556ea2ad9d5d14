"""VMs that are protected by custom attributes and tags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chaosvm.errors import GuardStopped, GuardUnchecked, OperationRefused, PlatformError
from chaosvm.lab import Lab, State, World
from chaosvm.lab import rule as lab_rule
from chaosvm.lab.vcenter import service_instance
from chaosvm.runtime import Deadline
from chaosvm.settings import Safety
from chaosvm.vm import VM, PowerState
from chaosvm.vsphere import VSpherePlatform
from chaosvm.vsphere.custom_attributes import protection_reason
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate
from tests.vsphere.conftest import CLUSTERED, STANDALONE

MARK = "chaosvm-protect"


@pytest.mark.parametrize("value", ["true", "yes", "ask the data team", "1"])
def test_a_custom_attribute_protects(platform: VSpherePlatform, estate: Estate, value: str) -> None:
    estate.set_custom_attribute(STANDALONE, MARK, value)
    with pytest.raises(OperationRefused, match=f"has the custom attribute '{MARK}' = '{value}'"):
        platform.power_off(STANDALONE)
    batch = platform.batch_power_off({"host": "DC0_H0"}, graceful=False)
    assert [vm.name for vm, _ in batch.passed_over] == [STANDALONE]
    assert (batch.changed, estate.power_state(STANDALONE)) == (1, "poweredOn")


@pytest.mark.parametrize("value", ["", "false", "No", " off "])
def test_an_attribute_that_says_no_protects_nothing(
    platform: VSpherePlatform, estate: Estate, value: str
) -> None:
    estate.set_custom_attribute(STANDALONE, MARK, value)
    estate.set_custom_attribute(STANDALONE, "other", "true")
    assert platform.power_off(STANDALONE, graceful=False).changed


@pytest.mark.parametrize("name", [MARK, MARK.upper()])
def test_a_tag_of_any_category_protects(
    platform: VSpherePlatform, estate: Estate, name: str
) -> None:
    estate.tag(CLUSTERED, "anything", name)
    with pytest.raises(OperationRefused, match=f"has the tag '{MARK}'"):
        platform.suspend(CLUSTERED)
    assert platform.batch_suspend({"cluster": "DC0_C0"}).changed == 1
    assert estate.power_state(CLUSTERED) == "poweredOn"


def test_another_tag_is_named_with_its_category(connect: Any, estate: Estate) -> None:
    estate.tag(CLUSTERED, "chaos", "hands-off")
    estate.tag(STANDALONE, "other", "hands-off")
    platform = connect(safety=Safety.of(protect_tag="chaos/hands-off"))
    with pytest.raises(OperationRefused, match="has the tag 'chaos/hands-off'"):
        platform.power_off(CLUSTERED)
    assert platform.power_off(STANDALONE, graceful=False).changed


def test_a_limit_for_clusters_leaves_a_standalone_host_alone(connect: Any) -> None:
    platform = connect(safety=Safety.of(max_percent={"cluster": 0}))
    assert platform.batch_power_off({"host": "DC0_H0"}, graceful=False).changed == 2
    with pytest.raises(GuardStopped, match="for the cluster 'DC0_C0' of 'DC0'"):
        platform.power_off(CLUSTERED)


def test_unreadable_tags_block_all_vms(
    platform: VSpherePlatform, vcsim: Vcsim, connect: Any
) -> None:
    vcsim.rules(rule("POST /rest/com/vmware/cis/session", "html"))
    with pytest.raises(GuardUnchecked, match=r"'chaosvm-protect'; \"none\" switches it off"):
        platform.power_off(STANDALONE)
    assert not [m for m in vcsim.requests()["methods"] if m.startswith(("Power", "Shutdown"))]
    assert connect(safety=Safety.of(protect_tag="none")).power_off(STANDALONE).changed


def test_the_vcenters_own_vm_is_known_by_the_address_it_is_reached_at(
    connect: Any, estate: Estate
) -> None:
    estate.set_guest(STANDALONE, tools_running=True, hostname="somewhere", ip="127.0.0.1")
    with pytest.raises(OperationRefused, match="is the vCenter's own VM"):
        connect(server="localhost").power_off(STANDALONE)


def test_attributes_without_names_block_all_vms() -> None:
    """As for a user who may see the VM but not the names of custom attributes."""
    vm = VM(
        id="vm-1",
        name="web",
        platform="vsphere",
        power_state=PowerState.POWERED_ON,
        status="poweredOn",
        metadata={"custom_attributes": {"101": "yes"}, "nameless_attributes": [101]},
    )
    with pytest.raises(PlatformError, match="does not return the names of the custom attributes"):
        protection_reason(vm, MARK)


# Against the lab's vCenter ------------------------------------------------------------------


@pytest.fixture
def world() -> World:
    made = World()
    for number in range(30):
        made.add_vm(f"web-{number:02}", tags=("web",) if number % 2 else ())
    made.add_vm("db-01", tags=(MARK,))
    made.add_vm("db-02", attributes={MARK: "yes"})
    return made


@pytest.fixture
def lab(world: World) -> Iterator[Lab]:
    with Lab(world, platforms=["vsphere"]) as running:
        yield running


@pytest.fixture
def on_lab(lab: Lab) -> Iterator[Any]:
    made: list[VSpherePlatform] = []

    def connected(**settings: Any) -> VSpherePlatform:
        platform = VSpherePlatform(
            lab.vsphere_server,
            lab.username,
            lab.password,
            port=lab.vsphere_port,
            ca_file=lab.ca_file,
            timeout=10,
            safety=Safety.of(**settings),
        )
        made.append(platform)
        return platform

    yield connected
    for platform in made:
        platform.disconnect()


def test_attributes_and_tags_of_a_lab(on_lab: Any, world: World) -> None:
    platform = on_lab()
    for name in ("db-01", "db-02"):
        with pytest.raises(OperationRefused, match="as chaosvm_protect_tag says"):
            platform.power_off(name)
    batch = platform.batch_power_off({"all": True}, graceful=False)
    assert (batch.changed, len(batch.passed_over)) == (30, 2)
    assert [vm.name for vm in world.vms if vm.state is State.RUNNING] == ["db-01", "db-02"]


def test_protection_costs_one_request_for_any_number_of_vms(on_lab: Any, lab: Lab) -> None:
    """In addition to one login, and one request for the name of each tag."""
    platform = on_lab(max_percent=90)
    platform.plan("power_off", {"name": "web-*"})
    requests = {name: times for name, times in lab.requests().items() if "/rest/" in name}
    tagging = "/rest/com/vmware/cis/tagging"
    assert requests == {
        "POST /rest/com/vmware/cis/session": 1,
        f"POST {tagging}/tag-association": 1,
        f"GET {tagging}/tag/{{tag_id}}": 2,
        f"GET {tagging}/category/{{category_id}}": 1,
    }
    lab.reset_requests()
    platform.plan("power_off", {"all": True})
    assert sum(lab.requests().values()) == 2  # the inventory, the tags
    lab.reset_requests()
    on_lab(protect_tag="none").plan("power_off", {"all": True})
    assert not [name for name in lab.requests() if "/rest/" in name]


TAGGING = "/rest/com/vmware/cis/tagging"
UNREAD = {
    "no session": ("POST /rest/com/vmware/cis/session", "status", {"code": 404}),
    "no session once": ("POST /rest/com/vmware/cis/session", "status", {"code": 404, "times": 1}),
    "an empty session": ("POST /rest/com/vmware/cis/session", "empty", {}),
    "no tagging": (f"POST {TAGGING}/*", "status", {"code": 404}),
    "not allowed": (f"POST {TAGGING}/*", "status", {"code": 405}),
    "no answer to what is attached": (f"POST {TAGGING}/*", "empty", {}),
    "a tag that is not there": (f"GET {TAGGING}/tag/*", "status", {"code": 404}),
    "a tag without a name": (f"GET {TAGGING}/tag/*", "empty", {}),
    "no category": (f"GET {TAGGING}/category/*", "status", {"code": 404}),
    "a category without a name": (f"GET {TAGGING}/category/*", "empty", {}),
}


@pytest.mark.parametrize("failing", UNREAD.values(), ids=UNREAD)
def test_a_vcenter_without_readable_tags_may_have_tags(
    on_lab: Any, lab: Lab, world: World, failing: Any
) -> None:
    request, manner, more = failing
    lab.rules(lab_rule(request, manner, **more))
    platform = on_lab()
    with pytest.raises(GuardUnchecked, match='"none" switches it off'):
        platform.power_off("db-01", graceful=False)
    assert {vm.state for vm in world.vms} == {State.RUNNING}
    lab.rules()
    with pytest.raises(OperationRefused, match=f"has the tag '{MARK}'"):
        platform.power_off("db-01", graceful=False)


@pytest.mark.parametrize("failing", UNREAD.values(), ids=UNREAD)
def test_a_listing_without_tags_says_that_they_are_not_known(
    on_lab: Any, lab: Lab, failing: Any, logs: pytest.LogCaptureFixture
) -> None:
    request, manner, more = failing
    lab.rules(lab_rule(request, manner, **more))
    platform = on_lab()
    assert {vm.tags for vm in platform.list_vms()} == {None}
    assert "the tags of VMs could not be read" in logs.text
    lab.rules()
    assert {vm.name: vm.tags for vm in platform.list_vms({"name": "db-*"})} == {
        "db-01": (MARK,),
        "db-02": (),
    }


def test_a_single_host_has_no_tags(on_lab: Any, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    about = service_instance._about

    def of_a_host(instance_uuid: str) -> Any:
        result = about(instance_uuid)
        result.apiType = "HostAgent"
        return result

    monkeypatch.setattr(service_instance, "_about", of_a_host)
    assert on_lab().power_off("db-01", graceful=False).changed
    assert not [name for name in lab.requests() if "/rest/" in name]


def test_tags_are_read_in_parallel(on_lab: Any, world: World, lab: Lab) -> None:
    """Each name once, however many VMs have the tag."""
    for number in range(20):
        world.change("web-00", tags=(*world.vm("web-00").tags, f"kind-{number % 3}/t{number}"))
        world.change("web-02", tags=world.vm("web-00").tags)
    platform = on_lab()
    tags = {vm.name: vm.tags for vm in platform.list_vms({"name": "web-0[02]"})}
    assert tags["web-00"] == tags["web-02"] == tuple(sorted(f"t{number}" for number in range(20)))
    assert lab.requests()[f"GET {TAGGING}/tag/{{tag_id}}"] == 20
    assert lab.requests()[f"GET {TAGGING}/category/{{category_id}}"] == 3


def test_a_deleted_vm_does_not_affect_the_tags_of_others(
    on_lab: Any, world: World, lab: Lab
) -> None:
    platform = on_lab()
    vms = platform.backend.inventory(Deadline(10))
    world.remove_vm("web-01")
    tags = {vm.name: vm.tags for vm in platform.backend.with_tags(vms, Deadline(10))}
    assert tags.keys() == {vm.name for vm in vms} - {"web-01"}
    assert (tags["web-02"], tags["db-01"]) == ((), (MARK,))
    assert "POST /rest/com/vmware/cis/tagging/tag-association" in lab.requests()
