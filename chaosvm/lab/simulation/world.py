"""The simulated world of VMs, independent of any protocol.

It follows what is documented and recorded of real platforms, without storage, networks or
a scheduler; nothing fails unless a test asks for it. The protocol servers, such as those in
``chaosvm.lab.ovirt``, translate it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from chaosvm.lab.simulation.availability import Availability
from chaosvm.lab.simulation.compute import Datacenter
from chaosvm.lab.simulation.durations import Durations
from chaosvm.lab.simulation.generated import populate
from chaosvm.lab.simulation.guest import GuestStatus
from chaosvm.lab.simulation.host_operations import HostOperations
from chaosvm.lab.simulation.inventory import Inventory, NotFound
from chaosvm.lab.simulation.machine import Machine, State
from chaosvm.lab.simulation.outages import Outages
from chaosvm.lab.simulation.power import Power
from chaosvm.lab.simulation.snapshots import Snapshots
from chaosvm.lab.simulation.tags import Tag
from chaosvm.lab.simulation.users import Role, User
from chaosvm.runtime import Clock

__all__ = ["NotFound", "World"]


class World(Inventory):
    """The inventory with its power operations, outages and user accounts."""

    def __init__(
        self, *, clock: Clock = time, durations: Durations | None = None, seed: int = 0
    ) -> None:
        super().__init__(clock=clock, durations=durations, seed=seed)
        self._users: dict[str, User] = {}
        self.availability = Availability(self)
        self.power = Power(self, self.availability)
        self.snapshots = Snapshots(self)
        self.outages = Outages(self, self.power, self.availability)
        self.host_operations = HostOperations(self, self.power, self.outages)

    @classmethod
    def generated(cls, vms: int = 12, *, seed: int = 0, **options: Any) -> World:
        """A world of any size, reproducible by its seed. Options of World and populate()."""
        sizes = {key: options.pop(key) for key in ("clusters", "hosts", "running") & options.keys()}
        world = cls(seed=seed, **options)
        populate(world, vms, seed=seed, **sizes)
        return world

    # Users -----------------------------------------------------------------------

    def add_user(
        self,
        name: str,
        password: str,
        role: Role = Role.USER,
        vms: Iterable[str] = (),
        *,
        disabled: bool = False,
    ) -> User:
        """Add an account besides the lab's own; ``vms`` are those on which it has the role."""
        with self.present():
            vm_ids = frozenset(self.vm(id_or_name).id for id_or_name in vms)
            self._users[name] = User(name, password, Role(role), vm_ids, disabled)
            return self._users[name]

    @property
    def user_names(self) -> list[str]:
        return list(self._users)

    def user(self, name: str) -> User | None:
        return self._users.get(name)

    # Tags ------------------------------------------------------------------------

    def tag(self, id_or_name: str) -> Tag:
        """Raises NotFound."""
        for tag in self.tags:
            if id_or_name in (tag.id, tag.name):
                return tag
        raise NotFound(f"no tag is called {id_or_name!r}")

    def create_tag(self, name: str, parent: str | None = None, description: str = "") -> Tag:
        with self.present():
            self._tags.put(tag := Tag(name, parent, description))
            return tag

    def update_tag(self, id_or_name: str, **fields: Any) -> Tag:
        """Change its name, parent or description. Its VMs keep it, and it keeps its id."""
        with self.present():
            before = self.tag(id_or_name)
            tag = replace(before, first_name=before.first_name or before.name, **fields)
            self._tags.drop(before.name)
            self._tags.put(tag)
            if tag.name != before.name:
                self._rename_tag(before.name, tag.name)
            return tag

    def delete_tag(self, id_or_name: str) -> None:
        """Remove it from the world and from all VMs; its children lose their parent."""
        with self.present():
            tag = self.tag(id_or_name)
            self._tags.drop(tag.name)
            self._rename_tag(tag.name, None)

    def assign_tag(self, vm_id: str, name: str) -> None:
        with self.present():
            vm = self.vm(vm_id)
            if name not in vm.tags:
                self.change(vm.id, tags=(*vm.tags, name))

    def unassign_tag(self, vm_id: str, name: str) -> None:
        with self.present():
            vm = self.vm(vm_id)
            self.change(vm.id, tags=tuple(tag for tag in vm.tags if tag != name))

    def _rename_tag(self, old: str, new: str | None) -> None:
        for child in self.tags:
            if child.parent == old:
                self._tags.put(replace(child, parent=new))
        for vm in self.vms:
            if old in vm.tags:
                names = (new if name == old else name for name in vm.tags)
                self.change(vm.id, tags=tuple(name for name in names if name is not None))

    # Guests ----------------------------------------------------------------------

    def guest_status(self, vm: Machine) -> GuestStatus:
        return GuestStatus(
            up=vm.guest_up,
            agent_running=vm.agent_running,
            heartbeat=vm.heartbeat,
            ip_addresses=vm.reported_addresses,
            uptime=self.uptime(vm),
            boots=vm.boots,
            rebooting=vm.booting_again,
        )

    def hang(self, id_or_name: str) -> None:
        """Let a guest hang until its next boot: no agent, no answers, no reaction."""
        with self.present():
            vm = self.vm(id_or_name)
            self.put(self.power.transitions.lose_heartbeat(vm).changed(hung=True))

    # Data centers, clusters and hosts --------------------------------------------------

    def change_datacenter(self, datacenter_id: str, **fields: Any) -> Datacenter:
        with self.present():
            changed = replace(self._datacenters[datacenter_id], **fields)
            self._datacenters[datacenter_id] = changed
            self._generation += 1
            return changed

    def remove_datacenter(self, datacenter_id: str) -> None:
        """Remove a data center without clusters."""
        with self.present():
            del self._datacenters[datacenter_id]
            self._generation += 1

    def remove_cluster(self, cluster_id: str) -> None:
        """Remove a cluster with its hosts and VMs."""
        with self.present():
            for vm in self.vms:
                if vm.cluster_id == cluster_id:
                    self.remove_vm(vm.id)
            for host in self.hosts_of(cluster_id):
                self.remove_host(host.id)
            del self._clusters[cluster_id]
            self._generation += 1

    def remove_host(self, host_id: str) -> None:
        """Remove a host that no VM is on."""
        with self.present():
            del self._hosts[host_id]
            self._generation += 1

    def move_host(self, host_id: str, cluster_id: str) -> None:
        """Move a host to another cluster, with the VMs that are registered on it."""
        with self.present():
            moved = [vm for vm in self.vms if host_id in (vm.host_id, vm.home_id)]
            self.change_host(host_id, cluster_id=cluster_id)
            for vm in moved:
                self.change(vm.id, cluster_id=cluster_id)

    # Trouble ---------------------------------------------------------------------

    def stick(self, id_or_name: str, state: State) -> None:
        """Keep a VM in this state: requests are accepted without effect."""
        with self.present():
            vm = self.vm(id_or_name)
            self.cancel_plan(vm)
            self.put(self._in_state(vm, state).changed(stuck=True, powering_off=False))

    def release(self, id_or_name: str, state: State | None = None) -> None:
        """Undo :meth:`stick`, and put the VM in a state, by default its current one."""
        with self.present():
            vm = self.vm(id_or_name)
            self.stick(vm.id, state or vm.state)
            self.put(self._vms[vm.id].changed(stuck=False))

    def occupy(self, id_or_name: str, seconds: float) -> None:
        """Let another operation hold the VM: requests are refused meanwhile."""
        with self.present():
            vm = self.vm(id_or_name)
            self.put(vm.changed(busy_until=self._now + seconds, snapshot_busy=False))
