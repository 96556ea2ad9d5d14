"""Lists and single things, as the SDK and a plain client see them."""

from __future__ import annotations

import time
from typing import Any

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from chaosvm.lab import Guest, Lab, State, Topology, World
from tests.lab.conftest import Plain, connected


def test_the_root_says_what_it_is(world: World, engine: Any, plain: Plain) -> None:
    world.add_vm("web")
    world.add_vm("db", State.OFF)
    root = engine.system_service().get()
    assert root.product_info.version.full_version == "4.5.8_lab"
    assert (root.summary.vms.active, root.summary.vms.total) == (1, 2)
    assert (root.summary.hosts.active, root.summary.hosts.total) == (1, 1)
    assert plain.get("/").status_code == 200


def test_a_vm_in_full(world: World, vms: Any) -> None:
    cluster = world.add_cluster("c1", world.add_datacenter("dc1"))
    host = world.add_host("h1", cluster)
    added = world.add_vm(
        'wéb <1> & "2"',
        cluster=cluster,
        topology=Topology(2, 3, 2),
        memory=3 * 1024**3,
        os="rhel_9x64",
        description="said",
        comment="",
        fqdn="web.example",
        highly_available=True,
        pool_id="b7a0c3f1-7a31-4a9b-8e0e-4a7d1f6f3c11",
        origin="vmware",
        tells_start=True,
        up_for=60,
    )
    for vm in (vms.list()[0], vms.vm_service(added.id).get()):
        assert (vm.id, vm.name, vm.status) == (added.id, added.name, types.VmStatus.UP)
        topology = vm.cpu.topology
        assert (topology.sockets, topology.cores, topology.threads) == (2, 3, 2)
        assert (vm.memory, vm.os.type, vm.origin) == (3 * 1024**3, "rhel_9x64", "vmware")
        assert (vm.description, vm.comment, vm.fqdn) == ("said", "", "web.example")
        assert vm.high_availability.enabled is True
        assert vm.stateless is False
        assert vm.vm_pool.id == added.pool_id
        # Linked to, without their names.
        assert (vm.cluster.id, vm.cluster.name) == (cluster.id, None)
        assert (vm.host.id, vm.host.name) == (host.id, None)
        # Not followed, which is not the same as none.
        for part in (vm.tags, vm.nics, vm.snapshots, vm.statistics, vm.reported_devices):
            assert list(part) == []
            assert part.href.startswith(f"/ovirt-engine/api/vms/{vm.id}/")
        assert abs(vm.start_time.timestamp() - time.time() + 60) < 5


def test_what_a_vm_that_is_down_does_not_have(world: World, vms: Any) -> None:
    world.add_vm("db", State.OFF, fqdn="db.example", tells_start=True)
    (vm,) = vms.list()
    assert vm.host is None
    assert vm.fqdn is None
    assert vm.start_time is None
    assert vm.stop_reason is None
    # These are there.
    assert vm.description == ""
    assert vm.stop_time is not None


def test_a_guest_without_an_agent_tells_nothing(world: World, vms: Any) -> None:
    vm = world.add_vm(
        "web", guest=Guest.without_agent(), fqdn="web.example", ip_addresses=("1.1.1.1",)
    )
    assert vms.list()[0].fqdn is None
    assert vms.vm_service(vm.id).reported_devices_service().list() == []


@pytest.mark.parametrize("state", State)
def test_every_status_is_the_engines_own(world: World, vms: Any, state: State) -> None:
    words = {
        State.OFF: "down",
        State.LAUNCHING: "wait_for_launch",
        State.BOOTING: "powering_up",
        State.RUNNING: "up",
        State.SHUTTING_DOWN: "powering_down",
        State.REBOOTING: "reboot_in_progress",
        State.SAVING: "saving_state",
        State.RESTORING: "restoring_state",
        State.DISKS_LOCKED: "image_locked",
        State.UNREACHABLE: "unknown",
    }
    world.add_vm("web")
    world.stick("web", state)
    (vm,) = vms.list()
    if state is State.DISKS_ILLEGAL:
        assert vm.status is None
    else:
        assert vm.status.value == words.get(state, state.value)
    assert (vm.host is not None) == state.on_a_host


