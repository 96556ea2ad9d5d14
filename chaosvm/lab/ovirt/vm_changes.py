"""VMs that clients add, change, clone and remove. Source: the recordings ``vm-add-*``,
``vm-update*``, ``vm-clone`` and ``vm-delete*``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import flag, value
from chaosvm.lab.ovirt.collection import Call
from chaosvm.lab.ovirt.overlay import Overlay
from chaosvm.lab.ovirt.registry import Registry
from chaosvm.lab.ovirt.templates import BLANK, Template, Templates
from chaosvm.lab.simulation import (
    Cluster,
    Disk,
    Machine,
    NotFound,
    State,
    Topology,
    World,
    default_disk,
    default_nic,
)

__all__ = ["VmChanges"]

_MAX_NAME = 254
_SPECIAL = (
    "[Can not add VM. The given name contains special characters. Only lower-case and upper-case "
    "letters, numbers, '_', '-', '.' are allowed., Attribute: vmStatic.name]"
)
_TAKEN = "The VM name is already in use, please choose a unique name and try again."
# Members that the lab simulates; others are kept as they are sent.
_SIMULATED = frozenset(
    (
        *("name", "description", "comment", "memory", "os", "stateless", "status", "actions"),
        *("high_availability", "disk_attachments", "nics", "snapshots", "template", "cluster"),
        *("initialization", "tags", "creation_time", "origin", "link"),
    )
)


class VmChanges:
    def __init__(
        self, world: World, registry: Registry, overlay: Overlay, templates: Templates
    ) -> None:
        self._world = world
        self._registry = registry
        self._overlay = overlay
        self._templates = templates

    def add(self, call: Call, body: Element) -> Machine:
        name = value(body, "name") or ""
        cluster = self._cluster(body)
        if cluster is None:
            raise Failure(400, "Vm [cluster.id|name] required for add", "Incomplete parameters")
        template = self._template(body)
        self._refuse_name(name, "add")
        source = template.machine if template else None
        disks, nics = _hardware(source)
        fields = {**_of_template(source), **self._fields(body)}
        vm = self._world.add_vm(
            name,
            State.OFF,
            cluster=cluster,
            disks=(),
            nics=(),
            created=self._world.date_of(call.world.now),
            **fields,
        )
        vm = self._world.change(vm.id, disks=_copies(vm, disks), nics=_new_nics(vm, len(nics)))
        self._overlay.keep(vm.id, body, _SIMULATED)
        self._record_added(call, vm, copied=bool(disks))
        return vm

    def clone(self, call: Call, vm: Machine, name: str) -> Machine:
        """A copy of a VM, which must be down."""
        if not name:
            detail = "Parameter 'action.vm.name' is mandatory but was not provided."
            raise Failure(400, detail, "Input validation failed.")
        self._refuse_name(name, "add")
        if vm.state is not State.OFF:
            raise Failure(409, "[Cannot clone VM. VM is not down.]")
        cluster = self._world.cluster(vm.cluster_id)
        copy = self._world.add_vm(
            name, State.OFF, cluster=cluster, disks=(), nics=(), **_of_template(vm)
        )
        copy = self._world.change(
            copy.id, disks=_copies(copy, vm.disks), nics=_new_nics(copy, len(vm.nics))
        )
        self._overlay.copy(vm.id, copy.id)
        call.note(34, f"VM {name} was created by {{user}}.", copy)
        call.note(53, f"VM {name} creation has been completed.", copy)
        return copy

    def update(self, call: Call, vm: Machine, body: Element) -> Machine:
        name = value(body, "name")
        if name and name != vm.name:
            self._refuse_name(name, "edit")
        cluster = self._cluster(body)
        fields = self._fields(body) | ({"name": name} if name else {})
        if cluster is not None and cluster.id != vm.cluster_id:
            if vm.state is not State.OFF:
                raise Failure(409, "[Cannot edit VM. VM must be down to change its cluster.]")
            fields |= {"cluster_id": cluster.id, "home_id": None}
        self._overlay.keep(vm.id, body, _SIMULATED)
        changed = self._world.change(vm.id, **fields)
        call.note(35, f"VM {changed.name} configuration was updated by {{user}}.", changed)
        return changed

    def remove(self, call: Call, vm: Machine) -> None:
        if vm.state.on_a_host:
            raise Failure(409, "[Cannot remove VM. VM is running.]")
        if vm.state is State.DISKS_LOCKED or vm.busy_until > self._world.now:
            raise Failure(
                409, "[Cannot remove VM: VM is locked. Please try again in a few minutes.]"
            )
        if self._overlay_says_protected(vm):
            raise Failure(
                409,
                "[Cannot remove VM. Delete protection is enabled. In order to delete, "
                "disable Delete protection first.]",
            )
        call.note(113, f"VM {vm.name} was successfully removed by {{user}}.", vm)
        self._world.remove_vm(vm.id)
        self._overlay.drop(vm.id)

    def _overlay_says_protected(self, vm: Machine) -> bool:
        return self._overlay.text(vm.id, "delete_protected") == "true"

    # ---------------------------------------------------------------------------------

    def _cluster(self, body: Element) -> Cluster | None:
        reference = body.find("cluster")
        if reference is None:
            return None
        found = self._registry.resolve_reference(reference)
        return found if isinstance(found, Cluster) else None

    def _template(self, body: Element) -> Template | None:
        """The template, unless it is the empty one."""
        wanted = value(body, "template/id") or value(body, "template/name")
        if wanted in (None, BLANK.id, BLANK.name):
            return None
        template = self._templates.find(wanted or "")
        if template is None:
            raise Failure(404, "Entity not found: GetVmTemplate")
        return template

    def _refuse_name(self, name: str, word: str) -> None:
        if not name:
            raise Failure(400, "Vm [name] required for add", "Incomplete parameters")
        if re.search(r"[^\w.\-]", name):
            raise Failure(400, _SPECIAL)
        if len(name) > _MAX_NAME + 1:
            raise Failure(400, "[size must be between 1 and 255, Attribute: vmStatic.name]")
        if len(name) > _MAX_NAME:
            raise Failure(400, f"[Cannot {word} VM. The given name is too long.]")
        try:
            self._world.vm(name)
        except NotFound:
            if not any(vm.name == name for vm in self._world.vms):
                return
        raise Failure(409, f"[Cannot {word} VM. {_TAKEN}]")

    def _fields(self, body: Element) -> dict[str, Any]:
        """The fields of the simulated VM that a body sets."""
        texts = {
            "description": value(body, "description"),
            "comment": value(body, "comment"),
            "os": value(body, "os/type"),
        }
        fields: dict[str, Any] = {name: text for name, text in texts.items() if text is not None}
        memory = value(body, "memory")
        if memory:
            fields["memory"] = int(memory)
        if body.find("cpu/topology") is not None:
            parts = {p: value(body, f"cpu/topology/{p}") for p in ("sockets", "cores", "threads")}
            fields["topology"] = Topology(**{p: int(text) for p, text in parts.items() if text})
        for name, path in (
            ("stateless", "stateless"),
            ("highly_available", "high_availability/enabled"),
        ):
            enabled = flag(body, path)
            if enabled is not None:
                fields[name] = enabled
        return fields

    def _unlock(self, vm: Machine) -> None:
        self._world.put(vm.changed(state=State.OFF))

    def _record_added(self, call: Call, vm: Machine, copied: bool) -> None:
        if not copied:
            call.note(34, f"VM {vm.name} was created by {{user}}.", vm)
            call.note(53, f"VM {vm.name} creation has been completed.", vm)
            return
        call.note(37, f"VM {vm.name} creation was initiated by {{user}}.", vm)
        self._world.change(vm.id, state=State.DISKS_LOCKED)
        with self._world.present():
            seconds = self._world.durations.snapshot
            self._world.plan(vm, (seconds, self._unlock))
        call.note(53, f"VM {vm.name} creation has been completed.", vm)


def _of_template(source: Machine | None) -> Mapping[str, Any]:
    if source is None:
        return {"memory": 2**30, "os": "other"}
    names = ("memory", "topology", "os", "description", "comment", "guest", "highly_available")
    return {name: getattr(source, name) for name in names}


def _hardware(source: Machine | None) -> tuple[Sequence[Disk], Sequence[Any]]:
    return (source.disks, source.nics) if source else ((), ())


def _copies(vm: Machine, disks: Sequence[Disk]) -> tuple[Disk, ...]:
    """Disks like these, with ids of their own."""
    fresh = (default_disk(vm.id, vm.name, number) for number in range(len(disks)))
    return tuple(
        replace(new, size_bytes=old.size_bytes, bootable=old.bootable)
        for new, old in zip(fresh, disks, strict=False)
    )


def _new_nics(vm: Machine, count: int) -> tuple[Any, ...]:
    return tuple(default_nic(vm.id, vm.moid, number) for number in range(count))
