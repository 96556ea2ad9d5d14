"""Cluster modules: groups of VMs of a cluster that vSphere keeps apart; without VMs here."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from chaosvm.lab.vcenter.compute_resources import ClusterCompute
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.vapi.errors import VapiError
from chaosvm.lab.vcenter.vapi.operations import Operation, Request, operation_table
from chaosvm.lab.vcenter.vapi.structures import Structure

__all__ = ["ClusterModules"]


class ClusterModules:
    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._clusters: dict[str, str] = {}

    def operations(self) -> Iterable[Operation]:
        return operation_table(
            "com.vmware.vcenter.cluster.modules",
            "/vcenter/cluster/modules",
            ("list", "GET", "", None, self._list),
            ("create", "POST", "", "spec", self._create),
            ("delete", "DELETE", "/{module}", None, self._delete),
        )

    def _list(self, request: Request) -> Any:
        summaries = [
            Structure("com.vmware.vcenter.cluster.modules.summary", cluster=cluster, module=module)
            for module, cluster in self._clusters.items()
        ]
        return Structure("com.vmware.vcenter.cluster.modules.list_result", summaries=summaries)

    def _create(self, request: Request) -> str:
        cluster = request.required("spec")["cluster"]
        if not isinstance(self._inventory.find(cluster), ClusterCompute):
            raise VapiError("not_found", f"There is no cluster {cluster!r}.")
        module = str(uuid.uuid4())
        self._clusters[module] = cluster
        return module

    def _delete(self, request: Request) -> None:
        module = request.required("module")
        if self._clusters.pop(module, None) is None:
            raise VapiError("not_found", f"There is no module {module!r}.")
