"""The public class for oVirt and OLVM, used by Python code and by activities."""

from __future__ import annotations

from typing import Any

from chaosvm.olvm.backend import OLVMBackend
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.outcome import Batch, Outcome
from chaosvm.runtime import Deadline
from chaosvm.service import VMService, system_description
from chaosvm.settings import Safety

__all__ = ["OLVMPlatform"]


class OLVMPlatform(VMService):
    """An oVirt engine, such as Oracle Linux Virtualization Manager's.

    >>> with OLVMPlatform("https://engine.example.com/ovirt-engine/api",
    ...                   "admin@internal", password) as platform:
    ...     platform.power_off("web-01", timeout=120)

    ``timeout`` in seconds bounds each probe, and each request of an action. Safe
    to use from several threads. Raises InvalidValue for unusable arguments.
    ``safety`` stands for the chaosvm_* settings of an experiment; by default
    they are read from the environment.
    """

    backend: OLVMBackend
    backend_class = OLVMBackend

    def __init__(
        self,
        url: str,
        username: str,
        password: str,
        ca_file: str | None = None,
        insecure: bool = False,
        timeout: float = 60,
        safety: Safety | None = None,
    ) -> None:
        settings = OLVMSettings.of(
            url=url,
            username=username,
            password=password,
            ca_file=ca_file,
            insecure=insecure,
            timeout=timeout,
        )
        super().__init__(OLVMBackend(settings), safety)

    @property
    def settings(self) -> OLVMSettings:
        return self.backend.settings

    def power_off(
        self,
        vm_name: str,
        graceful: bool = True,
        timeout: float = 300,
        on_timeout: str = "hard",
        discard_memory: bool = False,
    ) -> Outcome:
        """Power off a VM; with ``discard_memory`` also a suspended one, whose memory is lost."""
        return self._run_single(
            "power_off",
            vm_name,
            graceful=graceful,
            timeout=timeout,
            on_timeout=on_timeout,
            discard_memory=discard_memory,
        )

    def batch_power_off(
        self,
        vms: Any,
        parallel: int = 10,
        graceful: bool = True,
        timeout: float = 300,
        on_timeout: str = "hard",
        waves: int = 1,
        interval: float = 0,
        discard_memory: bool = False,
    ) -> Batch:
        """Power off VMs; with ``discard_memory`` also suspended ones, whose memory is lost."""
        return self._run_batch(
            "power_off",
            vms,
            parallel,
            graceful=graceful,
            timeout=timeout,
            on_timeout=on_timeout,
            discard_memory=discard_memory,
            waves=waves,
            interval=interval,
        )

    def system(self) -> dict[str, Any]:
        """The engine with its data centers, clusters, hosts and VMs."""
        deadline = Deadline(self.timeout, self.clock)
        vms, places = self.backend.read_inventory(deadline)
        return system_description(
            self.backend.server_info(deadline),
            vms,
            [
                {"name": host.name, "id": host.id, "status": host.status}
                for host in places.hosts.values()
            ],
            (place.name for place in places.datacenters.values()),
            (place.name for place in places.clusters.values()),
        )
