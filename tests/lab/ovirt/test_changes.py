"""What clients change by the SDK: the answer, the simulated world, and the event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from chaosvm.lab import State, World
from tests.moments import eventually


class Estate:
    """A VM that is off, and the services of its parts."""

    def __init__(self, world: World, engine: Any) -> None:
        self.world = world
        vm = world.add_vm("web", State.OFF)
        world.add_host("other", world.clusters[0])
        self.vm_id, self.cluster = vm.id, world.clusters[0]
        self.system = engine.system_service()
        self.vm = self.system.vms_service().vm_service(vm.id)
        self.nic = self.vm.nics_service().nic_service(vm.nics[0].id)
        self.disk = self.vm.disk_attachments_service().attachment_service(vm.disks[0].id)
        self.host_id = world.hosts[0].id
        self.host = self.system.hosts_service().host_service(self.host_id)

    @property
    def machine(self) -> Any:
        return self.world.vm(self.vm_id)

    def codes(self) -> set[int]:
        return {event.code for event in self.system.events_service().list()}


@pytest.fixture
def estate(world: World, engine: Any) -> Estate:
    return Estate(world, engine)


def _add_tag(estate: Estate) -> None:
    tag = estate.system.tags_service().add(types.Tag(name="victim"))
    estate.vm.tags_service().add(types.Tag(id=tag.id))


def _remove_tag(estate: Estate) -> None:
    _add_tag(estate)
    (tag,) = (each for each in estate.system.tags_service().list() if each.name == "victim")
    estate.system.tags_service().tag_service(tag.id).remove()


def _detach(estate: Estate) -> None:
    disk_id = estate.machine.disks[0].id
    estate.disk.remove(detach_only=True)
    assert not estate.system.disks_service().disk_service(disk_id).get().vms


def _cpus(cores: int) -> types.Cpu:
    return types.Cpu(topology=types.CpuTopology(sockets=1, cores=cores, threads=1))


def _network(estate: Estate) -> types.Network:
    datacenter = estate.system.data_centers_service().list()[0]
    network = types.Network(name="red", data_center=types.DataCenter(id=datacenter.id))
    return estate.system.networks_service().add(network)


def _move_nic(estate: Estate) -> None:
    profile = types.VnicProfile(name="red", network=types.Network(id=_network(estate).id))
    added = estate.system.vnic_profiles_service().add(profile)
    estate.nic.update(types.Nic(vnic_profile=types.VnicProfile(id=added.id)))


def _template(estate: Estate) -> None:
    made = types.Template(name="golden", vm=types.Vm(id=estate.vm_id))
    estate.system.templates_service().add(made)
    cluster = types.Cluster(id=estate.cluster.id)
    new = types.Vm(name="copy", cluster=cluster, template=types.Template(name="golden"))
    estate.system.vms_service().add(new)


def _power_management(estate: Estate) -> None:
    power = types.PowerManagement(enabled=True)
    estate.host.update(types.Host(power_management=power))
    estate.host.fence(fence_type="restart")


# What is done, the event of it, and what holds then.
Row = tuple[Callable[[Estate], Any], int, Callable[[Estate], bool]]
CHANGES: dict[str, Row] = {
    "unlink a card": (
        lambda e: e.nic.update(types.Nic(linked=False)), 934,
        lambda e: not e.machine.nics[0].connected,
    ),
    "unplug a card": (
        lambda e: e.nic.deactivate(), 1014, lambda e: not e.machine.nics[0].plugged,
    ),
    "remove a card": (lambda e: e.nic.remove(), 930, lambda e: e.machine.nics == ()),
    "add a card": (
        lambda e: e.vm.nics_service().add(types.Nic(name="nic2")), 932,
        lambda e: e.machine.nics[1].name == "nic2" and not int(e.machine.nics[1].mac[:2], 16) & 1,
    ),
    "move a card": (_move_nic, 1122, lambda e: e.machine.nics[0].network == "red"),
    "deactivate a disk": (
        lambda e: e.disk.update(types.DiskAttachment(active=False)), 2002,
        lambda e: not e.machine.bootable,
    ),
    "detach a disk": (_detach, 2018, lambda e: e.machine.disks == ()),
    "change memory and CPUs": (
        lambda e: e.vm.update(types.Vm(memory=2**30, cpu=_cpus(3))), 35,
        lambda e: (e.machine.memory, e.machine.topology.cores) == (2**30, 3),
    ),
    "rename": (
        lambda e: e.vm.update(types.Vm(name="web2")), 35, lambda e: e.machine.name == "web2",
    ),
    "set what is not simulated": (
        lambda e: e.vm.update(types.Vm(delete_protected=True)), 35,
        lambda e: e.vm.get().delete_protected,
    ),
    "clone": (
        lambda e: e.vm.clone(vm=types.Vm(name="copy")), 34,
        lambda e: len(e.world.vm("copy").disks) == 1,
    ),
    "remove": (lambda e: e.vm.remove(), 113, lambda e: not e.world.has_vm(e.vm_id)),
    "make a template and a VM of it": (
        _template, 51, lambda e: len(e.world.vm("copy").disks) == 1,
    ),
    "tag": (_add_tag, 440, lambda e: e.machine.tags == ("victim",)),
    "remove a tag": (_remove_tag, 434, lambda e: e.machine.tags == ()),
    "maintenance": (
        lambda e: e.host.deactivate(reason="chaos"), 600,
        lambda e: e.world.host(e.host_id).maintenance,
    ),
    "fence": (_power_management, 41, lambda e: e.world.host(e.host_id).powered),
    "add a network": (
        _network, 942,
        lambda e: e.system.networks_service().list(search="name=red")[0].mtu == 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_in_the_world_and_an_event(estate: Estate, name: str) -> None:
    change, code, holds = CHANGES[name]
    change(estate)
    eventually(lambda: holds(estate))
    assert code in estate.codes()


def test_a_preview_is_undone_or_committed(estate: Estate) -> None:
    snapshots = estate.vm.snapshots_service()
    taken = snapshots.add(types.Snapshot(description="before", persist_memorystate=False))
    _settled(estate)
    for end, memory in (("undo_snapshot", 2**31), ("commit_snapshot", 2**30)):
        estate.vm.update(types.Vm(memory=2**31))
        estate.vm.preview_snapshot(snapshot=types.Snapshot(id=taken.id))
        _settled(estate)
        statuses = {each.snapshot_status.value for each in snapshots.list()}
        assert "in_preview" in statuses
        with pytest.raises(ovirtsdk4.Error, match="VM is previewing a Snapshot"):
            snapshots.add(types.Snapshot(description="another"))
        getattr(estate.vm, end)()
        assert estate.machine.memory == memory
    assert {46, 71, 94, 95, 650, 651} <= estate.codes()


def _settled(estate: Estate) -> None:
    eventually(
        lambda: (
            estate.machine.busy_until <= estate.world.now
            and estate.machine.state is not State.DISKS_LOCKED
        )
    )


def test_what_refers_to_nothing_is_refused(estate: Estate) -> None:
    networks = estate.system.networks_service()
    with pytest.raises(ovirtsdk4.Error, match="Entity not found: Datacenter: name=nowhere"):
        networks.add(types.Network(name="x", data_center=types.DataCenter(name="nowhere")))
    with pytest.raises(ovirtsdk4.Error, match=r"Network \[dataCenter.name\|id\] required for add"):
        networks.add(types.Network(name="x"))


def test_only_administrators_change_things(world: World, plain: Any) -> None:
    world.add_user("reader@internal", "secret", "reader")
    token = plain.login(username="reader@internal", password="secret").json()["access_token"]
    answer = plain.post("/tags", "<tag><name>x</name></tag>", Authorization=f"Bearer {token}")
    assert (answer.status_code, world.tags) == (403, [])


def test_json_is_taken_as_well(world: World, plain: Any) -> None:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    answer = plain.post("/tags", '{"name": "night"}', **headers)
    assert (answer.status_code, answer.json()["name"]) == (201, "night")
    assert [tag.name for tag in world.tags] == ["night"]
