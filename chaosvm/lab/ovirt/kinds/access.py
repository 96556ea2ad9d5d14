"""Users, groups, roles and their domain. Source: the recordings ``user-*`` and ``role-*``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import value
from chaosvm.lab.ovirt.collection import Call
from chaosvm.lab.ovirt.kinds.recorded import recorded, seeded
from chaosvm.lab.ovirt.registry import Kind, Registry
from chaosvm.lab.ovirt.users import user_id
from chaosvm.lab.simulation import World, derived_id

__all__ = ["ACCESS", "EVERYONE", "PROFILE_EDITOR", "SUPER_USER"]

EVERYONE = "eee00000-0000-0000-0000-123456789eee"
SUPER_USER = "00000000-0000-0000-0000-000000000001"
PROFILE_EDITOR = "def00021-0000-0000-0000-def000000015"
_DOMAIN_NAME = "internal-authz"
_DOMAIN = {"id": _DOMAIN_NAME.encode().hex().upper(), "name": _DOMAIN_NAME}


def _entry_id(item_id: str) -> str:
    return item_id.encode().hex().upper()


def _user(name: str) -> Element:
    return seeded(
        "user",
        user_id(name),
        name=name,
        department="",
        domain_entry_id=_entry_id(user_id(name)),
        email=f"{name}@localhost",
        last_name="",
        namespace="*",
        principal=name,
        user_name=f"{name}@{_DOMAIN_NAME}",
        domain=_DOMAIN,
    )


def _users(world: World) -> Iterator[tuple[str, Element]]:
    for name in ("admin@internal", *world.user_names):
        yield "users", _user(name.partition("@")[0])


def _complete_user(call: Call, registry: Registry, element: Element) -> Element:
    """An account of the directory, in which the lab has every requested name."""
    name = (value(element, "user_name") or value(element, "principal") or "").partition("@")[0]
    if not name:
        detail = "Parameter 'user.user_name' is mandatory but was not provided."
        raise Failure(400, detail, "Input validation failed.")
    return _user(name)


def _groups(world: World) -> Iterator[tuple[str, Element]]:
    entry = _entry_id(EVERYONE)
    yield "groups", seeded("group", EVERYONE, name="Everyone", domain_entry_id=entry, namespace="*")


def _complete_group(call: Call, registry: Registry, element: Element) -> Element:
    name = value(element, "name") or ""
    item_id = derived_id("group", name)
    entry = _entry_id(item_id)
    members = {"name": name, "namespace": "*", "domain_entry_id": entry, "domain": _DOMAIN}
    return seeded("group", item_id, **members)


def _roles(world: World) -> Iterator[tuple[str, Element]]:
    for role in recorded("roles"):
        permits = [{"id": number} for number in role["permits"].split()]
        members = {
            name: role[name]
            for name in ("name", "description", "administrative", "mutable")
            if name in role
        }
        yield "roles", seeded("role", role["id"], permits={"permit": permits}, **members)


def _complete_role(call: Call, registry: Registry, element: Element) -> Element:
    for permit in element.findall("permits/permit"):
        named = {each["name"]: each["id"] for each in recorded("permits")}
        wanted = permit.get("id") or named.get(value(permit, "name") or "")
        if wanted not in named.values():
            raise Failure(404, f"Entity not found: Permit: id={wanted}")
        permit.clear()
        permit.set("id", str(wanted))
    return element


def _domains(world: World) -> Iterator[tuple[str, Element]]:
    yield "domains", seeded("domain", _DOMAIN["id"], name=_DOMAIN_NAME)


ACCESS: Sequence[Kind] = (
    Kind(
        path="users",
        element="user",
        links="sshpublickeys eventsubscriptions groups roles permissions tags options",
        mandatory=("user_name|principal",),
        entity="users",
        added=(149, "User '{name}' was added successfully to the system."),
        removed=(325, "User {name} was removed by {user}."),
        completes=_complete_user,
        seeds=_users,
    ),
    Kind(
        path="groups",
        element="group",
        links="roles permissions tags",
        entity="groups",
        added=(149, "User '{name}' was added successfully to the system."),
        removed=(408, "Group {name} was removed by {user}."),
        completes=_complete_group,
        seeds=_groups,
    ),
    Kind(
        path="roles",
        element="role",
        links="permits",
        defaults={"mutable": True},
        mandatory=("name", "permits.id"),
        taken="Cannot add Role. The Role name is already in use, please choose a unique name and "
        "try again.",
        added=(864, "Role {name} was added by {user}"),
        updated=(856, "{user} Role was updated to the {name} Role"),
        removed=(858, "Role {name} removed from {user}"),
        hidden=frozenset(("permits",)),
        completes=_complete_role,
        protected=("mutable", "false", "Cannot {action} Role. The Role is Read-Only."),
        seeds=_roles,
    ),
    Kind(
        path="domains",
        element="domain",
        links="groups users",
        searches="groups users",
        read_only=True,
        seeds=_domains,
    ),
)
