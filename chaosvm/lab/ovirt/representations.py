"""The API's representations of objects, with elements in the order of the engine.

Source: the recordings ``list-*``, ``host-get*``, ``vm-*`` and ``event*``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from chaosvm.lab.ovirt import recorded_constants
from chaosvm.lab.ovirt.engine_tags import ROOT_TAG, parent_id
from chaosvm.lab.ovirt.hrefs import ACTIONS, API, COLLECTIONS, href
from chaosvm.lab.ovirt.markup import Node, actions, linked, links, moment, node, parsed, text
from chaosvm.lab.ovirt.statuses_and_events import event_text
from chaosvm.lab.ovirt.templates import BLANK, Template
from chaosvm.lab.ovirt.users import user_id
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
)

__all__ = [
    "api_root",
    "assigned_tag",
    "cluster",
    "datacenter",
    "event",
    "host",
    "host_links",
    "tag",
    "template",
]

VERSION = (4, 5, 8)


@cache
def _static(xml: str) -> Sequence[Node]:
    return parsed(xml)


def host(world: World, item: Host) -> Node:
    path = href("hosts", item.id)
    running = [vm for vm in world.vms if vm.host_id == item.id]
    spare = item.memory - 384 * 2**20
    return node(
        "host",
        actions(path, ACTIONS["hosts"]),
        text("name", item.name),
        text("comment", ""),
        *links(path, COLLECTIONS["hosts"]),
        text("address", item.address),
        text("auto_numa_status", "enable"),
        node(
            "certificate",
            text("organization", "oVirt"),
            text("subject", f"O=oVirt,CN={item.address}"),
        ),
        node(
            "cpu",
            text("name", "Intel(R) Xeon(R) Fake"),
            text("speed", 2400),
            _topology(item),
            text("type", "Intel Cascadelake Server Family"),
        ),
        *_static(recorded_constants.HOST["ovn_configured"]),
        text("max_scheduling_memory", spare),
        text("memory", item.memory),
        *_static(recorded_constants.HOST["protocol"]),
        node("spm", text("priority", 5), text("status", "none")),
        node("ssh", text("port", 22)),
        text("status", item.status),
        node(
            "summary",
            text("active", sum(vm.state is State.RUNNING for vm in running)),
            text("migrating", sum(vm.state is State.MIGRATING for vm in running)),
            text("total", len(running)),
        ),
        *_static(recorded_constants.HOST["cluster"]),
        linked("cluster", "clusters", item.cluster_id),
        href=path,
        id=item.id,
    )


def _topology(item: Host | Machine) -> Node:
    return node(
        "topology",
        text("cores", item.topology.cores),
        text("sockets", item.topology.sockets),
        text("threads", item.topology.threads),
    )


def cluster(world: World, item: Cluster) -> Node:
    path = href("clusters", item.id)
    major, minor = item.version
    return node(
        "cluster",
        actions(path, ACTIONS["clusters"]),
        text("name", item.name),
        text("description", item.description or ""),
        text("comment", ""),
        *links(path, COLLECTIONS["clusters"]),
        *_static(recorded_constants.CLUSTER["version"]),
        node("version", text("major", major), text("minor", minor)),
        *_static(recorded_constants.CLUSTER["data_center"]),
        linked("data_center", "datacenters", item.datacenter_id),
        *_static(recorded_constants.CLUSTER["end"]),
        href=path,
        id=item.id,
    )


def datacenter(world: World, item: Datacenter) -> Node:
    path = href("datacenters", item.id)
    return node(
        "data_center",
        actions(path, ACTIONS["datacenters"]),
        text("name", item.name),
        text("description", item.description or ""),
        *links(path, COLLECTIONS["datacenters"]),
        *_static(recorded_constants.DATACENTER),
        href=path,
        id=item.id,
    )


def template(world: World, item: Template, *, locked: bool = False) -> Node:
    path = href("templates", item.id)
    shown = node(
        "template",
        actions(path, ACTIONS["templates"]),
        text("name", item.name),
        text("description", item.description),
        text("comment", ""),
        *links(path, COLLECTIONS["templates"]),
        *_static(recorded_constants.TEMPLATE),
        href=path,
        id=item.id,
    )
    if item.machine is None:
        return shown
    changed = {
        "memory": str(item.machine.memory),
        "creation_time": f"{item.created:%Y-%m-%dT%H:%M:%S.000Z}",
        "status": "locked" if locked else "ok",
    }
    children = [
        text(child.tag, changed[child.tag]) if child.tag in changed else child
        for child in shown.children
    ]
    return replace(shown, children=[*children, _linked_cluster(item)])


def _linked_cluster(item: Template) -> Node:
    found = linked("cluster", "clusters", item.cluster_id)
    assert found is not None  # only Blank has none
    return found


def host_links(item: Host) -> Node:
    """A host in the response to an action: only its links and actions."""
    path = href("hosts", item.id)
    return node(
        "host",
        actions(path, ACTIONS["hosts"]),
        *links(path, COLLECTIONS["hosts"]),
        href=path,
        id=item.id,
    )


def tag(world: World, item: Tag, *, made: bool = False) -> Node:
    """A tag of the list of all tags, which includes the root tag.

    made: by a client, so that it only has the description that the client gave it.
    """
    is_root = item.name == "root" and item.parent is None
    description = item.description or ("" if made else item.name)
    item_id = ROOT_TAG if is_root else item.id
    return node(
        "tag",
        text("name", item.name),
        text("description", description) if description else None,
        None if is_root else linked("parent", "tags", parent_id(world, item)),
        href=href("tags", item_id),
        id=item_id,
    )


def assigned_tag(world: World, item: Tag, path: str, element: str, owner: str) -> Node:
    """A tag of an object; the references are in the order of the alphabet."""
    references = {
        "parent": linked("parent", "tags", parent_id(world, item)),
        element: linked(element, f"{element}s", owner),
    }
    return node(
        "tag",
        text("name", item.name),
        text("description", item.description),
        *(references[name] for name in sorted(references)),
        href=f"{path}/{item.id}",
        id=item.id,
    )


_WITH_HOST = frozenset((EventKind.LOST_WITH_ITS_HOST, EventKind.HOST_LOST))
_BARE = frozenset((EventKind.SET_UNKNOWN, EventKind.WILL_BE_RESTARTED)) | _WITH_HOST


def event(world: World, item: Event) -> Node:
    texts = event_text(world, item)
    noted = item.note
    # Some events have no cluster, host or template.
    bare = item.kind in _BARE
    of_vm = item.vm_name is not None and not bare
    in_cluster = world.cluster(item.cluster_id) if item.cluster_id and not bare else None
    in_datacenter = world.datacenter(in_cluster.datacenter_id) if in_cluster and item.user else None
    on_host = world.host(item.host_id) if item.kind not in _BARE - _WITH_HOST else None
    return node(
        "event",
        text("description", texts.text),
        text("code", texts.code),
        text("correlation_id", item.correlation_id) if item.correlation_id else None,
        text("custom_id", noted.source_id if noted else -1),
        text("flood_rate", 30 if noted and noted.source else 0),
        text("index", item.number),
        text("origin", (noted and noted.source) or "oVirt"),
        text("severity", texts.severity),
        moment("time", item.at),
        _named("cluster", "clusters", in_cluster),
        _named("data_center", "datacenters", in_datacenter),
        _named("host", "hosts", on_host),
        _named("template", "templates", BLANK) if of_vm else None,
        _user(texts.user),
        _event_vm(item),
        href=href("events", item.number),
        id=str(item.number),
    )


def _named(
    tag: str, collection: str, item: Host | Cluster | Datacenter | Template | None
) -> Node | None:
    if item is None:
        return None
    return node(tag, text("name", item.name), href=href(collection, item.id), id=item.id)


def _user(name: str | None) -> Node | None:
    if name is None:
        return None
    item_id = user_id(name)
    return node("user", text("name", name), href=href("users", item_id), id=item_id)


def _event_vm(item: Event) -> Node | None:
    if item.vm_id is None:
        return None
    name = text("name", item.vm_name) if item.vm_name else None
    return node("vm", name, href=href("vms", item.vm_id), id=item.vm_id)


def api_root(world: World, user: str) -> Node:
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
            _summary("hosts", sum(each.usable for each in hosts), len(hosts)),
            _summary("storage_domains", 1, 1),
            _summary("users", 1, 1),
            _summary("vms", sum(vm.state.on_a_host for vm in vms), len(vms)),
        ),
        moment("time", world.date_of(world.now)),
        linked("authenticated_user", "users", user_id(user)),
        linked("effective_user", "users", user_id(user)),
    )


def _summary(tag: str, active: int, total: int) -> Node:
    return node(tag, text("active", active), text("total", total))


def _root_links() -> list[Node]:
    root_links = []
    for name in recorded_constants.API_LINKS.split():
        root_links.append(node("link", href=f"{API}/{name}", rel=name))
        if name in recorded_constants.API_SEARCHES.split():
            since = ";from={event_id}" if name == "events" else ""
            path = f"{API}/{name}{since}?search={{query}}"
            root_links.append(node("link", href=path, rel=f"{name}/search"))
    return root_links
