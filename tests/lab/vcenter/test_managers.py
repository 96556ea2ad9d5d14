"""Managers that are mostly read: options, roles, licenses, counters and browsers."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from chaosvm.lab import Lab, State, World
from chaosvm.lab.simulation import HighAvailability, Origin
from tests.lab.vcenter.conftest import machine, task_ended, view
from tests.lab.vcenter.test_reading import spec_of


@pytest.fixture
def world(world: World) -> World:
    cluster = world.add_cluster("prod", world.add_datacenter("dc"))
    host = world.add_host("esx-1.lab.example", cluster)
    world.add_vm("web", cluster=cluster, host=host, up_for=100, folder=("some",))
    world.add_vm("off", State.OFF, cluster=cluster)
    return world


def only(content: Any, kind: Any) -> Any:
    return view(content, kind).view[0]


# Options ---------------------------------------------------------------------------------


def test_options_are_found_by_name_and_prefix(content: Any) -> None:
    options = content.setting
    (one,) = options.QueryOptions("event.maxAge")
    assert (one.key, one.value) == ("event.maxAge", 30)
    below = options.QueryOptions("config.")
    assert all(each.key.startswith("config.") for each in below)
    assert len(options.QueryOptions()) == len(options.setting) == len(options.supportedOption)
    with pytest.raises(vim.fault.InvalidName):
        options.QueryOptions("config")
    options.UpdateOptions([vim.option.OptionValue(key="mine", value="x")])
    assert options.QueryOptions("mine")[0].value == "x"


def test_options_of_a_host_outlive_a_changed_inventory(content: Any, world: World) -> None:
    options = only(content, vim.HostSystem).configManager.advancedOption
    changed = vim.option.OptionValue(key="Annotations.WelcomeMessage", value="hello")
    options.UpdateOptions([changed])
    world.add_host("another", world.clusters[0])
    assert options.QueryOptions(changed.key)[0].value == "hello"
    with pytest.raises(vim.fault.InvalidName):
        options.UpdateOptions([vim.option.OptionValue(key="nonsense", value=1)])


# Roles and permissions -------------------------------------------------------------------


def test_roles_can_be_made_given_and_removed(content: Any, lab: Lab) -> None:
    manager = content.authorizationManager
    (root,) = manager.RetrieveAllPermissions()
    assert (root.principal, root.entity) == (lab.username, content.rootFolder)
    role = manager.AddAuthorizationRole("operator", ["VirtualMachine.Interact.PowerOff"])
    vm = machine(content, "web")
    given = vim.AuthorizationManager.Permission(
        principal="someone", group=False, roleId=role, propagate=True
    )
    manager.SetEntityPermissions(vm, [given])
    assert [each.principal for each in vm.permission] == ["someone"]
    own = manager.RetrieveEntityPermissions(vm, False)
    assert [each.principal for each in own] == ["someone"]
    inherited = manager.RetrieveEntityPermissions(vm, True)
    assert {each.principal for each in inherited} == {"someone", lab.username}
    with pytest.raises(vim.fault.RemoveFailed):
        manager.RemoveAuthorizationRole(role, True)
    manager.UpdateAuthorizationRole(role, "renamed", ["System.Read"])
    manager.RemoveEntityPermission(vm, "someone", False)
    assert vm.permission == []
    manager.RemoveAuthorizationRole(role, True)
    assert role not in {each.roleId for each in manager.roleList}


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        (lambda it: it.AddAuthorizationRole("Admin", []), vim.fault.AlreadyExists),
        (lambda it: it.AddAuthorizationRole("x", ["Non.Sense"]), vmodl.fault.InvalidArgument),
        (lambda it: it.RemoveAuthorizationRole(-1, False), vmodl.fault.InvalidArgument),
        (lambda it: it.UpdateAuthorizationRole(99, "x", []), vim.fault.NotFound),
    ],
)
def test_what_cannot_be_done_to_roles(content: Any, act: Any, fault: Any) -> None:
    with pytest.raises(fault):
        act(content.authorizationManager)


def test_everybody_may_do_everything(content: Any) -> None:
    manager, vm = content.authorizationManager, machine(content, "web")
    wanted = ["System.Read", "VirtualMachine.Interact.PowerOff"]
    key = content.sessionManager.currentSession.key
    assert manager.HasPrivilegeOnEntity(vm, key, wanted) == [True, True]
    (one,) = manager.HasPrivilegeOnEntities([vm], key, wanted)
    assert [each.isGranted for each in one.privAvailability] == [True, True]
    known = {each.privId for each in manager.privilegeList}
    assert set(wanted) <= known
    (result,) = manager.FetchUserPrivilegeOnEntities([vm], "someone")
    assert set(result.privileges) == known


# Licenses, users and others --------------------------------------------------------------


def test_everything_has_the_evaluation_license(content: Any) -> None:
    (license,) = content.licenseManager.licenses
    assigned = content.licenseManager.licenseAssignmentManager.QueryAssignedLicenses()
    host = only(content, vim.HostSystem)
    assert {each.entityId for each in assigned} == {content.about.instanceUuid, host._moId}
    assert {each.assignedLicense.licenseKey for each in assigned} == {license.licenseKey}
    assert content.licenseManager.DecodeLicense(license.licenseKey).name == license.name


def test_licenses_are_added_labelled_and_assigned(content: Any) -> None:
    manager, host = content.licenseManager, only(content, vim.HostSystem)
    manager.AddLicense("AAAAA", [vim.KeyValue(key="team", value="a")])
    manager.UpdateLicenseLabel("AAAAA", "team", "b")
    assert [each.labels[0].value for each in manager.licenses if each.labels] == ["b"]
    manager.licenseAssignmentManager.UpdateAssignedLicense(host._moId, "AAAAA")
    (assigned,) = manager.licenseAssignmentManager.QueryAssignedLicenses(host._moId)
    assert assigned.assignedLicense.licenseKey == "AAAAA"
    manager.RemoveLicense("AAAAA")
    with pytest.raises(vmodl.fault.InvalidArgument):
        manager.RemoveLicense("AAAAA")


def test_extensions_come_and_go(content: Any) -> None:
    manager = content.extensionManager
    assert "VirtualCenter" in {each.key for each in manager.extensionList}
    made = vim.Extension(
        key="com.example",
        version="1",
        description=vim.Description(label="", summary=""),
        lastHeartbeatTime=dt.datetime.now(dt.UTC),
    )
    manager.RegisterExtension(made)
    assert manager.FindExtension("com.example").version == "1"
    manager.UnregisterExtension("com.example")
    assert manager.FindExtension("com.example") is None
    with pytest.raises(vim.fault.NotFound):
        manager.UnregisterExtension("com.example")


def test_the_account_is_in_the_directory(content: Any, lab: Lab) -> None:
    search = content.userDirectory.RetrieveUserGroups
    (found,) = search(None, lab.username, None, None, True, True, True)
    assert found.principal == lab.username
    assert search(None, "nobody", None, None, True, True, True) == []


def test_managers_of_nothing_say_so(content: Any) -> None:
    assert content.ipPoolManager.QueryIpPools(only(content, vim.Datacenter)) == []
    assert not content.customizationSpecManager.DoesCustomizationSpecExist("x")
    with pytest.raises(vim.fault.NotFound):
        content.customizationSpecManager.GetCustomizationSpec("x")
    assert content.cryptoManager.ListKmipServers(None) == []
    assert task_ended(content.cryptoManager.RetrieveKmipServersStatus([])).state == "success"
    (log, *_) = content.diagnosticManager.QueryDescriptions()
    assert len(content.diagnosticManager.BrowseDiagnosticLog(None, log.key, 5, 2).lineText) == 2
    with pytest.raises(vmodl.fault.MethodNotFound, match="not modelled"):
        content.ovfManager.CreateDescriptor(
            machine(content, "off"), vim.OvfManager.CreateDescriptorParams()
        )


# Counters --------------------------------------------------------------------------------

_Query = vim.PerformanceManager.QuerySpec


def _key(content: Any, group: str, name: str) -> int:
    for each in content.perfManager.perfCounter:
        if (each.groupInfo.key, each.nameInfo.key) == (group, name):
            return int(each.key)
    raise AssertionError(name)


def test_uptime_is_counted(content: Any) -> None:
    manager, vm = content.perfManager, machine(content, "web")
    keys = [_key(content, "sys", name) for name in ("uptime", "osUptime")]
    wanted = [vim.PerformanceManager.MetricId(counterId=key, instance="") for key in keys]
    spec = _Query(entity=vm, metricId=wanted, intervalId=20, maxSample=2)
    (result,) = manager.QueryPerf([spec])
    assert len(result.sampleInfo) == 2
    step = result.sampleInfo[1].timestamp - result.sampleInfo[0].timestamp
    assert step == dt.timedelta(seconds=20)
    assert [each.id.counterId for each in result.value] == keys
    for series in result.value:
        assert series.value[1] - series.value[0] == 20
        assert 60 <= series.value[1] <= 160
    spec.format = "csv"
    (written,) = manager.QueryPerf([spec])
    assert written.value[0].value == ",".join(map(str, result.value[0].value))
    assert written.sampleInfoCSV.startswith("20,")


def test_a_vm_that_is_off_counts_nothing(content: Any) -> None:
    assert content.perfManager.QueryPerf([_Query(entity=machine(content, "off"))]) == []


def test_what_can_be_counted(content: Any) -> None:
    manager, host = content.perfManager, only(content, vim.HostSystem)
    assert manager.QueryPerfProviderSummary(host).refreshRate == 20
    assert not manager.QueryPerfProviderSummary(only(content, vim.Folder)).currentSupported
    keys = {each.counterId for each in manager.QueryAvailablePerfMetric(host)}
    assert _key(content, "cpu", "usage") in keys
    assert _key(content, "sys", "osUptime") not in keys
    (counter,) = manager.QueryPerfCounter([_key(content, "mem", "usage")])
    assert counter.rollupType == "average"
    (result,) = manager.QueryPerf([_Query(entity=host, maxSample=1)])
    assert {each.id.counterId for each in result.value} == keys
    with pytest.raises(vmodl.fault.InvalidArgument):
        manager.QueryPerf([_Query(entity=host, intervalId=7)])
    with pytest.raises(vmodl.fault.InvalidArgument):
        manager.QueryPerfCounter([9999])


def test_levels_of_counters_and_intervals_can_be_changed(content: Any) -> None:
    manager = content.perfManager
    key, mapping = _key(content, "cpu", "usage"), vim.PerformanceManager.CounterLevelMapping
    manager.UpdateCounterLevelMapping([mapping(counterId=key, aggregateLevel=3)])
    assert manager.QueryPerfCounter([key])[0].level == 3
    manager.ResetCounterLevelMapping([key])
    assert manager.QueryPerfCounter([key])[0].level == 1
    interval = manager.historicalInterval[0]
    interval.level = 2
    manager.UpdatePerfInterval(interval)
    assert manager.historicalInterval[0].level == 2


# Browsers --------------------------------------------------------------------------------


def test_a_datastore_has_a_folder_for_each_vm(content: Any) -> None:
    browser = only(content, vim.Datastore).browser
    details = vim.host.DatastoreBrowser.FileInfo.Details(
        fileType=True, fileSize=True, modification=True, fileOwner=False
    )
    spec = vim.host.DatastoreBrowser.SearchSpec(details=details, matchPattern=["*.VMX", "*.vmdk"])
    found = task_ended(browser.SearchDatastore_Task("[datastore1] web", spec)).result
    files = {each.path: type(each) for each in found.file}
    assert files == {
        "web.vmx": vim.host.DatastoreBrowser.VmConfigInfo,
        "web.vmdk": vim.host.DatastoreBrowser.VmDiskInfo,
    }
    everything = task_ended(browser.SearchDatastoreSubFolders_Task("[datastore1]", None)).result
    assert {each.folderPath for each in everything} == {
        "[datastore1] ",
        "[datastore1] web",
        "[datastore1] off",
    }


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("[datastore1] nothing", vim.fault.FileNotFound),
        ("[elsewhere] web", vim.fault.InvalidDatastore),
        ("web", vim.fault.InvalidDatastorePath),
    ],
)
def test_a_path_that_leads_nowhere(content: Any, path: str, fault: Any) -> None:
    browser = only(content, vim.HostSystem).datastoreBrowser
    assert isinstance(task_ended(browser.SearchDatastore_Task(path)).error, fault)


def test_an_environment_says_what_vms_can_have(content: Any) -> None:
    browser = machine(content, "web").environmentBrowser
    assert browser == only(content, vim.ClusterComputeResource).environmentBrowser
    (descriptor,) = browser.QueryConfigOptionDescriptor()
    option = browser.QueryConfigOption(descriptor.key)
    assert "rhel9_64Guest" in {each.id for each in option.guestOSDescriptor}
    target = browser.QueryConfigTarget()
    assert [each.name for each in target.datastore] == ["datastore1"]
    assert [each.name for each in target.network] == ["VM Network"]
    with pytest.raises(vmodl.fault.InvalidArgument):
        browser.QueryConfigOption("vmx-99")


# Hosts -----------------------------------------------------------------------------------


def test_a_host_has_services_and_adapters(content: Any) -> None:
    host = only(content, vim.HostSystem)
    services = {each.key: each for each in host.configManager.serviceSystem.serviceInfo.service}
    assert services["vpxa"].running
    assert not services["TSM-SSH"].running
    rules = {each.key for each in host.configManager.firewallSystem.firewallInfo.ruleset}
    assert "sshServer" in rules
    used = host.configManager.virtualNicManager.QueryNetConfig("management")
    assert used.selectedVnic == [used.candidateVnic[0].key]
    assert host.configManager.dateTimeSystem.dateTimeInfo.timeZone.key == "UTC"
    assert host.hardware.biosInfo.releaseDate.year == 2024
    assert len(host.hardware.cpuPkg) == host.hardware.cpuInfo.numCpuPackages
    info = host.config
    assert info.product.version == content.about.version
    (disk,) = info.storageDevice.scsiLun
    (unit,) = info.storageDevice.multipathInfo.lun
    assert unit.lun == disk.key


def test_a_host_that_is_gone_shows_in_it_and_its_vms(content: Any, world: World) -> None:
    host, vm = only(content, vim.HostSystem), machine(content, "web")
    world.change_cluster(world.clusters[0].id, ha=HighAvailability(enabled=True))
    assert host.runtime.dasHostState.state == "master"
    assert vm.runtime.dasVmProtection.dasProtected
    world.change_host(world.hosts[0].id, connected=False)
    assert host.runtime.connectionState == "disconnected"
    assert vm.runtime.connectionState == "disconnected"
    assert host.runtime.dasHostState.state == "uninitialized"
    assert content.perfManager.QueryPerf([_Query(entity=host)]) == []


def test_what_happens_to_a_host_is_an_event_of_it(content: Any, world: World) -> None:
    host = only(content, vim.HostSystem)
    world.host_operations.disconnect(world.hosts[0].id, Origin(user="me"))
    by_entity = vim.event.EventFilterSpec.ByEntity(entity=host, recursion="self")
    (event,) = content.eventManager.QueryEvents(vim.event.EventFilterSpec(entity=by_entity))
    assert isinstance(event, vim.event.HostDisconnectedEvent)
    assert (event.host.host, event.userName) == (host, "me")
    assert event.computeResource.computeResource == host.parent
    by_entity = vim.event.EventFilterSpec.ByEntity(entity=host.parent, recursion="children")
    assert content.eventManager.QueryEvents(vim.event.EventFilterSpec(entity=by_entity))


def test_paths_lead_into_what_is_declared_more_generally(content: Any) -> None:
    paths = ("configurationEx.drsConfig.enabled", "configurationEx.dasConfig")
    made = view(content, vim.ClusterComputeResource)
    spec = spec_of(made, vim.ClusterComputeResource, *paths)
    (found,) = content.propertyCollector.RetrieveContents([spec])
    assert {each.name: type(each.val) for each in found.propSet} == {
        paths[0]: bool,
        paths[1]: vim.cluster.DasConfigInfo,
    }


def test_other_entities_have_custom_attributes_too(content: Any) -> None:
    fields, host = content.customFieldsManager, only(content, vim.HostSystem)
    made = fields.AddCustomFieldDef(name="rack", moType=vim.HostSystem)
    assert made.managedObjectType is vim.HostSystem
    fields.SetField(host, made.key, "7")
    assert [(each.key, each.value) for each in host.customValue] == [(made.key, "7")]
    fields.RemoveCustomFieldDef(made.key)
    assert host.customValue == []
    with pytest.raises(vmodl.fault.InvalidArgument):
        fields.SetField(host, made.key, "7")
