"""All objects that a host's configManager refers to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Host, World
from chaosvm.lab.vcenter.entities import Datastore
from chaosvm.lab.vcenter.hosts.administration import (
    AutoStartManager,
    CertificateManager,
    HostAccessManager,
    ImageConfigManager,
    LocalAccountManager,
    PowerSystem,
    VsanSystem,
)
from chaosvm.lab.vcenter.hosts.network import NetworkSystem
from chaosvm.lab.vcenter.hosts.services import (
    ADVANCED_OPTIONS,
    DateTimeSystem,
    FirewallSystem,
    ServiceSystem,
)
from chaosvm.lab.vcenter.hosts.storage import DatastoreSystem, StorageSystem
from chaosvm.lab.vcenter.hosts.system import HostPart
from chaosvm.lab.vcenter.hosts.vmkernel import VirtualNicManager
from chaosvm.lab.vcenter.managed_object import ManagedObject
from chaosvm.lab.vcenter.option_manager import OptionManager

__all__ = ["HostConfiguration"]

# By property of the configManager. Parts of which nothing is modelled are plain HostParts.
_PARTS: Mapping[str, type[HostPart]] = {
    "accountManager": LocalAccountManager,
    "assignableHardwareManager": HostPart,
    "authenticationManager": HostPart,
    "autoStartManager": AutoStartManager,
    "bootDeviceSystem": HostPart,
    "cacheConfigurationManager": HostPart,
    "certificateManager": CertificateManager,
    "cpuScheduler": HostPart,
    "diagnosticSystem": HostPart,
    "esxAgentHostManager": HostPart,
    "firewallSystem": FirewallSystem,
    "firmwareSystem": HostPart,
    "graphicsManager": HostPart,
    "healthStatusSystem": HostPart,
    "hostAccessManager": HostAccessManager,
    "imageConfigManager": ImageConfigManager,
    "iscsiManager": HostPart,
    "kernelModuleSystem": HostPart,
    "memoryManager": HostPart,
    "networkSystem": NetworkSystem,
    "patchManager": HostPart,
    "pciPassthruSystem": HostPart,
    "powerSystem": PowerSystem,
    "serviceSystem": ServiceSystem,
    "snmpSystem": HostPart,
    "vFlashManager": HostPart,
    "virtualNicManager": VirtualNicManager,
    "vmotionSystem": HostPart,
    "vsanSystem": VsanSystem,
}
# Properties of HostConfigInfo that are a property of a part.
_INFO: Mapping[str, tuple[str, str]] = {
    "autoStart": ("autoStartManager", "config"),
    "capabilities": ("networkSystem", "capabilities"),
    "dateTimeInfo": ("dateTimeSystem", "dateTimeInfo"),
    "fileSystemVolume": ("storageSystem", "fileSystemVolumeInfo"),
    "firewall": ("firewallSystem", "firewallInfo"),
    "lockdownMode": ("hostAccessManager", "lockdownMode"),
    "multipathState": ("storageSystem", "multipathStateInfo"),
    "network": ("networkSystem", "networkInfo"),
    "offloadCapabilities": ("networkSystem", "offloadCapabilities"),
    "option": ("advancedOption", "setting"),
    "powerSystemCapability": ("powerSystem", "capability"),
    "powerSystemInfo": ("powerSystem", "info"),
    "service": ("serviceSystem", "serviceInfo"),
    "storageDevice": ("storageSystem", "storageDeviceInfo"),
    "virtualNicManagerInfo": ("virtualNicManager", "info"),
}


class HostConfiguration:
    """Its parts, by property of the configManager."""

    def __init__(
        self,
        host_moid: str,
        host: Host,
        datastore: Datastore,
        settings: dict[str, Any],
        world: World,
    ) -> None:
        number = int(host_moid.rpartition("-")[2])
        options = settings.setdefault("options", {})
        for name, value in ADVANCED_OPTIONS.items():
            options.setdefault(name, value)
        self._parts: dict[str, ManagedObject] = {
            **{name: part(name, number, host, settings) for name, part in _PARTS.items()},
            "advancedOption": OptionManager(f"EsxHostAdvSettings-{number}", options),
            "dateTimeSystem": DateTimeSystem(number, host, settings, world),
            "datastoreSystem": DatastoreSystem(number, host, settings, datastore),
            "storageSystem": StorageSystem(number, host, settings, datastore),
        }

    def all(self) -> Iterable[ManagedObject]:
        return self._parts.values()

    def manager(self) -> Any:
        """The value of configManager."""
        references = {name: part.reference for name, part in self._parts.items()}
        return vim.host.ConfigManager(**references)

    def info(self) -> dict[str, Any]:
        """The properties of HostConfigInfo that the parts have, too."""
        return {name: getattr(self._parts[part], path)() for name, (part, path) in _INFO.items()}
