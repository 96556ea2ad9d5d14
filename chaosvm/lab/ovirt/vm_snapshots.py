"""Snapshots of VMs: made, previewed, restored and removed.

The engine shows the VM's present state as a snapshot, too, and while one is previewed the
state before. Source: the recordings ``snapshot*`` and ``snap-*``.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.actions import is_making_a_snapshot
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import flag, mandatory, value
from chaosvm.lab.ovirt.collection import Call, Collection, nodes
from chaosvm.lab.ovirt.markup import Node, actions, from_element, linked, links, moment, node, text
from chaosvm.lab.ovirt.vm_of import required_vm, vm_of
from chaosvm.lab.ovirt.vm_text import vm_text
from chaosvm.lab.simulation import Machine, Snapshot, State, derived_id

__all__ = ["Previews", "snapshot_collections"]

_MAKING = "Snapshot is currently being created for VM {name}."
_BUSY = (
    "The VM is performing an operation on a Snapshot. Please wait for the operation to finish, "
    "and try again."
)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A snapshot as the engine lists it: a stored one, or the VM's present state."""

    id: str
    description: str
    kind: str
    status: str
    snapshot: Snapshot | None = None
    added: bool = False


class Previews:
    """The snapshot that each VM previews, and the VM as it was before."""

    def __init__(self) -> None:
        self._previews: dict[str, tuple[str, Machine]] = {}

    def of(self, vm_id: str) -> str | None:
        return self._previews.get(vm_id, ("", None))[0] or None

    def begin(self, vm: Machine, snapshot_id: str) -> None:
        self._previews[vm.id] = (snapshot_id, vm)

    def end(self, vm_id: str) -> Machine | None:
        """End a preview, and return the VM as it was before."""
        return self._previews.pop(vm_id, ("", None))[1]


def snapshot_collections(previews: Previews) -> Sequence[Collection]:
    snapshots = _Snapshots(previews)
    of_one = "vms/{id}/snapshots/{id}"
    return (
        Collection(
            path="vms/{id}/snapshots",
            root="snapshots",
            items=snapshots.listed,
            described=snapshots.described,
            add=snapshots.add,
            remove=snapshots.remove,
            removes_by_job=True,
            actions={"restore": snapshots.restore},
            missing=_missing,
        ),
        nodes(f"{of_one}/disks", "disks", snapshots.disks),
        nodes(f"{of_one}/nics", "nics", snapshots.nics),
        nodes(f"{of_one}/cdroms", "cdroms", lambda call: ()),
    )


