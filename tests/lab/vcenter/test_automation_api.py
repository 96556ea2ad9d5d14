"""The vSphere Automation API: tags, lists and power, as HTTP and as JSON-RPC."""

from __future__ import annotations

from typing import Any

import pytest

from chaosvm.lab import Guest, Lab, State, World
from tests.lab.vcenter.conftest import Soap

LEGACY, CURRENT = "/rest", "/api"
TAGGING = {LEGACY: "/rest/com/vmware/cis/tagging", CURRENT: "/api/cis/tagging"}
TAG_ID = {LEGACY: "id:{}", CURRENT: "{}"}


class Api:
    """A client of one of the two HTTP interfaces."""

    def __init__(self, soap: Soap, lab: Lab, root: str) -> None:
        self._soap = soap
        self.root = root
        session = f"{root}/com/vmware/cis/session" if root == LEGACY else "/api/session"
        token = self("POST", session, auth=(lab.username, lab.password))
        soap.session.headers["vmware-api-session-id"] = token

    def __call__(self, method: str, path: str, status: tuple[int, ...] = (), **more: Any) -> Any:
        response = self._soap.session.request(method, self._soap.root + path, timeout=60, **more)
        assert response.status_code in (status or (200, 201, 204)), response.text
        content = response.json() if response.text else None
        return content["value"] if self.root == LEGACY and content and not status else content

    def tagging(self, method: str, path: str, body: Any = None, name: str = "") -> Any:
        """``name`` is the parameter that the body is, which only /rest writes down."""
        wrapped = {name: body} if name and self.root == LEGACY else body
        action = "~action=" if self.root == LEGACY else "action="
        return self(method, f"{TAGGING[self.root]}/{path}".replace("action=", action), json=wrapped)


@pytest.fixture(params=[LEGACY, CURRENT])
def api(request: Any, soap: Soap, lab: Lab, world: World) -> Api:
    world.add_vm("web", ip_addresses=("10.0.0.1",), fqdn="web.example")
    world.add_vm("off", State.OFF)
    return Api(soap, lab, request.param)


def moid(world: World, name: str = "web") -> str:
    return world.vm(name).moid


def test_a_tag_is_made_attached_renamed_and_deleted(api: Api, world: World) -> None:
    spec = {"name": "tier", "description": "", "cardinality": "SINGLE", "associable_types": []}
    category = api.tagging("POST", "category", spec, "create_spec")
    made = {"name": "gold", "description": "best", "category_id": category}
    tag = api.tagging("POST", "tag", made, "create_spec")
    own = TAG_ID[api.root].format(tag)
    vm = {"type": "VirtualMachine", "id": moid(world)}
    api.tagging("POST", f"tag-association/{own}?action=attach", {"object_id": vm})
    assert world.vm("web").tags == ("tier/gold",)
    assert api.tagging("POST", f"tag-association/{own}?action=list-attached-objects") == [vm]
    api.tagging("PATCH", f"tag/{own}", {"name": "silver"}, "update_spec")
    assert world.vm("web").tags == ("tier/silver",)
    assert api.tagging("GET", f"tag/{own}")["name"] == "silver"
    api.tagging("DELETE", f"tag/{own}")
    assert world.vm("web").tags == ()
    assert tag not in api.tagging("GET", "tag")


def test_an_object_has_one_tag_of_a_single_category(api: Api, world: World) -> None:
    spec = {"name": "tier", "description": "", "cardinality": "SINGLE", "associable_types": []}
    category = api.tagging("POST", "category", spec, "create_spec")
    made = {"description": "", "category_id": category}
    tags = [
        api.tagging("POST", "tag", {"name": name, **made}, "create_spec") for name in ("a", "b")
    ]
    body = {"object_id": {"type": "VirtualMachine", "id": moid(world)}, "tag_ids": tags}
    path = "tag-association?action=attach-multiple-tags-to-object"
    result = api.tagging("POST", path, body)
    assert (result["success"], len(result["error_messages"])) == (False, 1)
    assert world.vm("web").tags == ("tier/a",)


def test_lists_are_filtered(api: Api, world: World) -> None:
    def names(query: str, kind: str = "vm") -> list[str]:
        prefix = "filter." if api.root == LEGACY else ""
        return [each["name"] for each in api("GET", f"{api.root}/vcenter/{kind}?{prefix}{query}")]

    (cluster,) = api("GET", f"{api.root}/vcenter/cluster")
    assert names("names=web") == ["web"]
    assert names("power_states=POWERED_OFF") == ["off"]
    assert names(f"clusters={cluster['cluster']}") == ["web", "off"]
    assert names("standalone=true", "host") == []
    assert names("connection_states=CONNECTED", "host") == ["host-1"]
    assert names("type=VIRTUAL_MACHINE", "folder") == ["vm"]
    api("GET", f"{api.root}/vcenter/vm?colour=red", (400,))


def test_power_and_the_guest(api: Api, world: World) -> None:
    path = f"{api.root}/vcenter/vm/{moid(world)}"

    def power(verb: str, *status: int) -> None:
        api("POST", f"{path}/power{'/' if api.root == LEGACY else '?action='}{verb}", status)

    assert api("GET", f"{path}/guest/identity")["host_name"] == "web.example"
    (nic,) = api("GET", f"{path}/guest/networking/interfaces")
    assert nic["ip"]["ip_addresses"][0]["ip_address"] == "10.0.0.1"
    power("stop")
    assert world.vm("web").state is State.OFF
    power("stop", 400)
    api("GET", f"{path}/guest/identity", (503,))
    power("start")
    assert api("GET", f"{path}/power")["state"] == "POWERED_ON"
    power("suspend")
    assert api("GET", f"{path}/power")["state"] == "SUSPENDED"
    power("reset", 400)


