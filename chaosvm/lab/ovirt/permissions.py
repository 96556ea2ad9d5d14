"""Permissions of users and groups, on single objects or on all.

An object's permissions include those on the whole system. Source: the recordings
``permission*`` and ``vm-permissions``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import value
from chaosvm.lab.ovirt.collection import Call, Collection
from chaosvm.lab.ovirt.hrefs import REFERENCES, href
from chaosvm.lab.ovirt.kinds.access import EVERYONE, PROFILE_EDITOR, SUPER_USER
from chaosvm.lab.ovirt.kinds.recorded import seeded
from chaosvm.lab.ovirt.markup import Node, linked, node
from chaosvm.lab.ovirt.registry import Kind, Registry, Stored
from chaosvm.lab.ovirt.users import ADMIN_ID, user_id
from chaosvm.lab.simulation import Role, User, World, derived_id

__all__ = ["PERMISSIONS", "permission_collections"]

# The paths that have permissions, and the elements that refer to their objects.
_OBJECTS = {
    "clusters": "cluster",
    "cpuprofiles": "cpu_profile",
    "datacenters": "data_center",
    "datacenters/{id}/quotas": "quota",
    "diskprofiles": "disk_profile",
    "disks": "disk",
    "groups": "group",
    "hosts": "host",
    "macpools": "mac_pool",
    "networks": "network",
    "storagedomains": "storage_domain",
    "templates": "template",
    "users": "user",
    "vmpools": "vm_pool",
    "vms": "vm",
    "vnicprofiles": "vnic_profile",
}
_SUBJECTS = ("user", "group")
# References that permissions show.
_SHOWN = (
    *("cluster", "data_center", "disk", "group", "host", "role", "storage_domain", "template"),
    *("user", "vm", "vm_pool"),
)
_TYPES = {"vm": "VM", "vm_pool": "VM Pool"}
_ROLES = {Role.USER: "UserRole", Role.READER: "ReadOnlyAdmin", Role.ADMIN: "SuperUser"}
_KEPT = "[It's not allowed to remove system permissions assigned to built-in Everyone group]"


def _seeds(world: World) -> Iterator[tuple[str, Element]]:
    admin = derived_id("permission", "admin")
    yield "permissions", _permission(admin, user=ADMIN_ID, role=SUPER_USER)
    everyone = derived_id("permission", "everyone")
    yield "permissions", _permission(everyone, group=EVERYONE, role=PROFILE_EDITOR)
    for name in world.user_names:
        user = world.user(name)
        for vm_id in _objects_of(user) if user else ():
            assert user is not None
            of = {"vm": vm_id} if vm_id else {}
            item_id = derived_id("permission", name, vm_id)
            role = _ROLES[user.role]
            yield "permissions", _permission(item_id, user=user_id(name), role_name=role, **of)


def _objects_of(user: User) -> Sequence[str]:
    """The VMs that a user has a role on; an empty one for a role on all."""
    if user.role is Role.USER:
        return sorted(user.vm_ids)
    return ("",) if user.role in _ROLES else ()


def _permission(item_id: str, role_name: str = "", **ids: str) -> Element:
    element = seeded("permission", item_id, **{tag: {"id": of} for tag, of in ids.items()})
    if role_name:
        SubElement(SubElement(element, "role"), "name").text = role_name
    return element


PERMISSIONS = Kind(path="permissions", element="permission", mandatory=(), seeds=_seeds)


def permission_collections(registry: Registry) -> Sequence[Collection]:
    permissions = _Permissions(registry)
    return (
        permissions.collection("permissions", ""),
        *(
            permissions.collection(f"{path}/{{id}}/permissions", tag)
            for path, tag in _OBJECTS.items()
        ),
    )


class _Permissions:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def collection(self, path: str, tag: str) -> Collection:
        return Collection(
            path=path,
            root="permissions",
            items=lambda call: self._items(call, tag),
            described=lambda call, stored: self._described(call, stored, tag),
            add=lambda call, body: self._add(call, body, tag),
            remove=self._remove,
        )

    def _items(self, call: Call, tag: str) -> Sequence[Stored]:
        """Those on the object and, unless it is a user or group, those on the system."""
        return [
            each
            for each in self._all()
            if (tag and value(each.element, f"{tag}/id") == call.parent)
            or (tag not in _SUBJECTS and not _object(each.element))
        ]

    def _all(self) -> Sequence[Stored]:
        stored = self._registry.all(PERMISSIONS)
        for each in stored:
            self._registry.resolve(each.element, "role")
        return stored

    def _described(self, call: Call, stored: Stored, tag: str) -> Node:
        ids = {child.tag: child.get("id", "") for child in stored.element}
        if tag in _SHOWN and tag not in _SUBJECTS:
            ids.setdefault(tag, call.parent)
        subject = next((each for each in _SUBJECTS if each in ids), "user")
        is_listed_here = ids.get(subject) == ADMIN_ID or (
            tag and tag not in ("user", "group", "vm")
        )
        path = call.path if is_listed_here else href(f"{subject}s", ids.get(subject), "permissions")
        references = [linked(each, REFERENCES[each], ids.get(each)) for each in _SHOWN]
        return node("permission", *references, href=f"{path}/{stored.id}", id=stored.id)

    def _add(self, call: Call, body: Element, tag: str) -> Stored:
        for each in (*_SUBJECTS, "role"):
            if tag == each and body.find(each) is None:
                SubElement(body, each, id=call.parent)
        self._refuse_incomplete(body)
        self._resolve_role(body)
        self._registry.resolve(body, *(each for each in _SHOWN if each != "role"))
        if tag and tag not in _SUBJECTS and body.find(tag) is None:
            SubElement(body, tag, id=call.parent)
        body.attrib.clear()
        stored = self._registry.put(PERMISSIONS, (), body)
        code, on = 850, self._object_name(stored.element)
        call.note(
            code,
            f"User/Group {self._subject(body)}, Namespace *, Authorization provider: "
            f"internal-authz was granted permission for Role {value(body, 'role/name')} on {on}, "
            "by {user}.",
        )
        return stored

    def _refuse_incomplete(self, body: Element) -> None:
        if not any(value(body, f"{each}/id") for each in _SUBJECTS):
            raise Failure(
                400, "Permission [user.id|group.id] required for add", "Incomplete parameters"
            )
        if not value(body, "role/id") and not value(body, "role/name"):
            raise Failure(
                400, "Permission [role.id|role.name] required for add", "Incomplete parameters"
            )

    def _resolve_role(self, body: Element) -> None:
        wanted = value(body, "role/id") or value(body, "role/name") or ""
        if self._registry.find("roles", wanted) is None:
            raise Failure(400, "[Cannot add permission, invalid Role id]")
        self._registry.resolve(body, "role")

    def _remove(self, call: Call, stored: Stored) -> None:
        element = stored.element
        if value(element, "group/id") == EVERYONE and not _object(element):
            raise Failure(409, _KEPT)
        self._registry.drop(PERMISSIONS, (), stored.id)
        role = value(element, "role/name")
        removed = f"User/Group {self._subject(element)} Role {role} permission was removed from"
        call.note(852, f"{removed} {self._object_name(element)} by {{user}}")

    def _subject(self, element: Element) -> str:
        found = next((child for tag in _SUBJECTS if (child := element.find(tag)) is not None), None)
        return self._registry.name_of(found)

    def _object_name(self, element: Element) -> str:
        tag = _object(element)
        if not tag:
            return "System System"
        words = _TYPES.get(tag, tag.replace("_", " ").title())
        return f"{words} {self._registry.name_of(element.find(tag))}"


def _object(element: Element) -> str:
    """The element of the object that a permission is on; empty for the system."""
    tags = [child.tag for child in element if child.tag not in (*_SUBJECTS, "role")]
    return tags[0] if tags else ""
