"""VMs joined from four lists, with every gap of real data."""

from __future__ import annotations

import datetime as dt
from urllib.parse import urlsplit

import pytest

from chaosvm.errors import AmbiguousVM, NoSuchVM, SelectionError
from chaosvm.lab import Guest, Lab, State, Topology, World, rule
from chaosvm.olvm import OLVMPlatform
from chaosvm.vm import PowerState
from tests.olvm.conftest import DB, OTHER, VM, Connect

GIB = 1024**3
LISTS = ("vms", "hosts", "clusters", "datacenters")


def test_a_thousand_vms_cost_four_requests_and_a_login(connect: Connect) -> None:
    with Lab(World.generated(1000)) as large:
        platform = connect(url=large.olvm_url, ca_file=large.ca_file, password=large.password)
        found = platform.list_vms()
        assert len(found) == 1000
        assert large.requests() == {
            "POST /sso/oauth/token": 1,
            **{f"GET /api/{name}": 1 for name in LISTS},
        }
        there = {vm.id: vm for vm in large.world.vms}
        for vm in found:
            real = there[vm.id]
            cluster = large.world.cluster(real.cluster_id)
            host = large.world.host(real.host_id)
            datacenter = large.world.datacenter(cluster.datacenter_id) if cluster else None
            assert (vm.name, vm.cluster) == (real.name, cluster and cluster.name)
            assert vm.host == (host.name if host else None)
            assert vm.datacenter == (datacenter.name if datacenter else None)
            assert (vm.power_state is PowerState.POWERED_ON) == (real.state is State.RUNNING)
            assert vm.cpu_count == real.topology.cpus
            assert vm.memory_mb == real.memory // 1024**2
        assert len({vm.cluster for vm in found}) == 2


