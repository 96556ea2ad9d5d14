"""What administrators do with hosts: maintenance, connection and power."""

from __future__ import annotations

from functools import partial

from chaosvm.lab.simulation.events import EventKind, Origin
from chaosvm.lab.simulation.inventory import Inventory
from chaosvm.lab.simulation.machine import Machine
from chaosvm.lab.simulation.outages import Outages
from chaosvm.lab.simulation.power import Power

__all__ = ["HostOperations"]


class HostOperations:
    """They check nothing: each protocol server decides what its platform allows."""

    def __init__(self, world: Inventory, power: Power, outages: Outages) -> None:
        self._world = world
        self._power = power
        self._outages = outages

    # Maintenance -----------------------------------------------------------------------

    def enter_maintenance(
        self, host_id: str, origin: Origin | None = None, *, evacuate: bool | None = None
    ) -> None:
        """Enter maintenance once no VM is on the host; until then it is being prepared.

        evacuate: move its VMs to other hosts, by default if its cluster does so by itself.
        """
        with self._world.present():
            self._world.record(EventKind.HOST_MAINTENANCE_REQUESTED, None, origin, host_id=host_id)
            host = self._world.change_host(host_id, evacuating=True)
            cluster = self._world.cluster(host.cluster_id)
            if evacuate is None:
                evacuate = bool(cluster and cluster.drs.migrates)
            for vm in self.vms_on(host_id) if evacuate else ():
                self._power.migrate(vm.id, origin)
            check = partial(self._complete_maintenance, host_id, origin)
            self._world.call_every(self._world.durations.host_maintenance or 0.05, check)

    def exit_maintenance(self, host_id: str, origin: Origin | None = None) -> None:
        """Leave maintenance, or no longer prepare for it."""
        with self._world.present():
            self._world.change_host(host_id, maintenance=False, evacuating=False)
            self._world.record(EventKind.HOST_ACTIVATED, None, origin, host_id=host_id)
            self._outages.retry_restarts()

    def _complete_maintenance(self, host_id: str, origin: Origin | None) -> bool:
        """False once there is nothing to wait for."""
        host = self._world.host(host_id)
        if host is None or not host.evacuating:
            return False
        if self.vms_on(host_id):
            return True
        self._world.change_host(host_id, maintenance=True, evacuating=False)
        self._world.record(EventKind.HOST_IN_MAINTENANCE, None, origin, host_id=host_id)
        return False

    # Connection ------------------------------------------------------------------------

    def disconnect(self, host_id: str, origin: Origin | None = None) -> None:
        """Disconnect a host from its manager: its VMs run on, in an unknown state."""
        with self._world.present():
            host = self._world.change_host(host_id, connected=False)
            self._outages.hide_vms(host)
            self._world.record(EventKind.HOST_DISCONNECTED, None, origin, host_id=host_id)

    def reconnect(self, host_id: str, origin: Origin | None = None) -> None:
        """Connect it again after a moment, if it answers."""
        with self._world.present():
            connect = partial(self._connect, host_id, origin)
            self._world.call_later(self._world.durations.host_connect, connect)

    def _connect(self, host_id: str, origin: Origin | None) -> None:
        host = self._world.change_host(host_id, connected=True)
        if host.responding:
            self._outages.show_vms(host)
        self._world.record(EventKind.HOST_RECONNECTED, None, origin, host_id=host_id)

    # Power -----------------------------------------------------------------------------

    def reboot(self, host_id: str, origin: Origin | None = None) -> None:
        """Reboot it. VMs on it die, and are restarted as those of a host that failed."""
        with self._world.present():
            self._world.record(EventKind.HOST_REBOOT_REQUESTED, None, origin, host_id=host_id)
            self._cut_power(host_id, "reboot")
            self._boot(host_id)

    def shut_down(self, host_id: str, origin: Origin | None = None) -> None:
        """Shut it down. VMs on it die, and are restarted as those of a host that failed."""
        with self._world.present():
            self._world.record(EventKind.HOST_SHUTDOWN_REQUESTED, None, origin, host_id=host_id)
            self._cut_power(host_id, "down")

    def power_on(self, host_id: str, origin: Origin | None = None) -> None:
        """Start a host that is down."""
        with self._world.present():
            self._world.record(EventKind.HOST_START_REQUESTED, None, origin, host_id=host_id)
            self._boot(host_id)

    def _cut_power(self, host_id: str, condition: str) -> None:
        for vm in self.vms_on(host_id):
            self._world.cancel_plan(vm)
            self._world.put(vm.changed(process_gone=True, powering_off=False))
        host = self._world.change_host(host_id, powered=False, answers=False, condition=condition)
        self._outages.hide_vms(host)
        self._outages.fail_over(host)

    def _boot(self, host_id: str) -> None:
        seconds = self._world.durations.host_boot
        self._world.call_later(seconds, partial(self._finish_boot, host_id))

    def _finish_boot(self, host_id: str) -> None:
        host = self._world.host(host_id)
        if host is not None and not host.powered:
            self._outages.restore(host_id)

    def vms_on(self, host_id: str) -> list[Machine]:
        """The VMs that are on it, not those that are only registered there."""
        return [vm for vm in self._world.vms if vm.host_id == host_id]
