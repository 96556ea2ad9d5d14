"""VMs as XML, fast enough to write ten thousand of them in seconds.

Constant parts are written once; in parts that only differ by the id, the id is replaced.
Source: the recordings ``list-vms``, ``vm-get-*`` and
``ha-vm-after-*``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from xml.sax.saxutils import escape

from chaosvm.lab.ovirt import recorded_constants
from chaosvm.lab.ovirt.hrefs import VM_ACTIONS, VM_COLLECTIONS, href
from chaosvm.lab.ovirt.kinds.compute import cpu_profile_id, quota_id
from chaosvm.lab.ovirt.markup import Node, actions, links, node, parsed, text
from chaosvm.lab.ovirt.statuses_and_events import STATUSES
from chaosvm.lab.ovirt.templates import BLANK
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
    writer = _Writer(world, vm, depth + 1, followed or {}, restricted)
    return "".join((*writer.configuration(), *writer.guest(), *writer.runtime(), *writer.links()))


class _Writer:
    """Writes the parts of a VM, in the order of the engine."""

    def __init__(
        self,
        world: World,
        vm: Machine,
        depth: int,
        followed: Mapping[str, str],
        restricted: bool,
    ) -> None:
        self._world = world
        self._vm = vm
        self._depth = depth
        self._followed = followed
        self._restricted = restricted
        self._indent = "    " * depth
        self._host = world.host(vm.host_id) if vm.state.on_a_host else None

    def configuration(self) -> Iterator[str]:
        vm, depth, line = self._vm, self._depth, self._line
        yield f'{self._indent[4:]}<vm href="{href("vms", vm.id)}" id="{vm.id}">\n'
        yield _links("actions", depth).replace(_ANY_ID, vm.id)
        yield line("name", vm.name)
        yield line("description", vm.description or "")
        yield line("comment", vm.comment or "")
        yield _links("collections", depth).replace(_ANY_ID, vm.id)
        yield _static("cpu", depth)
        yield _cpu(vm.topology.cores, vm.topology.sockets, vm.topology.threads, depth)
        yield _static("creation_time", depth)
        yield line("creation_time", _moment(vm.created))
        yield _static("display", depth)
        yield _display(self._host.address if self._host else None, depth)
        yield _availability(vm.highly_available, depth)
        yield _static("memory", depth)
        yield _memory(vm.memory, depth)
        yield _static("origin", depth)
        yield line("origin", vm.origin)
        yield _system(vm.os, depth)
        if not self._restricted:
            yield _static("placement_policy", depth)
        yield _static("stateless", depth)
        yield line("stateless", str(vm.stateless).lower())
        yield _static("cluster", depth)
        yield self._link("cluster", "clusters", vm.cluster_id)
        yield self._link("cpu_profile", "cpuprofiles", cpu_profile_id(vm.cluster_id))
        cluster = self._world.cluster(vm.cluster_id)
        quota = quota_id(cluster.datacenter_id if cluster else None)
        yield f'{self._indent}<quota id="{quota}"/>\n'

    def guest(self) -> Iterator[str]:
        """What the guest agent reports."""
        vm = self._vm
        agent = vm.guest.agent and not vm.agent_starting
        if vm.state.on_a_host and agent and vm.fqdn:
            yield self._line("fqdn", vm.fqdn)
            yield _guest(vm.os, self._depth)
            yield _static("guest_time_zone", self._depth)

    def runtime(self) -> Iterator[str]:
        vm, line = self._vm, self._line
        yield line("next_run_configuration_exists", "false")
        if vm.state.on_a_host:
            yield line("run_once", "false")
            if vm.tells_start and vm.started_at is not None:
                yield line("start_time", _moment(self._world.date_of(vm.started_at)))
        if STATUSES[vm.state] is not None:
            yield line("status", STATUSES[vm.state])
        if vm.state is State.OFF and vm.stop_reason:
            yield line("stop_reason", vm.stop_reason)
        if vm.state is State.PAUSED:
            yield line("status_detail", "noerr")
        stopped = vm.created if vm.stopped_at is None else self._world.date_of(vm.stopped_at)
        yield line("stop_time", _moment(stopped))

    def links(self) -> Iterator[str]:
        vm, followed = self._vm, self._followed
        yield followed.get("disk_attachments", "")
        if vm.stateless:
            yield self._line("use_latest_template_version", "false")
        if self._host is not None and not self._restricted:
            yield self._link("host", "hosts", self._host.id)
        yield followed.get("nics", "")
        yield self._link("original_template", "templates", BLANK.id)
        yield from (followed[name] for name in sorted(followed) if name not in _ELSEWHERE)
        yield self._link("template", "templates", BLANK.id)
        if vm.pool_id:
            yield self._link("vm_pool", "vmpools", vm.pool_id)
        yield f"{self._indent[4:]}</vm>\n"

    def _line(self, tag: str, value: object) -> str:
        return f"{self._indent}<{tag}>{escape(str(value))}</{tag}>\n"

    def _link(self, tag: str, collection: str, item_id: str) -> str:
        path = href(collection, item_id)
        return self._followed.get(tag) or f'{self._indent}<{tag} href="{path}" id="{item_id}"/>\n'


# Followed links that have places of their own; others are before the template.
_ELSEWHERE = frozenset(
    ("cluster", "disk_attachments", "host", "nics", "original_template", "template")
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
    return _written(parsed(recorded_constants.VM[before]), depth)


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
