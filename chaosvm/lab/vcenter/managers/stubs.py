"""Managers that every vCenter has and of which the lab models little or nothing.

Scripts take them from the service content without checking that they exist. Their lists
are empty, and so are the answers of the methods below. Other methods answer MethodNotFound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, SoapFault, method

__all__ = ["stub_managers"]

# By property of the service content: methods that answer with nothing.
_STUBS: Mapping[str, Sequence[str]] = {
    "certificateManager": (),
    "clusterProfileManager": (),
    "complianceManager": ("QueryComplianceStatus", "QueryExpressionMetadata"),
    "datastoreNamespaceManager": (),
    "dvSwitchManager": (
        "QueryAvailableDvsSpec",
        "QueryCompatibleHostForNewDvs",
        "QueryDvsByUuid",
    ),
    "failoverClusterConfigurator": (),
    "failoverClusterManager": (),
    "guestCustomizationManager": (),
    "healthUpdateManager": ("QueryProviderList",),
    "hostProfileManager": ("QueryAnswerFileStatus", "RetrieveHostCustomizations"),
    "hostSpecManager": (),
    "ioFilterManager": ("QueryIoFilterInfo",),
    "ipPoolManager": ("QueryIpPools", "QueryIPAllocations"),
    "localizationManager": (),
    "ovfManager": (),
    "overheadMemoryManager": (),
    "serviceManager": ("QueryServiceList",),
    "siteInfoManager": (),
    "storageQueryManager": (),
    "storageResourceManager": ("QueryDatastorePerformanceSummary",),
    "tenantManager": ("RetrieveServiceProviderEntities",),
    "virtualizationManager": (),
    "vmCompatibilityChecker": (),
    "vmProvisioningChecker": (),
}
# Types that a vCenter has instead of the one that the service content declares.
_KINDS: Mapping[str, Any] = {
    "vStorageObjectManager": vim.vslm.vcenter.VStorageObjectManager,
}


_LOG_LINES = 1000


class StubManager(ManagedObject):
    def __init__(self, name: str, answered: Sequence[str] = ()) -> None:
        super().__init__(name[0].upper() + name[1:])
        declared = vim.ServiceInstanceContent._GetPropertyInfo(name).type
        self.kind = _KINDS.get(name, declared)  # type: ignore[misc]
        self._answered = answered

    def handler(self, name: str) -> Callable[[Call], Any] | None:
        if name in self._answered:
            return lambda call: None
        return super().handler(name)


class CustomizationSpecManager(StubManager):
    """There are no customization specifications."""

    @method("DoesCustomizationSpecExist")
    def exists(self, call: Call) -> bool:
        return False

    @method("GetCustomizationSpec", "DeleteCustomizationSpec")
    def find(self, call: Call) -> None:
        raise SoapFault(vim.fault.NotFound(), f"There is no specification {call.get('name')!r}.")


class DiagnosticManager(StubManager):
    """The logs have meaningless lines."""

    _LOGS = ("vpxd:vpxd.log", "hostd:hostd.log", "vmkernel:vmkernel.log")

    @method("QueryDescriptions")
    def descriptions(self, call: Call) -> list[Any]:
        return [
            vim.DiagnosticManager.LogDescriptor(
                key=each,
                fileName=f"/var/log/{each.partition(':')[2]}",
                creator=each.partition(":")[0],
                format="plain",
                mimeType="text/plain",
                info=vim.Description(label=each, summary=each),
            )
            for each in (self._LOGS[:1] if call.get("host") is None else self._LOGS[1:])
        ]

    @method("BrowseDiagnosticLog")
    def browse(self, call: Call) -> Any:
        keys = [key for each in self._LOGS for key in (each, each.partition(":")[0])]
        if call.get("key") not in keys:
            raise SoapFault(vim.fault.CannotAccessFile(file=call.get("key")))
        start = min(max(1, call.get("start") or 1), _LOG_LINES + 1)
        count = call.get("lines")
        last = _LOG_LINES if count is None else min(_LOG_LINES, start + count - 1)
        lines = [f"lab: line {number}" for number in range(start, last + 1)]
        return vim.DiagnosticManager.LogHeader(
            lineStart=start, lineEnd=last if lines else _LOG_LINES, lineText=lines
        )


class VStorageObjectManager(StubManager):
    """There are no first class disks."""

    @method("ListVStorageObject", "ListVStorageObjectsAttachedToTag")
    def disks(self, call: Call) -> list[Any]:
        return []

    @method(
        "RetrieveVStorageObject", "RetrieveVStorageObjectState", "ListTagsAttachedToVStorageObject"
    )
    def find(self, call: Call) -> None:
        raise SoapFault(vim.fault.NotFound(), "There is no such disk.")


_SPECIAL: Mapping[str, type[StubManager]] = {
    "customizationSpecManager": CustomizationSpecManager,
    "diagnosticManager": DiagnosticManager,
    "vStorageObjectManager": VStorageObjectManager,
}


def stub_managers() -> dict[str, StubManager]:
    """The managers by property of the service content."""
    return {
        **{name: StubManager(name, answered) for name, answered in _STUBS.items()},
        **{name: special(name) for name, special in _SPECIAL.items()},
    }
