"""A machine of the world as a platform's inventory has it, for selections to judge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from chaosvm.lab.vcenter.words import escape_name, guest_full_name
from chaosvm.lab.world import Host, Machine, State, World
from chaosvm.vm import VM, PowerState

__all__ = ["POWER_STATES", "shown"]

POWER_STATES = {
    State.RUNNING: PowerState.POWERED_ON,
    State.OFF: PowerState.POWERED_OFF,
    State.SUSPENDED: PowerState.SUSPENDED,
    State.PAUSED: PowerState.PAUSED,
}


def shown(world: World, vms: Iterable[Machine], platform: str) -> list[VM]:
    """As vSphere and Dora or, for "olvm", an engine tell of them."""
    categories = {tag.name: tag.parent or "lab" for tag in world.tags}
    hosts: dict[str, list[Host]] = defaultdict(list)
    for host in world.hosts:
        hosts[host.cluster_id].append(host)
    return [
        _shown(world, vm, platform, categories, _host(world, vm, platform, hosts)) for vm in vms
    ]


def _host(world: World, vm: Machine, platform: str, hosts: Mapping[str, list[Host]]) -> Host | None:
    """In a vCenter, and so in Dora, also what is off is on a host."""
    if vm.host_id or platform == "olvm":
        return world.host(vm.host_id)
    number, around = int(vm.moid.rpartition("-")[2]), hosts.get(vm.cluster_id, [])
    return world.host(vm.home_id) or (around[number % len(around)] if around else None)


def _shown(
    world: World, vm: Machine, platform: str, categories: Mapping[str, str], host: Host | None
) -> VM:
    in_engine = platform == "olvm"
    cluster = world.cluster(vm.cluster_id)
    around = world.datacenter(cluster.datacenter_id) if cluster else None
    datacenter = around.name if around else None
    folder = _path(datacenter or "Datacenter", "vm", *vm.folder)
    path = _path(datacenter, cluster.name if cluster else None, vm.name, escape=False)
    return VM(
        id=vm.id if in_engine else vm.moid,
        name=vm.name,
        aliases=(escape_name(vm.name),),
        platform=platform,
        power_state=POWER_STATES.get(vm.state, PowerState.TRANSITIONING),
        status=vm.state.value,
        instance_uuid=vm.id,
        path=path if in_engine else f"{folder}/{escape_name(vm.name)}",
        datacenter=datacenter,
        cluster=cluster.name if cluster and not (cluster.standalone and not in_engine) else None,
        host=host.name if host else None,
        folder=None if in_engine else folder,
        guest_os=guest_full_name(vm.os) if platform == "vsphere" else vm.os,
        tags=vm.tags,
        template=vm.template,
        metadata={"qualified_tags": [f"{categories[name]}/{name}" for name in vm.tags]},
    )


def _path(*parts: str | None, escape: bool = True) -> str:
    return "".join(f"/{escape_name(part) if escape else part}" for part in parts if part)
