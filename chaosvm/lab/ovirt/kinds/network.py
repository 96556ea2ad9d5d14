"""Networks, their labels and profiles. Source: the recordings ``network-*`` and ``vnic-*``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import merged, value
from chaosvm.lab.ovirt.collection import Call
from chaosvm.lab.ovirt.kinds.recorded import seeded, seeds_of
from chaosvm.lab.ovirt.registry import Kind, Registry, View
from chaosvm.lab.simulation import DEFAULT_NETWORK, Datacenter, World, derived_id

__all__ = ["MANAGEMENT", "NETWORK", "network_id", "profile_id"]

# The engine's own name of the network that VMs are in by default.
MANAGEMENT = "ovirtmgmt"
_FILTER = "d2370ab4-fee3-11e9-a310-8c1645ce738e"
_NETWORK = {"comment": "", "mtu": 0, "port_isolation": False, "stp": False}


def network_id(datacenter: Datacenter, name: str) -> str:
    return derived_id("network", datacenter.id, _engine_name(name))


def profile_id(datacenter: Datacenter, name: str) -> str:
    return derived_id("vnic_profile", datacenter.id, _engine_name(name))


def _engine_name(name: str) -> str:
    return MANAGEMENT if name == DEFAULT_NETWORK else name


def _names(world: World) -> list[str]:
    """The networks that VMs are in."""
    used = {nic.network: None for vm in world.vms for nic in vm.nics}
    return list(dict.fromkeys((MANAGEMENT, *map(_engine_name, used))))


def _networks(world: World) -> Iterator[tuple[str, Element]]:
    for datacenter in world.datacenters:
        for name in _names(world):
            yield "networks", _network(datacenter, name)


def _network(datacenter: Datacenter, name: str) -> Element:
    is_management = name == MANAGEMENT
    return seeded(
        "network",
        network_id(datacenter, name),
        name=name,
        **{**_NETWORK, "description": "Management Network" if is_management else ""},
        usages={"usage": ["vm"]},
        vdsm_name=name,
        data_center={"id": datacenter.id, "name": datacenter.name},
    )


def _cluster_networks(world: World) -> Iterator[tuple[str, Element]]:
    for cluster in world.clusters:
        datacenter = world.datacenter(cluster.datacenter_id)
        for name in _names(world) if datacenter else ():
            assert datacenter is not None
            usages = ["vm"]
            if name == MANAGEMENT:
                usages += ["display", "migration", "management", "default_route"]
            added = seeded(
                "network",
                "",
                display=name == MANAGEMENT,
                required=name == MANAGEMENT,
                status="operational",
                usages={"usage": usages},
                cluster={"id": cluster.id},
            )
            network = _network(datacenter, name)
            added.set("id", network.get("id", ""))
            yield f"clusters/{cluster.id}/networks", merged(network, added)


def _profiles(world: World) -> Iterator[tuple[str, Element]]:
    for datacenter in world.datacenters:
        for name in _names(world):
            yield (
                "vnicprofiles",
                seeded(
                    "vnic_profile",
                    profile_id(datacenter, name),
                    name=name,
                    pass_through={"mode": "disabled"},
                    port_mirroring=False,
                    network={"id": network_id(datacenter, name)},
                    network_filter={"id": _FILTER},
                ),
            )


def _complete_network(call: Call, registry: Registry, element: Element) -> Element:
    if element.find("data_center") is None:
        detail = "Network [dataCenter.name|id] required for add"
        raise Failure(400, detail, "Incomplete parameters")
    registry.resolve(element, "data_center")
    if value(element, "vdsm_name") is None:
        element = merged(element, seeded("network", "", vdsm_name=value(element, "name") or ""))
        element.attrib.pop("id")
    return element


def _attach(call: Call, registry: Registry, element: Element) -> Element:
    """A network of the data center, as it is in a cluster."""
    return registry.copied("networks", element)


NETWORK: Sequence[Kind] = (
    Kind(
        path="networks",
        element="network",
        parent="data_center",
        views=(View("datacenters/{id}/networks", "data_center"),),
        links="permissions vnicprofiles networklabels",
        defaults=_NETWORK,
        taken="Cannot add Network. The name of the logical network '{name}' is already used by "
        "an existing logical network in the same data-center.\n-Please choose a different name.",
        entity="networks",
        added=(942, "Finished adding Network {name} to Data Center: {data_center}"),
        updated=(1114, "Finished Network {name} update on Data Center: {data_center}"),
        removed=(944, "Finished Network {name} removal from Data Center: {data_center}"),
        completes=_complete_network,
        seeds=_networks,
    ),
    Kind(
        path="clusters/{id}/networks",
        element="network",
        parent="cluster",
        defaults={"display": False, "required": True, "status": "operational"},
        mandatory=("id|name",),
        keeps_id=True,
        added=(946, "Network {name} attached to Cluster {cluster}"),
        updated=(1100, "Display network {name} was updated on Cluster {cluster}"),
        removed=(948, "Network {name} detached from Cluster {cluster}"),
        completes=_attach,
        seeds=_cluster_networks,
    ),
    Kind(
        path="networks/{id}/networklabels",
        element="network_label",
        parent="network",
        mandatory=("id",),
        keeps_id=True,
    ),
    Kind(
        path="vnicprofiles",
        element="vnic_profile",
        parent="network",
        views=(View("networks/{id}/vnicprofiles", "network"),),
        links="permissions",
        defaults={
            "pass_through": {"mode": "disabled"},
            "port_mirroring": False,
            "network_filter": {"id": _FILTER},
        },
        mandatory=("name", "network.id"),
        parameter="profile",
        added=(
            1122,
            "VM network interface profile {name} was added to network {network} in Data "
            "Center: {data_center}. (User: {user})",
        ),
        updated=(
            1124,
            "VM network interface profile {name} was updated for network {network} in "
            "Data Center: {data_center}. (User: {user})",
        ),
        removed=(
            1126,
            "VM network interface profile {name} was removed from network {network} in "
            "Data Center: {data_center}. (User: {user})",
        ),
        refers=("network", "network_filter"),
        seeds=_profiles,
    ),
    Kind(
        path="networkfilters",
        element="network_filter",
        read_only=True,
        seeds=seeds_of("networkfilters", "network_filter"),
    ),
)
