"""Disks, attached to VMs or not: read, added, attached, activated and removed.

Disks of VMs are those of the simulated world; disks that are attached to none are kept
here. Source: the recordings ``disk-*`` and ``diskattachment-*``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import flag, mandatory, value
from chaosvm.lab.ovirt.collection import Call, Collection, empty, nodes
from chaosvm.lab.ovirt.hrefs import href
from chaosvm.lab.ovirt.kinds.compute import quota_id
from chaosvm.lab.ovirt.kinds.storage import domain_id, profile_of
from chaosvm.lab.ovirt.markup import Node, actions, linked, links, node, text
from chaosvm.lab.ovirt.registry import Registry
from chaosvm.lab.ovirt.statistics import DISK_STATISTICS, statistics
from chaosvm.lab.ovirt.statuses_and_events import message_status
from chaosvm.lab.ovirt.vm_of import required_vm, vm_of
from chaosvm.lab.simulation import Disk, Machine, State, World, default_disk

__all__ = ["Disks"]

_ACTIONS = ("sparsify", "copy", "export", "move", "refreshlun", "convert", "reduce")
_LINKS = ("permissions", "disksnapshots", "statistics")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A disk with its VM, if it is attached to one."""

    disk: Disk
    vm: Machine | None
    datacenter_id: str | None

    @property
    def id(self) -> str:
        return self.disk.id

    @property
    def element(self) -> Element:
        """What searches read."""
        element = Element("disk", id=self.disk.id)
        for tag, content in (
            ("alias", self.disk.name),
            ("vm_names", self.vm.name if self.vm else None),
        ):
            child = Element(tag)
            child.text = content
            element.append(child)
        return element


