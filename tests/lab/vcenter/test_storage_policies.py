"""The service of storage policies, as pyvmomi uses it with the session of a vCenter."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from pyVmomi import SoapStubAdapter, VmomiSupport, pbm, vmodl

from chaosvm.lab import Lab


@pytest.fixture
def service(lab: Lab, instance: Any) -> Any:
    cookie = instance._stub.cookie.split('"')[1]
    VmomiSupport.GetRequestContext()["vcSessionCookie"] = cookie
    stub = SoapStubAdapter(
        host="localhost",
        port=lab.vsphere_port,
        path="/pbm/sdk",
        version="pbm.version.version2",
        sslContext=ssl.create_default_context(cafile=lab.ca_file),
    )
    yield pbm.ServiceInstance("ServiceInstance", stub)
    del VmomiSupport.GetRequestContext()["vcSessionCookie"]
    stub.DropConnections()


def test_the_policies_of_every_vcenter_are_listed(service: Any) -> None:
    manager = service.RetrieveContent().profileManager
    ids = manager.QueryProfile(manager.FetchResourceType()[0], "REQUIREMENT")
    profiles = manager.RetrieveContent(ids)
    assert "VM Encryption Policy" in {each.name for each in profiles}
    assert {type(each) for each in profiles} == {pbm.profile.CapabilityBasedProfile}
    vm = pbm.ServerObjectRef(objectType="virtualMachine", key="vm-1")
    assert manager.QueryAssociatedProfile(vm) == []


def test_a_stranger_is_refused(service: Any) -> None:
    manager = service.RetrieveContent().profileManager
    VmomiSupport.GetRequestContext()["vcSessionCookie"] = "nonsense"
    with pytest.raises(vmodl.fault.SecurityError):
        manager.QueryProfile(pbm.profile.ResourceType(resourceType="STORAGE"), None)
