"""Methods that query a host."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from pyVmomi import VmomiSupport, vim

from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, method

__all__ = ["HostQueries"]

_OVERHEAD_BYTES = 32 * 1024**2


class HostQueries(ManagedObject):
    @property
    @abstractmethod
    def uptime(self) -> int:
        """Seconds since the host booted."""

    @method("QueryHostConnectionInfo")
    def connection_info(self, call: Call) -> Any:
        return vim.host.ConnectInfo(
            host=self.get("summary"), vimAccountNameRequired=False, clusterSupported=True
        )

    @method("RetrieveHardwareUptime")
    def hardware_uptime(self, call: Call) -> Any:
        return VmomiSupport.long(self.uptime)

    @method("QueryMemoryOverhead", "QueryMemoryOverheadEx")
    def memory_overhead(self, call: Call) -> Any:
        return VmomiSupport.long(_OVERHEAD_BYTES)

    @method("QueryTpmAttestationReport")
    def tpm_report(self, call: Call) -> None:
        """Hosts have no TPM."""

    @method("RetrieveFreeEpcMemory")
    def free_epc_memory(self, call: Call) -> Any:
        return VmomiSupport.long(0)

    @method("QueryProductLockerLocation")
    def product_locker(self, call: Call) -> str:
        return "/locker/packages/vmtoolsRepo/"
