"""What scripts list of hosts, their networks and datastores, and of who may do what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyVmomi import vim

from tests.contract.vim_helpers import retrieved, view_of, walk_of

Find = Callable[[str], Any]


@pytest.fixture
def host(content: Any) -> Any:
    return next(each for each in view_of(content, vim.HostSystem).view if each.name == "DC0_C0_H0")


def test_a_script_lists_port_groups_and_switches(host: Any) -> None:
    network = host.config.network
    switches = {switch.key: switch.name for switch in network.vswitch}
    for group in network.portgroup:
        assert switches[group.vswitch] == group.spec.vswitchName
        assert isinstance(group.spec.vlanId, int)
    groups = {group.spec.name for group in network.portgroup}
    assert groups >= {"VM Network", "Management Network"}
    assert {switch.key for switch in network.vswitch} >= {
        group.vswitch for group in network.portgroup
    }


def test_a_script_lists_vmkernel_interfaces(host: Any) -> None:
    (card,) = host.config.network.vnic
    assert (card.device, card.portgroup) == ("vmk0", "Management Network")
    assert card.spec.ip.ipAddress
    assert card.spec.ip.subnetMask


def test_a_script_lists_physical_cards(host: Any) -> None:
    cards = {card.key: card.device for card in host.config.network.pnic}
    assert "vmnic0" in cards.values()
    (switch,) = host.config.network.vswitch
    assert {cards[key] for key in switch.pnic} == {"vmnic0"}


def test_a_hosts_network_system_says_the_same(host: Any) -> None:
    told = host.configManager.networkSystem.networkInfo
    assert [each.spec.name for each in told.portgroup] == [
        each.spec.name for each in host.config.network.portgroup
    ]


def test_a_script_lists_the_datastores_that_each_host_mounts(content: Any) -> None:
    for host in view_of(content, vim.HostSystem).view:
        mounted = host.configManager.storageSystem.fileSystemVolumeInfo.mountInfo
        for each in mounted:
            assert each.mountInfo.path
            assert each.volume.capacity > 0
        assert {each.volume.name for each in mounted} == {each.name for each in host.datastore}


def test_a_script_lists_the_datastores_of_a_hosts_datastore_system(host: Any) -> None:
    assert [each.name for each in host.configManager.datastoreSystem.datastore] == [
        each.name for each in host.datastore
    ]


def test_a_datastore_says_what_it_is_made_of(content: Any) -> None:
    stores = view_of(content, vim.Datastore).view
    assert stores
    for store in stores:
        assert store.info.name == store.summary.name
        vmfs = getattr(store.info, "vmfs", None)
        assert (vmfs is not None) == (store.summary.type == "VMFS")
        if vmfs is not None:
            assert (vmfs.name, vmfs.capacity) == (store.summary.name, store.summary.capacity)


def test_everything_of_the_hosts_at_once(content: Any) -> None:
    paths = ("config", "configManager", "hardware", "name", "vm", "datastore", "network")
    found = retrieved(content, walk_of(view_of(content, vim.HostSystem), vim.HostSystem, *paths))
    assert [sorted(each.name for each in item.propSet) for item in found] == [sorted(paths)] * 4


def test_a_script_names_the_network_of_each_card(vm: Find) -> None:
    machine = vm("web-01")
    cards = [
        device
        for device in machine.config.hardware.device
        if isinstance(device, vim.vm.device.VirtualEthernetCard)
    ]
    assert cards
    for card in cards:
        assert card.backing.network.name == card.backing.deviceName
        assert card.backing.network in machine.network


def test_a_script_names_the_roles(content: Any, vm: Find) -> None:
    roles = {role.roleId: role for role in content.authorizationManager.roleList}
    assert {role.name for role in roles.values()} >= {
        "Admin",
        "ReadOnly",
        "View",
        "Anonymous",
        "NoAccess",
    }
    (own,) = vm("web-01").effectiveRole
    assert roles[own].name == "Admin"
    assert {"VirtualMachine.Interact.PowerOff", "System.Read"} <= set(roles[own].privilege)
    assert all(role.system and role.info.label for role in roles.values())


def test_a_script_names_the_licenses(content: Any) -> None:
    assert [each.editionKey for each in content.licenseManager.licenses] == ["eval"]


def test_performance_counters_have_names(content: Any) -> None:
    known = {
        f"{each.groupInfo.key}.{each.nameInfo.key}.{each.rollupType}"
        for each in content.perfManager.perfCounter
    }
    assert known >= {"cpu.usage.average", "mem.usage.average"}
