"""Hosts: maintenance, connection and power."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, SoapFault, method
from chaosvm.lab.vcenter.methods.task_method import task_method
from chaosvm.lab.vcenter.states import POWER_STATES
from chaosvm.lab.vcenter.tasks import Pending

__all__ = ["HostMethods"]

_POLL_SECONDS = 0.02
_NOT_IN_MAINTENANCE = "The host is not in maintenance mode."


class HostMethods(ManagedObject):
    kind = vim.HostSystem
    inventory: Any
    plain_name: str
    parent_entity: Any

    @property
    def host(self) -> Any:
        """The simulated host as it is now."""
        raise NotImplementedError

    @property
    def host_id(self) -> str:
        raise NotImplementedError

    @property
    def _operations(self) -> Any:
        return self.inventory.world.host_operations

    # Maintenance -----------------------------------------------------------------------

    @task_method("EnterMaintenanceMode_Task")
    def enter_maintenance(self, call: Call) -> Pending:
        """Wait until nothing runs on the host, which only fully automated DRS achieves."""
        self._require_connected()
        if self.host.maintenance or self.host.evacuating:
            raise SoapFault(vim.fault.InvalidState(), "The host is in maintenance mode.")
        self._operations.enter_maintenance(self.host_id, call.origin)
        seconds = call.get("timeout") or 0
        return self._within(
            seconds,
            self._has_entered,
            self.inventory.world.durations.host_maintenance,
            lambda: self._operations.exit_maintenance(self.host_id, call.origin),
        )

    def _has_entered(self) -> bool:
        if not self.host.maintenance and not self.host.evacuating:
            raise SoapFault(vmodl.fault.RequestCanceled(), "It was taken out of maintenance mode.")
        return bool(self.host.maintenance)

    @task_method("ExitMaintenanceMode_Task")
    def exit_maintenance(self, call: Call) -> None:
        self._require_connected()
        if not self.host.maintenance:
            raise SoapFault(vim.fault.InvalidState(), _NOT_IN_MAINTENANCE)
        self._operations.exit_maintenance(self.host_id, call.origin)

    def _within(
        self,
        limit: float,
        is_done: Callable[[], bool],
        expected: float,
        give_up: Callable[[], None] | None = None,
    ) -> Pending:
        """Wait at most this many seconds, or forever if the number is not positive."""
        world = self.inventory.world
        deadline = world.now + limit

        def check() -> bool:
            if is_done():
                return True
            if limit > 0 and world.now >= deadline:
                if give_up is not None:
                    give_up()
                raise SoapFault(vim.fault.Timedout(), "The operation has timed out.")
            return False

        return Pending(check, expected, cancel=give_up, check_every=_POLL_SECONDS)

    # Connection ------------------------------------------------------------------------

    @task_method("DisconnectHost_Task")
    def disconnect(self, call: Call) -> None:
        if not self.host.connected:
            raise SoapFault(vim.fault.InvalidState(), "The host is disconnected.")
        self._operations.disconnect(self.host_id, call.origin)

    @task_method("ReconnectHost_Task")
    def reconnect(self, call: Call) -> Pending:
        if self.host.responding:
            raise SoapFault(vim.fault.InvalidState(), "The host is connected.")
        if not self.host.answers:
            fault = vim.fault.NoHost(name=self.plain_name)
            raise SoapFault(fault, f"The host {self.plain_name} does not answer.")
        self._operations.reconnect(self.host_id, call.origin)
        seconds = self.inventory.world.durations.host_connect
        return Pending(lambda: bool(self.host.responding), seconds, check_every=_POLL_SECONDS)

    @task_method("ReconfigureHostForDAS_Task")
    def reconfigure_for_ha(self, call: Call) -> None:
        self._require_connected()

    # Power -----------------------------------------------------------------------------

    @task_method("RebootHost_Task")
    def reboot(self, call: Call) -> None:
        """Succeeds once the reboot has begun."""
        self._require_maintenance_or_force(call)
        self._operations.reboot(self.host_id, call.origin)

    @task_method("ShutdownHost_Task")
    def shut_down(self, call: Call) -> None:
        self._require_maintenance_or_force(call)
        self._operations.shut_down(self.host_id, call.origin)

    def _require_maintenance_or_force(self, call: Call) -> None:
        self._require_connected()
        if not self.host.maintenance and not call.get("force"):
            raise SoapFault(vim.fault.InvalidState(), _NOT_IN_MAINTENANCE)

    @task_method("PowerDownHostToStandBy_Task")
    def enter_standby(self, call: Call) -> Pending:
        self._require_connected()
        self._operations.enter_maintenance(self.host_id, call.origin)
        self._standby = True

        def is_empty() -> bool:
            if not self.host.maintenance:
                return False
            self._operations.exit_maintenance(self.host_id, call.origin)
            self._operations.shut_down(self.host_id, call.origin)
            return True

        def give_up() -> None:
            self._standby = False
            self._operations.exit_maintenance(self.host_id, call.origin)

        expected = self.inventory.world.durations.host_maintenance
        return self._within(call.get("timeoutSec") or 0, is_empty, expected, give_up)

    @task_method("PowerUpHostFromStandBy_Task")
    def exit_standby(self, call: Call) -> Pending:
        if not self.in_standby:
            raise SoapFault(vim.fault.InvalidState(), "The host is not in standby mode.")
        self._operations.power_on(self.host_id, call.origin)
        seconds = self.inventory.world.durations.host_boot
        return self._within(call.get("timeoutSec") or 0, self._is_up_again, seconds)

    def _is_up_again(self) -> bool:
        if self.host.responding:
            self._standby = False
        return bool(self.host.responding)

    @property
    def in_standby(self) -> bool:
        return self._standby and not self.host.powered

    @property
    def _standby(self) -> bool:
        return bool(self.inventory.own_objects.settings_of(self.host_id).get("standby"))

    @_standby.setter
    def _standby(self, value: bool) -> None:
        self.inventory.own_objects.settings_of(self.host_id)["standby"] = value

    # Removal ---------------------------------------------------------------------------

    @task_method("Destroy_Task")
    def destroy(self, call: Call) -> None:
        """Remove the host with the VMs that are registered on it."""
        if self.host.responding and not self.host.maintenance and self._in_cluster:
            raise SoapFault(vim.fault.InvalidState(), _NOT_IN_MAINTENANCE)
        world = self.inventory.world
        vms = self.inventory.machines_on_host(self.moid)
        if self.host.responding and any(POWER_STATES[vm.state] == "poweredOn" for vm in vms):
            raise SoapFault(vim.fault.InvalidState(), "Virtual machines on it are powered on.")
        for vm in vms:
            world.remove_vm(vm.id)
        world.remove_host(self.host_id)
        self.inventory.notify([self.parent_entity.moid])

    @property
    def _in_cluster(self) -> bool:
        return self.parent_entity.kind is vim.ClusterComputeResource

    @method("RefreshStorageSystem", "RefreshHealthStatusSystem")
    def refresh(self, call: Call) -> None:
        """Nothing is cached."""

    def _require_connected(self) -> None:
        if not self.host.responding:
            fault = vmodl.fault.HostNotConnected()
            raise SoapFault(fault, "The host is not connected.")
