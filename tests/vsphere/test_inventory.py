from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pyVmomi import vmodl

from chaosvm.errors import AmbiguousVM, GuardUnchecked, NoSuchVM, SelectionError
from chaosvm.vm import PowerState
from chaosvm.vsphere import VSpherePlatform
from chaosvm.vsphere.inventory import ObjectGraph
from chaosvm.vsphere.properties import ALL_PATHS
from chaosvm.vsphere.retrieval import retrieve_with_pyvmomi
from chaosvm.vsphere.traversals import inventory_spec
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate

Connect = Callable[..., VSpherePlatform]

ODD_NAMES = [
    "web server 01",
    "web/01",
    "web%2f01 as typed",
    "100%25 sure",
    "back\\slash",
    'quoted "web"',
    "it's",
    "名前-ünïcode-🐒",
    "[abc]*?",
    " leading and trailing ",
    "<tag>&amp;",
]


def test_all_fields_of_a_vm(platform: VSpherePlatform, estate: Estate) -> None:
    estate.create_vm("db-01", folder="/DC0/vm/data/prod", cluster="DC0_C0")
    estate.set_guest("db-01", tools_running=True, hostname="db-01.example.com", ip="10.1.2.3")
    estate.set_custom_attribute("db-01", "owner", "data team")
    vm = platform.get_vm("db-01").to_json()
    metadata = vm.pop("metadata")
    truth = estate.vm("db-01")
    assert vm == {
        "id": estate.moid("db-01"),
        "name": "db-01",
        "platform": "vsphere",
        "power_state": "powered_on",
        "status": "poweredOn",
        "instance_uuid": truth.config.instanceUuid,
        "path": "/DC0/vm/data/prod/db-01",
        "datacenter": "DC0",
        "cluster": "DC0_C0",
        "host": truth.runtime.host.name,
        "folder": "/DC0/vm/data/prod",
        "cpu_count": 1,
        "memory_mb": 32,
        "guest_os": "otherGuest",
        "tools_status": "toolsOk",
        "hostname": "db-01.example.com",
        "ip_addresses": ["10.1.2.3"],
        "tags": [],
        "template": False,
    }
    assert metadata["custom_attributes"] == {"owner": "data team"}
    assert metadata["tools_running_status"] == "guestToolsRunning"
    assert metadata["connection_state"] == "connected"


def test_a_standalone_host_is_not_a_cluster(platform: VSpherePlatform) -> None:
    vm = platform.get_vm("DC0_H0_VM0")
    assert (vm.host, vm.cluster) == ("DC0_H0", None)
    assert vm.metadata["standalone_host"] is True
    assert "standalone_host" not in platform.get_vm("DC0_C0_RP0_VM0").metadata


def test_templates_agents_and_questions_are_reported(
    platform: VSpherePlatform, estate: Estate
) -> None:
    estate.mark_template("DC0_H0_VM0")
    estate.set_managed_by("DC0_H0_VM1", "com.vmware.vim.eam")
    estate.set_question("DC0_C0_RP0_VM0", "Moved or copied?")
    assert platform.get_vm("DC0_H0_VM0").template
    assert platform.get_vm("DC0_H0_VM1").metadata["managed_by"] == "com.vmware.vim.eam"
    assert platform.get_vm("DC0_C0_RP0_VM0").metadata["question"] == "Moved or copied?"


@pytest.mark.parametrize("connection", ["disconnected", "inaccessible", "orphaned", "invalid"])
def test_without_its_host_a_vms_state_is_unknown(
    platform: VSpherePlatform, estate: Estate, connection: str
) -> None:
    estate.set("DC0_H0_VM0", **{"runtime.connectionState": connection})
    vm = platform.get_vm("DC0_H0_VM0")
    assert vm.power_state is PowerState.UNKNOWN
    assert vm.status == "poweredOn"


@pytest.fixture(scope="module")
def wide() -> Iterator[Vcsim]:
    """Several datacenters, one of them in a folder; clusters, hosts, pools and vApps."""
    with Vcsim.start(
        datacenters=3, clusters=2, standalone_hosts=2, folders=1, apps=1, pools=1, vms=3
    ) as running:
        yield running


@pytest.fixture
def wide_platform(connect: Connect, wide: Vcsim) -> VSpherePlatform:
    return connect(port=wide.port, password=wide.password, ca_file=wide.ca_file)


