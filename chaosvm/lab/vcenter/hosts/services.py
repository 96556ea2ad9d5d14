"""The services of a host, its firewall, clock, certificate and advanced options."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from pyVmomi import VmomiSupport, vim

from chaosvm.lab.vcenter.hosts.system import HostPart
from chaosvm.lab.vcenter.managed_object import Call, managed_property, method
from chaosvm.lab.vcenter.serialization import data_object

__all__ = [
    "ADVANCED_OPTIONS",
    "AutoStartManager",
    "CertificateManager",
    "DateTimeSystem",
    "FirewallSystem",
    "HostAccessManager",
    "ImageConfigManager",
    "PowerSystem",
    "ServiceSystem",
]

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
_POWER_POLICIES = (("static", "High Performance"), ("dynamic", "Balanced"), ("low", "Low Power"))


class ServiceSystem(HostPart):
    @managed_property
    def serviceInfo(self, session: Any = None) -> Any:
        services = [
            _h.Service(
                key=key,
                label=label,
                required=False,
                uninstallable=False,
                running=running,
                policy=policy,
                sourcePackage=_h.Service.SourcePackage(
                    sourcePackageName="esx-base", description=""
                ),
            )
            for key, label, policy, running in _SERVICES
        ]
        return _h.ServiceInfo(service=services)

    @method("RefreshServices")
    def refresh(self, call: Call) -> None:
        """Nothing is cached."""


class FirewallSystem(HostPart):
    @managed_property
    def firewallInfo(self, session: Any = None) -> Any:
        return _h.FirewallInfo(
            defaultPolicy=_h.FirewallInfo.DefaultPolicy(incomingBlocked=True, outgoingBlocked=True),
            ruleset=[
                _h.Ruleset(
                    key=key,
                    label=label,
                    required=False,
                    rule=[_rule(*each) for each in rules],
                    service=service,
                    enabled=enabled,
                    allowedHosts=_h.Ruleset.IpList(allIp=True),
                )
                for key, label, service, enabled, rules in _RULESETS
            ],
        )

    @method("RefreshFirewall")
    def refresh(self, call: Call) -> None:
        """Nothing is cached."""


def _rule(port: int, direction: str, protocol: str) -> Any:
    return _h.Ruleset.Rule(port=port, direction=direction, portType="dst", protocol=protocol)


class DateTimeSystem(HostPart):
    @managed_property
    def dateTimeInfo(self, session: Any = None) -> Any:
        return _h.DateTimeInfo(
            timeZone=_utc(), systemClockProtocol="ntp", ntpConfig=_h.NtpConfig(), enabled=False
        )

    @method("QueryDateTime")
    def query(self, call: Call) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    @method("QueryAvailableTimeZones")
    def time_zones(self, call: Call) -> list[Any]:
        return [_utc()]

    @method("RefreshDateTimeSystem")
    def refresh(self, call: Call) -> None:
        """Nothing is cached."""


def _utc() -> Any:
    return _h.DateTimeSystem.TimeZone(key="UTC", name="UTC", description="UTC", gmtOffset=0)


class AutoStartManager(HostPart):
    @managed_property
    def config(self, session: Any = None) -> Any:
        defaults = _h.AutoStartManager.SystemDefaults(
            enabled=False,
            startDelay=120,
            stopDelay=120,
            waitForHeartbeat=False,
            stopAction="PowerOff",
        )
        return _h.AutoStartManager.Config(defaults=defaults)


class CertificateManager(HostPart):
    @managed_property
    def certificateInfo(self, session: Any = None) -> Any:
        return _h.CertificateManager.CertificateInfo(
            issuer="O=VMware Engineering,CN=CA",
            subject=f"CN={self.host.name}",
            notBefore=dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
            notAfter=dt.datetime(2034, 1, 1, tzinfo=dt.UTC),
            status="good",
        )


class HostAccessManager(HostPart):
    @managed_property
    def lockdownMode(self, session: Any = None) -> Any:
        return "lockdownDisabled"

    @method("QueryLockdownExceptions", "QuerySystemUsers", "RetrieveHostAccessControlEntries")
    def nobody(self, call: Call) -> list[Any]:
        return []


class ImageConfigManager(HostPart):
    @method("HostImageConfigGetAcceptance")
    def acceptance_level(self, call: Call) -> str:
        return "partner"

    @method("HostImageConfigGetProfile")
    def profile(self, call: Call) -> Any:
        return _h.ImageConfigManager.ImageProfileSummary(name="lab", vendor="chaosvm")

    @method("fetchSoftwarePackages")
    def packages(self, call: Call) -> list[Any]:
        return []

    @method("installDate")
    def installed(self, call: Call) -> dt.datetime:
        return dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


class PowerSystem(HostPart):
    @managed_property
    def capability(self, session: Any = None) -> Any:
        numbers = range(1, len(_POWER_POLICIES) + 1)
        return _h.PowerSystem.Capability(availablePolicy=[_power_policy(each) for each in numbers])

    @managed_property
    def info(self, session: Any = None) -> Any:
        return _h.PowerSystem.Info(currentPolicy=_power_policy(2))


def _power_policy(number: int) -> Any:
    short_name, name = _POWER_POLICIES[number - 1]
    return data_object(
        _h.PowerSystem.PowerPolicy,
        key=number,
        name=f"PowerPolicy.{short_name}.name",
        shortName=short_name,
        description=name,
    )
