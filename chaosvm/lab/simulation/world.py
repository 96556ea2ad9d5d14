"""The simulated world of VMs, independent of any protocol.

It follows what is documented and recorded of real platforms, without storage, networks or
a scheduler; nothing fails unless a test asks for it. The protocol servers, such as those in
``chaosvm.lab.ovirt``, translate it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from chaosvm.lab.simulation.availability import Availability
from chaosvm.lab.simulation.durations import Durations
from chaosvm.lab.simulation.generated import populate
from chaosvm.lab.simulation.host_operations import HostOperations
from chaosvm.lab.simulation.inventory import Inventory, NotFound
from chaosvm.lab.simulation.machine import State
from chaosvm.lab.simulation.outages import Outages
from chaosvm.lab.simulation.power import Power
from chaosvm.lab.simulation.snapshots import Snapshots
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