def test_every_field_of_a_vm(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    datacenter = world.add_datacenter("Berlin")
    cluster = world.add_cluster("prod", datacenter)
    host = world.add_host("kvm-07", cluster)
    made = world.add_vm(
        "full",
        cluster=cluster,
        host=host,
        topology=Topology(2, 4, 2),
        memory=3 * GIB,
        description="the full server",
        comment="made by hand",
        fqdn="full.example.com",
        tags=("prod", "Web"),
        highly_available=True,
        tells_start=True,
        up_for=100,
    )
    vm = platform.get_vm("full")
    start = dt.datetime.fromisoformat(vm.metadata.pop("start_time"))
    assert abs((start - dt.datetime.now(dt.UTC)).total_seconds() + 100) < 30
    assert vm.to_json() == {
        "name": "full",
        "id": made.id,
        "platform": "olvm",
        "power_state": "powered_on",
        "status": "up",
        "instance_uuid": made.id,
        "path": "/Berlin/prod/full",
        "datacenter": "Berlin",
        "cluster": "prod",
        "host": "kvm-07",
        "folder": None,
        "cpu_count": 16,
        "memory_mb": 3072,
        "guest_os": "Linux",
        "tools_status": None,
        "hostname": "full.example.com",
        "ip_addresses": None,
        "tags": ["Web", "prod"],
        "template": False,
        "metadata": {
            "description": "the full server",
            "comment": "made by hand",
            "origin": "ovirt",
            "highly_available": True,
            "stateless": False,
            "host_id": host.id,
            "cluster_id": cluster.id,
        },
    }


def test_missing_values_are_accepted(platform: OLVMPlatform, world: World) -> None:
    """No data centre, no host, no fqdn, no texts, no agent, no status."""
    lost = world.add_cluster("lost")
    world.add_host("lost-host", lost)
    world.add_vm("off", State.OFF, cluster=lost, description="", comment=None)
    world.add_vm("no-agent", cluster=lost, guest=Guest.without_agent(), fqdn="hidden.example.com")
    world.add_vm("illegal", State.DISKS_ILLEGAL, cluster=lost)
    found = {vm.name: vm for vm in platform.list_vms({"cluster": "lost"})}
    assert found.keys() == {"off", "no-agent", "illegal"}
    for vm in found.values():
        assert (vm.datacenter, vm.hostname, vm.ip_addresses) == (None, None, None)
        assert vm.path == f"/lost/{vm.name}"
        assert "description" not in vm.metadata
    assert (found["off"].host, found["off"].power_state) == (None, PowerState.POWERED_OFF)
    assert "host_id" not in found["off"].metadata
    assert found["no-agent"].host == "lost-host"
    assert found["no-agent"].guest_os == "other_linux"
    assert (found["illegal"].status, found["illegal"].power_state) == (
        "unknown",
        PowerState.UNKNOWN,
    )


def test_a_path_without_a_datacenter_finds_its_vm(platform: OLVMPlatform, world: World) -> None:
    world.add_vm(VM, cluster=world.add_cluster("lost"))
    assert platform.get_vm(f"/lost/{VM}").cluster == "lost"
    assert platform.get_vm(f"/Default/Default/{VM}").cluster == "Default"


def test_an_engine_without_vms(connect: Connect) -> None:
    with Lab(World()) as empty:
        platform = connect(url=empty.olvm_url, ca_file=empty.ca_file, password=empty.password)
        assert platform.list_vms() == []
        assert platform.count_vms() == 0
        with pytest.raises(NoSuchVM, match="0 VMs are known"):
            platform.get_vm(VM)
        with pytest.raises(SelectionError):
            platform.all_vms_have_power_state({"all": True}, "powered_on")


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [
        (State.OFF, "down", PowerState.POWERED_OFF),
        (State.RUNNING, "up", PowerState.POWERED_ON),
        (State.SUSPENDED, "suspended", PowerState.SUSPENDED),
        (State.PAUSED, "paused", PowerState.PAUSED),
        (State.LAUNCHING, "wait_for_launch", PowerState.TRANSITIONING),
        (State.BOOTING, "powering_up", PowerState.TRANSITIONING),
        (State.SHUTTING_DOWN, "powering_down", PowerState.TRANSITIONING),
        (State.REBOOTING, "reboot_in_progress", PowerState.TRANSITIONING),
        (State.MIGRATING, "migrating", PowerState.TRANSITIONING),
        (State.SAVING, "saving_state", PowerState.TRANSITIONING),
        (State.RESTORING, "restoring_state", PowerState.TRANSITIONING),
        (State.DISKS_LOCKED, "image_locked", PowerState.TRANSITIONING),
        (State.DISKS_ILLEGAL, "unknown", PowerState.UNKNOWN),
        (State.NOT_RESPONDING, "not_responding", PowerState.UNKNOWN),
        (State.UNREACHABLE, "unknown", PowerState.UNKNOWN),
        (State.UNASSIGNED, "unassigned", PowerState.UNKNOWN),
    ],
)
def test_the_engines_status_is_kept(
    platform: OLVMPlatform, world: World, state: State, status: str, expected: PowerState
) -> None:
    world.stick(VM, state)
    vm = platform.get_vm(VM)
    assert (vm.status, vm.power_state) == (status, expected)
    assert platform.vm_power_state(VM) is expected
    assert [each.name for each in platform.list_vms({"power_state": expected.value})].count(VM) == 1


def test_pools_stateless_and_the_engines_own_vm_are_in_the_metadata(
    platform: OLVMPlatform, world: World
) -> None:
    pool = world.new_id()
    world.add_vm("pooled", pool_id=pool)
    world.add_vm("brief", stateless=True)
    world.add_vm("HostedEngine", origin="managed_hosted_engine")
    found = {vm.name: vm.metadata for vm in platform.list_vms()}
    assert found["pooled"]["pool_id"] == pool
    assert "pool_id" not in found["brief"]
    assert (found["brief"]["stateless"], found["pooled"]["stateless"]) == (True, False)
    assert found["HostedEngine"]["origin"] == "managed_hosted_engine"
    assert found[VM]["origin"] == "ovirt"


def test_why_a_vm_was_stopped(platform: OLVMPlatform, world: World) -> None:
    platform.power_off(VM, graceful=False)
    assert "chaosvm" in platform.get_vm(VM).metadata["stop_reason"]


