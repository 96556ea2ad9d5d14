"""Collections that are lists within an object: VMs of an affinity group, permits of a role.

Source: the recordings ``affinity-*``, ``label-*`` and ``role-permit*``.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from xml.etree.ElementTree import Element, SubElement

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import value
from chaosvm.lab.ovirt.collection import Call, Collection
from chaosvm.lab.ovirt.hrefs import REFERENCES
from chaosvm.lab.ovirt.kinds.recorded import recorded
from chaosvm.lab.ovirt.markup import Node, linked, node, text
from chaosvm.lab.ovirt.registry import Registry, Stored
from chaosvm.lab.ovirt.stored_collections import described

__all__ = ["member_collections"]

_GROUPS, _LABELS = "clusters/{id}/affinitygroups", "affinitylabels"


def member_collections(registry: Registry) -> Sequence[Collection]:
    named = (("vms", "vms", "vm"), ("hosts", "hosts", "host"))
    labels = (("vmlabels", "vm_labels"), ("hostlabels", "host_labels"))
    return (
        *(_members(registry, _GROUPS, *each) for each in named),
        *(_members(registry, _GROUPS, path, tag, "affinity_label") for path, tag in labels),
        *(_members(registry, _LABELS, *each) for each in named),
        *(_labels_of(registry, path, tag) for path, tag, _ in named),
        _permits(registry),
    )


def _members(registry: Registry, above: str, path: str, tag: str, element: str) -> Collection:
    lists = _Lists(registry, above, tag, element)

    def shown(call: Call, reference: Element) -> Node:
        item_id = reference.get("id", "")
        name = registry.name_of(reference) if above == _GROUPS else ""
        named = text("name", name) if name else None
        found = linked(element, REFERENCES[element], item_id)
        assert found is not None
        return Node(found.tag, found.attributes, [named] if named else ())

    return Collection(
        path=f"{above}/{{id}}/{path}",
        root=tag if element != "affinity_label" else "affinity_labels",
        element=element,
        items=lists.items,
        described=shown,
        id_of=lambda reference: str(reference.get("id")),
        add=lists.add,
        remove=lists.remove,
        add_status=200,
    )


class _Lists:
    """One list of references in each object of a kind."""

    def __init__(self, registry: Registry, above: str, tag: str, element: str) -> None:
        self._registry = registry
        self._kind = registry.kinds[above]
        self._tag = tag
        self._element = element

    def items(self, call: Call) -> Sequence[Element]:
        return self._owner(call).element.findall(f"{self._tag}/*")

    def add(self, call: Call, body: Element) -> Element:
        if value(body, "id") is None and value(body, "name") is None:
            detail = f"Parameter '{self._element}.id' is mandatory but was not provided."
            raise Failure(400, detail, "Input validation failed.")
        found = self._registry.resolve_reference(body)
        reference = Element(self._element, id=found.id)
        self.change(call, found.id, reference)
        return reference

    def remove(self, call: Call, reference: Element) -> None:
        self.change(call, reference.get("id", ""), None)

    def _owner(self, call: Call) -> Stored:
        *parents, item_id = call.parents
        owner = self._registry.find(self._kind.path, item_id, parents)
        if owner is None:
            raise Failure(404)
        return owner

    def change(self, call: Call, item_id: str, reference: Element | None) -> None:
        element = _with_member(self._owner(call).element, self._tag, item_id, reference)
        stored = self._registry.put(self._kind, call.parents[:-1], element)
        if self._kind.updated:
            code, sentence = self._kind.updated
            call.note(code, sentence.replace("{name}", stored.name))


def _with_member(owner: Element, tag: str, item_id: str, reference: Element | None) -> Element:
    """A copy of an object, with this reference to the item in the list, or with none."""
    changed = deepcopy(owner)
    members = changed.find(tag)
    if members is None:
        members = SubElement(changed, tag)
    for old in [each for each in members if each.get("id") == item_id]:
        members.remove(old)
    if reference is not None:
        members.append(reference)
    return changed


def _labels_of(registry: Registry, path: str, tag: str) -> Collection:
    """The affinity labels of a VM or host."""
    kind = registry.kinds[_LABELS]
    element = tag.removesuffix("s")

    def items(call: Call) -> Sequence[Stored]:
        return [
            label
            for label in registry.all(kind)
            if any(each.get("id") == call.parent for each in label.element.findall(f"{tag}/*"))
        ]

    def change(call: Call, label: Stored, add: bool) -> Stored:
        reference = Element(element, id=call.parent) if add else None
        changed = _with_member(label.element, tag, call.parent, reference)
        call.note(10382, f"Affinity Label {label.name} was updated. (User: {{user}})")
        return registry.put(kind, (), changed)

    def add(call: Call, body: Element) -> Stored:
        label = registry.resolve_reference(body)
        if label is None:
            detail = "Parameter 'label.id' is mandatory but was not provided."
            raise Failure(400, detail, "Input validation failed.")
        return change(call, label, add=True)

    def remove(call: Call, label: Stored) -> None:
        change(call, label, add=False)

    return Collection(
        path=f"{path}/{{id}}/affinitylabels",
        root="affinity_labels",
        items=items,
        described=lambda call, label: described(
            kind, f"/ovirt-engine/api/{_LABELS}", label.element
        ),
        add=add,
        remove=remove,
    )


def _permits(registry: Registry) -> Collection:
    lists = _Lists(registry, "roles", "permits", "permit")
    known = {permit["id"]: permit for permit in recorded("permits")}
    by_name = {permit["name"]: permit["id"] for permit in recorded("permits")}

    def add(call: Call, body: Element) -> Element:
        wanted = value(body, "id") or by_name.get(value(body, "name") or "", "")
        if wanted not in known:
            raise Failure(404, f"Entity not found: Permit: id={wanted}")
        permit = Element("permit", id=wanted)
        lists.change(call, wanted, permit)
        return permit

    def shown(call: Call, permit: Element) -> Node:
        item_id = permit.get("id", "")
        return node(
            "permit",
            text("name", known[item_id]["name"]),
            text("administrative", known[item_id]["administrative"]),
            linked("role", "roles", call.parent),
            href=f"{call.path}/{item_id}",
            id=item_id,
        )

    return Collection(
        path="roles/{id}/permits",
        root="permits",
        items=lists.items,
        described=shown,
        id_of=lambda permit: str(permit.get("id")),
        add=add,
        remove=lists.remove,
    )
