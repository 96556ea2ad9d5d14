"""The inventory: the simulated machines as a vCenter's tree of managed objects.

Root folder, data centers with a VM folder and a host folder, clusters with a
root resource pool, hosts, and VMs in folders. Each data center has one datastore
and one network. As in a vCenter, a VM that is powered off stays on its host.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from chaosvm.lab.simulation import Cluster, Host, Machine, World
from chaosvm.lab.simulation import Datacenter as WorldDatacenter
from chaosvm.lab.vcenter.browsers import DatastoreBrowser, EnvironmentBrowser
from chaosvm.lab.vcenter.compute_resources import Compute, ResourcePool
from chaosvm.lab.vcenter.custom_fields import CustomFields
from chaosvm.lab.vcenter.entities import Datacenter, Datastore, Entity, Folder, Network
from chaosvm.lab.vcenter.host_system import HostSystem
from chaosvm.lab.vcenter.managed_object import ManagedObject
from chaosvm.lab.vcenter.methods.snapshots import find_snapshot
from chaosvm.lab.vcenter.own_events import OwnEvents
from chaosvm.lab.vcenter.own_objects import OwnFolder, OwnObjects
from chaosvm.lab.vcenter.permissions import Permissions
from chaosvm.lab.vcenter.states import VM_NETWORK
from chaosvm.lab.vcenter.virtual_machine import VirtualMachine

if TYPE_CHECKING:
    from chaosvm.lab.vcenter.alarms import Alarms
    from chaosvm.lab.vcenter.tasks import Tasks

__all__ = ["ROOT", "Inventory"]

ROOT = "group-d1"
_DEFAULT_DATACENTER = WorldDatacenter(id="", name="Datacenter")


class Inventory:
    """The managed objects, rebuilt when VMs, hosts or clusters are added or removed."""

    tasks: Tasks
    alarms: Alarms
    notify: Callable[[Iterable[str]], None]
    world: World
    fields: CustomFields

    def __init__(self, world: World, administrator: str = "administrator") -> None:
        self.world = world
        self.fields = CustomFields(world)
        self.permissions = Permissions(ROOT, administrator)
        self._host_settings: dict[str, dict[str, Any]] = {}
        self.own_events = OwnEvents(world)
        self.own_objects = OwnObjects()
        self._lock = threading.RLock()
        self._numbers: dict[tuple[str, str], int] = {}
        self._generation = (-1, -1)
        self._tree: _Tree = _Tree()
        self._by_host: tuple[_Tree, list[Machine], dict[str, list[Machine]]] | None = None

    @property
    def generation(self) -> tuple[int, int]:
        """A value that changes whenever the tree does."""
        return self.world.generation, self.own_objects.generation

    @property
    def tree(self) -> _Tree:
        if self._generation != self.generation:
            with self.world.present(), self._lock:
                generation = self.generation
                self._tree = self._build_tree()
                self._generation = generation
        return self._tree

    def settings_of(self, host: Host) -> dict[str, Any]:
        """What clients have set on a host, which outlives its managed objects."""
        return self._host_settings.setdefault(host.id, {})

    def find(self, moid: str) -> ManagedObject | None:
        return self.tree.by_moid.get(moid) or find_snapshot(self, moid)

    @property
    def root(self) -> Folder:
        return self.tree.root

    def machines(self) -> dict[str, Machine]:
        """All VMs by moid."""
        return {vm.moid: vm for vm in self.world.vms}

    def find_machines(self, predicate: Any) -> list[Machine]:
        return [vm for vm in self.world.vms if predicate(vm)]

    # Location of a VM ----------------------------------------------------------------

    def folder_of(self, vm: Machine) -> Folder:
        return self.tree.folders[vm.moid]

    def compute_of(self, vm: Machine) -> Compute:
        return self.tree.computes[vm.cluster_id]

    def host_of(self, vm: Machine) -> Any:
        """Reference to the host that the VM runs on or is registered on."""
        host = self.world.registered_host(vm)
        return self.tree.hosts[host.id].reference if host else None

    def machines_on_host(self, moid: str) -> list[Machine]:
        """VMs that run on a host or are registered on it."""
        vms, tree, cached = self.world.vms, self.tree, self._by_host
        # Cheap: unchanged VMs are identical objects.
        if cached is None or cached[0] is not tree or cached[1] != vms:
            by_host: dict[str, list[Machine]] = {}
            for vm in vms:
                host = self.host_of(vm)
                if host is not None:
                    by_host.setdefault(host._moId, []).append(vm)
            cached = self._by_host = tree, vms, by_host
        return cached[2].get(moid, [])

    def datastore_of(self, vm: Machine) -> Datastore:
        return self.compute_of(vm).datacenter.store

    def network_of(self, vm: Machine) -> Network:
        return self.compute_of(vm).datacenter.net

    def pool_of(self, vm: Machine) -> ResourcePool:
        own = self.tree.by_moid.get(self.own_objects.pool_of_vm.get(vm.id, ""))
        if isinstance(own, ResourcePool) and own.cluster_id == vm.cluster_id:
            return own
        return self.compute_of(vm).pool

    def path_of(self, folder: Any) -> tuple[str, ...]:
        """The names of folders that lead to a folder of VMs."""
        names: list[str] = []
        while isinstance(folder.parent_entity, Folder):
            names.insert(0, folder.plain_name)
            folder = folder.parent_entity
        return tuple(names)

    # Moving VMs ------------------------------------------------------------------------

    def put_in_folder(self, vm: Machine, folder: Any) -> None:
        self.world.change(vm.id, folder=self.path_of(folder))

    def put_in_pool(self, vm: Machine, pool: Any) -> None:
        if isinstance(pool.parent_entity, ResourcePool):
            self.own_objects.pool_of_vm[vm.id] = pool.moid
        else:
            self.own_objects.pool_of_vm.pop(vm.id, None)
        self.moved(vm)

    def moved(self, vm: Machine) -> None:
        """Notify clients that the VM is listed elsewhere."""
        self.own_objects.changed()
        self.world.change(vm.id)

    def forget(self, vm: Machine) -> None:
        """Forget where a VM was that no longer exists."""
        self.own_objects.pool_of_vm.pop(vm.id, None)
        self.own_objects.changed()

    # Building the tree ---------------------------------------------------------------

    def _number(self, kind: str, id: str) -> int:
        return self._numbers.setdefault((kind, id), len(self._numbers) + 2)

    def _moid(self, prefix: str, id: str) -> str:
        return f"{prefix}{self._number(prefix, id)}"

    def _build_tree(self) -> _Tree:
        tree = _Tree()
        tree.root = tree.add(Folder(self, ROOT, "Datacenters", None, "root"))
        self._add_own_folders(tree, tree.root)
        for datacenter in self.world.datacenters:
            self._add_datacenter(tree, datacenter)
        for cluster in self.world.clusters:
            self._add_cluster(tree, cluster)
        for host in self.world.hosts:
            compute = tree.computes[host.cluster_id]
            moid = self._moid("host-", host.id)
            host_system = tree.hosts[host.id] = tree.add(HostSystem(self, moid, host, compute))
            for system in host_system.systems.all():
                tree.by_moid[system.moid] = system
        self._add_browsers(tree)
        for vm in self.world.vms:
            self._add_vm(tree, vm)
        return tree

    def _add_datacenter(self, tree: _Tree, datacenter: WorldDatacenter) -> Datacenter:
        id = datacenter.id
        moid = self._moid("datacenter-", id)
        entity = Datacenter(self, moid, datacenter.name, self._parent(tree, moid, tree.root))
        entity.datacenter_id = id
        tree.add(entity)
        tree.datacenters[id] = entity
        entity.vm_folder = tree.add(Folder(self, self._moid("group-v", id), "vm", entity, "vm"))
        entity.host_folder = tree.add(
            Folder(self, self._moid("group-h", id), "host", entity, "host")
        )
        stores = Folder(self, self._moid("group-s", id), "datastore", entity, "datastore")
        networks = Folder(self, self._moid("group-n", id), "network", entity, "network")
        entity.datastore_folder, entity.network_folder = tree.add(stores), tree.add(networks)
        for folder in entity.folders:
            self._add_own_folders(tree, folder)
        number = len(tree.datacenters)
        store = Datastore(self, self._moid("datastore-", id), f"datastore{number}", stores)
        entity.store = tree.add(store)
        entity.net = tree.add(Network(self, self._moid("network-", id), VM_NETWORK, networks))
        entity.store.datacenter = entity.net.datacenter = entity
        return entity

    def _add_cluster(self, tree: _Tree, cluster: Cluster) -> None:
        parent = tree.datacenters.get(cluster.datacenter_id or "")
        if parent is None:  # a vCenter has no cluster outside a data center
            parent = next(iter(tree.datacenters.values()), None)
        if parent is None:
            parent = self._add_datacenter(tree, _DEFAULT_DATACENTER)
        moid = self._moid("domain-s" if cluster.standalone else "domain-c", cluster.id)
        folder = self._parent(tree, moid, parent.host_folder)
        compute = tree.add(Compute.of(self, moid, cluster, parent, folder))
        pool_moid = self._moid("resgroup-", cluster.id)
        compute.pool = tree.add(ResourcePool(self, pool_moid, "Resources", compute))
        self._add_own_pools(tree, compute.pool)
        tree.computes[cluster.id] = compute

    def _parent(self, tree: _Tree, moid: str, usual: Folder) -> Folder:
        """The folder that an entity has been moved to, or the one where it began."""
        own = tree.by_moid.get(self.own_objects.parents.get(moid, ""))
        return own if isinstance(own, Folder) else usual

    def _add_own_folders(self, tree: _Tree, parent: Folder) -> None:
        for each in self.own_objects.subfolders(parent.moid):
            folder = Folder(self, each.moid, each.name, parent, each.content)
            self._add_own_folders(tree, tree.add(folder))

    def _add_own_pools(self, tree: _Tree, parent: ResourcePool) -> None:
        for each in self.own_objects.subpools(parent.moid):
            pool = tree.add(ResourcePool(self, each.moid, each.name, parent))
            self._add_own_pools(tree, pool)

    def _add_browsers(self, tree: _Tree) -> None:
        stores: list[tuple[Entity, Datastore]] = [
            (each.store, each.store) for each in tree.datacenters.values()
        ]
        stores += [(host, host.compute.datacenter.store) for host in tree.hosts.values()]
        browsers: Iterable[ManagedObject] = (
            *(DatastoreBrowser(self, owner, [store]) for owner, store in stores),
            *map(EnvironmentBrowser, tree.computes.values()),
        )
        tree.by_moid |= {browser.moid: browser for browser in browsers}

    def _add_vm(self, tree: _Tree, vm: Machine) -> None:
        folder = tree.computes[vm.cluster_id].datacenter.vm_folder
        for depth, name in enumerate(vm.folder):
            folder = self._subfolder(tree, folder, name, "/".join(vm.folder[: depth + 1]))
        tree.folders[vm.moid] = folder
        virtual_machine = VirtualMachine(self, vm)
        folder.children.append(virtual_machine)
        tree.by_moid[virtual_machine.moid] = virtual_machine

    def _subfolder(self, tree: _Tree, folder: Folder, name: str, path: str) -> Folder:
        for child in folder.children:
            if isinstance(child, Folder) and child.plain_name == name:
                return child
        moid = self._moid("group-v", f"{folder.moid}/{path}")
        self.own_objects.folders[moid] = OwnFolder(moid, name, folder.moid, "vm")
        subfolder = Folder(self, moid, name, folder, "vm")
        folder.children.insert(0, subfolder)  # before the VMs, where lookups find it sooner
        tree.by_moid[moid] = subfolder
        return subfolder


class _Tree:
    """The managed objects of one generation of the inventory."""

    root: Folder

    def __init__(self) -> None:
        self.by_moid: dict[str, ManagedObject] = {}
        self.datacenters: dict[str, Datacenter] = {}
        self.computes: dict[str, Compute] = {}
        self.hosts: dict[str | None, HostSystem] = {}
        self.folders: dict[str, Folder] = {}

    def add(self, entity: Any) -> Any:
        self.by_moid[entity.moid] = entity
        if entity.parent_entity is not None:
            entity.parent_entity.add_child(entity)
        return entity
