"""HostSystem."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Host
from chaosvm.lab.vcenter.entities import Entity
from chaosvm.lab.vcenter.host_configuration import HostConfiguration
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import managed_property
from chaosvm.lab.vcenter.serialization import data_object

__all__ = ["MHZ", "HostSystem"]

MHZ = 2400
_PRODUCT = "VMware ESXi 8.0.3 build-24022510 (chaosvm lab)"


class HostSystem(Entity):
    kind = vim.HostSystem

    def __init__(self, inventory: Inventory, moid: str, host: Host, compute: Any) -> None:
        super().__init__(inventory, moid, host.name, compute)
        self._host = host
        self._compute = compute
        self.systems = HostConfiguration.of(moid, host, compute)

    @property
    def cores(self) -> int:
        return self._host.topology.sockets * self._host.topology.cores

    @property
    def host_memory(self) -> int:
        return self._host.memory

    @property
    def host_up(self) -> bool:
        return self._host.responding

    @managed_property
    def vm(self, session: Any = None) -> Any:
        vms = self.inventory.machines_on_host(self.moid)
        return vim.VirtualMachine.Array([vim.VirtualMachine(vm.moid) for vm in vms])

    @managed_property
    def datastore(self, session: Any = None) -> Any:
        return self._compute.datastore(session)

    @managed_property
    def network(self, session: Any = None) -> Any:
        return self._compute.network(session)

    @managed_property
    def runtime(self, session: Any = None) -> Any:
        host, up = self._host, self._host.responding
        away = "notResponding" if host.connected else "disconnected"
        return data_object(
            vim.host.RuntimeInfo,
            connectionState="connected" if up else away,
            powerState="poweredOn" if up else "unknown",
            inMaintenanceMode=host.maintenance,
            bootTime=self.inventory.world.date_of(0.0) if up else None,
        )

    @managed_property
    def config(self, session: Any = None) -> Any:
        return data_object(
            vim.host.ConfigInfo,
            host=self.reference,
            product=_product(),
            network=self.systems.network.networkInfo(session),
            fileSystemVolume=self.systems.storage.fileSystemVolumeInfo(session),
            storageDevice=self.systems.storage.storageDeviceInfo(session),
        )

    @managed_property
    def configManager(self, session: Any = None) -> Any:
        return vim.host.ConfigManager(
            networkSystem=self.systems.network.reference,
            storageSystem=self.systems.storage.reference,
            datastoreSystem=self.systems.datastores.reference,
        )

    @managed_property
    def hardware(self, session: Any = None) -> Any:
        topology = self._host.topology
        return data_object(
            vim.host.HardwareInfo,
            systemInfo=vim.host.SystemInfo(vendor="chaosvm", model="lab", uuid=self._host.id),
            cpuInfo=vim.host.CpuInfo(
                numCpuPackages=topology.sockets,
                numCpuCores=self.cores,
                numCpuThreads=topology.cpus,
                hz=MHZ * 1_000_000,
            ),
            memorySize=self._host.memory,
        )

    @managed_property
    def summary(self, session: Any = None) -> Any:
        cores = self.cores
        hardware = data_object(
            vim.host.Summary.HardwareSummary,
            vendor="chaosvm",
            model="lab",
            uuid=self._host.id,
            memorySize=self._host.memory,
            cpuModel="lab",
            cpuMhz=MHZ,
            numCpuPkgs=self._host.topology.sockets,
            numCpuCores=cores,
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
                vim.host.Summary.ConfigSummary, name=self._host.name, port=443, product=_product()
            ),
            quickStats=vim.host.Summary.QuickStats(
                overallCpuUsage=0, overallMemoryUsage=0, uptime=int(self.inventory.world.now)
            ),
            overallStatus="green",
            rebootRequired=False,
        )


def _product() -> Any:
    return data_object(
        vim.AboutInfo,
        name="VMware ESXi",
        fullName=_PRODUCT,
        vendor="VMware, Inc.",
        version="8.0.3",
        build="24022510",
        osType="vmnix-x86",
        productLineId="embeddedEsx",
        apiType="HostAgent",
        apiVersion="8.0.3.0",
    )
