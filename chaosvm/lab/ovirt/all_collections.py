"""All collections of the API, and those that are empty in the lab."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import value
from chaosvm.lab.ovirt.collection import Call, Collection, empty, nodes
from chaosvm.lab.ovirt.disks import Disks
from chaosvm.lab.ovirt.estate_collections import estate_collections
from chaosvm.lab.ovirt.event_collections import event_collection
from chaosvm.lab.ovirt.host_collections import host_collections
from chaosvm.lab.ovirt.hrefs import href
from chaosvm.lab.ovirt.job_collections import job_collections
from chaosvm.lab.ovirt.jobs import Jobs
from chaosvm.lab.ovirt.kinds.recorded import recorded
from chaosvm.lab.ovirt.markup import Node, linked, node, text
from chaosvm.lab.ovirt.members import member_collections
from chaosvm.lab.ovirt.overlay import Overlay
from chaosvm.lab.ovirt.permissions import permission_collections
from chaosvm.lab.ovirt.registry import Registry
from chaosvm.lab.ovirt.stored_collections import stored_collections
from chaosvm.lab.ovirt.tag_collections import tag_collections
from chaosvm.lab.ovirt.template_collections import template_collections
from chaosvm.lab.ovirt.templates import Templates
from chaosvm.lab.ovirt.vm_nics import nic_collections
from chaosvm.lab.ovirt.vm_parts import vm_parts
from chaosvm.lab.ovirt.vm_snapshots import Previews, snapshot_collections
from chaosvm.lab.simulation import World

__all__ = ["all_collections"]

# Recorded from an engine without such objects.
_EMPTY: Mapping[str, str] = {
    "clusterlevels/{id}/clusterfeatures": "cluster_features",
    "domains/{id}/groups": "groups",
    "externalhostproviders": "external_host_providers",
    "imagetransfers": "image_transfers",
    "instancetypes/{id}/nics": "nics",
    "instancetypes/{id}/watchdogs": "watchdogs",
    "openstackimageproviders": "openstack_image_providers",
    "openstacknetworkproviders": "openstack_network_providers",
    "openstackvolumeproviders": "openstack_volume_providers",
    "storagedomains/{id}/disksnapshots": "disk_snapshots",
    "storagedomains/{id}/templates": "templates",
    "users/{id}/eventsubscriptions": "event_subscriptions",
    "users/{id}/groups": "groups",
    "users/{id}/options": "user_options",
    "users/{id}/sshpublickeys": "ssh_public_keys",
}
_NO_ERRATA = (
    "The engine is not associated with a Foreman/Satellite provider. No errata for the engine "
    "are available."
)

_NO_IMAGES = (
    "engineexception: images not supported error (failed with error images not supported error "
    "and code 329)"
)


def all_collections(
    world: World,
    registry: Registry,
    jobs: Jobs,
    overlay: Overlay,
    templates: Templates,
    previews: Previews,
) -> Sequence[Collection]:
    return (
        *estate_collections(registry, overlay),
        *host_collections(overlay),
        *tag_collections(world),
        *template_collections(templates, overlay),
        *job_collections(jobs),
        event_collection(world),
        *Disks(world, registry).collections(),
        *nic_collections(registry),
        *snapshot_collections(previews),
        *vm_parts(),
        *permission_collections(registry),
        *member_collections(registry),
        *stored_collections(registry),
        *_read_only(registry),
        *(empty(path, root) for path, root in _EMPTY.items()),
    )


def _read_only(registry: Registry) -> Sequence[Collection]:
    scheduling = (("filters", "filter"), ("weights", "weight"), ("balances", "balance"))
    return (
        nodes("katelloerrata", "katello_errata", _refused(_NO_ERRATA)),
        nodes("storagedomains/{id}/images", "images", _refused(_NO_IMAGES)),
        nodes("options", "system_options", _unlisted, find=_option),
        nodes("clusters/{id}/networkfilters", "network_filters", lambda call: _filters(registry)),
        nodes(
            "storagedomains/{id}/storageconnections",
            "storage_connections",
            lambda call: _connections(registry, call),
        ),
        nodes("storagedomains/{id}/vms", "vms", _vms_on),
        nodes("domains/{id}/users", "users", lambda call: _domain_users(registry, call)),
        nodes("users/{id}/roles", "roles", lambda call: _roles_of(registry, call, "user")),
        nodes("groups/{id}/roles", "roles", lambda call: _roles_of(registry, call, "group")),
        nodes("instancetypes/{id}/graphicsconsoles", "graphics_consoles", _consoles),
        *(
            nodes(f"schedulingpolicies/{{id}}/{name}", name, _scheduling(name, element))
            for name, element in scheduling
        ),
    )


def _refused(detail: str) -> Callable[[Call], Sequence[Node]]:
    """What every engine refuses without an external provider."""

    def refuse(call: Call) -> Sequence[Node]:
        raise Failure(400, detail)

    return refuse


def _unlisted(call: Call) -> Sequence[Node]:
    raise Failure(404)


def _option(call: Call, name: str) -> Node | None:
    """An option of the engine's configuration, for one version or for all."""
    values = recorded("options").get(name, {})
    wanted = call.parameters.get("version")
    shown = [
        node("system_option_value", text("value", content), text("version", version))
        for version, content in values.items()
        if wanted in (None, "", version)
    ]
    if not shown:
        return None
    members = (text("name", name), node("values", *shown))
    return node("system_option", *members, href=f"{call.path}/{name}", id=name)


