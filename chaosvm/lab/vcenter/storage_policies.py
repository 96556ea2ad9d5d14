"""The service of storage policies: those that every vCenter has, and which no VM follows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pyVmomi import pbm

from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, SoapFault, method
from chaosvm.lab.vcenter.serialization import data_object

__all__ = ["StoragePolicies"]

_CREATED = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_CATEGORY = "REQUIREMENT"
# Names by id.
_POLICIES: Mapping[str, str] = {
    "4d5f673c-536f-11e6-beb8-9e71128cae77": "VM Encryption Policy",
    "aa6d5a82-1c88-45da-85d3-3d74b91a5bad": "vSAN Default Storage Policy",
    "f4e5bade-15a2-4805-bf8e-52318c4ce443": "VVol No Requirements Policy",
}


class StoragePolicies:
    """The objects of the service by moid. They are the same in each session."""

    def __init__(self) -> None:
        objects = (ServiceInstance(), ProfileManager(), PlacementSolver(), ComplianceManager())
        self._objects: dict[str, ManagedObject] = {each.moid: each for each in objects}

    def find(self, moid: str, session: Any) -> ManagedObject | None:
        return self._objects.get(moid)


class ServiceInstance(ManagedObject):
    kind = pbm.ServiceInstance
    public = True

    def __init__(self) -> None:
        super().__init__("ServiceInstance")

    @method("PbmRetrieveServiceContent")
    def content(self, call: Call) -> Any:
        return pbm.ServiceInstanceContent(
            aboutInfo=pbm.AboutInfo(name="PBM", version="2.0", instanceUuid="lab"),
            sessionManager=pbm.auth.SessionManager("SessionManager"),
            capabilityMetadataManager=pbm.capability.CapabilityMetadataManager(
                "CapabilityMetadataManager"
            ),
            profileManager=pbm.profile.ProfileManager(ProfileManager.MOID),
            complianceManager=pbm.compliance.ComplianceManager(ComplianceManager.MOID),
            placementSolver=pbm.placement.PlacementSolver(PlacementSolver.MOID),
        )


class ProfileManager(ManagedObject):
    kind = pbm.profile.ProfileManager
    MOID = "ProfileManager"

    def __init__(self) -> None:
        super().__init__(self.MOID)

    @method("PbmFetchResourceType")
    def resource_types(self, call: Call) -> list[Any]:
        return [pbm.profile.ResourceType(resourceType="STORAGE")]

    @method("PbmQueryProfile")
    def query(self, call: Call) -> list[Any]:
        if call.get("profileCategory") not in (None, _CATEGORY):
            return []
        return [pbm.profile.ProfileId(uniqueId=each) for each in _POLICIES]

    @method("PbmRetrieveContent")
    def retrieve(self, call: Call) -> list[Any]:
        return [_profile(each.uniqueId) for each in call.get("profileIds") or ()]

    @method(
        "PbmQueryAssociatedProfile",
        "PbmQueryAssociatedProfiles",
        "PbmQueryAssociatedEntity",
        "PbmQueryAssociatedEntities",
        "PbmFetchCapabilityMetadata",
        "PbmQueryDefaultRequirementProfile",
        "PbmFindApplicableDefaultProfile",
    )
    def nothing(self, call: Call) -> None:
        """No VM follows a policy, and no datastore has a default one."""


class PlacementSolver(ManagedObject):
    kind = pbm.placement.PlacementSolver
    MOID = "PlacementSolver"

    def __init__(self) -> None:
        super().__init__(self.MOID)

    @method("PbmQueryMatchingHub", "PbmCheckCompatibility", "PbmCheckRequirements")
    def nothing(self, call: Call) -> None:
        """No datastore fulfils a policy."""


class ComplianceManager(ManagedObject):
    kind = pbm.compliance.ComplianceManager
    MOID = "ComplianceManager"

    def __init__(self) -> None:
        super().__init__(self.MOID)

    @method("PbmCheckCompliance", "PbmFetchComplianceResult")
    def nothing(self, call: Call) -> None:
        """No VM follows a policy."""


def _profile(id: str) -> Any:
    if id not in _POLICIES:
        raise SoapFault(pbm.fault.NotFound(), f"The profile {id} could not be found.")
    return data_object(
        pbm.profile.CapabilityBasedProfile,
        profileId=pbm.profile.ProfileId(uniqueId=id),
        name=_POLICIES[id],
        description=_POLICIES[id],
        creationTime=_CREATED,
        createdBy="Temporary user handle",
        lastUpdatedTime=_CREATED,
        lastUpdatedBy="Temporary user handle",
        profileCategory=_CATEGORY,
        resourceType=pbm.profile.ResourceType(resourceType="STORAGE"),
        constraints=data_object(pbm.profile.SubProfileCapabilityConstraints),
        generationId=0,
        isDefault=False,
    )
