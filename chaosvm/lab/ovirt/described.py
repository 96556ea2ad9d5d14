"""The world in the types of the SDK."""

from __future__ import annotations

import re
import uuid
from typing import Any

from ovirtsdk4 import types

from chaosvm.lab.ovirt.hrefs import API, href
from chaosvm.lab.ovirt.words import EVENTS, STATUSES
from chaosvm.lab.world import (
    Cluster,
    Datacenter,
    Event,
    Host,
    Machine,
    State,
    Tag,
    World,
    tag_id,
)

__all__ = [
    "active_snapshot_type",
    "api_root",
    "blank_template_type",
    "cluster_type",
    "datacenter_type",
    "event_type",
    "host_type",
    "nic_types",
    "reported_device_types",
    "statistic_types",
    "tag_types",
    "vm_type",
]

_BLANK = "00000000-0000-0000-0000-000000000000"
VERSION = (4, 5, 5)
# Such as rhel_9x64, for what a VM was made; anything else is a name for people.
_ENGINE_WORD = re.compile(r"[a-z0-9_]+")


def vm_type(world: World, vm: Machine) -> Any:
    """A VM as a list shows it: what is elsewhere is only linked to, and much is missing."""
    running = vm.state.on_a_host
    shown = types.Vm(
        id=vm.id,
        name=vm.name,
        description=vm.description,
        comment=vm.comment,
        status=STATUSES[vm.state],
        cpu=types.Cpu(
            architecture=types.Architecture.X86_64,
            topology=types.CpuTopology(
                sockets=vm.topology.sockets, cores=vm.topology.cores, threads=vm.topology.threads
            ),
        ),
        memory=vm.memory,
        os=types.OperatingSystem(type=vm.os, boot=types.Boot(devices=[types.BootDevice.HD])),
        type=types.VmType.SERVER,
        origin=vm.origin,
        creation_time=vm.created,
        stateless=vm.stateless,
        high_availability=types.HighAvailability(enabled=vm.highly_available, priority=1),
        delete_protected=False,
        cluster=_linked(types.Cluster, "clusters", vm.cluster_id),
        template=_linked(types.Template, "templates", _BLANK),
    )
    shown.href = href("vms", vm.id)
    if vm.pool_id:
        shown.vm_pool = _linked(types.VmPool, "vmpools", vm.pool_id)
    if running and vm.host_id:
        shown.host = _linked(types.Host, "hosts", vm.host_id)
    if running and vm.guest.agent and vm.fqdn:
        shown.fqdn = vm.fqdn
        shown.guest_operating_system = _guest_system(vm)
    if running and vm.tells_start and vm.started_at is not None:
        shown.start_time = world.moment(vm.started_at)
        shown.run_once = False
    if vm.state is State.OFF:
        shown.stop_reason = vm.stop_reason
        if vm.stopped_at is not None:
            shown.stop_time = world.moment(vm.stopped_at)
    return shown


def _guest_system(vm: Machine) -> Any:
    """The agent tells more than one of the engine's own words, if there is more to tell."""
    told = None if _ENGINE_WORD.fullmatch(vm.os) else vm.os
    return types.GuestOperatingSystem(family="Linux", distribution=told)


def host_type(world: World, host: Host) -> Any:
    shown = types.Host(
        id=host.id,
        name=host.name,
        address=host.address,
        comment="",
        status=types.HostStatus.UP if host.up else types.HostStatus.MAINTENANCE,
        type=types.HostType.RHEL,
        memory=host.memory,
        cpu=types.Cpu(
            topology=types.CpuTopology(
                sockets=host.topology.sockets,
                cores=host.topology.cores,
                threads=host.topology.threads,
            )
        ),
        cluster=_linked(types.Cluster, "clusters", host.cluster_id),
    )
    shown.href = href("hosts", host.id)
    return shown


def cluster_type(world: World, cluster: Cluster) -> Any:
    shown = types.Cluster(
        id=cluster.id,
        name=cluster.name,
        description=cluster.description,
        comment="",
        version=types.Version(major=cluster.version[0], minor=cluster.version[1]),
        virt_service=True,
        gluster_service=False,
    )
    if cluster.datacenter_id:
        shown.data_center = _linked(types.DataCenter, "datacenters", cluster.datacenter_id)
    shown.href = href("clusters", cluster.id)
    return shown


def datacenter_type(world: World, datacenter: Datacenter) -> Any:
    shown = types.DataCenter(
        id=datacenter.id,
        name=datacenter.name,
        description=datacenter.description,
        comment="",
        local=False,
        status=types.DataCenterStatus.UP,
        version=types.Version(major=4, minor=7),
    )
    shown.href = href("datacenters", datacenter.id)
    return shown


def event_type(world: World, event: Event) -> Any:
    code, severity, text = EVENTS[event.kind]
    host = world.host(event.host_id)
    shown = types.Event(
        id=str(event.number),
        index=event.number,
        code=code,
        severity=severity,
        description=text.format(
            vm=event.vm_name,
            host=host.name if host else "<UNKNOWN>",
            user=event.user or "SYSTEM",
            reason=f" (Reason: {event.reason})" if event.reason else "",
        ),
        time=event.at,
        origin="oVirt",
        custom_id=-1,
        flood_rate=30,
        correlation_id=event.correlation_id,
    )
    shown.href = href("events", event.number)
    if event.vm_id:
        shown.vm = _linked(types.Vm, "vms", event.vm_id)
        shown.vm.name = event.vm_name
    if event.host_id:
        shown.host = _linked(types.Host, "hosts", event.host_id)
    if event.user:
        shown.user = types.User(name=event.user)
    return shown


