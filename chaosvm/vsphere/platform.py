"""The public class for vSphere, used by Python code and by activities."""

from __future__ import annotations

from typing import Any

from chaosvm.runtime import Deadline
from chaosvm.service import VMService, system_description
from chaosvm.settings import Safety
from chaosvm.vsphere.backend import VSphereBackend
from chaosvm.vsphere.settings import VSphereSettings

__all__ = ["VSpherePlatform"]


class VSpherePlatform(VMService):
    """A vCenter (or a single ESXi host).

    >>> with VSpherePlatform("vcenter.example.com", "chaos@vsphere.local", password) as platform:
    ...     platform.power_off("web-01", timeout=120)

    ``timeout`` in seconds limits each read, and each single request of an
    action. Thread-safe. Raises InvalidValue for invalid arguments. ``safety``
    corresponds to the chaosvm_* settings of an experiment; by default it is
    loaded from the environment.
    """

    backend: VSphereBackend
    backend_class = VSphereBackend

    def __init__(
        self,
        server: str,
        username: str,
        password: str,
        port: int = 443,
        ca_file: str | None = None,
        insecure: bool = False,
        timeout: float = 60,
        safety: Safety | None = None,
    ) -> None:
        settings = VSphereSettings.of(
            server=server,
            username=username,
            password=password,
            port=port,
            ca_file=ca_file,
            insecure=insecure,
            timeout=timeout,
        )
        super().__init__(VSphereBackend(settings), safety)

    @property
    def settings(self) -> VSphereSettings:
        return self.backend.settings

    def system(self) -> dict[str, Any]:
        """The vCenter with its datacenters, clusters, hosts and VMs."""
        deadline = Deadline(self.timeout, self.clock)
        inventory = self.backend.read_inventory(deadline)
        vms = self.backend.with_tags(inventory.vms, deadline)
        return system_description(
            self.backend.server_info(deadline),
            vms,
            inventory.hosts,
            inventory.datacenters,
            inventory.clusters,
        )
