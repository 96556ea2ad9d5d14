"""What clients change of a host's configuration, and find again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from chaosvm.lab import World
from tests.lab.vcenter.conftest import view


@pytest.fixture
def host(content: Any, world: World) -> Any:
    world.add_host("esx-1.lab.example", world.add_cluster("prod", world.add_datacenter("dc")))
    (host,) = view(content, vim.HostSystem).view
    return host


def _port_group(name: str, switch: str = "vSwitch0", vlan: int = 0) -> Any:
    return vim.host.PortGroup.Specification(
        name=name, vlanId=vlan, vswitchName=switch, policy=vim.host.NetworkPolicy()
    )


def test_a_service_is_started_and_kept(host: Any, world: World) -> None:
    system = host.configManager.serviceSystem
    system.StartService("TSM-SSH")
    system.UpdateServicePolicy("TSM-SSH", "on")
    world.add_host("another", world.clusters[0])  # builds the objects anew
    (ssh,) = (each for each in host.config.service.service if each.key == "TSM-SSH")
    assert (ssh.running, ssh.policy) == (True, "on")
    system.StopService("TSM-SSH")
    (ssh,) = (each for each in system.serviceInfo.service if each.key == "TSM-SSH")
    assert not ssh.running


def test_rules_time_and_power(host: Any) -> None:
    manager = host.configManager
    manager.firewallSystem.EnableRuleset("ntpClient")
    rules = {each.key: each for each in host.config.firewall.ruleset}
    assert rules["ntpClient"].enabled
    ntp = vim.host.NtpConfig(server=["time.example"])
    manager.dateTimeSystem.UpdateDateTimeConfig(vim.host.DateTimeConfig(ntpConfig=ntp))
    assert host.config.dateTimeInfo.ntpConfig.server == ["time.example"]
    manager.powerSystem.ConfigurePowerPolicy(1)
    assert host.config.powerSystemInfo.currentPolicy.shortName == "static"
    manager.hostAccessManager.ChangeLockdownMode("lockdownNormal")
    assert host.config.lockdownMode == "lockdownNormal"


def test_switches_and_port_groups_come_and_go(host: Any) -> None:
    system = host.configManager.networkSystem
    system.AddVirtualSwitch("vSwitch7", None)
    system.AddPortGroup(_port_group("isolated", "vSwitch7", 42))
    system.UpdatePortGroup("isolated", _port_group("alone", "vSwitch7", 43))
    groups = {each.spec.name: each for each in host.config.network.portgroup}
    assert groups["alone"].spec.vlanId == 43
    assert groups["alone"].computedPolicy.security.allowPromiscuous is False
    assert "isolated" not in groups
    system.RemoveVirtualSwitch("vSwitch7")
    assert {each.name for each in system.networkInfo.vswitch} == {"vSwitch0"}
    assert "alone" not in {each.spec.name for each in system.networkInfo.portgroup}


def test_adapters_are_added_changed_and_used(host: Any) -> None:
    manager, system = host.configManager.virtualNicManager, host.configManager.networkSystem
    device = system.AddVirtualNic("VM Network", vim.host.VirtualNic.Specification(mtu=1500))
    system.UpdateVirtualNic(device, vim.host.VirtualNic.Specification(mtu=9000))
    nics = {each.device: each for each in system.networkInfo.vnic}
    assert nics[device].spec.mtu == 9000
    manager.SelectVnicForNicType("vmotion", device)
    config = manager.QueryNetConfig("vmotion")
    assert config.selectedVnic == [f"vmotion.{nics[device].key}"]
    manager.DeselectVnicForNicType("vmotion", device)
    assert manager.QueryNetConfig("vmotion").selectedVnic == []
    system.RemoveVirtualNic(device)
    assert {each.device for each in system.networkInfo.vnic} == {"vmk0"}


def test_vms_are_started_with_the_host(host: Any, world: World) -> None:
    manager, config = host.configManager.autoStartManager, vim.host.AutoStartManager.Config
    vm = vim.VirtualMachine(world.add_vm("web", cluster=world.clusters[0]).moid)

    def set_action(action: str) -> None:
        info = vim.host.AutoStartManager.AutoPowerInfo(
            key=vm,
            startOrder=1,
            startDelay=-1,
            waitForHeartbeat="systemDefault",
            startAction=action,
            stopDelay=-1,
            stopAction="systemDefault",
        )
        manager.ReconfigureAutostart(config(powerInfo=[info]))

    manager.ReconfigureAutostart(
        config(defaults=vim.host.AutoStartManager.SystemDefaults(enabled=True))
    )
    set_action("powerOn")
    assert (manager.config.defaults.enabled, manager.config.defaults.startDelay) == (True, 120)
    assert [each.key for each in manager.config.powerInfo] == [vm]
    set_action("none")
    assert manager.config.powerInfo == []


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        (lambda it: it.serviceSystem.StartService("none"), vim.fault.NotFound),
        (lambda it: it.firewallSystem.EnableRuleset("none"), vim.fault.NotFound),
        (lambda it: it.networkSystem.AddVirtualSwitch("vSwitch0"), vim.fault.AlreadyExists),
        (lambda it: it.networkSystem.RemoveVirtualSwitch("vSwitch0"), vim.fault.ResourceInUse),
        (lambda it: it.networkSystem.RemovePortGroup("VM Network"), vim.fault.ResourceInUse),
        (lambda it: it.networkSystem.AddPortGroup(_port_group("x", "no")), vim.fault.NotFound),
        (lambda it: it.networkSystem.RemoveVirtualNic("vmk9"), vim.fault.NotFound),
        (lambda it: it.virtualNicManager.QueryNetConfig("x"), vmodl.fault.InvalidArgument),
        (lambda it: it.powerSystem.ConfigurePowerPolicy(9), vmodl.fault.InvalidArgument),
        (lambda it: it.accountManager.RemoveUser("nobody"), vim.fault.UserNotFound),
    ],
)
def test_what_cannot_be_done(host: Any, act: Callable[[Any], None], fault: type) -> None:
    with pytest.raises(fault):
        act(host.configManager)
