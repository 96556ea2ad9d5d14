"""What the hosts are: product, hardware and capabilities."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Host
from chaosvm.lab.vcenter.hosts.network import NIC_PCI_ID
from chaosvm.lab.vcenter.hosts.storage import HBA_PCI_ID
from chaosvm.lab.vcenter.serialization import data_object

__all__ = ["CPU_MODEL", "MHZ", "MODEL", "VENDOR", "capability", "hardware_info", "product"]

MHZ = 2400
VENDOR, MODEL, CPU_MODEL = "chaosvm", "lab", "chaosvm lab CPU @ 2.40GHz"
_RELEASED = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_BUILD = "24022510"
_NO_BITS = ":".join(["0000"] * 8)
# What the lab's hosts can do; everything else is false.
_CAPABILITIES = (
    "recursiveResourcePoolsSupported",
    "cpuMemoryResourceConfigurationSupported",
    "rebootSupported",
    "shutdownSupported",
    "vmotionSupported",
    "sanSupported",
    "nfsSupported",
    "iscsiSupported",
    "vlanTaggingSupported",
    "nicTeamingSupported",
    "highGuestMemSupported",
    "maintenanceModeSupported",
    "suspendedRelocateSupported",
    "perVmSwapFiles",
    "backgroundSnapshotsSupported",
    "storageVMotionSupported",
    "vmotionWithStorageVMotionSupported",
    "vmfsDatastoreMountCapable",
    "vStorageCapable",
    "featureCapabilitiesSupported",
    "firewallIpRulesSupported",
    "vmCreateDateSupported",
)
_LIMITS = {
    "maxSupportedVMs": 1024,
    "maxRunningVMs": 1024,
    "maxHostRunningVms": 1024,
    "maxSupportedVcpus": 768,
    "maxRegisteredVMs": 4096,
    "maxHostSupportedVcpus": 768,
    "maxSupportedVmMemory": 25_165_824,
    "maxVcpusPerFtVm": 0,
}


def product() -> Any:
    return data_object(
        vim.AboutInfo,
        name="VMware ESXi",
        fullName=f"VMware ESXi 8.0.3 build-{_BUILD} (chaosvm lab)",
        vendor="VMware, Inc.",
        version="8.0.3",
        patchLevel="35",
        build=_BUILD,
        localeVersion="INTL",
        localeBuild="000",
        osType="vmnix-x86",
        productLineId="embeddedEsx",
        apiType="HostAgent",
        apiVersion="8.0.3.0",
        licenseProductName="VMware ESX Server",
        licenseProductVersion="8.0",
    )


def capability() -> Any:
    able = dict.fromkeys(_CAPABILITIES, True)
    return data_object(
        vim.host.Capability,
        **able,
        **_LIMITS,
        supportedCpuFeature=_cpu_features(),
        supportedVmfsMajorVersion=[5, 6],
    )


def hardware_info(host: Host) -> Any:
    topology = host.topology
    threads = topology.cpus // topology.sockets
    return data_object(
        vim.host.HardwareInfo,
        systemInfo=vim.host.SystemInfo(
            vendor=VENDOR,
            model=MODEL,
            uuid=host.id,
            serialNumber=host.id[:8],
            otherIdentifyingInfo=[_identification("ServiceTag", host.id[:8])],
        ),
        cpuPowerManagementInfo=vim.host.CpuPowerManagementInfo(
            currentPolicy="Balanced", hardwareSupport=""
        ),
        cpuInfo=vim.host.CpuInfo(
            numCpuPackages=topology.sockets,
            numCpuCores=topology.sockets * topology.cores,
            numCpuThreads=topology.cpus,
            hz=MHZ * 1_000_000,
        ),
        cpuPkg=[_package(number, threads) for number in range(topology.sockets)],
        memorySize=host.memory,
        numaInfo=_numa(host),
        pciDevice=[_pci_device(*each) for each in _PCI_DEVICES],
        cpuFeature=_cpu_features(),
        biosInfo=vim.host.BIOSInfo(
            biosVersion="1.0",
            releaseDate=_RELEASED,
            vendor=VENDOR,
            majorRelease=1,
            minorRelease=0,
            firmwareType="UEFI",
        ),
    )


# Id, device class, name of the class and of the device.
_PCI_DEVICES = (
    (HBA_PCI_ID, 0x0100, "SCSI storage controller", "chaosvm lab storage adapter"),
    (NIC_PCI_ID, 0x0200, "Ethernet controller", "chaosvm lab network adapter"),
)


def _pci_device(id: str, class_id: int, class_name: str, name: str) -> Any:
    return data_object(
        vim.host.PciDevice,
        id=id,
        classId=class_id,
        bus=int(id.split(":")[1], 16),
        vendorName=VENDOR,
        deviceName=name,
        deviceClassName=class_name,
    )


def _identification(kind: str, value: str) -> Any:
    description = vim.ElementDescription(key=kind, label=kind, summary=kind)
    return vim.host.SystemIdentificationInfo(identifierValue=value, identifierType=description)


def _package(number: int, threads: int) -> Any:
    return vim.host.CpuPackage(
        index=number,
        vendor="intel",
        hz=MHZ * 1_000_000,
        busHz=100_000_000,
        description=CPU_MODEL,
        threadId=list(range(number * threads, (number + 1) * threads)),
        cpuFeature=_cpu_features(),
    )


def _cpu_features() -> Sequence[Any]:
    """The first CPUID levels, without bits."""
    bits = dict.fromkeys(("eax", "ebx", "ecx", "edx"), _NO_BITS)
    return [
        vim.host.CpuIdInfo(level=level, vendor="intel", **bits)
        for level in (0, 1, 0x80000000 - 2**32, 0x80000001 - 2**32)
    ]


def _numa(host: Host) -> Any:
    sockets, threads = host.topology.sockets, host.topology.cpus // host.topology.sockets
    memory = host.memory // sockets
    nodes = [
        vim.host.NumaNode(
            typeId=number,
            cpuID=list(range(number * threads, (number + 1) * threads)),
            memorySize=memory,
            memoryRangeBegin=number * memory,
            memoryRangeLength=memory,
        )
        for number in range(sockets)
    ]
    return vim.host.NumaInfo(type="NUMA", numNodes=sockets, numaNode=nodes)