def test_every_vm_of_every_datacenter_is_found(wide: Vcsim, wide_platform: VSpherePlatform) -> None:
    with Estate(wide) as estate:
        truth = estate.power_states()
    vms = wide_platform.list_vms()
    assert len(vms) == len(truth) > 30
    assert {vm.name: vm.status for vm in vms} == truth
    assert {vm.datacenter for vm in vms} == {"DC0", "DC1", "DC2"}
    assert {vm.cluster for vm in vms if vm.datacenter == "DC1"} == {"DC1_C0", "DC1_C1", None}
    assert all(vm.host for vm in vms)


def test_paths_name_folders_above_the_datacenter(wide_platform: VSpherePlatform) -> None:
    vm = wide_platform.get_vm("DC2_H0_VM0")
    assert vm.path == "/F0/DC2/vm/F0/DC2_H0_VM0"
    assert vm.folder == "/F0/DC2/vm/F0"
    assert wide_platform.get_vm(vm.path) == vm


def test_vms_in_vapps_are_found_with_their_location(wide_platform: VSpherePlatform) -> None:
    vm = wide_platform.get_vm("DC0_C0_APP0_VM0")
    assert (vm.datacenter, vm.cluster) == ("DC0", "DC0_C0")
    assert vm.path == "/DC0/vm/DC0_C0_APP0/DC0_C0_APP0_VM0"
    assert vm.metadata["vapp"] == "DC0_C0_APP0"


def test_the_summary_counts_everything_once(wide_platform: VSpherePlatform) -> None:
    vms = wide_platform.list_vms()
    summary = wide_platform.inventory_summary()
    assert summary["vms"] == len(vms)
    assert summary["power_states"] == {"powered_on": len(vms)}
    assert sum(summary["datacenters"].values()) == len(vms)
    assert summary["clusters"]["DC0_C0"] == sum(vm.cluster == "DC0_C0" for vm in vms)
    assert summary["version"] == "6.5.0"
    assert wide_platform.inventory_summary({"cluster": "DC0_C0"})["vms"] < len(vms)


def test_a_name_in_two_folders_is_ambiguous_and_both_are_listed(
    platform: VSpherePlatform, estate: Estate
) -> None:
    first = estate.create_vm("twin", folder="/DC0/vm/one")
    second = estate.create_vm("twin", folder="/DC0/vm/two")
    for ask in (platform.get_vm, platform.vm_power_state, platform.power_off):
        with pytest.raises(AmbiguousVM) as caught:
            ask("twin")
        for text in ("/DC0/vm/one/twin", "/DC0/vm/two/twin", first._moId, second._moId):
            assert text in str(caught.value)
    assert platform.get_vm("/DC0/vm/two/twin").id == second._moId
    assert platform.get_vm(first._moId).path == "/DC0/vm/one/twin"
    assert platform.get_vm(first.config.instanceUuid.upper()).id == first._moId
    chosen = platform.list_vms({"names": ["twin"], "folder": "two"})
    assert [vm.id for vm in chosen] == [second._moId]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_vm_with_an_odd_name_is_found_and_nothing_else(
    platform: VSpherePlatform, estate: Estate, name: str
) -> None:
    vm = estate.create_vm(name, power_on=False)
    for other in ("web", "abc", "x"):
        estate.create_vm(other, power_on=False)
    assert platform.get_vm(name).id == vm._moId
    assert [each.id for each in platform.list_vms({"names": [name]})] == [vm._moId]
    outcome = platform.power_on(name)
    assert (outcome.id, outcome.changed) == (vm._moId, True)
    running = {n for n, state in estate.power_states().items() if state == "poweredOn"}
    assert running == {name, "DC0_H0_VM0", "DC0_H0_VM1", "DC0_C0_RP0_VM0", "DC0_C0_RP0_VM1"}


def test_an_escaped_slash_is_shown_and_found_both_ways(
    platform: VSpherePlatform, estate: Estate
) -> None:
    vm = estate.create_vm("web%2f01")
    vm_found = platform.get_vm("web/01")
    assert (vm_found.id, vm_found.name, vm_found.path) == (vm._moId, "web/01", "/DC0/vm/web%2f01")
    assert platform.get_vm("web%2f01").id == vm._moId
    assert platform.get_vm("/DC0/vm/web%2f01").id == vm._moId