def _filters(registry: Registry) -> Sequence[Node]:
    kind = registry.kinds["networkfilters"]
    return [
        _reference_with_name("network_filter", each.element, "networkfilters")
        for each in registry.all(kind)
    ]


def _reference_with_name(tag: str, element: Element, collection: str) -> Node:
    item_id = element.get("id", "")
    name = text("name", value(element, "name") or "")
    return node(tag, name, href=href(collection, item_id), id=item_id)


def _connections(registry: Registry, call: Call) -> Sequence[Node]:
    kind = registry.kinds["storageconnections"]
    found = []
    for stored in registry.all(kind):
        members = [text(child.tag, child.text or "") for child in stored.element if not len(child)]
        found.append(
            node("storage_connection", *members, href=f"{call.path}/{stored.id}", id=stored.id)
        )
    return found


def _vms_on(call: Call) -> Sequence[Node]:
    return [
        node("vm", text("name", vm.name), href=href("vms", vm.id), id=vm.id)
        for vm in call.world.vms
        if vm.disks
    ]


def _domain_users(registry: Registry, call: Call) -> Sequence[Node]:
    kind = registry.kinds["users"]
    return [_reference_with_name("user", each.element, "users") for each in registry.all(kind)]


def _roles_of(registry: Registry, call: Call, tag: str) -> Sequence[Node]:
    roles = {}
    for permission in registry.all(registry.kinds["permissions"]):
        registry.resolve(permission.element, "role")
        if value(permission.element, f"{tag}/id") == call.parent:
            roles[value(permission.element, "role/id") or ""] = permission.element
    return [
        node(
            "role",
            text("name", value(element, "role/name") or ""),
            linked(tag, f"{tag}s", call.parent),
            href=f"{call.path}/{role_id}",
            id=role_id,
        )
        for role_id, element in roles.items()
    ]


def _consoles(call: Call) -> Sequence[Node]:
    return [
        node(
            "graphics_console",
            text("protocol", protocol),
            linked("instance_type", "instancetypes", call.parent),
            href=f"{call.path}/{protocol.encode().hex()}",
            id=protocol.encode().hex(),
        )
        for protocol in ("spice", "vnc")
    ]


def _scheduling(name: str, element: str) -> Callable[[Call], Sequence[Node]]:
    """The units of a policy, with their positions or factors."""
    number = {"filter": "position", "weight": "factor"}.get(element)

    def items(call: Call) -> Sequence[Node]:
        policy: Mapping[str, str] = next(
            (each for each in recorded("schedulingpolicies") if each["id"] == call.parent), {}
        )
        pairs = (each.partition(":") for each in policy.get(name, "").split())
        return [
            node(
                element,
                text(number, count) if number else None,
                linked("scheduling_policy_unit", "schedulingpolicyunits", unit),
                id=unit,
            )
            for unit, _, count in pairs
        ]

    return items
