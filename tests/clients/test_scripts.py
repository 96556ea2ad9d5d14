"""What scripts do with pyvmomi and the oVirt SDK."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import ovirtsdk4
import pytest
import requests
from ovirtsdk4 import types
from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import VmomiSupport, vim

from chaosvm.lab import Lab
from chaosvm.lab.world_files import load

pytestmark = pytest.mark.usefixtures("named")


@pytest.fixture
def named(record_property: Callable[[str, object], None], request: pytest.FixtureRequest) -> None:
    sdk = "pyvmomi" if "content" in request.fixturenames else "oVirt SDK"
    record_property("family", f"scripts: {sdk}")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(load("small")) as running:
        yield running


@pytest.fixture(scope="module")
def content(lab: Lab) -> Iterator[Any]:
    with ExitStack() as opened:
        instance = SmartConnect(
            host=lab.vsphere_server,
            port=lab.vsphere_port,
            user=lab.username,
            pwd=lab.password,
            sslContext=ssl.create_default_context(cafile=lab.ca_file),
        )
        opened.callback(instance._stub.DropConnections)
        opened.callback(Disconnect, instance)
        yield instance.RetrieveContent()


def find(content: Any, kind: Any, name: str) -> Any:
    """As nearly every script does it."""
    view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    try:
        return next(each for each in view.view if each.name == name)
    finally:
        view.DestroyView()


def properties(entity: Any) -> list[str]:
    """Those that the server's version of the API has; a data object has no other."""
    stub = getattr(entity, "_stub", None)
    return [
        name
        for name, info in entity._propInfo.items()
        if stub is None or VmomiSupport.IsChildVersion(stub.version, info.version)
    ]


def test_every_property_of_a_vm_can_be_read(content: Any) -> None:
    vm = find(content, vim.VirtualMachine, "web-01")
    for part in properties(vm):
        getattr(vm, part)
    assert vm.summary.config.name == "web-01"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (vim.HostSystem, "esx-01"),
        (vim.ClusterComputeResource, "prod"),
        (vim.Datacenter, "dc-1"),
        (vim.Datastore, "datastore1"),
        (vim.Network, "VM Network"),
        (vim.ResourcePool, "Resources"),
        (vim.Folder, "shop"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_every_property_can_be_read(content: Any, kind: Any, name: str) -> None:
    entity = find(content, kind, name)
    for part in properties(entity):
        getattr(entity, part)
    assert entity.name == name


def test_every_manager_that_is_named_can_be_read(content: Any) -> None:
    for part in properties(content):
        manager = getattr(content, part)
        if isinstance(manager, vim.ManagedObject):
            for name in properties(manager):
                getattr(manager, name)


def test_power_off_and_on(content: Any) -> None:
    vm = find(content, vim.VirtualMachine, "app-01")
    WaitForTask(vm.PowerOffVM_Task())
    assert vm.runtime.powerState == "poweredOff"
    WaitForTask(vm.PowerOnVM_Task())
    assert vm.runtime.powerState == "poweredOn"


def test_disconnect_a_network_card(content: Any) -> None:
    vm = find(content, vim.VirtualMachine, "web-02")
    card = next(
        each
        for each in vm.config.hardware.device
        if isinstance(each, vim.vm.device.VirtualEthernetCard)
    )
    card.connectable.connected = False
    edit = vim.vm.device.VirtualDeviceSpec(device=card, operation="edit")
    WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[edit])))
    assert not vm.guest.net[0].connected


def test_snapshot_and_revert(content: Any) -> None:
    vm = find(content, vim.VirtualMachine, "db-01")
    WaitForTask(vm.CreateSnapshot_Task("before", "", memory=False, quiesce=False))
    tree = vm.snapshot.rootSnapshotList
    assert [each.name for each in tree] == ["before"]
    WaitForTask(tree[0].snapshot.RevertToSnapshot_Task())
    WaitForTask(vm.RemoveAllSnapshots_Task())
    assert vm.snapshot is None


def test_maintenance_evacuates_and_ends(content: Any) -> None:
    host = find(content, vim.HostSystem, "esx-02")
    WaitForTask(host.EnterMaintenanceMode_Task(timeout=0, evacuatePoweredOffVms=True))
    assert host.runtime.inMaintenanceMode
    assert not [vm for vm in host.vm if vm.runtime.powerState == "poweredOn"]
    WaitForTask(host.ExitMaintenanceMode_Task(timeout=0))
    assert not host.runtime.inMaintenanceMode


def test_migrate(content: Any) -> None:
    vm = find(content, vim.VirtualMachine, "web-03")
    target = next(each for each in vm.resourcePool.owner.host if each != vm.runtime.host)
    WaitForTask(vm.RelocateVM_Task(vim.vm.RelocateSpec(host=target)))
    assert vm.runtime.host == target


