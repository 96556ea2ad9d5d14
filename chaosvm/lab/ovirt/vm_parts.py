"""What is only read of a VM: statistics, devices, applications and consoles.

Source: the recordings ``vm-statistics*``, ``vm-reporteddevices*`` and ``vm-graphicsconsoles``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.collection import Call, Collection, empty, nodes
from chaosvm.lab.ovirt.hrefs import href
from chaosvm.lab.ovirt.markup import Node, actions, linked, node, text
from chaosvm.lab.ovirt.statistics import VM_STATISTICS, statistics
from chaosvm.lab.ovirt.templates import BLANK
from chaosvm.lab.ovirt.vm_of import required_vm, vm_of
from chaosvm.lab.simulation import Machine, State, derived_id

__all__ = ["vm_parts"]

# The engine's ids of consoles are the names of their protocols.
_VNC = b"vnc".hex()
# Collections that are empty, with their elements.
_EMPTY = {
    "backups": "backups",
    "checkpoints": "checkpoints",
    "hostdevices": "host_devices",
    "katelloerrata": "katello_errata",
    "mediateddevices": "vm_mediated_devices",
    "numanodes": "vm_numa_nodes",
    "watchdogs": "watchdogs",
}


def vm_parts() -> Sequence[Collection]:
    """Collections of a VM; most are empty if it does not exist."""
    return (
        nodes("vms/{id}/statistics", "statistics", _statistics),
        nodes("vms/{id}/reporteddevices", "reported_devices", _of_vm(_reported_devices)),
        nodes("vms/{id}/applications", "applications", _required(lambda call, vm: ())),
        nodes("vms/{id}/cdroms", "cdroms", _required(_cdroms)),
        nodes("vms/{id}/graphicsconsoles", "graphics_consoles", _required(_consoles)),
        nodes("vms/{id}/sessions", "sessions", _required(lambda call, vm: ())),
        *(empty(f"vms/{{id}}/{name}", root) for name, root in _EMPTY.items()),
    )


Reads = Callable[[Call, Machine], Sequence[Node]]


def _of_vm(reads: Reads) -> Callable[[Call], Sequence[Node]]:
    def items(call: Call) -> Sequence[Node]:
        vm = vm_of(call)
        return reads(call, vm) if vm else ()

    return items


def _required(reads: Reads) -> Callable[[Call], Sequence[Node]]:
    return lambda call: reads(call, required_vm(call))


def _statistics(call: Call) -> Sequence[Node]:
    vm = vm_of(call)
    if vm is None:
        raise Failure(404, f"Entity not found: {call.parents[0]}")
    on = vm.state.on_a_host
    guest, overhead = (12.0, 0.5) if vm.state is State.RUNNING else (0.0, 0.0)
    values = {
        "memory.installed": str(vm.memory),
        "memory.used": str(vm.memory // 10 if on else 0),
        "cpu.current.guest": f"{guest:g}",
        "cpu.current.hypervisor": f"{overhead:g}",
        "cpu.current.total": f"{guest + overhead:g}",
        "elapsed.time": str(int(call.world.uptime(vm) or 0)),
    }
    return statistics(call, VM_STATISTICS, "vm", values)


def _reported_devices(call: Call, vm: Machine) -> Sequence[Node]:
    """Devices as reported by the guest agent; none without one, or before it has begun."""
    silent = vm.agent_starting or vm.addresses_missing or not vm.guest.agent
    if silent or not (vm.state.on_a_host and vm.ip_addresses):
        return ()
    item_id = derived_id(vm.id, "eth0")
    ips = [
        node("ip", text("address", address), text("version", "v6" if ":" in address else "v4"))
        for address in vm.ip_addresses
    ]
    mac = vm.nics[0].mac if vm.nics else ""
    return (
        node(
            "reported_device",
            text("name", "eth0"),
            node("ips", *ips),
            node("mac", text("address", mac)),
            text("type", "network"),
            linked("vm", "vms", vm.id),
            href=href("vms", vm.id, "reporteddevices", item_id),
            id=item_id,
        ),
    )


def _cdroms(call: Call, vm: Machine) -> Sequence[Node]:
    path = f"{call.path}/{BLANK.id}"
    return (node("cdrom", linked("vm", "vms", vm.id), href=path, id=BLANK.id),)


def _consoles(call: Call, vm: Machine) -> Sequence[Node]:
    path = f"{call.path}/{_VNC}"
    return (
        node(
            "graphics_console",
            actions(path, ("proxyticket", "remoteviewerconnectionfile", "ticket")),
            text("protocol", "vnc"),
            linked("vm", "vms", vm.id),
            href=path,
            id=_VNC,
        ),
    )