def test_a_guest_is_shut_down(api: Api, world: World) -> None:
    world.change("web", guest=Guest.slow(30))
    path = f"{api.root}/vcenter/vm/{moid(world)}/guest/power"
    api("POST", f"{path}?action=shutdown")
    assert world.vm("web").state is State.SHUTTING_DOWN
    api("POST", f"{api.root}/vcenter/vm/vm-1/guest/power?action=shutdown", (404,))


def test_what_is_not_modelled_is_named(api: Api) -> None:
    assert "/vcenter/nothing" in str(api("GET", f"{api.root}/vcenter/nothing", (404,)))


def test_what_a_bare_vcenter_lacks_is_empty(api: Api) -> None:
    content = "/rest/com/vmware/content" if api.root == LEGACY else "/api/content"
    assert api("GET", f"{content}/library") == []
    assert api("GET", f"{api.root}/vcenter/namespaces/instances") == []
    assert api("GET", f"{api.root}/appliance/health/system") == "green"


def test_json_rpc(lab: Lab, soap: Soap, world: World) -> None:
    """As VMware's SDKs send it."""
    world.add_vm("web")

    def call(service: str, operation: str, fields: Any, context: Any) -> Any:
        params = {
            "serviceId": service,
            "operationId": operation,
            "input": {"STRUCTURE": {"operation-input": fields}},
            "ctx": {"appCtx": {}, "securityCtx": context},
        }
        body = {"jsonrpc": "2.0", "method": "invoke", "id": "1", "params": params}
        answer = soap.session.post(f"{soap.root}/api", json=body, timeout=60).json()
        assert answer["id"] == "1"
        return answer["result"]

    scheme = "com.vmware.vapi.std.security.user_pass"
    user = {"schemeId": scheme, "userName": lab.username, "password": lab.password}
    wrong = call("com.vmware.cis.session", "create", {}, {**user, "password": "nonsense"})
    assert "com.vmware.vapi.std.errors.unauthenticated" in wrong["error"]["ERROR"]
    token = call("com.vmware.cis.session", "create", {}, user)["output"]["SECRET"]
    session = {"schemeId": "com.vmware.vapi.std.security.session_id", "sessionId": token}
    fields = {"names": {"OPTIONAL": ["web"]}, "datacenters": {"OPTIONAL": []}}  # empty: of any
    wanted = {"STRUCTURE": {"com.vmware.vcenter.VM.filter_spec": fields}}
    (found,) = call("com.vmware.vcenter.VM", "list", {"filter": {"OPTIONAL": wanted}}, session)[
        "output"
    ]
    summary = found["STRUCTURE"]["com.vmware.vcenter.VM.summary"]
    assert (summary["name"], summary["cpu_count"]) == ("web", {"OPTIONAL": 1})
    unknown = call("com.vmware.vcenter.nothing", "list", {}, session)
    assert "com.vmware.vapi.std.errors.operation_not_found" in unknown["error"]["ERROR"]
    assert call("com.vmware.cis.session", "delete", {}, session) == {"output": None}
    ended = call("com.vmware.cis.session", "get", {}, session)
    assert "com.vmware.vapi.std.errors.unauthenticated" in ended["error"]["ERROR"]


def test_content_libraries(api: Api) -> None:
    root = "/rest/com/vmware/content" if api.root == LEGACY else "/api/content"
    spec = {"name": "images", "storage_backings": [{"type": "DATASTORE"}]}

    def wrapped(name: str, body: Any) -> Any:
        return {name: body} if api.root == LEGACY else body

    def own(id: str) -> str:
        return f"{root}/local-library/{TAG_ID[api.root].format(id)}"

    id = api("POST", f"{root}/local-library", json=wrapped("create_spec", spec))
    api("POST", f"{root}/local-library", (400,), json=wrapped("create_spec", spec))
    assert api("GET", f"{root}/library") == [id]
    action = "~action" if api.root == LEGACY else "action"
    found = api("POST", f"{root}/library?{action}=find", json={"spec": {"name": "images"}})
    assert found == [id]
    api("PATCH", own(id), json=wrapped("update_spec", {"description": "d"}))
    assert api("GET", own(id))["description"] == "d"
    api("DELETE", own(id))
    api("GET", own(id), (404,))


def test_cards_and_hosts_are_disconnected_and_connected(api: Api, world: World) -> None:
    vm = f"{api.root}/vcenter/vm/{moid(world)}"
    (card,) = api("GET", f"{vm}/hardware/ethernet")
    (host,) = api("GET", f"{api.root}/vcenter/host")
    join = "/" if api.root == LEGACY else "?action="
    nic = f"{vm}/hardware/ethernet/{card['nic']}"
    api("POST", f"{nic}{join}disconnect")
    assert [each.connected for each in world.vm("web").nics] == [False]
    api("POST", f"{nic}{join}disconnect", (400,))
    api("POST", f"{nic}{join}connect")
    assert api("GET", nic)["state"] == "CONNECTED"
    own = f"{api.root}/vcenter/host/{host['host']}"
    api("POST", f"{own}{join}disconnect")
    (found,) = api("GET", f"{api.root}/vcenter/host")
    assert found["connection_state"] == "DISCONNECTED"
    api("POST", f"{own}{join}connect")
    api("POST", f"{own}{join}connect", (400,))
