"""Templates and their collections. Source: the recordings ``template-*``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt import representations
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import mandatory, value
from chaosvm.lab.ovirt.collection import Call, Collection, empty, nodes
from chaosvm.lab.ovirt.markup import Node, linked, node, text
from chaosvm.lab.ovirt.overlay import Overlay
from chaosvm.lab.ovirt.templates import BLANK, Template, Templates
from chaosvm.lab.simulation import Machine, NotFound, State

__all__ = ["template_collections"]

_SIMULATED = frozenset(("name", "description", "vm", "cluster", "status", "link", "actions"))
_EMPTY = {"cdroms": "cdroms", "mediateddevices": "vm_mediated_devices", "watchdogs": "watchdogs"}
_VNC = b"vnc".hex()


def template_collections(templates: Templates, overlay: Overlay) -> Sequence[Collection]:
    writes = _Templates(templates, overlay)
    return (
        Collection(
            path="templates",
            root="templates",
            items=lambda call: templates.all(),
            described=writes.described,
            entity="TEMPLATE",
            add=writes.add,
            update=writes.update,
            remove=writes.remove,
            removes_by_job=True,
        ),
        nodes("templates/{id}/diskattachments", "disk_attachments", writes.disks),
        nodes("templates/{id}/nics", "nics", writes.nics),
        nodes("templates/{id}/graphicsconsoles", "graphics_consoles", _consoles),
        *(empty(f"templates/{{id}}/{name}", root) for name, root in _EMPTY.items()),
    )


class _Templates:
    def __init__(self, templates: Templates, overlay: Overlay) -> None:
        self._templates = templates
        self._overlay = overlay

    def described(self, call: Call, template: Template) -> Node:
        locked = template.locked_until > call.world.now
        shown = representations.template(call.world, template, locked=locked)
        return self._overlay.applied(template.id, shown)

    def add(self, call: Call, body: Element) -> Template:
        mandatory(body, ("name", "vm.id|vm.name"))
        vm = self._source(call, body)
        name = value(body, "name") or ""
        self._refuse_taken(name)
        if vm.state is not State.OFF:
            raise Failure(409, "[Cannot add Template. VM is not down.]")
        template = Template(
            call.world.new_id(),
            name,
            value(body, "description") or "",
            call.world.date_of(call.world.now),
            vm,
            call.world.now + call.world.durations.snapshot,
            vm.cluster_id,
        )
        self._overlay.keep(template.id, body, _SIMULATED)
        made = f"Creation of Template {name} from VM {vm.name}"
        call.note(48, f"{made} was initiated by {{user}}.", vm)
        call.note(51, f"{made} has been completed.", vm)
        return self._templates.put(template)

    def update(self, call: Call, template: Template, body: Element) -> Template:
        name = value(body, "name") or template.name
        if name != template.name:
            self._refuse_taken(name)
        description = value(body, "description")
        changed = replace(
            template,
            name=name,
            description=template.description if description is None else description,
        )
        self._overlay.keep(template.id, body, _SIMULATED)
        call.note(49, f"Template {name} configuration was updated by {{user}}.")
        return self._templates.put(changed)

    def remove(self, call: Call, template: Template) -> None:
        if template.id == BLANK.id:
            detail = "[Cannot remove Template. The relevant Cluster doesn't exist.]"
            raise Failure(400, detail)
        call.note(251, f"Removal of Template {template.name} was initiated by {{user}}.")
        self._templates.drop(template)
        self._overlay.drop(template.id)

    def disks(self, call: Call) -> Sequence[Node]:
        template = self._templates.find(call.parent)
        machine = template.machine if template else None
        return [
            node(
                "disk_attachment",
                text("active", True),
                text("bootable", disk.bootable),
                text("interface", "virtio"),
                linked("disk", "disks", disk.id),
                linked("template", "templates", call.parent),
                href=f"{call.path}/{disk.id}",
                id=disk.id,
            )
            for disk in (machine.disks if machine else ())
        ]

    def nics(self, call: Call) -> Sequence[Node]:
        template = self._templates.find(call.parent)
        machine = template.machine if template else None
        return [
            node(
                "nic",
                text("name", nic.name),
                text("interface", "virtio"),
                text("linked", nic.connected),
                text("plugged", nic.plugged),
                linked("template", "templates", call.parent),
                href=f"{call.path}/{nic.id}",
                id=nic.id,
            )
            for nic in (machine.nics if machine else ())
        ]

    def _source(self, call: Call, body: Element) -> Machine:
        wanted = value(body, "vm/id") or value(body, "vm/name") or ""
        try:
            return call.world.vm(wanted)
        except NotFound:
            raise Failure(404, f"Entity not found: Vm: name={wanted}") from None

    def _refuse_taken(self, name: str) -> None:
        if self._templates.find(name) is not None:
            detail = (
                "The Template name is already in use, please choose a unique name and try again."
            )
            raise Failure(409, f"[Cannot add Template. {detail}]")


def _consoles(call: Call) -> Sequence[Node]:
    of = linked("template", "templates", call.parent)
    console = node(
        "graphics_console", text("protocol", "vnc"), of, href=f"{call.path}/{_VNC}", id=_VNC
    )
    return (console,)