def statistic_types(world: World, vm: Machine) -> list[Any]:
    elapsed = world.elapsed(vm)
    busy = 12.5 if vm.state is State.RUNNING else 0.0
    used = vm.memory // 2 if vm.state.on_a_host else 0
    values = (
        ("memory.installed", "Total memory configured", "bytes", float(vm.memory)),
        ("memory.used", "Memory used (agent)", "bytes", float(used)),
        ("cpu.current.guest", "CPU used by guest", "percent", busy),
        ("cpu.current.total", "Total CPU used", "percent", busy),
        ("elapsed.time", "Elapsed VM up time", "seconds", round(elapsed or 0.0, 3)),
    )
    return [_statistic(vm, *value) for value in values]


def _statistic(vm: Machine, name: str, description: str, unit: str, value: float) -> Any:
    number = _derived(vm.id, name)
    shown = types.Statistic(
        id=number,
        name=name,
        description=description,
        kind=types.StatisticKind.GAUGE,
        type=types.ValueType.DECIMAL,
        unit=types.StatisticUnit(unit),
        values=[types.Value(datum=value)],
        vm=_linked(types.Vm, "vms", vm.id),
    )
    shown.href = href("vms", vm.id, "statistics", number)
    return shown


def tag_type(world: World, tag: Tag) -> Any:
    """A tag by itself, with a link to what it is a part of."""
    parent = _linked(types.Tag, "tags", tag_id(tag.parent)) if tag.parent else None
    shown = types.Tag(id=tag.id, name=tag.name, description="", parent=parent)
    shown.href = href("tags", tag.id)
    return shown


def tag_types(vm: Machine) -> list[Any]:
    shown = []
    for name in vm.tags:
        tag = types.Tag(id=tag_id(name), name=name, description="")
        tag.vm = _linked(types.Vm, "vms", vm.id)
        tag.href = href("vms", vm.id, "tags", tag.id)
        shown.append(tag)
    return shown


def nic_types(vm: Machine) -> list[Any]:
    number = _derived(vm.id, "nic1")
    nic = types.Nic(
        id=number,
        name="nic1",
        interface=types.NicInterface.VIRTIO,
        linked=True,
        plugged=True,
        mac=types.Mac(address=_mac(vm)),
        vm=_linked(types.Vm, "vms", vm.id),
    )
    nic.href = href("vms", vm.id, "nics", number)
    return [nic]


def reported_device_types(vm: Machine) -> list[Any]:
    """What the agent inside tells; nothing without one."""
    if not (vm.state.on_a_host and vm.guest.agent and vm.ip_addresses):
        return []
    number = _derived(vm.id, "eth0")
    device = types.ReportedDevice(
        id=number,
        name="eth0",
        type=types.ReportedDeviceType.NETWORK,
        mac=types.Mac(address=_mac(vm)),
        ips=[
            types.Ip(
                address=address,
                version=types.IpVersion.V6 if ":" in address else types.IpVersion.V4,
            )
            for address in vm.ip_addresses
        ],
        vm=_linked(types.Vm, "vms", vm.id),
    )
    device.href = href("vms", vm.id, "reporteddevices", number)
    return [device]


def active_snapshot_type(vm: Machine) -> Any:
    """What every VM has: itself, as it is now."""
    number = _derived(vm.id, "snapshot")
    snapshot = types.Snapshot(
        id=number,
        description="Active VM",
        date=vm.created,
        persist_memorystate=False,
        snapshot_status=types.SnapshotStatus.OK,
        snapshot_type=types.SnapshotType.ACTIVE,
        vm=_linked(types.Vm, "vms", vm.id),
    )
    snapshot.href = href("vms", vm.id, "snapshots", number)
    return snapshot


def blank_template_type() -> Any:
    """What every engine has, and all VMs here are made of."""
    template = types.Template(
        id=_BLANK,
        name="Blank",
        description="Blank template",
        comment="",
        status=types.TemplateStatus.OK,
        type=types.VmType.SERVER,
    )
    template.href = href("templates", _BLANK)
    return template


def api_root(world: World) -> Any:
    vms, hosts = world.vms, world.hosts
    running = sum(1 for vm in vms if vm.state.on_a_host)
    major, minor, build = VERSION
    root = types.Api(
        time=world.moment(world.now),
        product_info=types.ProductInfo(
            name="oVirt Engine",
            vendor="chaosvm.lab",
            version=types.Version(
                major=major,
                minor=minor,
                build=build,
                revision=0,
                full_version=f"{major}.{minor}.{build}-lab",
            ),
        ),
        summary=types.ApiSummary(
            hosts=types.ApiSummaryItem(active=sum(1 for h in hosts if h.up), total=len(hosts)),
            storage_domains=types.ApiSummaryItem(active=0, total=0),
            users=types.ApiSummaryItem(active=1, total=1),
            vms=types.ApiSummaryItem(active=running, total=len(vms)),
        ),
    )
    root.href = API
    return root


def _linked(kind: Any, collection: str, number: str) -> Any:
    """Its id and where it is, without its name."""
    linked = kind(id=number)
    linked.href = href(collection, number)
    return linked


def _derived(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(parts)))


def _mac(vm: Machine) -> str:
    digits = vm.id.replace("-", "")[-6:]
    return ":".join(("56", "6f", "1a", digits[:2], digits[2:4], digits[4:]))
