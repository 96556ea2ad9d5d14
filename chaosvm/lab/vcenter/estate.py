"""The inventory: the world's things as a vCenter's tree of managed objects.

Root folder, data centers with a VM folder and a host folder, clusters with a
root resource pool, hosts, and VMs in folders. A data center has one datastore
and one network, which are there to be named. VMs that are off keep a host, as
they do in a vCenter.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chaosvm.lab.vcenter.compute import Compute, ResourcePool
from chaosvm.lab.vcenter.entities import Datacenter, Datastore, Entity, Folder, Network
from chaosvm.lab.vcenter.fields import Fields
from chaosvm.lab.vcenter.hosts import HostSystem
from chaosvm.lab.vcenter.machine import VirtualMachine
from chaosvm.lab.vcenter.managed import Managed
from chaosvm.lab.vcenter.words import VM_NETWORK
from chaosvm.lab.world import Cluster, Machine, World
from chaosvm.lab.world import Datacenter as WorldDatacenter

if TYPE_CHECKING:
    from chaosvm.lab.vcenter.tasks import Tasks

__all__ = ["ROOT", "Estate"]

ROOT = "group-d1"
_NOWHERE = WorldDatacenter(id="", name="Datacenter")


class Estate:
    """All that is in the inventory, made anew when the world's shape changes."""

    tasks: Tasks
    world: World
    fields: Fields

    def __init__(self, world: World) -> None:
        self.world = world
        self.fields = Fields(world)
        self._lock = threading.RLock()
        self._numbers: dict[tuple[str, str], int] = {}
        self._shape = -1
        self._tree: _Tree = _Tree()
        self._placed: tuple[_Tree, list[Machine], dict[str, list[Machine]]] | None = None

    @property
    def tree(self) -> _Tree:
        if self._shape != self.world.shape:
            with self.world.present(), self._lock:
                shape = self.world.shape
                self._tree = self._grown()
                self._shape = shape
        return self._tree

    def find(self, moid: str) -> Managed | None:
        return self.tree.by_moid.get(moid)

    @property
    def root(self) -> Folder:
        return self.tree.root

    def machines(self) -> dict[str, Machine]:
        """Every VM of this moment, by its moid."""
        return {vm.moid: vm for vm in self.world.vms}

    def machines_where(self, holds: Any) -> list[Machine]:
        return [vm for vm in self.world.vms if holds(vm)]

    # Where a VM is -------------------------------------------------------------------

    def folder_of(self, vm: Machine) -> Folder:
        return self.tree.folders[vm.moid]

    def compute_of(self, vm: Machine) -> Compute:
        return self.tree.computes[vm.cluster_id]

    def host_of(self, vm: Machine) -> Any:
        """Reference to its host: the one it runs on, or where it is registered."""
        tree = self.tree
        for host_id in (vm.host_id, vm.home_id):
            if host_id in tree.hosts:
                return tree.hosts[host_id].reference
        hosts = tree.computes[vm.cluster_id].hosts
        number = int(vm.moid.rpartition("-")[2])
        return hosts[number % len(hosts)].reference if hosts else None

    def on_host(self, moid: str) -> list[Machine]:
        """Those that run on a host or are registered there."""
        vms, tree, placed = self.world.vms, self.tree, self._placed
        # To compare takes no time: what has not changed is the very same.
        if placed is None or placed[0] is not tree or placed[1] != vms:
            found: dict[str, list[Machine]] = {}
            for vm in vms:
                host = self.host_of(vm)
                if host is not None:
                    found.setdefault(host._moId, []).append(vm)
            placed = self._placed = tree, vms, found
        return placed[2].get(moid, [])

    def datastore_of(self, vm: Machine) -> Datastore:
        return self.compute_of(vm).datacenter.store

    def network_of(self, vm: Machine) -> Network:
        return self.compute_of(vm).datacenter.net

    # Growing -------------------------------------------------------------------------

    def _number(self, kind: str, id: str) -> int:
        return self._numbers.setdefault((kind, id), len(self._numbers) + 2)

    def _moid(self, prefix: str, id: str) -> str:
        return f"{prefix}{self._number(prefix, id)}"

    def _grown(self) -> _Tree:
        tree = _Tree()
        tree.root = tree.add(Folder(self, ROOT, "Datacenters", None, "root"))
        for datacenter in self.world.datacenters:
            self._add_datacenter(tree, datacenter)
        for cluster in self.world.clusters:
            self._add_cluster(tree, cluster)
        for host in self.world.hosts:
            compute = tree.computes[host.cluster_id]
            moid = self._moid("host-", host.id)
            made = tree.hosts[host.id] = tree.add(HostSystem(self, moid, host, compute))
            for system in made.systems.all():
                tree.by_moid[system.moid] = system
        for vm in self.world.vms:
            self._add_vm(tree, vm)
        return tree

    def _add_datacenter(self, tree: _Tree, datacenter: WorldDatacenter) -> Datacenter:
        id = datacenter.id
        made = Datacenter(self, self._moid("datacenter-", id), datacenter.name, tree.root)
        tree.add(made)
        tree.datacenters[id] = made
        made.vm_folder = tree.add(Folder(self, self._moid("group-v", id), "vm", made, "vm"))
        made.host_folder = tree.add(Folder(self, self._moid("group-h", id), "host", made, "host"))
        stores = Folder(self, self._moid("group-s", id), "datastore", made, "datastore")
        networks = Folder(self, self._moid("group-n", id), "network", made, "network")
        made.datastore_folder, made.network_folder = tree.add(stores), tree.add(networks)
        number = len(tree.datacenters)
        store = Datastore(self, self._moid("datastore-", id), f"datastore{number}", stores)
        made.store = tree.add(store)
        made.net = tree.add(Network(self, self._moid("network-", id), VM_NETWORK, networks))
        made.store.datacenter = made.net.datacenter = made
        return made

    def _add_cluster(self, tree: _Tree, cluster: Cluster) -> None:
        around = tree.datacenters.get(cluster.datacenter_id or "")
        if around is None:  # a vCenter has no cluster outside of one
            around = next(iter(tree.datacenters.values()), None)
        if around is None:
            around = self._add_datacenter(tree, _NOWHERE)
        moid = self._moid("domain-s" if cluster.standalone else "domain-c", cluster.id)
        compute = tree.add(Compute.of(self, moid, cluster, around))
        pool_moid = self._moid("resgroup-", cluster.id)
        compute.pool = tree.add(ResourcePool(self, pool_moid, "Resources", compute))
        tree.computes[cluster.id] = compute

    def _add_vm(self, tree: _Tree, vm: Machine) -> None:
        folder = tree.computes[vm.cluster_id].datacenter.vm_folder
        for depth, name in enumerate(vm.folder):
            folder = self._subfolder(tree, folder, name, "/".join(vm.folder[: depth + 1]))
        tree.folders[vm.moid] = folder
        made = VirtualMachine(self, vm)
        folder.children.append(made)
        tree.by_moid[made.moid] = made

    def _subfolder(self, tree: _Tree, folder: Folder, name: str, path: str) -> Folder:
        for child in folder.children:
            if isinstance(child, Folder) and child.plain_name == name:
                return child
        moid = self._moid("group-v", f"{folder.moid}/{path}")
        made = Folder(self, moid, name, folder, "vm")
        folder.children.insert(0, made)  # before the VMs, where it is found sooner
        tree.by_moid[moid] = made
        return made


class _Tree:
    """The managed objects of one shape of the world."""

    root: Folder

    def __init__(self) -> None:
        self.by_moid: dict[str, Managed] = {}
        self.datacenters: dict[str, Datacenter] = {}
        self.computes: dict[str, Compute] = {}
        self.hosts: dict[str | None, HostSystem] = {}
        self.folders: dict[str, Folder] = {}

    def add(self, entity: Any) -> Any:
        self.by_moid[entity.moid] = entity
        if entity.above is not None:
            entity.above.adopt(entity)
        return entity

    def entities(self) -> Sequence[Entity]:
        return [thing for thing in self.by_moid.values() if isinstance(thing, Entity)]