def test_a_spelling_that_could_mean_two_vms_is_ambiguous(
    platform: VSpherePlatform, estate: Estate
) -> None:
    estate.create_vm("a%2fb")  # "a/b"
    estate.create_vm("a%252fb")  # really named "a%2fb"
    with pytest.raises(AmbiguousVM):
        platform.get_vm("a%2fb")
    assert platform.get_vm("a/b").path == "/DC0/vm/a%2fb"


def test_pyvmomis_parser_reads_all_pages(platform: VSpherePlatform) -> None:
    """Debian's vcsim never pages, so the pages are made from its one response."""
    whole = platform.list_vms()
    content = platform.backend._client._content

    class Paging:
        """The real collector, which returns its response in pages of three."""

        def RetrievePropertiesEx(self, spec, options):
            self._left = content.propertyCollector.RetrievePropertiesEx(spec, options).objects
            return self.ContinueRetrievePropertiesEx("0")

        def ContinueRetrievePropertiesEx(self, token):
            now, self._left = self._left[:3], self._left[3:]
            result = vmodl.query.PropertyCollector.RetrieveResult
            return result(objects=now, token=str(len(self._left)) if self._left else None)

    objects = retrieve_with_pyvmomi(Paging(), inventory_spec(content, ALL_PATHS))
    assert sorted(ObjectGraph(objects).vms(), key=lambda vm: vm.id) == sorted(
        (replace(vm, tags=None) for vm in whole), key=lambda vm: vm.id
    )


def test_tags_are_read_with_their_categories(platform: VSpherePlatform, estate: Estate) -> None:
    estate.tag("DC0_H0_VM0", "tier", "gold")
    estate.tag("DC0_H0_VM0", "app", "web")
    estate.tag("DC0_H0_VM1", "backup", "gold")
    assert platform.get_vm("DC0_H0_VM0").tags == ("gold", "web")
    assert platform.get_vm("DC0_C0_RP0_VM0").tags == ()
    chosen = platform.list_vms({"tag": "gold"})
    assert [vm.name for vm in chosen] == ["DC0_H0_VM0", "DC0_H0_VM1"]
    chosen = platform.list_vms({"tag": "tier/gold"})
    assert [vm.name for vm in chosen] == ["DC0_H0_VM0"]
    batch = platform.batch_power_off({"tag": "web"}, graceful=False)
    assert [outcome.name for outcome in batch.outcomes] == ["DC0_H0_VM0"]


def test_unreadable_tags_are_null_and_cannot_be_selected(connect: Connect) -> None:
    with Vcsim.start(vapi=False) as normalize:
        platform = connect(
            port=normalize.port, password=normalize.password, ca_file=normalize.ca_file
        )
        assert {vm.tags for vm in platform.list_vms()} == {None}
        with pytest.raises(SelectionError, match="tag 'gold' cannot be looked for"):
            platform.batch_power_off({"tag": "gold"})
        with pytest.raises(GuardUnchecked, match=r'"none" switches it off.* with 404'):
            platform.batch_power_off({"all": True})
        assert "PowerOffVM_Task" not in normalize.requests()["methods"]


def test_an_expired_session_for_tags_is_renewed(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    estate.tag("DC0_H0_VM0", "tier", "gold")
    platform.list_vms()
    vcsim.expire_sessions()
    assert platform.get_vm("DC0_H0_VM0").tags == ("gold",)


@pytest.mark.parametrize("manner", ["status", "html"])
def test_vms_are_listed_without_tags_when_only_these_fail(
    platform: VSpherePlatform, vcsim: Vcsim, manner: str
) -> None:
    vcsim.rules(rule("POST /rest/com/vmware/cis/tagging*", manner, code=500))
    assert {vm.tags for vm in platform.list_vms()} == {None}


def test_five_hundred_vms_in_five_requests(connect: Connect) -> None:
    with Vcsim.start(vms=250) as large:
        platform = connect(port=large.port, password=large.password, ca_file=large.ca_file)
        assert len(platform.list_vms()) == 500
        assert large.requests()["total"] <= 5
        large.reset_requests()
        assert platform.count_vms({"name": "DC0_H0*"}) == 250
        assert large.requests()["total"] == 1
        with pytest.raises(NoSuchVM, match="500 VMs are known"):
            platform.get_vm("DC0_H0_VM250")
