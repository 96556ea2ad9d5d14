"""Clusters and data centers. Source: the recordings ``cluster-*`` and ``datacenter-*``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt import representations
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import mandatory, value
from chaosvm.lab.ovirt.collation import collation_key
from chaosvm.lab.ovirt.collection import Call, Collection, empty
from chaosvm.lab.ovirt.markup import Node
from chaosvm.lab.ovirt.overlay import Overlay
from chaosvm.lab.ovirt.registry import Registry
from chaosvm.lab.simulation import Cluster, Datacenter

__all__ = ["estate_collections"]

_EMPTY = {
    "clusters/{id}/enabledfeatures": "cluster_features",
    "clusters/{id}/externalnetworkproviders": "external_providers",
    "clusters/{id}/glusterhooks": "gluster_hooks",
    "clusters/{id}/glustervolumes": "gluster_volumes",
    "datacenters/{id}/iscsibonds": "iscsi_bonds",
}
_SIMULATED = frozenset(("name", "description", "status", "version", "link", "actions"))


def estate_collections(registry: Registry, overlay: Overlay) -> Sequence[Collection]:
    clusters, datacenters = _Clusters(registry, overlay), _Datacenters(overlay)
    return (
        Collection(
            path="clusters",
            root="clusters",
            items=lambda call: by_name(call.world.clusters),
            described=clusters.described,
            entity="CLUSTER",
            add=clusters.add,
            update=clusters.update,
            remove=clusters.remove,
            actions=dict.fromkeys(("upgrade", "resetemulatedmachine", "syncallnetworks"), _accept),
        ),
        Collection(
            path="datacenters",
            root="data_centers",
            items=lambda call: by_name(call.world.datacenters),
            described=datacenters.described,
            entity="DATACENTER",
            add=datacenters.add,
            update=datacenters.update,
            remove=datacenters.remove,
            actions={"cleanfinishedtasks": _accept},
        ),
        Collection(
            path="datacenters/{id}/clusters",
            root="clusters",
            items=lambda call: [
                each for each in by_name(call.world.clusters) if each.datacenter_id == call.parent
            ],
            described=clusters.described,
            add=clusters.add,
        ),
        *(empty(path, root) for path, root in _EMPTY.items()),
    )


def by_name(items: Sequence[Any]) -> Sequence[Any]:
    return sorted(items, key=lambda item: collation_key(item.name))


class _Clusters:
    def __init__(self, registry: Registry, overlay: Overlay) -> None:
        self._registry = registry
        self._overlay = overlay

    def described(self, call: Call, cluster: Cluster) -> Node:
        return self._overlay.applied(cluster.id, representations.cluster(call.world, cluster))

    def add(self, call: Call, body: Element) -> Cluster:
        mandatory(body, ("name",))
        reference = body.find("data_center")
        if reference is None and not call.parents:
            detail = "Cluster [dataCenter.name|id] required for add"
            raise Failure(400, detail, "Incomplete parameters")
        name = value(body, "name") or ""
        self._refuse_taken(call, name)
        found = self._registry.resolve_reference(reference) if reference is not None else None
        datacenter = found or call.world.datacenter(call.parent)
        cluster = call.world.add_cluster(
            name, datacenter, description=value(body, "description"), version=(4, 8)
        )
        self._overlay.keep(cluster.id, body, _SIMULATED)
        call.note(809, f"Cluster {name} was added by {{user}}")
        return cluster

    def update(self, call: Call, cluster: Cluster, body: Element) -> Cluster:
        name = value(body, "name") or cluster.name
        if name != cluster.name:
            self._refuse_taken(call, name)
        description = value(body, "description")
        changed = call.world.change_cluster(
            cluster.id,
            name=name,
            description=cluster.description if description is None else description,
        )
        self._overlay.keep(cluster.id, body, _SIMULATED)
        call.note(811, f"Host cluster {name} was updated by {{user}}")
        return changed

    def remove(self, call: Call, cluster: Cluster) -> None:
        hosts = any(host.cluster_id == cluster.id for host in call.world.hosts)
        vms = any(vm.cluster_id == cluster.id for vm in call.world.vms)
        reasons = [
            *(["Cluster contains one or more Hosts"] if hosts else []),
            *(
                ["Cannot remove Cluster. One or more VMs are still assigned to the Cluster."]
                if vms
                else []
            ),
        ]
        if reasons:
            raise Failure(409, f"[Cannot remove Cluster. {', '.join(reasons)}]")
        call.world.remove_cluster(cluster.id)
        call.note(813, f"Host cluster {cluster.name} was removed by {{user}}")

    def _refuse_taken(self, call: Call, name: str) -> None:
        if any(each.name == name for each in call.world.clusters):
            raise Failure(409, "[Cannot create Cluster. Cluster name is already in use.]")


class _Datacenters:
    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay

    def described(self, call: Call, datacenter: Datacenter) -> Node:
        shown = representations.datacenter(call.world, datacenter)
        return self._overlay.applied(datacenter.id, shown)

    def add(self, call: Call, body: Element) -> Datacenter:
        mandatory(body, ("name", "local"))
        name = value(body, "name") or ""
        self._refuse_taken(call, name)
        datacenter = call.world.add_datacenter(name, description=value(body, "description"))
        self._overlay.keep(datacenter.id, body, _SIMULATED)
        call.note(
            950,
            f"Data Center {name}, Compatibility Version 4.8 and Quota Type DISABLED was added by "
            "{user}",
        )
        return datacenter

    def update(self, call: Call, datacenter: Datacenter, body: Element) -> Datacenter:
        name = value(body, "name") or datacenter.name
        if name != datacenter.name:
            self._refuse_taken(call, name)
        description = value(body, "description")
        changed = call.world.change_datacenter(
            datacenter.id,
            name=name,
            description=datacenter.description if description is None else description,
        )
        self._overlay.keep(datacenter.id, body, _SIMULATED)
        call.note(952, f"Data Center {name} was updated by {{user}}")
        return changed

    def remove(self, call: Call, datacenter: Datacenter) -> None:
        if any(each.datacenter_id == datacenter.id for each in call.world.clusters):
            detail = "Data Center still contains one or more Clusters."
            raise Failure(409, f"[Cannot remove Data Center. {detail}]")
        call.world.remove_datacenter(datacenter.id)
        call.note(954, f"Data Center {datacenter.name} was removed by {{user}}")

    def _refuse_taken(self, call: Call, name: str) -> None:
        if any(each.name == name for each in call.world.datacenters):
            raise Failure(
                409, "[Cannot create Data Center. The Data Center name is already in use.]"
            )


def _accept(call: Call, item: Any, body: Element) -> None:
    """Nothing that the lab simulates changes."""
