"""HostSystem."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Host
from chaosvm.lab.vcenter import hosts
from chaosvm.lab.vcenter.entities import Entity
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import managed_property
from chaosvm.lab.vcenter.methods.hosts import HostMethods
from chaosvm.lab.vcenter.serialization import data_object

__all__ = ["HostSystem"]


class HostSystem(HostMethods, hosts.HostQueries, Entity):
    kind = vim.HostSystem

    def __init__(self, inventory: Inventory, moid: str, host: Host, compute: Any) -> None:
        super().__init__(inventory, moid, host.name, compute)
        self._host = host
        self.compute = compute
        settings = inventory.settings_of(host)
        self.systems = hosts.HostConfiguration(
            moid, host, compute.datacenter.store, settings, inventory.world
        )

    @property
    def host(self) -> Host:
        """The host as it is now."""
        return self.inventory.world.host(self._host.id) or self._host

    @property
    def host_id(self) -> str:
        return self._host.id

    @property
    def cluster_id(self) -> str:
        return self._host.cluster_id

    @property
    def cores(self) -> int:
        return self._host.topology.sockets * self._host.topology.cores

    @property
    def host_memory(self) -> int:
        return self._host.memory

    @property
    def uptime(self) -> int:
        """Seconds since it booted."""
        return max(0, int(self.inventory.world.now - self.host.booted_at))

    @property
    def host_up(self) -> bool:
        return self.host.responding

    @managed_property
    def vm(self, session: Any = None) -> Any:
        vms = self.inventory.machines_on_host(self.moid)
        return vim.VirtualMachine.Array([vim.VirtualMachine(vm.moid) for vm in vms])

    @managed_property
    def datastore(self, session: Any = None) -> Any:
        return self.compute.datastore(session)

    @managed_property
    def network(self, session: Any = None) -> Any:
        return self.compute.network(session)

    @managed_property
    def datastoreBrowser(self, session: Any = None) -> Any:
        return vim.host.DatastoreBrowser(f"datastoreBrowser-{self.moid}")

    @managed_property
    def runtime(self, session: Any = None) -> Any:
        host, up = self.host, self.host_up
        away = "notResponding" if host.connected else "disconnected"
        return data_object(
            vim.host.RuntimeInfo,
            connectionState="connected" if up else away,
            powerState="poweredOn" if up else "standBy" if self.in_standby else "unknown",
            standbyMode="in" if self.in_standby else "none",
            inMaintenanceMode=host.maintenance,
            inQuarantineMode=False,
            bootTime=self.inventory.world.date_of(host.booted_at) if up else None,
            healthSystemRuntime=vim.host.HealthStatusSystem.Runtime(),
            hostMaxVirtualDiskCapacity=62 * 1024**4,
            cryptoState="incapable",
            dasHostState=self._ha_state(),
        )

    def _ha_state(self) -> Any:
        """Its part in high availability, if the cluster has it: one host is elected."""
        cluster, now = self.inventory.world.cluster(self._host.cluster_id), self.host
        if cluster is None or not cluster.ha.enabled:
            return None
        up = [each.moid for each in self.compute.hosts if each.host_up]
        state = "connectedToMaster"
        if not now.responding:
            state = "hostDown" if now.connected else "uninitialized"
        elif up[:1] == [self.moid]:
            state = "master"
        return vim.cluster.DasFdmHostState(state=state)

    @managed_property
    def config(self, session: Any = None) -> Any:
        threads = vim.host.CpuSchedulerSystem.HyperThreadScheduleInfo(
            available=True, active=True, config=True
        )
        return data_object(
            vim.host.ConfigInfo,
            host=self.reference,
            product=hosts.product(),
            hyperThread=threads,
            flags=vim.host.FlagInfo(backgroundSnapshotsEnabled=True),
            adminDisabled=False,
            systemSwapConfiguration=vim.host.SystemSwapConfiguration(),
            sslThumbprintInfo=vim.host.SslThumbprintInfo(principal="vpxuser", ownerTag=""),
            wakeOnLanCapable=False,
            **self.systems.info(),
        )

    @managed_property
    def configManager(self, session: Any = None) -> Any:
        return self.systems.manager()

    @managed_property
    def hardware(self, session: Any = None) -> Any:
        return hosts.hardware_info(self._host)

    @managed_property
    def capability(self, session: Any = None) -> Any:
        return hosts.capability()

    @managed_property
    def systemResources(self, session: Any = None) -> Any:
        return vim.host.SystemResourceInfo(key="host")

    @managed_property
    def summary(self, session: Any = None) -> Any:
        hardware = data_object(
            vim.host.Summary.HardwareSummary,
            vendor=hosts.VENDOR,
            model=hosts.MODEL,
            uuid=self._host.id,
            memorySize=self._host.memory,
            cpuModel=hosts.CPU_MODEL,
            cpuMhz=hosts.MHZ,
            numCpuPkgs=self._host.topology.sockets,
            numCpuCores=self.cores,
            numCpuThreads=self._host.topology.cpus,
            numNics=1,
            numHBAs=1,
        )
        return data_object(
            vim.host.Summary,
            host=self.reference,
            hardware=hardware,
            runtime=self.runtime(session),
            config=data_object(
                vim.host.Summary.ConfigSummary,
                name=self._host.name,
                port=443,
                product=hosts.product(),
            ),
            quickStats=vim.host.Summary.QuickStats(
                overallCpuUsage=0,
                overallMemoryUsage=0,
                distributedCpuFairness=0,
                distributedMemoryFairness=0,
                availablePMemCapacity=0,
                uptime=self.uptime,
            ),
            overallStatus="green",
            rebootRequired=False,
            managementServerIp="127.0.0.1",
        )
