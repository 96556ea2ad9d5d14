"""Tags, and those of VMs and other objects. Source: the recordings ``tag-*``, ``vm-tag-*``
and ``host-tag-*``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt import representations
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import mandatory, value
from chaosvm.lab.ovirt.collection import Call, Collection
from chaosvm.lab.ovirt.engine_tags import ROOT_TAG, ancestors, engine_tags
from chaosvm.lab.ovirt.queries import NOT_ALLOWED
from chaosvm.lab.ovirt.vm_of import required_vm, vm_of
from chaosvm.lab.simulation import NotFound, Tag, World

__all__ = ["tag_collections"]

_BAD_NAME = (
    "[Invalid tag name. Only letters, numbers, '-', and '_' are valid characters., "
    "Attribute: _tag.name]"
)
_LOOP = "[Operation canceled, recursive Tag hierarchy cannot be defined.]"
# Other objects with tags: their element, and the codes and words of the events.
_OTHERS = {
    "groups": ("group", 0, 0, "Group(s)"),
    "hosts": ("host", 442, 444, "Host(s)"),
    "templates": ("template", 0, 0, "Template(s)"),
    "users": ("user", 448, 450, "User(s)"),
}


def tag_collections(world: World) -> Sequence[Collection]:
    made: set[str] = set()

    def add(call: Call, body: Element) -> Tag:
        tag = _add(call, body)
        made.add(tag.id)
        return tag

    return (
        Collection(
            path="tags",
            root="tags",
            items=lambda call: engine_tags(world),
            described=lambda call, tag: representations.tag(world, tag, made=tag.id in made),
            id_of=lambda tag: ROOT_TAG if _is_root(tag) else str(tag.id),
            add=add,
            update=_update,
            remove=_remove,
            restricted=True,
        ),
        Collection(
            path="vms/{id}/tags",
            root="tags",
            items=_of_vm,
            described=lambda call, tag: representations.assigned_tag(
                world, tag, call.path, "vm", call.parent
            ),
            add=_assign,
            remove=_unassign,
        ),
        *(_Assigned(path, *how).collection() for path, how in _OTHERS.items()),
    )


def _is_root(tag: Tag) -> bool:
    return tag.name == "root" and tag.parent is None


# All tags ----------------------------------------------------------------------------


def _add(call: Call, body: Element) -> Tag:
    mandatory(body, ("name",))
    name = value(body, "name") or ""
    _refuse_name(call, name)
    parent = _parent(call, body)
    tag = call.world.create_tag(name, parent, value(body, "description") or "")
    call.note(432, f"New Tag {name} was created by {{user}}.")
    return tag


def _update(call: Call, tag: Tag, body: Element) -> Tag:
    name = value(body, "name") or tag.name
    if name != tag.name:
        _refuse_name(call, name)
    description = value(body, "description")
    moved = body.find("parent") is not None
    parent = _parent(call, body) if moved else tag.parent
    if tag.name in ancestors(call.world, parent):
        raise Failure(409, _LOOP)
    if moved and parent != tag.parent:
        call.note(
            555,
            f"Tag {name} was moved from {tag.parent or 'root'} to {parent or 'root'} by {{user}}.",
        )
    changed = call.world.update_tag(
        tag.id,
        name=name,
        parent=parent,
        description=tag.description if description is None else description,
    )
    call.note(430, f"Tag {name} configuration was updated by {{user}}.")
    return changed


def _remove(call: Call, tag: Tag) -> None:
    if _is_root(tag):
        raise Failure(409, "[Cannot remove Tag. The root tag cannot be removed.]")
    call.world.delete_tag(tag.id)
    call.note(434, f"Tag {tag.name} was removed by {{user}}.")


def _refuse_name(call: Call, name: str) -> None:
    if re.search(r"[^\w.\-]", name):
        raise Failure(400, _BAD_NAME)
    if any(each.name == name for each in engine_tags(call.world)):
        raise Failure(409, "[The specified Tag name already exists.]")


def _parent(call: Call, body: Element) -> str | None:
    wanted = value(body, "parent/id") or value(body, "parent/name")
    if wanted in (None, ROOT_TAG, "root"):
        return None
    return _find(call, wanted or "").name


def _find(call: Call, wanted: str) -> Tag:
    try:
        return call.world.tag(wanted)
    except NotFound:
        raise Failure(404, f"Entity not found: {wanted}") from None


# Of a VM -----------------------------------------------------------------------------


def _of_vm(call: Call) -> Sequence[Tag]:
    vm = vm_of(call)
    if not call.user.sees_all:
        raise Failure(400, NOT_ALLOWED)
    return [call.world.tag(name) for name in vm.tags] if vm else ()


def _assign(call: Call, body: Element) -> Tag:
    vm = required_vm(call)
    mandatory(body, ("id|name",))
    tag = _find(call, value(body, "id") or value(body, "name") or "")
    if tag.name in vm.tags:
        text = f"Tag {tag.name} already attached to VM(s) {vm.name}."
        call.note(454, text, severity="warning")
    else:
        call.world.assign_tag(vm.id, tag.name)
        call.note(440, f"Tag {tag.name} was attached to VM(s) {vm.name} by {{user}}.")
    return tag


def _unassign(call: Call, tag: Tag) -> None:
    vm = required_vm(call)
    call.world.unassign_tag(vm.id, tag.name)
    call.note(446, f"Tag {tag.name} was detached from VM(s) {vm.name} by {{user}}.")


# Of other objects, which only the engine has -----------------------------------------


class _Assigned:
    def __init__(self, path: str, element: str, added: int, removed: int, what: str) -> None:
        self._path = path
        self._element = element
        self._added = added
        self._removed = removed
        self._what = what
        self._ids: dict[str, list[str]] = {}

    def collection(self) -> Collection:
        return Collection(
            path=f"{self._path}/{{id}}/tags",
            root="tags",
            items=self._items,
            described=lambda call, tag: representations.assigned_tag(
                call.world, tag, call.path, self._element, call.parent
            ),
            add=self._assign,
            remove=self._unassign,
        )

    def _items(self, call: Call) -> Sequence[Tag]:
        ids = self._ids.get(call.parent, [])
        return [tag for tag in call.world.tags if tag.id in ids]

    def _assign(self, call: Call, body: Element) -> Tag:
        mandatory(body, ("id|name",))
        tag = _find(call, value(body, "id") or value(body, "name") or "")
        ids = self._ids.setdefault(call.parent, [])
        if tag.id not in ids:
            ids.append(tag.id)
            self._note(call, self._added, f"Tag {tag.name} was attached to")
        return tag

    def _unassign(self, call: Call, tag: Tag) -> None:
        self._ids[call.parent].remove(tag.id)
        self._note(call, self._removed, f"Tag {tag.name} was detached from")

    def _note(self, call: Call, code: int, done: str) -> None:
        host = call.world.host(call.parent)
        if code and host is not None:
            call.note(code, f"{done} {self._what} {host.name} by {{user}}.", host_id=host.id)
