"""The collections of a VM: statistics, NICs, devices, disks and snapshots.

Source: the recordings ``vm-statistics*``, ``vm-diskattachments``, ``vm-snapshots``.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence

from chaosvm.lab.ovirt.hrefs import href
from chaosvm.lab.ovirt.markup import Node, actions, linked, moment, node, text
from chaosvm.lab.simulation import Machine, State, World

__all__ = ["active_snapshot", "disk_attachment", "nics", "reported_devices", "statistics"]


def statistics(world: World, vm: Machine) -> list[Node]:
    elapsed = world.uptime(vm)
    on = vm.state.on_a_host
    guest, overhead = (12.0, 0.5) if vm.state is State.RUNNING else (0.0, 0.0)
    used = vm.memory // 10 if on else 0
    rows: Sequence[tuple[str, str, str, str, float | None]] = (
        ("memory.installed", "Total memory configured", "integer", "bytes", vm.memory),
        ("memory.used", "Memory used (agent)", "integer", "bytes", used),
        ("cpu.current.guest", "CPU used by guest", "decimal", "percent", guest),
        ("cpu.current.hypervisor", "CPU overhead", "decimal", "percent", overhead),
        ("cpu.current.total", "Total CPU used", "decimal", "percent", guest + overhead),
        ("migration.progress", "Migration Progress", "decimal", "percent", 0),
        ("memory.buffered", "Memory buffered (agent)", "integer", "bytes", 0),
        ("memory.cached", "Memory cached (agent)", "integer", "bytes", 0),
        ("memory.free", "Memory free (agent)", "integer", "bytes", 0),
        ("memory.unused", "Memory unused (agent)", "integer", "bytes", 0),
        ("network.current.total", "Total network used", "decimal", "percent", 0),
        (
            "disks.usage",
            "Disk usage, in bytes, per filesystem as JSON (agent)",
            "string",
            "none",
            None,
        ),
        ("elapsed.time", "Elapsed VM runtime", "integer", "seconds", int(elapsed or 0)),
        *(
            (f"{what}.usage.history", _HISTORY.format(what), "decimal", "percent", None)
            for what in ("cpu", "memory", "network")
        ),
    )
    return [_statistic(vm, *row) for row in rows]


_HISTORY = (
    "List of {} usage history, sorted by date from newest to oldest, at intervals of 30 seconds"
)


def _statistic(
    vm: Machine, name: str, description: str, type_: str, unit: str, value: float | None
) -> Node:
    item_id = str(uuid.UUID(bytes=hashlib.md5(name.encode()).digest(), version=3))
    data = "" if value is None else f"{value:g}" if type_ == "decimal" else str(int(value))
    values = node("value", text("datum", data)) if value is not None else None
    return node(
        "statistic",
        text("name", name),
        text("description", description),
        text("kind", "counter" if name == "elapsed.time" else "gauge"),
        text("type", type_),
        text("unit", unit),
        node("values", values),
        linked("vm", "vms", vm.id),
        href=href("vms", vm.id, "statistics", item_id),
        id=item_id,
    )


def nics(world: World, vm: Machine) -> list[Node]:
    """One NIC if the VM has an address."""
    if not vm.ip_addresses:
        return []
    item_id = _derived(vm.id, "nic1")
    return [
        node(
            "nic",
            text("name", "nic1"),
            text("interface", "virtio"),
            text("linked", True),
            node("mac", text("address", _mac(vm))),
            text("plugged", True),
            text("synced", True),
            linked("vm", "vms", vm.id),
            href=href("vms", vm.id, "nics", item_id),
            id=item_id,
        )
    ]


def reported_devices(world: World, vm: Machine) -> list[Node]:
    """Devices as reported by the guest agent; empty without one."""
    if not (vm.state.on_a_host and vm.guest.agent and vm.ip_addresses):
        return []
    item_id = _derived(vm.id, "eth0")
    ips = [
        node("ip", text("address", address), text("version", "v6" if ":" in address else "v4"))
        for address in vm.ip_addresses
    ]
    return [
        node(
            "reported_device",
            text("name", "eth0"),
            node("ips", *ips),
            node("mac", text("address", _mac(vm))),
            text("type", "network"),
            linked("vm", "vms", vm.id),
            href=href("vms", vm.id, "reporteddevices", item_id),
            id=item_id,
        )
    ]


def active_snapshot(world: World, vm: Machine) -> list[Node]:
    """The active snapshot, which every VM has."""
    item_id = _derived(vm.id, "snapshot")
    path = href("vms", vm.id, "snapshots", item_id)
    return [
        node(
            "snapshot",
            actions(path, ("restore",)),
            text("description", "Active VM"),
            moment("date", vm.created),
            text("persist_memorystate", False),
            text("snapshot_status", "ok"),
            text("snapshot_type", "active"),
            href=path,
            id=item_id,
        )
    ]


def disk_attachment(world: World, vm: Machine) -> list[Node]:
    """The boot disk, if the VM has one."""
    if not vm.bootable:
        return []
    item_id = _derived(vm.id, "disk")
    return [
        node(
            "disk_attachment",
            text("active", True),
            text("bootable", True),
            text("interface", "virtio"),
            text("pass_discard", False),
            text("read_only", False),
            text("uses_scsi_reservation", False),
            linked("disk", "disks", item_id),
            linked("vm", "vms", vm.id),
            href=href("vms", vm.id, "diskattachments", item_id),
            id=item_id,
        )
    ]


def _derived(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(parts)))


def _mac(vm: Machine) -> str:
    digits = vm.id.replace("-", "")[-6:]
    return ":".join(("56", "6f", "1a", digits[:2], digits[2:4], digits[4:]))