def test_parts_of_a_vm(world: World, vms: Any) -> None:
    added = world.add_vm("web", tags=("prod", "critical"), ip_addresses=("10.0.0.1", "fe80::1"))
    service = vms.vm_service(added.id)
    assert [tag.name for tag in service.tags_service().list()] == ["prod", "critical"]
    (nic,) = service.nics_service().list()
    assert (nic.name, nic.linked, nic.plugged) == ("nic1", True, True)
    (device,) = service.reported_devices_service().list()
    assert [(ip.address, ip.version.value) for ip in device.ips] == [
        ("10.0.0.1", "v4"),
        ("fe80::1", "v6"),
    ]
    assert device.mac.address == nic.mac.address
    statistics = service.statistics_service().list()
    assert len(statistics) == 16
    found = {each.name: each.values[0].datum for each in statistics if each.values}
    assert found["memory.installed"] == 1024**3
    assert 3600 <= found["elapsed.time"] < 3610


def test_the_other_lists(world: World, engine: Any) -> None:
    cluster = world.add_cluster("c1", world.add_datacenter("dc1"))
    world.add_cluster("without")
    host = world.add_host("h1", cluster, maintenance=True)
    system = engine.system_service()
    (datacenter,) = system.data_centers_service().list()
    assert datacenter.name == "dc1"
    clusters = {each.name: each for each in system.clusters_service().list()}
    assert clusters["c1"].data_center.id == datacenter.id
    assert clusters["c1"].data_center.name is None
    assert clusters["without"].data_center is None
    (shown,) = system.hosts_service().list(search="name=h*")
    assert (shown.id, shown.status) == (host.id, types.HostStatus.MAINTENANCE)
    assert system.hosts_service().list(search="status=up") == []
    assert system.hosts_service().host_service(host.id).get().cluster.id == cluster.id
    assert system.clusters_service().cluster_service(cluster.id).get().name == "c1"
    assert system.data_centers_service().data_center_service(datacenter.id).get().id


def test_nothing_is_an_empty_element(plain: Plain) -> None:
    declaration = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    assert plain.get("/vms").text == f"{declaration}\n<vms/>\n"
    assert plain.get("/hosts").text == f"{declaration}\n<hosts/>\n"


def test_what_does_not_exist_is_404_with_nothing_in_it(vms: Any, plain: Plain) -> None:
    for item_id in ("6f790959-a3e0-4b3b-b56b-0715e7180322", "not-an-id"):
        for path in (f"/vms/{item_id}", f"/hosts/{item_id}", f"/tags/{item_id}"):
            answer = plain.get(path)
            assert (answer.status_code, answer.content) == (404, b"")
        with pytest.raises(ovirtsdk4.NotFoundError):
            vms.vm_service(item_id).get()


def test_a_vm_is_not_found_by_its_name(world: World, plain: Plain) -> None:
    world.add_vm("web")
    assert plain.get("/vms/web").status_code == 404


