"""Simulated machines as the VMs that a platform's inventory returns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from chaosvm.lab.vcenter.words import escape_name, guest_full_name
from chaosvm.lab.world import Host, Machine, State, World
from chaosvm.vm import VM, PowerState

__all__ = ["POWER_STATES", "platform_vms"]

POWER_STATES = {
    State.RUNNING: PowerState.POWERED_ON,
    State.OFF: PowerState.POWERED_OFF,
    State.SUSPENDED: PowerState.SUSPENDED,
    State.PAUSED: PowerState.PAUSED,
}


def platform_vms(world: World, vms: Iterable[Machine], platform: str) -> list[VM]:
    """The machines as ``platform`` returns them, so that selections can be applied."""
    categories = {tag.name: tag.parent or "lab" for tag in world.tags}
    hosts: dict[str, list[Host]] = defaultdict(list)
    for host in world.hosts:
        hosts[host.cluster_id].append(host)
    return [
        _platform_vm(world, vm, platform, categories, _host(world, vm, platform, hosts))
        for vm in vms
    ]


def _host(world: World, vm: Machine, platform: str, hosts: Mapping[str, list[Host]]) -> Host | None:
    """The host of a VM; only on oVirt a VM that is powered off has none."""
    if vm.host_id or platform == "olvm":
        return world.host(vm.host_id)
    index, candidates = int(vm.moid.rpartition("-")[2]), hosts.get(vm.cluster_id, [])
    return world.host(vm.home_id) or (candidates[index % len(candidates)] if candidates else None)


def _platform_vm(
    world: World, vm: Machine, platform: str, categories: Mapping[str, str], host: Host | None
) -> VM:
    on_olvm = platform == "olvm"
    cluster = world.cluster(vm.cluster_id)
    datacenter = world.datacenter(cluster.datacenter_id) if cluster else None
    datacenter_name = datacenter.name if datacenter else None
    folder = _path(datacenter_name or "Datacenter", "vm", *vm.folder)
    path = _path(datacenter_name, cluster.name if cluster else None, vm.name, escape=False)
    return VM(
        id=vm.id if on_olvm else vm.moid,
        name=vm.name,
        aliases=(escape_name(vm.name),),
        platform=platform,
        power_state=POWER_STATES.get(vm.state, PowerState.TRANSITIONING),
        status=vm.state.value,
        instance_uuid=vm.id,
        path=path if on_olvm else f"{folder}/{escape_name(vm.name)}",
        datacenter=datacenter_name,
        cluster=cluster.name if cluster and not (cluster.standalone and not on_olvm) else None,
        host=host.name if host else None,
        folder=None if on_olvm else folder,
        guest_os=guest_full_name(vm.os) if platform == "vsphere" else vm.os,
        tags=vm.tags,
        template=vm.template,
        metadata={"qualified_tags": [f"{categories[name]}/{name}" for name in vm.tags]},
    )


def _path(*parts: str | None, escape: bool = True) -> str:
    return "".join(f"/{escape_name(part) if escape else part}" for part in parts if part)
