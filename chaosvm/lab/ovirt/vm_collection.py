"""The collection of VMs, except for long lists, which are written faster elsewhere."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt import recorded_constants
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import value
from chaosvm.lab.ovirt.collation import collation_key
from chaosvm.lab.ovirt.collection import Call, Collection
from chaosvm.lab.ovirt.markup import Node, from_element
from chaosvm.lab.ovirt.overlay import Overlay, inserted
from chaosvm.lab.ovirt.requests import canonical_id
from chaosvm.lab.ovirt.vm_changes import VmChanges
from chaosvm.lab.ovirt.vm_snapshots import Previews
from chaosvm.lab.ovirt.vm_text import vm_links, vm_text
from chaosvm.lab.simulation import Machine, State, World

__all__ = ["vm_collection"]

_NO_SNAPSHOT = "[Cannot revert to Snapshot. VM's Snapshot does not exist.]"
# Links that lead nowhere in the lab, or to what it does not show.
_PLAIN_LINKS = frozenset(("vm_pool", "large_icon", "small_icon", "quota"))


def vm_collection(changes: VmChanges, overlay: Overlay, previews: Previews) -> Collection:
    actions = _Actions(changes, previews)
    return Collection(
        path="vms",
        root="vms",
        items=lambda call: sorted(
            (vm for vm in call.world.vms if call.user.sees(vm.id)),
            key=lambda vm: collation_key(vm.name),
        ),
        find=_find,
        described=lambda call, vm: _vm_node(call.world, vm, overlay, all_content=True),
        add=changes.add,
        added=lambda call, vm: _vm_node(call.world, vm, overlay, all_content=True, added=True),
        update=changes.update,
        remove=changes.remove,
        removes_by_job=True,
        actions={
            "clone": actions.clone,
            "previewsnapshot": actions.preview,
            "undosnapshot": actions.undo,
            "commitsnapshot": actions.commit,
            "reordermacaddresses": _accept,
            "thawfilesystems": _accept,
        },
        pending=frozenset(("previewsnapshot", "undosnapshot", "commitsnapshot")),
        plain_links=_PLAIN_LINKS,
    )


def _vm_node(
    world: World,
    vm: Machine,
    overlay: Overlay,
    *,
    all_content: bool = False,
    added: bool = False,
) -> Node:
    """A VM with what clients have set, and optionally with all that the engine can show."""
    shown = from_element(ElementTree.fromstring(vm_text(world, vm)))
    if all_content:
        shown = inserted(shown, ElementTree.fromstring(recorded_constants.ALL_CONTENT))
    if added:
        shown = inserted(shown, ElementTree.fromstring(recorded_constants.ADDED))
    return overlay.applied(vm.id, shown)


def _find(call: Call, item_id: str) -> Machine | None:
    wanted = canonical_id(item_id)
    if not call.world.has_vm(wanted) or not call.user.sees(wanted):
        return None
    return call.world.vm(wanted)


class _Actions:
    def __init__(self, changes: VmChanges, previews: Previews) -> None:
        self._changes = changes
        self._previews = previews

    def clone(self, call: Call, vm: Machine, body: Element) -> Sequence[Node]:
        self._changes.clone(call, vm, value(body, "vm/name") or "")
        return (call.job(f"Cloning VM {vm.name}"), vm_links(vm))

    def preview(self, call: Call, vm: Machine, body: Element) -> Sequence[Node]:
        wanted = value(body, "snapshot/id")
        if not wanted:
            detail = "Parameter 'snapshot.id' is mandatory but was not provided."
            raise Failure(400, detail, "Input validation failed.")
        if self._previews.of(vm.id):
            raise Failure(409, "[Cannot preview Snapshot. VM is previewing a Snapshot.]")
        if vm.state is not State.OFF:
            raise Failure(409, "[Cannot preview Snapshot. At least one of the VMs is not down.]")
        if not any(each.id == wanted for each in vm.snapshots):
            raise Failure(404, f"Entity not found: Snapshot: id={wanted}")
        self._previews.begin(vm, wanted)
        call.world.snapshots.revert(vm.id, wanted, call.origin, locked=True)
        return (call.job(f"Previewing a snapshot of VM {vm.name}"),)

    def undo(self, call: Call, vm: Machine, body: Element) -> Sequence[Node]:
        before = self._previews.end(vm.id)
        if before is None:
            raise Failure(400, _NO_SNAPSHOT)
        restored = ("topology", "memory", "nics", "disks", "limits", "os", "snapshot_id")
        call.world.change(vm.id, **{name: getattr(before, name) for name in restored})
        call.note(
            650, f"Undoing a Snapshot-Preview for VM {vm.name} was initialized by {{user}}.", vm
        )
        call.note(651, f"Undoing a Snapshot-Preview for VM {vm.name} has been completed.", vm)
        return (call.job(f"Undoing a preview of VM {vm.name}"),)

    def commit(self, call: Call, vm: Machine, body: Element) -> Sequence[Node]:
        if self._previews.end(vm.id) is None:
            raise Failure(400, _NO_SNAPSHOT)
        done = f"Committing a Snapshot-Preview for VM {vm.name}"
        call.note(94, f"{done} was initialized by {{user}}.", vm)
        call.note(95, f"{done} has been completed.", vm)
        return (call.job(f"Committing a preview of VM {vm.name}"),)


def _accept(call: Call, vm: Machine, body: Element) -> Sequence[Node]:
    return (vm_links(vm),)