def test_what_is_not_served_is_a_fault_that_says_so(
    world: World, engine: Any, plain: Plain
) -> None:
    vm = world.add_vm("web")
    path = f"/vms/{vm.id}/backups"
    answer = plain.post(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/xml;charset=UTF-8"
    assert f"does not model POST /ovirt-engine/api{path}" in answer.text
    assert plain.post("/vms", method="DELETE").headers["Allow"] == "HEAD, POST, GET, OPTIONS"
    backups = engine.system_service().vms_service().vm_service(vm.id).backups_service()
    with pytest.raises(ovirtsdk4.NotFoundError, match=r"does not model POST .*/backups"):
        backups.add(types.Backup())
    # What the engine has not either.
    assert plain.get("/nonsense").text.startswith("RESTEASY003210: Could not find resource")


def test_paths_are_not_disclosed_without_a_login(lab: Lab, plain: Plain) -> None:
    assert plain.get("/users", Authorization="Bearer nonsense").status_code == 401


def test_outside_of_the_api_there_is_html(plain: Plain) -> None:
    answer = plain.get("/../vms")
    assert answer.status_code == 404
    assert "html" in answer.headers["Content-Type"]


_EMPTY_PARTS = [
    "affinity_labels",
    "applications",
    "host_devices",
    "sessions",
    "watchdogs",
]


@pytest.mark.parametrize("part", _EMPTY_PARTS)
def test_parts_that_are_empty(world: World, vms: Any, part: str) -> None:
    vm = world.add_vm("web", ip_addresses=("10.0.0.1",))
    service = vms.vm_service(vm.id)
    assert getattr(service, f"{part}_service")().list() == []
    assert list(getattr(service.get(follow=part), part)) == []
    (listed,) = vms.list(follow=f"{part},nics")
    assert (list(getattr(listed, part)), len(listed.nics)) == ([], 1)


def test_the_one_snapshot_is_the_vm_itself(world: World, vms: Any) -> None:
    vm = world.add_vm("web")
    (snapshot,) = vms.vm_service(vm.id).snapshots_service().list()
    assert (snapshot.description, snapshot.snapshot_type) == (
        "Active VM",
        types.SnapshotType.ACTIVE,
    )
    assert vms.vm_service(vm.id).get(follow="snapshots").snapshots[0].id == snapshot.id


def test_lists_that_are_empty(engine: Any) -> None:
    system = engine.system_service()
    for name in ("storage_domains", "disks", "jobs"):
        assert getattr(system, f"{name}_service")().list() == []


def test_vms_are_made_of_the_blank_template(world: World, engine: Any, vms: Any) -> None:
    world.add_vm("web")
    (vm,) = vms.list()
    assert (vm.template.name, engine.follow_link(vm.template).name) == (None, "Blank")
    assert vms.list(follow="template")[0].template.name == "Blank"
    templates = engine.system_service().templates_service()
    assert [each.id for each in templates.list(search="name=blank")] == [vm.template.id]
    assert templates.list(search="name=other") == []


def test_xml_and_json_are_spoken(world: World, plain: Plain) -> None:
    web = world.add_vm("web")
    for accepted in ("*/*", "application/xml, application/json"):
        answer = plain.get("/vms", Accept=accepted)
        assert answer.headers["Content-Type"] == "application/xml;charset=UTF-8"
    answer = plain.get("/vms", Accept="application/json")
    assert answer.headers["Content-Type"] == "application/json"
    (vm,) = answer.json()["vm"]
    assert (vm["name"], vm["status"], vm["stateless"]) == ("web", "up", "false")
    assert vm["creation_time"] == round(web.created.timestamp() * 1000)
    assert plain.get("/vms", Accept="text/plain").status_code == 406


def test_search_max_and_pages(world: World, vms: Any, plain: Plain) -> None:
    for number in range(5):
        world.add_vm(f"web-{number}")
    world.add_vm('a "b"')

    def names(**query: Any) -> list[str]:
        return [vm.name for vm in vms.list(**query)]

    assert names()[0] == 'a "b"'
    assert names(search='name="web-*"', max=2) == ["web-0", "web-1"]
    assert names(search="name=web-* sortby name desc page 2", max=2) == ["web-2", "web-1"]
    assert names(search="name=nobody") == []
    # Not understood is no error.
    assert names(search='name="a "b""') == []
    assert names(search="name=WEB-0", case_sensitive=True) == []
    assert plain.get("/vms?max=many").status_code == 200


def test_a_search_for_a_tag_is_as_old_as_its_text(world: World, vms: Any) -> None:
    """Tried on a real engine, and in its source (SearchQuery)."""

    def names(search: str) -> list[str]:
        return [vm.name for vm in vms.list(search=search)]

    assert names("tag=env") == []
    assert names("tag=env and name=*") == []
    world.add_tag("env")
    world.add_tag("prod", "env")
    world.add_vm("web", tags=("prod",))
    assert names("tag=env") == []
    # Another text, or one with an asterisk, is read anew.
    assert names("tag = env") == ["web"]
    assert names("tag=env and name=*") == ["web"]


def test_follow_needs_that_every_link_leads_somewhere(world: World, plain: Plain, vms: Any) -> None:
    web = world.add_vm("web", tags=("prod",))
    (vm,) = vms.list(follow="host,cluster,tags,statistics")
    assert (vm.host.name, vm.cluster.name, vm.tags[0].name) == ("host-1", "Default", "prod")
    assert vms.vm_service(web.id).get(follow="tags").tags[0].name == "prod"
    world.add_vm("db", State.OFF)
    assert len(vms.list(follow="cluster")) == 2
    answer = plain.get("/vms?follow=host")
    assert answer.status_code == 500
    assert "html" in answer.headers["Content-Type"]


def test_answers_are_compressed_for_who_accepts_it(world: World, plain: Plain) -> None:
    world.add_vm("web")
    for path in ("/vms", f"/vms/{world.vm('web').id}", "/hosts", "", "/vms?follow=tags"):
        small = plain.get(path, **{"Accept-Encoding": "gzip"})
        large = plain.get(path, **{"Accept-Encoding": "identity"})
        assert small.headers["Content-Encoding"] == "gzip"
        assert large.headers["Content-Encoding"] == "identity"
        if path:  # the root has the time
            assert small.content == large.content
        assert int(small.headers["Content-Length"]) != int(large.headers["Content-Length"])


def test_a_list_shows_changes_at_once(world: World, vms: Any) -> None:
    for number in range(300):
        world.add_vm(f"vm-{number}")
    assert {vm.status for vm in vms.list()} == {types.VmStatus.UP}
    world.stick("vm-7", State.PAUSED)
    world.change("vm-8", name="renamed")
    world.remove_vm("vm-9")
    shown = {vm.name: vm.status for vm in vms.list()}
    assert len(shown) == 299
    assert shown["vm-7"] is types.VmStatus.PAUSED
    assert "renamed" in shown


def test_a_thousand_vms_are_the_same_each_time_and_packed() -> None:
    world = World.generated(vms=1000)
    with Lab(world) as lab, Plain(lab) as plain, connected(lab) as connection:
        encodings = ("identity", "identity", "gzip", "gzip")
        answers = [plain.get("/vms", **{"Accept-Encoding": each}) for each in encodings]
        listed = connection.system_service().vms_service().list()
    assert len({answer.content for answer in answers}) == 1
    sizes = [int(answer.headers["Content-Length"]) for answer in answers]
    assert sizes[0] == sizes[1] > 1000 * 8000
    assert sizes[2] == sizes[3] < sizes[0] / 4
    assert {vm.id for vm in listed} == {vm.id for vm in world.vms}


@pytest.mark.parametrize(
    "way", [{"headers": {"All-Content": "true"}}, {"query": "?all_content=true"}]
)
def test_all_content_is_requested_by_a_header_or_a_parameter(
    world: World, plain: Plain, way: dict[str, Any]
) -> None:
    vm = world.add_vm("web")
    assert "<initialization>" not in plain.get(f"/vms/{vm.id}").text
    shown = plain.get(f"/vms/{vm.id}{way.get('query', '')}", **way.get("headers", {})).text
    assert "<initialization>" in shown


def test_only_a_disk_by_itself_names_its_vm(world: World, plain: Plain) -> None:
    """In the engine's source: BackendDiskResource.doPopulate, which is not for lists."""
    (disk,) = world.add_vm("web").disks
    assert "<vms>" not in plain.get("/disks").text
    assert "<vms>" in plain.get(f"/disks/{disk.id}").text