def test_the_summary_counts_everything(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    world.add_vm("off", State.OFF, topology=Topology(4), memory=2 * GIB)
    assert platform.inventory_summary() == {
        "platform": "olvm",
        "server": urlsplit(lab.olvm_url).netloc,
        "product": "oVirt Engine",
        "version": "4.5.8_lab",
        "vms": 4,
        "templates": 0,
        "cpu_count": 7,
        "memory_mb": 5 * 1024,
        "power_states": {"powered_off": 1, "powered_on": 3},
        "datacenters": {"Default": 4},
        "clusters": {"Default": 4},
        "hosts": {"host-1": 3},
    }


# Names that are not unique -----------------------------------------------------------


def test_a_name_in_two_datacenters_is_ambiguous_and_touches_neither(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    other = world.add_cluster("there", world.add_datacenter("Elsewhere"))
    world.add_host("there-1", other)
    twin = world.add_vm(VM, cluster=other)
    with pytest.raises(AmbiguousVM, match=rf"/Default/Default/{VM}.*/Elsewhere/there/{VM}"):
        platform.power_off(VM, graceful=False)
    with pytest.raises(AmbiguousVM):
        platform.batch_power_off({"names": [VM]}, graceful=False)
    assert not [name for name in lab.requests() if "{id}/" in name]
    assert platform.power_off(f"/Elsewhere/there/{VM}", graceful=False).id == twin.id
    assert platform.power_off(twin.id, graceful=False).changed is False
    off = platform.batch_power_off({"names": [VM], "datacenter": "Default"}, graceful=False)
    assert [outcome.id for outcome in off.outcomes] != [twin.id]
    assert off.changed == 1


# Tags ----------------------------------------------------------------------------------


def test_tags_of_one_vm(platform: OLVMPlatform, world: World) -> None:
    world.change(VM, tags=("prod", "Web", "o'clock; 100%"))
    assert platform.get_vm(VM).tags == ("Web", "o'clock; 100%", "prod")
    assert platform.get_vm(OTHER).tags == ()


def test_tags_are_not_read_unless_needed(platform: OLVMPlatform, lab: Lab) -> None:
    assert {vm.tags for vm in platform.list_vms()} == {None}
    assert set(lab.requests()) == {"POST /sso/oauth/token", *(f"GET /api/{n}" for n in LISTS)}


def test_a_selection_by_tag(platform: OLVMPlatform, world: World) -> None:
    world.change(VM, tags=("prod",))
    world.change(OTHER, tags=("Prod",))
    found = platform.list_vms({"tag": "prod"})
    assert [(vm.name, vm.tags) for vm in found] == [(VM, ("prod",))]
    assert platform.count_vms({"tag": "*rod"}) == 2
    off = platform.batch_power_off({"tag": "Prod"}, graceful=False)
    assert [outcome.name for outcome in off.outcomes] == [OTHER]
    with pytest.raises(NoSuchVM):
        platform.batch_power_off({"tag": "test"}, graceful=False)


@pytest.fixture
def many(world: World) -> World:
    """More VMs than have their tags read one by one."""
    for number in range(10):
        world.add_vm(f"app-{number}", tags=("app",) if number % 2 else ())
    world.change(VM, tags=("web", "prod"))
    world.change(OTHER, tags=("Web",))
    world.change(DB, tags=('it\'s 100%; "quoted"',))
    return world


@pytest.mark.parametrize(
    ("tag", "names"),
    [
        ("app", ["app-1", "app-3", "app-5", "app-7", "app-9"]),
        ("web", [VM]),
        ("Web", [OTHER]),
        ("[wW]eb", [VM, OTHER]),
        ("prod", [VM]),
        ('it\'s 100%; "quoted"', [DB]),
        ("none", []),
    ],
)
def test_a_selection_by_tag_among_many(
    platform: OLVMPlatform, many: World, tag: str, names: list[str]
) -> None:
    assert [vm.name for vm in platform.list_vms({"tag": tag})] == names


def test_a_selection_by_tag_costs_a_request_a_tag_not_a_vm(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    for number in range(60):
        world.add_vm(f"app-{number}", tags=("app",) if number % 2 else ("db",))
    assert platform.count_vms({"tag": "app"}) == 30
    assert sum(lab.requests().values()) <= 5 + 1 + 2


def test_a_vm_that_goes_while_its_tags_are_read(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(VM, tags=("prod",))
    gone = world.vm(OTHER).id
    lab.rules(rule(f"GET /api/vms/{gone}/tags", "fault", code=404))
    assert [vm.name for vm in platform.list_vms({"tag": "prod"})] == [VM]
    assert [vm.name for vm in platform.list_vms({"tag": "[p]rod"})] == [VM]
