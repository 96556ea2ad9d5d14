"""LicenseManager and LicenseAssignmentManager: the evaluation license, for everything."""

from __future__ import annotations

from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, managed_property, method

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

    @managed_property
    def licenses(self, session: Any = None) -> Any:
        return _l.LicenseInfo.Array([_license(_EVALUATION)])

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
    def licensedEdition(self, session: Any = None) -> str:
        return ""

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


class LicenseAssignmentManager(ManagedObject):
    kind = vim.LicenseAssignmentManager
    MOID = "LicenseAssignmentManager"

    def __init__(self, inventory: Inventory, instance_uuid: str) -> None:
        super().__init__(self.MOID)
        self._inventory = inventory
        self._instance_uuid = instance_uuid

    @method("QueryAssignedLicenses")
    def query(self, call: Call) -> list[Any]:
        """That of one entity, or of all: the vCenter and its hosts."""
        names = {self._instance_uuid: "localhost"}
        names |= {each.moid: each.plain_name for each in self._inventory.tree.hosts.values()}
        requested = call.get("entityId")
        return [
            vim.LicenseAssignmentManager.LicenseAssignment(
                entityId=entity, entityDisplayName=name, assignedLicense=_license(_EVALUATION)
            )
            for entity, name in names.items()
            if requested in (None, "", entity)
        ]
