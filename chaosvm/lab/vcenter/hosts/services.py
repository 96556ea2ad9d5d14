"""The services of a host, its firewall, clock and advanced options."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.simulation import Host, World
from chaosvm.lab.vcenter.hosts.system import HostPart, find
from chaosvm.lab.vcenter.managed_object import Call, SoapFault, managed_property, method

__all__ = ["ADVANCED_OPTIONS", "DateTimeSystem", "FirewallSystem", "ServiceSystem"]

_h = vim.host
# Key, label, policy and whether it runs, as on an ESXi host after its installation.
_SERVICES: Sequence[tuple[str, str, str, bool]] = (
    ("DCUI", "Direct Console UI", "on", True),
    ("TSM", "ESXi Shell", "off", False),
    ("TSM-SSH", "SSH", "off", False),
    ("lbtd", "Load-Based Teaming Daemon", "on", True),
    ("lwsmd", "Active Directory Service", "off", False),
    ("ntpd", "NTP Daemon", "off", False),
    ("sfcbd-watchdog", "CIM Server", "on", False),
    ("snmpd", "SNMP Server", "on", False),
    ("vmsyslogd", "Syslog Server", "on", True),
    ("vpxa", "VMware vCenter Agent", "on", True),
)
# Key, label, service, whether it is enabled, and rules: port, direction and protocol.
_RULESETS: Sequence[tuple[str, str, str | None, bool, Sequence[tuple[int, str, str]]]] = (
    ("sshServer", "SSH Server", None, True, ((22, "inbound", "tcp"),)),
    ("sshClient", "SSH Client", None, False, ((22, "outbound", "tcp"),)),
    ("dns", "DNS Client", None, True, ((53, "outbound", "udp"), (53, "outbound", "tcp"))),
    ("ntpClient", "NTP Client", "ntpd", False, ((123, "outbound", "udp"),)),
    ("snmp", "SNMP Server", "snmpd", True, ((161, "inbound", "udp"),)),
    ("vMotion", "vMotion", None, True, ((8000, "inbound", "tcp"), (8000, "outbound", "tcp"))),
    ("vSphereClient", "vSphere Web Client", None, True, ((443, "inbound", "tcp"),)),
    ("webAccess", "vSphere Web Access", None, True, ((80, "inbound", "tcp"),)),
)
ADVANCED_OPTIONS: Mapping[str, Any] = {
    "Config.HostAgent.log.level": "info",
    "Config.HostAgent.plugins.solo.enableMob": False,
    "Annotations.WelcomeMessage": "",
    "Syslog.global.logDir": "[] /scratch/log",
    "Syslog.global.logHost": "",
    "UserVars.ESXiShellInteractiveTimeOut": VmomiSupport.long(0),
    "UserVars.ESXiShellTimeOut": VmomiSupport.long(0),
    "UserVars.SuppressShellWarning": VmomiSupport.long(0),
}


class ServiceSystem(HostPart):
    @property
    def _services(self) -> dict[str, Any]:
        return self.setting("services", _services)

    @managed_property
    def serviceInfo(self, session: Any = None) -> Any:
        return _h.ServiceInfo(service=list(self._services.values()))

    @method("StartService", "RestartService")
    def start(self, call: Call) -> None:
        find(self._services, call.get("id"), "service").running = True

    @method("StopService")
    def stop(self, call: Call) -> None:
        find(self._services, call.get("id"), "service").running = False

    @method("UpdateServicePolicy")
    def set_policy(self, call: Call) -> None:
        find(self._services, call.get("id"), "service").policy = call.get("policy")

    @method("RefreshServices")
    def refresh(self, call: Call) -> None:
        """Nothing is cached."""


def _services() -> dict[str, Any]:
    return {
        key: _h.Service(
            key=key,
            label=label,
            required=False,
            uninstallable=False,
            running=running,
            policy=policy,
            sourcePackage=_h.Service.SourcePackage(sourcePackageName="esx-base", description=""),
        )
        for key, label, policy, running in _SERVICES
    }


class FirewallSystem(HostPart):
    @property
    def _rulesets(self) -> dict[str, Any]:
        return self.setting("rulesets", _rulesets)

    @managed_property
    def firewallInfo(self, session: Any = None) -> Any:
        policy = self.setting(
            "firewall",
            lambda: _h.FirewallInfo.DefaultPolicy(incomingBlocked=True, outgoingBlocked=True),
        )
        return _h.FirewallInfo(defaultPolicy=policy, ruleset=list(self._rulesets.values()))

    @method("EnableRuleset")
    def enable(self, call: Call) -> None:
        find(self._rulesets, call.get("id"), "ruleset").enabled = True

    @method("DisableRuleset")
    def disable(self, call: Call) -> None:
        find(self._rulesets, call.get("id"), "ruleset").enabled = False

    @method("UpdateRuleset")
    def update(self, call: Call) -> None:
        ruleset = find(self._rulesets, call.get("id"), "ruleset")
        ruleset.allowedHosts = call.get("spec").allowedHosts

    @method("UpdateDefaultPolicy")
    def set_default(self, call: Call) -> None:
        self.settings["firewall"] = call.get("defaultPolicy")

    @method("RefreshFirewall")
    def refresh(self, call: Call) -> None:
        """Nothing is cached."""


def _rulesets() -> dict[str, Any]:
    return {
        key: _h.Ruleset(
            key=key,
            label=label,
            required=False,
            rule=[_rule(*each) for each in rules],
            service=service,
            enabled=enabled,
            allowedHosts=_h.Ruleset.IpList(allIp=True),
        )
        for key, label, service, enabled, rules in _RULESETS
    }


def _rule(port: int, direction: str, protocol: str) -> Any:
    return _h.Ruleset.Rule(port=port, direction=direction, portType="dst", protocol=protocol)


class DateTimeSystem(HostPart):
    """The time zone of an ESXi host is always UTC."""

    def __init__(
        self, number: int, host: Host, settings: MutableMapping[str, Any], world: World
    ) -> None:
        super().__init__("dateTimeSystem", number, host, settings)
        self._world = world

    @managed_property
    def dateTimeInfo(self, session: Any = None) -> Any:
        config = self.setting("time", _h.DateTimeConfig)
        return _h.DateTimeInfo(
            timeZone=_utc(),
            systemClockProtocol=config.protocol or "ntp",
            ntpConfig=config.ntpConfig or _h.NtpConfig(),
            enabled=bool(config.enabled),
        )

    @method("UpdateDateTimeConfig")
    def configure(self, call: Call) -> None:
        given = call.get("config")
        if given.timeZone not in (None, "", "UTC"):
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="config.timeZone"))
        config = self.setting("time", _h.DateTimeConfig)
        for name in ("ntpConfig", "protocol", "enabled"):
            if getattr(given, name) is not None:
                setattr(config, name, getattr(given, name))

    @method("QueryDateTime")
    def query(self, call: Call) -> dt.datetime:
        return self._world.date_of(self._world.now)

    @method("QueryAvailableTimeZones")
    def time_zones(self, call: Call) -> list[Any]:
        return [_utc()]

    @method("RefreshDateTimeSystem")
    def refresh(self, call: Call) -> None:
        """Nothing is cached."""


def _utc() -> Any:
    return _h.DateTimeSystem.TimeZone(key="UTC", name="UTC", description="UTC", gmtOffset=0)
