"""VMs as XML, fast enough to write ten thousand of them in seconds.

Constant parts are written once; in parts that only differ by the id, the id is replaced.
Source: the recordings ``list-vms``, ``vm-get-*`` and
``ha-vm-after-*``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from xml.sax.saxutils import escape

from chaosvm.lab.ovirt import settings
from chaosvm.lab.ovirt.hrefs import VM_ACTIONS, VM_COLLECTIONS, href
from chaosvm.lab.ovirt.markup import Node, actions, links, node, parsed, text
from chaosvm.lab.ovirt.templates import BLANK
from chaosvm.lab.ovirt.words import STATUSES
from chaosvm.lab.simulation import Machine, State, World

__all__ = ["vm_links", "vm_text"]

_ANY_ID = "00000000-1111-2222-3333-444444444444"
_GIB = 2**30


def vm_text(
    world: World,
    vm: Machine,
    depth: int = 0,
    followed: Mapping[str, str] | None = None,
    restricted: bool = False,
) -> str:
    """A VM as XML.

    followed: XML in place of links, by element.
    restricted: omit the host and placement, which users with user roles do not see.
    """
    followed = followed or {}
    indent = "    " * (depth + 1)
    on_a_host = vm.state.on_a_host
    host = world.host(vm.host_id) if on_a_host else None

    def line(tag: str, value: object) -> str:
        return f"{indent}<{tag}>{escape(str(value))}</{tag}>\n"

    def link(tag: str, collection: str, number: str) -> str:
        path = href(collection, number)
        return followed.get(tag) or f'{indent}<{tag} href="{path}" id="{number}"/>\n'

    outer = indent[4:]
    path = href("vms", vm.id)
    parts = [
        f'{outer}<vm href="{path}" id="{vm.id}">\n',
        _links("actions", depth + 1).replace(_ANY_ID, vm.id),
        line("name", vm.name),
        line("description", vm.description or ""),
        line("comment", vm.comment or ""),
        _links("collections", depth + 1).replace(_ANY_ID, vm.id),
        _static("cpu", depth + 1),
        _cpu(vm.topology.cores, vm.topology.sockets, vm.topology.threads, depth + 1),
        _static("creation_time", depth + 1),
        line("creation_time", _moment(vm.created)),
        _static("display", depth + 1),
        _display(host.address if host else None, depth + 1),
        _availability(vm.highly_available, depth + 1),
        _static("memory", depth + 1),
        _memory(vm.memory, depth + 1),
        _static("origin", depth + 1),
        line("origin", vm.origin),
        _system(vm.os, depth + 1),
        "" if restricted else _static("placement_policy", depth + 1),
        _static("stateless", depth + 1),
        line("stateless", str(vm.stateless).lower()),
        _static("cluster", depth + 1),
        link("cluster", "clusters", vm.cluster_id),
        _static("fqdn", depth + 1),
    ]
    if on_a_host and vm.guest.agent and vm.fqdn:
        parts += [
            line("fqdn", vm.fqdn),
            _guest(vm.os, depth + 1),
            _static("guest_time_zone", depth + 1),
        ]
    parts.append(line("next_run_configuration_exists", "false"))
    if on_a_host:
        parts.append(line("run_once", "false"))
        if vm.tells_start and vm.started_at is not None:
            parts.append(line("start_time", _moment(world.date_of(vm.started_at))))
    if STATUSES[vm.state] is not None:
        parts.append(line("status", STATUSES[vm.state]))
    if vm.state is State.OFF and vm.stop_reason:
        parts.append(line("stop_reason", vm.stop_reason))
    if vm.state is State.PAUSED:
        parts.append(line("status_detail", "noerr"))
    stopped = vm.created if vm.stopped_at is None else world.date_of(vm.stopped_at)
    parts.append(line("stop_time", _moment(stopped)))
    parts.append(followed.get("disk_attachments", ""))
    if vm.stateless:
        parts.append(line("use_latest_template_version", "false"))
    if host is not None and not restricted:
        parts.append(link("host", "hosts", host.id))
    parts += [followed.get(name, "") for name in ("nics",)]
    parts.append(link("original_template", "templates", BLANK.id))
    parts += [followed.get(n, "") for n in _BEFORE_TEMPLATE if n in followed]
    parts.append(link("template", "templates", BLANK.id))
    if vm.pool_id:
        parts.append(link("vm_pool", "vmpools", vm.pool_id))
    parts.append(f"{outer}</vm>\n")
    return "".join(parts)


_BEFORE_TEMPLATE = (
    "permissions",
    "reported_devices",
    "sessions",
    "snapshots",
    "statistics",
    "tags",
)


def vm_links(vm: Machine) -> Node:
    """A VM in the response to an action: only its links and actions."""
    path = href("vms", vm.id)
    return node(
        "vm",
        actions(path, VM_ACTIONS),
        *links(path, VM_COLLECTIONS),
        href=path,
        id=vm.id,
    )


def _moment(when: dt.datetime) -> str:
    utc = when.astimezone(dt.UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z"


def _written(nodes: Sequence[Node], depth: int) -> str:
    return "".join(each.written(depth) for each in nodes)


@cache
def _links(which: str, depth: int) -> str:
    path = href("vms", _ANY_ID)
    if which == "actions":
        return actions(path, VM_ACTIONS).written(depth)
    return _written(links(path, VM_COLLECTIONS), depth)


@cache
def _static(before: str, depth: int) -> str:
    return _written(parsed(settings.VM[before]), depth)


@lru_cache(maxsize=1024)
def _cpu(cores: int, sockets: int, threads: int, depth: int) -> str:
    topology = node(
        "topology", text("cores", cores), text("sockets", sockets), text("threads", threads)
    )
    return node("cpu", text("architecture", "x86_64"), topology).written(depth)


@lru_cache(maxsize=4096)
def _display(address: str | None, depth: int) -> str:
    """The console, which has an address while the VM is on a host."""
    certificate = None
    if address is not None:
        certificate = node(
            "certificate",
            text("organization", "oVirt"),
            text("subject", f"O=oVirt,CN={address}"),
        )
    return node(
        "display",
        text("address", address) if address else None,
        text("allow_override", False),
        certificate,
        text("copy_paste_enabled", True),
        text("disconnect_action", "LOCK_SCREEN"),
        text("disconnect_action_delay", 0),
        text("file_transfer_enabled", True),
        text("monitors", 1),
        text("port", 5900) if address else None,
        text("smartcard_enabled", False),
        text("type", "vnc"),
        text("video_type", "vga"),
    ).written(depth)


@lru_cache(maxsize=16)
def _availability(highly_available: bool, depth: int) -> str:
    priority = 1 if highly_available else 0
    return node(
        "high_availability", text("enabled", highly_available), text("priority", priority)
    ).written(depth)


@lru_cache(maxsize=1024)
def _memory(memory: int, depth: int) -> str:
    policy = node(
        "memory_policy",
        text("ballooning", True),
        text("guaranteed", memory),
        text("max", max(_GIB, 4 * memory)),
    )
    return text("memory", memory).written(depth) + policy.written(depth)


@lru_cache(maxsize=1024)
def _system(name: str, depth: int) -> str:
    boot = node("boot", node("devices", text("device", "hd")))
    return node("os", boot, text("type", name)).written(depth)


@lru_cache(maxsize=1024)
def _guest(name: str, depth: int) -> str:
    """The system as reported by the agent; not the engine's type, such as rhel_9x64."""
    named = not name.replace("_", "").isalnum() or not name.islower()
    return node(
        "guest_operating_system",
        text("architecture", "x86_64"),
        text("distribution", name) if named else None,
        text("family", "Linux"),
    ).written(depth)