class _Snapshots:
    def __init__(self, previews: Previews) -> None:
        self._previews = previews
        # The last one that was removed of each VM, which is listed until that is done.
        self._removed: dict[str, _Shown] = {}

    def listed(self, call: Call) -> Sequence[_Shown]:
        vm = vm_of(call)
        if vm is None:
            return ()
        active = _Shown(derived_id(vm.id, "snapshot"), "Active VM", "active", "ok")
        previewed = self._previews.of(vm.id)
        shown = [active, *(_shown(call, vm, each, previewed) for each in vm.snapshots)]
        if vm.id in self._removed and _is_busy(call, vm):
            shown.append(self._removed[vm.id])
        if previewed:
            before = derived_id(vm.id, "preview")
            shown.append(_Shown(before, "Active VM before the preview", "preview", "ok"))
        return shown

    def described(self, call: Call, shown: _Shown) -> Node:
        path, snapshot, vm = f"{call.path}/{shown.id}", shown.snapshot, required_vm(call)
        created = call.world.date_of(snapshot.created_at) if snapshot else vm.created
        of_vm: Node | None = None
        if snapshot is not None:
            of_vm = linked("vm", "vms", vm.id) if shown.added else _configuration(call, snapshot)
        return node(
            "snapshot",
            actions(path, ("restore",)),
            text("description", shown.description),
            *(links(path, ("cdroms", "disks", "nics")) if snapshot else ()),
            _initialization() if shown.added else None,
            moment("date", created),
            text("persist_memorystate", bool(snapshot and snapshot.memory)),
            text("snapshot_status", shown.status),
            text("snapshot_type", shown.kind),
            of_vm,
            href=path,
            id=shown.id,
        )

    def add(self, call: Call, body: Element) -> _Shown:
        mandatory(body, ("description",))
        vm = required_vm(call)
        self._refuse(call, vm, "create")
        memory = flag(body, "persist_memorystate") is not False
        name = value(body, "description") or ""
        made = call.world.snapshots.create(vm.id, name, "", memory, call.origin)
        return _Shown(made.id, name, "regular", "locked", made, added=True)

    def remove(self, call: Call, shown: _Shown) -> None:
        vm = required_vm(call)
        if shown.snapshot is None:
            detail = "The operation is only allowed for regular snapshots."
            raise Failure(409, f"[Cannot remove Snapshot. {detail}]")
        self._refuse(call, vm, "remove")
        call.world.snapshots.remove(vm.id, shown.id, origin=call.origin)
        self._removed[vm.id] = replace(shown, status="locked")

    def restore(self, call: Call, shown: _Shown, body: Element) -> Sequence[Node]:
        vm = required_vm(call)
        if shown.snapshot is None:
            raise Failure(400, "[Cannot preview Active VM snapshot.]")
        if vm.state is not State.OFF:
            raise Failure(409, "[Cannot preview Snapshot. At least one of the VMs is not down.]")
        self._refuse(call, vm, "preview")
        call.world.snapshots.revert(vm.id, shown.id, call.origin, locked=True)
        committing = f"Committing a Snapshot-Preview for VM {vm.name}"
        call.note(94, f"{committing} was initialized by {{user}}.", vm)
        call.note(95, f"{committing} has been completed.", vm)
        path = f"{call.path}/{shown.id}"
        restored = node(
            "snapshot",
            actions(path, ("restore",)),
            *links(path, ("cdroms", "disks", "nics")),
            linked("vm", "vms", vm.id),
            href=path,
            id=shown.id,
        )
        return (text("async", False), call.job(f"Restoring VM {vm.name}"), restored)

    def _refuse(self, call: Call, vm: Machine, word: str) -> None:
        """Raise the engine's Failure while the VM's snapshots are busy."""
        cannot = f"[Cannot {word} Snapshot. "
        if self._previews.of(vm.id):
            raise Failure(409, f"{cannot}VM is previewing a Snapshot.]")
        if _is_busy(call, vm):
            making = is_making_a_snapshot(call.world, vm)
            reason = _MAKING.format(name=vm.name) if making else _BUSY
            raise Failure(409, f"{cannot}{reason}]")

    def disks(self, call: Call) -> Sequence[Node]:
        machine = _machine(call)
        return [
            node(
                "disk",
                text("name", disk.name),
                text("alias", disk.name),
                text("provisioned_size", disk.size_bytes),
                text("status", "ok"),
                id=disk.id,
            )
            for disk in machine.disks
        ]

    def nics(self, call: Call) -> Sequence[Node]:
        machine = _machine(call)
        return [
            node("nic", text("name", nic.name), node("mac", text("address", nic.mac)), id=nic.id)
            for nic in machine.nics
        ]


def _is_busy(call: Call, vm: Machine) -> bool:
    return vm.snapshot_busy and vm.busy_until > call.world.now


def _machine(call: Call) -> Machine:
    vm = required_vm(call)
    return next((each.machine for each in vm.snapshots if each.id == call.parents[1]), vm)


def _shown(call: Call, vm: Machine, snapshot: Snapshot, previewed: str | None) -> _Shown:
    is_newest = vm.snapshots[-1].id == snapshot.id
    locked = is_newest and is_making_a_snapshot(call.world, vm) and _is_busy(call, vm)
    status = "in_preview" if previewed == snapshot.id else "locked" if locked else "ok"
    return _Shown(snapshot.id, snapshot.name, "regular", status, snapshot)


def _configuration(call: Call, snapshot: Snapshot) -> Node:
    """The VM as it was, without links, and off."""
    then = snapshot.machine.changed(state=State.OFF, host_id=None)
    element = ElementTree.fromstring(vm_text(call.world, then))
    for child in element.findall("link") + element.findall("actions"):
        element.remove(child)
    for child in element.iter():
        child.attrib.pop("href", None)
    return from_element(element)


def _initialization() -> Node:
    configuration = node("configuration", text("data", ""), text("type", "ovf"))
    return node("initialization", configuration)


def _missing(item_id: str) -> Failure:
    return Failure(404, f"Entity not found: GetSnapshotBySnapshotId: snapshot id={item_id}")
