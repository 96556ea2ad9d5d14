"""OptionManager: the settings of the vCenter, and the advanced options of hosts."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from pyVmomi import VmomiSupport, vim

from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)

__all__ = ["OptionManager", "VCenterOptions"]

# Settings that every vCenter has.
_VCENTER: Mapping[str, Any] = {
    "VirtualCenter.FQDN": "localhost",
    "VirtualCenter.InstanceName": "localhost",
    "VirtualCenter.MaxDBConnection": 50,
    "config.log.level": "info",
    "config.vpxd.das.electionWaitTimeSec": 15,
    "config.vpxd.filter.hostRescanFilter": True,
    "config.vpxd.sso.default.admin": "administrator@vsphere.local",
    "config.vpxd.sso.default.isGroup": False,
    "event.maxAge": 30,
    "event.maxAgeEnabled": True,
    "instance.id": 1,
    "mail.sender": "",
    "mail.smtp.port": "25",
    "mail.smtp.server": "",
    "task.maxAge": 30,
    "task.maxAgeEnabled": True,
    "vpxd.certmgmt.mode": "vmca",
    "vpxd.stats.maxQueryMetrics": 64,
}


class OptionManager(ManagedObject):
    """Options by name, in a mapping that outlives this object."""

    kind = vim.option.OptionManager

    def __init__(self, moid: str, values: MutableMapping[str, Any]) -> None:
        super().__init__(moid)
        self._values = values

    @managed_property
    def setting(self, session: Any = None) -> Any:
        return vim.option.OptionValue.Array(map(_option, self._values.items()))

    @managed_property
    def supportedOption(self, session: Any = None) -> Any:
        return vim.option.OptionDef.Array(
            vim.option.OptionDef(key=key, label=key, summary=key, optionType=_option_type(value))
            for key, value in self._values.items()
        )

    @method("QueryOptions")
    def query(self, call: Call) -> list[Any]:
        """An option, those below a name that ends with a dot, or all."""
        name = call.get("name") or ""
        matches = [
            _option(each)
            for each in self._values.items()
            if each[0] == name or not name or (name[-1] == "." and each[0].startswith(name))
        ]
        if not matches:
            raise _unknown(name)
        return matches

    @method("UpdateOptions")
    def update(self, call: Call) -> None:
        changes = {each.key: each.value for each in call.get("changedValue") or ()}
        for key in changes:
            if key not in self._values and not self._is_open:
                raise _unknown(key)
        self._values.update(changes)

    _is_open = False


class VCenterOptions(OptionManager):
    """The vCenter's own, to which clients can add."""

    _is_open = True

    def __init__(self) -> None:
        super().__init__("VpxSettings", dict(_VCENTER))


def _option(item: tuple[str, Any]) -> Any:
    return vim.option.OptionValue(key=item[0], value=item[1])


def _option_type(value: Any) -> Any:
    if isinstance(value, bool):
        return vim.option.BoolOption(valueIsReadonly=False, supported=True, defaultValue=value)
    if isinstance(value, VmomiSupport.long):
        return vim.option.LongOption(
            valueIsReadonly=False, min=-(2**63), max=2**63 - 1, defaultValue=value
        )
    if isinstance(value, int):
        return vim.option.IntOption(
            valueIsReadonly=False, min=-(2**31), max=2**31 - 1, defaultValue=value
        )
    return vim.option.StringOption(valueIsReadonly=False, defaultValue=str(value))


def _unknown(name: str) -> SoapFault:
    return SoapFault(vim.fault.InvalidName(name=name), f"There is no option {name!r}.")
