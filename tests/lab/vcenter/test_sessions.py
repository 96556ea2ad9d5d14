"""Connecting, logging in and out, sessions that end, and what is no request."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import requests
from pyVmomi import vim, vmodl

from chaosvm.lab import Lab, World
from tests.lab.vcenter.conftest import Soap, connected, left


def test_environment_and_address(lab: Lab) -> None:
    assert lab.environment() == {
        "VSPHERE_SERVER": "127.0.0.1",
        "VSPHERE_PORT": str(lab.vsphere_port),
        "VSPHERE_USERNAME": lab.username,
        "VSPHERE_PASSWORD": lab.password,
        "VSPHERE_CA_FILE": lab.ca_file,
    }
    assert lab.vsphere_server == "127.0.0.1"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_its_certificate_is_good_for_both_names(lab: Lab, host: str) -> None:
    left(connected(lab, host))


def test_others_do_not_trust_it(lab: Lab) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        connected(lab, sslContext=ssl.create_default_context())


def test_all_platforms_are_served_by_default(world: World) -> None:
    with Lab(world) as lab:
        assert {"VSPHERE_SERVER", "OLVM_URL"} <= lab.environment().keys()


def test_it_says_what_it_is(content: Any) -> None:
    about = content.about
    assert (about.apiType, about.apiVersion) == ("VirtualCenter", "8.0.3.0")
    assert "lab" in about.fullName


@pytest.mark.parametrize("wrong", [{"password": "nonsense"}, {"username": "nobody"}])
def test_wrong_accounts_are_refused(lab: Lab, soap: Soap, wrong: dict[str, str]) -> None:
    answer = soap.login(**wrong)
    assert answer.status_code == 500
    assert "InvalidLoginFault" in answer.text
    assert lab.sessions() == {"logins": 0, "logouts": 0, "alive": 0}


def test_sessions_are_counted_and_end(lab: Lab) -> None:
    first, second = connected(lab), connected(lab)
    manager = first.RetrieveContent().sessionManager
    me = manager.currentSession
    assert me.userName == lab.username
    assert len(manager.sessionList) == 2
    assert manager.SessionIsActive(me.key, me.userName)
    left(first)
    assert lab.sessions() == {"logins": 2, "logouts": 1, "alive": 1}
    left(second)
    assert lab.sessions() == {"logins": 2, "logouts": 2, "alive": 0}


def test_logging_in_twice_is_refused(content: Any, lab: Lab) -> None:
    with pytest.raises(vim.fault.InvalidLogin):
        content.sessionManager.Login(lab.username, lab.password)


def test_what_a_session_made_goes_with_it(content: Any, lab: Lab) -> None:
    view = content.viewManager.CreateContainerView(content.rootFolder, [], True)
    lab.expire_tokens()
    with pytest.raises(vim.fault.NotAuthenticated):
        content.viewManager.CreateContainerView(content.rootFolder, [], True)
    assert content.sessionManager.currentSession is None
    content.sessionManager.Login(lab.username, lab.password)
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = view.view


def test_sessions_get_old(world: World) -> None:
    with Lab(world, platforms=["vsphere"], token_seconds=0.0) as lab, Soap(lab) as soap:
        assert soap.login().status_code == 200
        answer = soap("RetrieveServiceContent", "ServiceInstance")
        assert answer.status_code == 200  # anybody may ask that
        answer = soap("Logout", "SessionManager")
        assert (answer.status_code, "NotAuthenticatedFault" in answer.text) == (500, True)


def test_without_a_session_an_inventory_is_there_but_tells_nothing(soap: Soap) -> None:
    inner = (
        "<specSet><propSet><type>Folder</type><pathSet>name</pathSet></propSet>"
        '<objectSet><obj type="Folder">group-d1</obj></objectSet></specSet><options/>'
    )
    answer = soap("RetrievePropertiesEx", "PropertyCollector", "propertyCollector", inner)
    assert answer.status_code == 200
    assert "<missingSet><path>name</path>" in answer.text
    assert "NotAuthenticated" in answer.text
    assert "<propSet>" not in answer.text


def test_a_method_that_is_lacking_says_so(soap: Soap, world: World, instance: Any) -> None:
    moid = world.add_vm("web").moid
    soap.login()
    for name, inner in (("DefragmentAllDisks", ""), ("NoSuchMethod", "<a/>")):
        answer = soap(name, "VirtualMachine", moid, inner)
        assert answer.status_code == 500
        assert "MethodNotFoundFault" in answer.text
        assert f"<method>{name}</method>" in answer.text
    with pytest.raises(vmodl.fault.MethodNotFound) as caught:
        vim.VirtualMachine(moid, instance._stub).DefragmentAllDisks()
    assert caught.value.method == "DefragmentAllDisks"


@pytest.mark.parametrize(
    "body",
    ["", "nonsense", "<a/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"],
)
def test_what_is_no_request_is_refused(soap: Soap, body: str) -> None:
    answer = soap.send(body)
    assert answer.status_code == 500
    assert "InvalidRequestFault" in answer.text


def test_values_of_the_wrong_type_are_refused(soap: Soap) -> None:
    soap.login()
    inner = "<container type='Folder'>group-d1</container><recursive>perhaps</recursive>"
    answer = soap("CreateContainerView", "ViewManager", inner=inner)
    assert "InvalidRequestFault" in answer.text


def test_the_versions_are_listed(lab: Lab, soap: Soap) -> None:
    answer = soap.session.get(f"{soap.root}/sdk/vimServiceVersions.xml", timeout=60)
    assert "<name>urn:vim25</name><version>8.0.3.0</version>" in answer.text


@pytest.mark.parametrize(
    ("session", "tagging", "ask"),
    [
        ("/rest/com/vmware/cis/session", "/rest/com/vmware/cis/tagging", "?~action="),
        ("/api/session", "/api/cis/tagging", "?action="),
    ],
)
def test_tags_are_told_by_both_rest_apis(
    lab: Lab, world: World, soap: Soap, session: str, tagging: str, ask: str
) -> None:
    world.add_tag("gold", parent="tier")
    vm = world.add_vm("web", tags=("gold",))

    def asked(method: str, path: str, **more: Any) -> requests.Response:
        return soap.session.request(method, soap.root + path, timeout=60, **more)

    def value(answer: requests.Response) -> Any:
        told = answer.json()
        return told["value"] if session.startswith("/rest") else told

    wanted = {"object_ids": [{"id": vm.moid, "type": "VirtualMachine"}]}
    attached = f"{tagging}/tag-association{ask}list-attached-tags-on-objects"
    assert asked("POST", attached, json=wanted).status_code == 401
    assert asked("POST", session, auth=(lab.username, "nonsense")).status_code == 401
    token = value(asked("POST", session, auth=(lab.username, lab.password)))
    soap.session.headers["vmware-api-session-id"] = token
    ((found,),) = [each["tag_ids"] for each in value(asked("POST", attached, json=wanted))]
    tag = value(asked("GET", f"{tagging}/tag/{found}"))
    category = value(asked("GET", f"{tagging}/category/{tag['category_id']}"))
    assert (tag["name"], category["name"]) == ("gold", "tier")
    assert asked("GET", f"{tagging}/tag/nonsense").status_code == 404
    assert asked("POST", attached, data="nonsense").status_code == 400
    assert asked("DELETE", session).status_code < 300
    assert asked("POST", attached, json=wanted).status_code == 401


def test_a_session_that_does_not_exist_cannot_be_ended(content: Any) -> None:
    with pytest.raises(vim.fault.NotFound):
        content.sessionManager.TerminateSession(["none"])
    assert len(content.sessionManager.sessionList) == 1


def test_a_session_is_cloned_with_a_ticket_once(content: Any, lab: Lab, soap: Soap) -> None:
    ticket = content.sessionManager.AcquireCloneTicket()
    inner = f"<cloneTicket>{ticket}</cloneTicket>"
    assert soap("CloneSession", "SessionManager", inner=inner).status_code == 200
    assert len(content.sessionManager.sessionList) == 2
    soap.session.cookies.clear()
    assert "InvalidLoginFault" in soap("CloneSession", "SessionManager", inner=inner).text
