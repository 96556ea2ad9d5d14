"""LicenseManager and LicenseAssignmentManager: by default the evaluation license, for all."""

from __future__ import annotations

from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)

__all__ = ["LicenseAssignmentManager", "LicenseManager"]

_l = vim.LicenseManager
_EVALUATION = "00000-00000-00000-00000-00000"


def _license(key: str) -> Any:
    """A license by its key; what the keys of others are for is not known."""
    known = key == _EVALUATION
    return _l.LicenseInfo(
        licenseKey=key,
        editionKey="eval" if known else "",
        name="Evaluation Mode" if known else "Unknown license",
        total=0,
        used=0,
        costUnit="",
    )


class LicenseManager(ManagedObject):
    kind = _l

    def __init__(self) -> None:
        super().__init__("LicenseManager")
        self._licenses = {_EVALUATION: _license(_EVALUATION)}

    @managed_property
    def licenses(self, session: Any = None) -> Any:
        return _l.LicenseInfo.Array(self._licenses.values())

    @managed_property
    def licenseAssignmentManager(self, session: Any = None) -> Any:
        return vim.LicenseAssignmentManager(LicenseAssignmentManager.MOID)

    @managed_property
    def source(self, session: Any = None) -> Any:
        return _l.LocalLicense(licenseKeys="")

    @managed_property
    def sourceAvailable(self, session: Any = None) -> bool:
        return True

    @managed_property
    def evaluation(self, session: Any = None) -> Any:
        hours = vmodl.KeyAnyValue(key="expirationHours", value=VmomiSupport.long(60 * 24))
        return _l.EvaluationInfo(properties=[hours])

    @method("DecodeLicense")
    def decode(self, call: Call) -> Any:
        return _license(call.get("licenseKey"))

    @method("QuerySupportedFeatures", "QueryLicenseSourceAvailability")
    def features(self, call: Call) -> list[Any]:
        return []

    @method("CheckLicenseFeature")
    def has_feature(self, call: Call) -> bool:
        return True

    # Changes ---------------------------------------------------------------------------

    @method("AddLicense", "UpdateLicense")
    def add(self, call: Call) -> Any:
        key = call.get("licenseKey")
        license = self._licenses.setdefault(key, _license(key))
        for label in call.get("labels") or ():
            _set_label(license, label.key, label.value)
        return license

    @method("RemoveLicense")
    def remove(self, call: Call) -> None:
        self._find(call)
        del self._licenses[call.get("licenseKey")]

    @method("UpdateLicenseLabel")
    def set_label(self, call: Call) -> None:
        _set_label(self._find(call), call.get("labelKey"), call.get("labelValue"))

    @method("RemoveLicenseLabel")
    def remove_label(self, call: Call) -> None:
        _set_label(self._find(call), call.get("labelKey"), None)

    def _find(self, call: Call) -> Any:
        license = self._licenses.get(call.get("licenseKey"))
        if license is None:
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="licenseKey"))
        return license


def _set_label(license: Any, key: str, value: str | None) -> None:
    license.labels = [each for each in license.labels if each.key != key]
    if value is not None:
        license.labels.append(vim.KeyValue(key=key, value=value))


class LicenseAssignmentManager(ManagedObject):
    kind = vim.LicenseAssignmentManager
    MOID = "LicenseAssignmentManager"

    def __init__(self, inventory: Inventory, instance_uuid: str) -> None:
        super().__init__(self.MOID)
        self._inventory = inventory
        self._instance_uuid = instance_uuid
        self._keys: dict[str, str] = {}  # by entity; others have the evaluation license

    @method("QueryAssignedLicenses")
    def query(self, call: Call) -> list[Any]:
        """That of one entity, or of all: the vCenter and its hosts."""
        names = {self._instance_uuid: "localhost"}
        names |= {each.moid: each.plain_name for each in self._inventory.tree.hosts.values()}
        requested = call.get("entityId")
        return [
            vim.LicenseAssignmentManager.LicenseAssignment(
                entityId=entity,
                entityDisplayName=name,
                assignedLicense=_license(self._keys.get(entity, _EVALUATION)),
            )
            for entity, name in names.items()
            if requested in (None, "", entity)
        ]

    @method("UpdateAssignedLicense")
    def assign(self, call: Call) -> Any:
        self._keys[call.get("entity")] = call.get("licenseKey")
        return _license(call.get("licenseKey"))

    @method("RemoveAssignedLicense")
    def unassign(self, call: Call) -> None:
        self._keys.pop(call.get("entityId"), None)