class Disks:
    """All disks of the engine."""

    def __init__(self, world: World, registry: Registry) -> None:
        self._world = world
        self._registry = registry
        self._floating: dict[str, Disk] = {}

    def collections(self) -> Sequence[Collection]:
        return (
            Collection(
                path="disks",
                root="disks",
                items=lambda call: self.all(),
                described=lambda call, entry: self.described(entry),
                listed=lambda call, entry: self.described(replace(entry, vm=None)),
                entity="disks",
                add=self._add_floating,
                update=self._update,
                remove=self._remove,
                actions=dict.fromkeys(("move", "copy", "sparsify"), _accept),
            ),
            nodes(
                "disks/{id}/statistics",
                "statistics",
                lambda call: statistics(call, DISK_STATISTICS, "disk"),
            ),
            empty("disks/{id}/disksnapshots", "disk_snapshots"),
            Collection(
                path="storagedomains/{id}/disks",
                root="disks",
                items=lambda call: [e for e in self.all() if self._domain(e) == call.parent],
                described=lambda call, entry: self.described(entry),
                listed=lambda call, entry: self.described(replace(entry, vm=None)),
                add=self._add_floating,
            ),
            Collection(
                path="vms/{id}/diskattachments",
                root="disk_attachments",
                items=lambda call: vm.disks if (vm := vm_of(call)) else (),
                described=_attachment,
                add=self._attach,
                update=self._change,
                remove=self._detach,
                missing=lambda item_id: Failure(404),
            ),
        )

    def all(self) -> list[_Entry]:
        attached = [
            _Entry(disk, vm, self._datacenter_of(vm)) for vm in self._world.vms for disk in vm.disks
        ]
        datacenters = self._world.datacenters
        first = datacenters[0].id if datacenters else None
        return [*attached, *(_Entry(disk, None, first) for disk in self._floating.values())]

    def described(self, entry: _Entry) -> Node:
        disk, path = entry.disk, href("disks", entry.disk.id)
        vms = node("vms", linked("vm", "vms", entry.vm.id)) if entry.vm else None
        quota = href("datacenters", entry.datacenter_id, "quotas", quota_id(entry.datacenter_id))
        return node(
            "disk",
            actions(path, _ACTIONS),
            text("name", disk.name),
            text("description", ""),
            *links(path, _LINKS),
            vms,
            text("actual_size", min(disk.size_bytes, 200704)),
            text("alias", disk.name),
            text("backup", "none"),
            text("content_type", "data"),
            text("format", "raw"),
            text("image_id", disk.id),
            text("propagate_errors", False),
            text("provisioned_size", disk.size_bytes),
            text("shareable", False),
            text("sparse", True),
            text("status", "ok"),
            text("storage_type", "image"),
            text("total_size", min(disk.size_bytes, 200704)),
            text("wipe_after_delete", False),
            linked("disk_profile", "diskprofiles", profile_of(entry.datacenter_id)),
            node("quota", href=quota, id=quota_id(entry.datacenter_id)),
            node(
                "storage_domains", linked("storage_domain", "storagedomains", self._domain(entry))
            ),
            href=path,
            id=disk.id,
        )

    def _domain(self, entry: _Entry) -> str:
        return domain_id(entry.datacenter_id)

    def _datacenter_of(self, vm: Machine) -> str | None:
        cluster = self._world.cluster(vm.cluster_id)
        return cluster.datacenter_id if cluster else None

    # Disks ---------------------------------------------------------------------------

    def _add_floating(self, call: Call, body: Element) -> _Entry:
        mandatory(body, ("provisioned_size",))
        disk = self._new(body, self._world.new_id(), "disk", 0)
        self._floating[disk.id] = disk
        call.note(2020, f"Add-Disk operation of '{disk.name}' was initiated by {{user}}.")
        call.note(2021, f"The disk '{disk.name}' was successfully added.")
        return next(entry for entry in self.all() if entry.id == disk.id)

    def _new(self, body: Element, owner: str, owner_name: str, number: int) -> Disk:
        disk = default_disk(owner, owner_name, number, bootable=False)
        size = value(body, "provisioned_size") or value(body, "size")
        name = value(body, "name") or value(body, "alias") or disk.name
        size_bytes = int(size) if size and size.isdecimal() else disk.size_bytes
        return replace(disk, id=self._world.new_id(), name=name, size_bytes=size_bytes)

    def _update(self, call: Call, entry: _Entry, body: Element) -> _Entry:
        size, name = value(body, "provisioned_size"), value(body, "name") or value(body, "alias")
        disk = replace(
            entry.disk,
            name=name or entry.disk.name,
            size_bytes=int(size) if size and size.isdecimal() else entry.disk.size_bytes,
        )
        if entry.vm is None:
            self._floating[disk.id] = disk
            call.note(88, f"Disk {disk.name} was updated by {{user}}.")
        else:
            self._world.change(entry.vm.id, disks=_replaced(entry.vm, disk))
            call.note(88, f"VM {entry.vm.name} {disk.name} disk was updated by {{user}}.", entry.vm)
        return replace(entry, disk=disk)

    def _remove(self, call: Call, entry: _Entry) -> None:
        vm = entry.vm
        if vm is not None:
            if vm.state is not State.OFF and entry.disk.active:
                raise Failure(
                    409, "[Cannot remove Virtual Disk. At least one of the VMs is not down.]"
                )
            self._world.change(vm.id, disks=_without(vm, entry.disk))
        self._floating.pop(entry.disk.id, None)
        domain = self._registry.find("storagedomains", self._domain(entry))
        name = domain.name if domain else ""
        call.note(
            2014,
            f"Disk {entry.disk.name} was successfully removed from domain {name} (User {{user}}).",
        )

    # Attachments ---------------------------------------------------------------------

    def _attach(self, call: Call, body: Element) -> Disk:
        vm = required_vm(call)
        wanted = value(body, "disk/id")
        if wanted:
            disk = self._floating.pop(wanted, None)
            if disk is None:
                raise Failure(404, f"Entity not found: Disk: id={wanted}")
            key = default_disk(vm.id, vm.name, _free_number(vm)).key
            disk = replace(disk, key=key)
            call.note(
                2016, f"Disk {disk.name} was successfully attached to VM {vm.name} by {{user}}.", vm
            )
        else:
            described = body.find("disk")
            mandatory(body, ("disk.provisioned_size",))
            assert described is not None
            disk = self._new(described, vm.id, vm.name, _free_number(vm))
            name = f"{disk.name} was initiated on VM {vm.name} by {{user}}."
            call.note(78, f"Add-Disk operation of {name}", vm)
            call.note(97, f"The disk {disk.name} was successfully added to VM {vm.name}.", vm)
        active = flag(body, "active")
        disk = replace(disk, bootable=bool(flag(body, "bootable")), active=active is not False)
        self._world.change(vm.id, disks=(*vm.disks, disk))
        return disk

    def _change(self, call: Call, disk: Disk, body: Element) -> Disk:
        vm = required_vm(call)
        active, bootable = flag(body, "active"), flag(body, "bootable")
        changed = replace(
            disk,
            active=disk.active if active is None else active,
            bootable=disk.bootable if bootable is None else bootable,
        )
        if changed.active != disk.active:
            self._refuse_hot_plug(vm, changed.active)
            code, done = (2000, "plugged") if changed.active else (2002, "unplugged")
            call.note(code, f"VM {vm.name} disk {disk.name} was {done} by {{user}}.", vm)
        self._world.change(vm.id, disks=_replaced(vm, changed))
        return changed

    def _refuse_hot_plug(self, vm: Machine, active: bool) -> None:
        if vm.state not in (State.OFF, State.RUNNING, State.PAUSED):
            word = "hot plug" if active else "hot unplug"
            status = message_status(vm.state)
            raise Failure(
                409, f"[Cannot {word} Virtual Disk because the VM is in {status} status.]"
            )

    def _detach(self, call: Call, disk: Disk) -> None:
        vm = required_vm(call)
        if vm.state is not State.OFF and disk.active:
            raise Failure(
                409, "[Cannot detach Virtual Disk. VM is not down and the disk is active.]"
            )
        self._world.change(vm.id, disks=_without(vm, disk))
        if call.parameters.get("detach_only", "true") != "false":
            self._floating[disk.id] = replace(disk, bootable=False)
            call.note(
                2018,
                f"Disk {disk.name} was successfully detached from VM {vm.name} by {{user}}.",
                vm,
            )
        else:
            call.note(80, f"Disk was removed from VM {vm.name} by {{user}}.", vm)


def _accept(call: Call, entry: _Entry, body: Element) -> None:
    """There is one storage domain only, and the disk is already in it."""


def _attachment(call: Call, disk: Disk) -> Node:
    return node(
        "disk_attachment",
        text("active", disk.active),
        text("bootable", disk.bootable),
        text("interface", "virtio"),
        text("pass_discard", False),
        text("read_only", False),
        text("uses_scsi_reservation", False),
        linked("disk", "disks", disk.id),
        linked("vm", "vms", call.parent),
        href=f"{call.path}/{disk.id}",
        id=disk.id,
    )


def _free_number(vm: Machine) -> int:
    taken = {disk.key for disk in vm.disks}
    return next(number for number in range(1000) if 2000 + number not in taken)


def _replaced(vm: Machine, changed: Disk) -> tuple[Disk, ...]:
    return tuple(changed if each.id == changed.id else each for each in vm.disks)


def _without(vm: Machine, disk: Disk) -> tuple[Disk, ...]:
    return tuple(each for each in vm.disks if each.id != disk.id)
