"""The world as the API shows it, in the order of the engine's model.

Source: the recordings ``list-*``, ``host-get*``, ``vm-*`` and ``event*``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from chaosvm.lab.ovirt import settings
from chaosvm.lab.ovirt.hrefs import ACTIONS, API, COLLECTIONS, href
from chaosvm.lab.ovirt.markup import Node, actions, linked, links, moment, node, parsed, text
from chaosvm.lab.ovirt.templates import BLANK, Template
from chaosvm.lab.ovirt.words import told
from chaosvm.lab.simulation import (
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
    "api_root",
    "cluster",
    "datacenter",
    "event",
    "host",
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
        moment("time", world.date_of(world.now)),
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