def test_events_of_a_vm(content: Any) -> None:
    vm = find(content, vim.VirtualMachine, "cache-01")
    WaitForTask(vm.ResetVM_Task())
    by_entity = vim.event.EventFilterSpec.ByEntity(entity=vm, recursion="self")
    events = content.eventManager.QueryEvents(vim.event.EventFilterSpec(entity=by_entity))
    assert any(isinstance(each, vim.event.VmResettingEvent) for each in events)


def test_rest_session_and_vms(lab: Lab, content: Any) -> None:
    base = f"https://{lab.vsphere_server}:{lab.vsphere_port}/api"
    with requests.Session() as session:
        session.verify = lab.ca_file
        session.trust_env = False  # REQUESTS_CA_BUNDLE would come first
        token = session.post(f"{base}/session", auth=(lab.username, lab.password)).json()
        session.headers["vmware-api-session-id"] = token
        vms = session.get(f"{base}/vcenter/vm", params={"names": "web-01"}).json()
        assert [vm["name"] for vm in vms] == ["web-01"]
        power = session.get(f"{base}/vcenter/vm/{vms[0]['vm']}/power").json()
        assert power["state"] == "POWERED_ON"


# oVirt ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def system(lab: Lab) -> Iterator[Any]:
    connection = ovirtsdk4.Connection(
        url=lab.olvm_url, username=lab.username, password=lab.password, ca_file=lab.ca_file
    )
    yield connection.system_service()
    connection.close()


COLLECTIONS = (
    "affinity_labels",
    "bookmarks",
    "clusters",
    "cpu_profiles",
    "data_centers",
    "disks",
    "events",
    "groups",
    "hosts",
    "icons",
    "instance_types",
    "jobs",
    "mac_pools",
    "networks",
    "operating_systems",
    "permissions",
    "roles",
    "scheduling_policies",
    "storage_domains",
    "tags",
    "templates",
    "users",
    "vm_pools",
    "vms",
    "vnic_profiles",
)


@pytest.mark.parametrize("name", COLLECTIONS)
def test_a_collection_can_be_listed(system: Any, name: str) -> None:
    service = getattr(system, f"{name}_service")()
    assert isinstance(service.list(), list)


@pytest.mark.parametrize(
    "name",
    [
        "affinity_labels",
        "applications",
        "cdroms",
        "disk_attachments",
        "graphics_consoles",
        "host_devices",
        "nics",
        "numa_nodes",
        "permissions",
        "reported_devices",
        "sessions",
        "snapshots",
        "statistics",
        "tags",
        "watchdogs",
    ],
)
def test_a_part_of_a_vm_can_be_listed(system: Any, name: str) -> None:
    vms = system.vms_service()
    vm = vms.vm_service(vms.list(search="name=web-01")[0].id)
    assert isinstance(getattr(vm, f"{name}_service")().list(), list)


@pytest.mark.parametrize(
    "name", ["devices", "fence_agents", "hooks", "nics", "numa_nodes", "statistics", "tags"]
)
def test_a_part_of_a_host_can_be_listed(system: Any, name: str) -> None:
    hosts = system.hosts_service()
    host = hosts.host_service(hosts.list(search="name=esx-01")[0].id)
    assert isinstance(getattr(host, f"{name}_service")().list(), list)


def test_links_are_followed(system: Any) -> None:
    (vm,) = system.vms_service().list(search="name=web-01", follow="nics,cluster,tags")
    assert vm.nics
    assert vm.cluster.name == "prod"


def test_stop_and_start(system: Any) -> None:
    vms = system.vms_service()
    service = vms.vm_service(vms.list(search="name=app-02")[0].id)
    service.stop()
    _wait(lambda: service.get().status is types.VmStatus.DOWN)
    service.start()
    _wait(lambda: service.get().status is types.VmStatus.UP)


def test_snapshot(system: Any) -> None:
    vms = system.vms_service()
    snapshots = vms.vm_service(vms.list(search="name=db-02")[0].id).snapshots_service()
    added = snapshots.add(types.Snapshot(description="before", persist_memorystate=False))
    snapshot = snapshots.snapshot_service(added.id)
    _wait(lambda: snapshot.get().snapshot_status is types.SnapshotStatus.OK)
    assert "before" in [each.description for each in snapshots.list()]


def test_tag_a_vm(system: Any) -> None:
    tags, vms = system.tags_service(), system.vms_service()
    tags.add(types.Tag(name="victim"))
    vm = vms.vm_service(vms.list(search="name=web-03")[0].id)
    vm.tags_service().add(types.Tag(name="victim"))
    assert [each.name for each in vms.list(search="tag=victim")] == ["web-03"]


def _wait(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise TimeoutError
