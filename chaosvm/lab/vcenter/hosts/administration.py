"""How a host is administered: accounts, access, power, software and automatic starts."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.hosts.system import HostPart
from chaosvm.lab.vcenter.managed_object import Call, SoapFault, managed_property, method
from chaosvm.lab.vcenter.serialization import data_object

__all__ = [
    "AutoStartManager",
    "CertificateManager",
    "HostAccessManager",
    "ImageConfigManager",
    "LocalAccountManager",
    "PowerSystem",
    "VsanSystem",
]

_h = vim.host
_POWER_POLICIES = (("static", "High Performance"), ("dynamic", "Balanced"), ("low", "Low Power"))


class AutoStartManager(HostPart):
    @managed_property
    def config(self, session: Any = None) -> Any:
        vms = self.setting("started VMs", dict[str, Any])
        return _h.AutoStartManager.Config(
            defaults=self.setting("auto start", _start_defaults), powerInfo=list(vms.values())
        )

    @method("ReconfigureAutostart")
    def configure(self, call: Call) -> None:
        """Change what is given: defaults, and VMs, of which -1 as order takes one out."""
        spec, defaults = call.get("spec"), self.setting("auto start", _start_defaults)
        for info in defaults._GetPropertyList():
            given = getattr(spec.defaults, info.name, None)
            if given is not None:
                setattr(defaults, info.name, given)
        vms = self.setting("started VMs", dict[str, Any])
        for each in spec.powerInfo:
            vms.pop(each.key._moId, None)
            if each.startAction.lower() != "none":
                vms[each.key._moId] = each


def _start_defaults() -> Any:
    return _h.AutoStartManager.SystemDefaults(
        enabled=False,
        startDelay=120,
        stopDelay=120,
        waitForHeartbeat=False,
        stopAction="PowerOff",
    )


class LocalAccountManager(HostPart):
    """Accounts of the host itself, which cannot be used to log in."""

    @method("CreateUser")
    def create(self, call: Call) -> None:
        name = call.get("user").id
        if name in self._users:
            raise SoapFault(vim.fault.AlreadyExists(name=name), f"The user {name} exists.")
        self._users.add(name)

    @method("UpdateUser")
    def update(self, call: Call) -> None:
        self._raise_if_unknown(call.get("user").id)

    @method("RemoveUser")
    def remove(self, call: Call) -> None:
        self._raise_if_unknown(call.get("userName"))
        self._users.remove(call.get("userName"))

    @property
    def _users(self) -> set[str]:
        return self.setting("users", lambda: {"root"})

    def _raise_if_unknown(self, name: str) -> None:
        if name not in self._users:
            fault = vim.fault.UserNotFound(principal=name, unresolved=True)
            raise SoapFault(fault, f"The user {name} could not be found.")


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
        return self.setting("lockdown", lambda: "lockdownDisabled")

    @method("ChangeLockdownMode")
    def change(self, call: Call) -> None:
        self.settings["lockdown"] = call.get("mode")

    @method("QueryLockdownExceptions", "QuerySystemUsers", "RetrieveHostAccessControlEntries")
    def nobody(self, call: Call) -> list[Any]:
        return []


class ImageConfigManager(HostPart):
    @method("HostImageConfigGetAcceptance")
    def acceptance_level(self, call: Call) -> str:
        return self.setting("acceptance", lambda: "partner")

    @method("UpdateHostImageAcceptanceLevel")
    def set_acceptance_level(self, call: Call) -> None:
        self.settings["acceptance"] = call.get("newAcceptanceLevel")

    @method("HostImageConfigGetProfile")
    def profile(self, call: Call) -> Any:
        return _h.ImageConfigManager.ImageProfileSummary(name="lab", vendor="chaosvm")

    @method("fetchSoftwarePackages")
    def packages(self, call: Call) -> list[Any]:
        return []

    @method("installDate")
    def installed(self, call: Call) -> dt.datetime:
        return dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


class VsanSystem(HostPart):
    """The host is in no vSAN cluster."""

    @method("QueryHostStatus")
    def status(self, call: Call) -> Any:
        status = vim.vsan.host.ClusterStatus
        return status(health="unknown", nodeState=status.State(state="error"))

    @method("QueryDisksForVsan")
    def disks(self, call: Call) -> list[Any]:
        return []


class PowerSystem(HostPart):
    @managed_property
    def capability(self, session: Any = None) -> Any:
        numbers = range(1, len(_POWER_POLICIES) + 1)
        return _h.PowerSystem.Capability(availablePolicy=[_power_policy(each) for each in numbers])

    @managed_property
    def info(self, session: Any = None) -> Any:
        return _h.PowerSystem.Info(currentPolicy=_power_policy(self.setting("power", lambda: 2)))

    @method("ConfigurePowerPolicy")
    def configure(self, call: Call) -> None:
        if call.get("key") not in range(1, len(_POWER_POLICIES) + 1):
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="key"))
        self.settings["power"] = call.get("key")


def _power_policy(number: int) -> Any:
    short_name, name = _POWER_POLICIES[number - 1]
    return data_object(
        _h.PowerSystem.PowerPolicy,
        key=number,
        name=f"PowerPolicy.{short_name}.name",
        shortName=short_name,
        description=name,
    )
