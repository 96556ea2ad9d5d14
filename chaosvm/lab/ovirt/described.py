"""The world as the API shows it, in the order of the engine's model.

Source: the recordings ``list-*``, ``host-get*``, ``vm-*`` and ``event*``.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from functools import cache

from chaosvm.lab.ovirt import settings
from chaosvm.lab.ovirt.hrefs import ACTIONS, API, COLLECTIONS, href
from chaosvm.lab.ovirt.markup import Node, actions, linked, links, moment, node, parsed, text
from chaosvm.lab.ovirt.templates import BLANK, Template
from chaosvm.lab.ovirt.words import told
from chaosvm.lab.world import (
    Cluster,
    Datacenter,
    Event,
    EventKind,
    Host,
    Machine,
    State,
    Tag,
    World,
    tag_id,
)

__all__ = [
    "ROOT_TAG",
    "USER_ID",
    "active_snapshot",
    "api_root",
    "cluster",
    "datacenter",
    "disk_attachment",
    "event",
    "host",
    "nics",
    "reported_devices",
    "statistics",
    "tag",
    "tags_of",
    "template",
]

VERSION = (4, 5, 8)
ROOT_TAG = BLANK.id
# Of the lab's account, in events and permissions.
USER_ID = "2d51bd70-ec55-11f1-9e07-02fc00000001"


@cache
def _static(xml: str) -> Sequence[Node]:
    return parsed(xml)


def host(world: World, shown: Host) -> Node:
    where = href("hosts", shown.id)
    running = [vm for vm in world.vms if vm.host_id == shown.id]
    spare = shown.memory - 384 * 2**20
    return node(
        "host",
        actions(where, ACTIONS["hosts"]),
        text("name", shown.name),
        text("comment", ""),
        *links(where, COLLECTIONS["hosts"]),
        text("address", shown.address),
        text("auto_numa_status", "enable"),
        node(
            "certificate",
            text("organization", "oVirt"),
            text("subject", f"O=oVirt,CN={shown.address}"),
        ),
        node(
            "cpu",
            text("name", "Intel(R) Xeon(R) Fake"),
            text("speed", 2400),
            _topology(shown),
            text("type", "Intel Cascadelake Server Family"),
        ),
        *_static(settings.HOST["ovn_configured"]),
        text("max_scheduling_memory", spare),
        text("memory", shown.memory),
        *_static(settings.HOST["protocol"]),
        node("spm", text("priority", 5), text("status", "none")),
        node("ssh", text("port", 22)),
        text("status", shown.status),
        node(
            "summary",
            text("active", sum(vm.state is State.RUNNING for vm in running)),
            text("migrating", sum(vm.state is State.MIGRATING for vm in running)),
            text("total", len(running)),
        ),
        *_static(settings.HOST["cluster"]),
        linked("cluster", "clusters", shown.cluster_id),
        href=where,
        id=shown.id,
    )


def _topology(shown: Host | Machine) -> Node:
    return node(
        "topology",
        text("cores", shown.topology.cores),
        text("sockets", shown.topology.sockets),
        text("threads", shown.topology.threads),
    )


def cluster(world: World, shown: Cluster) -> Node:
    where = href("clusters", shown.id)
    major, minor = shown.version
    return node(
        "cluster",
        actions(where, ACTIONS["clusters"]),
        text("name", shown.name),
        text("description", shown.description or ""),
        text("comment", ""),
        *links(where, COLLECTIONS["clusters"]),
        *_static(settings.CLUSTER["version"]),
        node("version", text("major", major), text("minor", minor)),
        *_static(settings.CLUSTER["data_center"]),
        linked("data_center", "datacenters", shown.datacenter_id),
        *_static(settings.CLUSTER["end"]),
        href=where,
        id=shown.id,
    )


def datacenter(world: World, shown: Datacenter) -> Node:
    where = href("datacenters", shown.id)
    return node(
        "data_center",
        actions(where, ACTIONS["datacenters"]),
        text("name", shown.name),
        text("description", shown.description or ""),
        *links(where, COLLECTIONS["datacenters"]),
        *_static(settings.DATACENTER),
        href=where,
        id=shown.id,
    )


def template(world: World, shown: Template) -> Node:
    where = href("templates", shown.id)
    return node(
        "template",
        actions(where, ACTIONS["templates"]),
        text("name", shown.name),
        text("description", shown.description),
        text("comment", ""),
        *links(where, COLLECTIONS["templates"]),
        *_static(settings.TEMPLATE),
        href=where,
        id=shown.id,
    )


def tag(world: World, shown: Tag) -> Node:
    """One of the list of all, among them the root of them."""
    number = ROOT_TAG if shown.name == "root" and shown.parent is None else shown.id
    above = tag_id(shown.parent) if shown.parent else ROOT_TAG
    return node(
        "tag",
        text("name", shown.name),
        text("description", shown.name),
        linked("parent", "tags", above) if number != ROOT_TAG else None,
        href=href("tags", number),
        id=number,
    )


def tags_of(world: World, vm: Machine) -> list[Node]:
    parents = {known.name: known.parent for known in world.tags}
    shown = []
    for name in vm.tags:
        parent = parents.get(name)
        shown.append(
            node(
                "tag",
                text("name", name),
                text("description", ""),
                linked("parent", "tags", tag_id(parent) if parent else ROOT_TAG),
                linked("vm", "vms", vm.id),
                href=href("vms", vm.id, "tags", tag_id(name)),
                id=tag_id(name),
            )
        )
    return shown


_WITH_HOST = frozenset((EventKind.LOST_WITH_ITS_HOST, EventKind.HOST_LOST))
_BARE = frozenset((EventKind.SET_UNKNOWN, EventKind.WILL_BE_RESTARTED)) | _WITH_HOST


def event(world: World, shown: Event) -> Node:
    said = told(world, shown)
    # Of some events the engine only keeps what they are about.
    bare = shown.kind in _BARE
    of_vm = shown.vm_name is not None and not bare
    where = world.cluster(shown.cluster_id) if shown.cluster_id and not bare else None
    center = world.datacenter(where.datacenter_id) if where and shown.user else None
    at = world.host(shown.host_id) if shown.kind not in _BARE - _WITH_HOST else None
    return node(
        "event",
        text("description", said.text),
        text("code", said.code),
        text("correlation_id", shown.correlation_id) if shown.correlation_id else None,
        text("custom_id", -1),
        text("flood_rate", 0),
        text("index", shown.number),
        text("origin", "oVirt"),
        text("severity", said.severity),
        moment("time", shown.at),
        _named("cluster", "clusters", where),
        _named("data_center", "datacenters", center),
        _named("host", "hosts", at),
        _named("template", "templates", BLANK) if of_vm else None,
        _user(said.user),
        _event_vm(shown),
        href=href("events", shown.number),
        id=str(shown.number),
    )


def _named(
    tag: str, collection: str, thing: Host | Cluster | Datacenter | Template | None
) -> Node | None:
    if thing is None:
        return None
    return node(tag, text("name", thing.name), href=href(collection, thing.id), id=thing.id)


def _user(name: str | None) -> Node | None:
    if name is None:
        return None
    return node("user", text("name", name), href=href("users", USER_ID), id=USER_ID)


def _event_vm(shown: Event) -> Node | None:
    if shown.vm_id is None:
        return None
    name = text("name", shown.vm_name) if shown.vm_name else None
    return node("vm", name, href=href("vms", shown.vm_id), id=shown.vm_id)


# Of a VM -----------------------------------------------------------------------------


def statistics(world: World, vm: Machine) -> list[Node]:
    elapsed = world.elapsed(vm)
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
    number = str(uuid.UUID(bytes=hashlib.md5(name.encode()).digest(), version=3))
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
        href=href("vms", vm.id, "statistics", number),
        id=number,
    )


def nics(world: World, vm: Machine) -> list[Node]:
    """The lab gives one to each VM that has an address."""
    if not vm.ip_addresses:
        return []
    number = _derived(vm.id, "nic1")
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
            href=href("vms", vm.id, "nics", number),
            id=number,
        )
    ]


def reported_devices(world: World, vm: Machine) -> list[Node]:
    """What the agent inside tells; nothing without one."""
    if not (vm.state.on_a_host and vm.guest.agent and vm.ip_addresses):
        return []
    number = _derived(vm.id, "eth0")
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
            href=href("vms", vm.id, "reporteddevices", number),
            id=number,
        )
    ]


def active_snapshot(world: World, vm: Machine) -> list[Node]:
    """What every VM has: itself, as it is now."""
    number = _derived(vm.id, "snapshot")
    where = href("vms", vm.id, "snapshots", number)
    return [
        node(
            "snapshot",
            actions(where, ("restore",)),
            text("description", "Active VM"),
            moment("date", vm.created),
            text("persist_memorystate", False),
            text("snapshot_status", "ok"),
            text("snapshot_type", "active"),
            href=where,
            id=number,
        )
    ]


def disk_attachment(world: World, vm: Machine) -> list[Node]:
    """One disk to boot from, unless the machine has none."""
    if not vm.bootable:
        return []
    number = _derived(vm.id, "disk")
    return [
        node(
            "disk_attachment",
            text("active", True),
            text("bootable", True),
            text("interface", "virtio"),
            text("pass_discard", False),
            text("read_only", False),
            text("uses_scsi_reservation", False),
            linked("disk", "disks", number),
            linked("vm", "vms", vm.id),
            href=href("vms", vm.id, "diskattachments", number),
            id=number,
        )
    ]


def api_root(world: World) -> Node:
    vms, hosts = world.vms, world.hosts
    major, minor, build = VERSION
    return node(
        "api",
        *_root_links(),
        node("engine_backup"),
        node(
            "product_info",
            text("instance_id", "60f0cd70-ec54-11f1-a16e-02fc00000001"),
            text("name", "oVirt Engine"),
            node(
                "version",
                text("build", build),
                text("full_version", f"{major}.{minor}.{build}_lab"),
                text("major", major),
                text("minor", minor),
                text("revision", 0),
            ),
        ),
        node(
            "special_objects",
            linked("blank_template", "templates", BLANK.id),
            linked("root_tag", "tags", ROOT_TAG),
        ),
        node(
            "summary",
            _counted("hosts", sum(each.usable for each in hosts), len(hosts)),
            _counted("storage_domains", 1, 1),
            _counted("users", 1, 1),
            _counted("vms", sum(vm.state.on_a_host for vm in vms), len(vms)),
        ),
        moment("time", world.moment(world.now)),
        linked("authenticated_user", "users", USER_ID),
        linked("effective_user", "users", USER_ID),
    )


def _counted(tag: str, active: int, total: int) -> Node:
    return node(tag, text("active", active), text("total", total))


def _root_links() -> list[Node]:
    shown = []
    for name in settings.API_LINKS.split():
        shown.append(node("link", href=f"{API}/{name}", rel=name))
        if name in settings.API_SEARCHES.split():
            since = ";from={event_id}" if name == "events" else ""
            where = f"{API}/{name}{since}?search={{query}}"
            shown.append(node("link", href=where, rel=f"{name}/search"))
    return shown


def _derived(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(parts)))


def _mac(vm: Machine) -> str:
    digits = vm.id.replace("-", "")[-6:]
    return ":".join(("56", "6f", "1a", digits[:2], digits[2:4], digits[4:]))
