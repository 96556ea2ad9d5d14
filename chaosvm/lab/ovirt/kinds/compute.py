"""Affinity, quality of service, quotas, profiles, pools and other settings of VMs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import set_value, value
from chaosvm.lab.ovirt.collection import Call
from chaosvm.lab.ovirt.kinds.recorded import recorded, seeded, seeds_of
from chaosvm.lab.ovirt.registry import Kind, Registry, View
from chaosvm.lab.simulation import World, derived_id

__all__ = ["COMPUTE", "cpu_profile_id", "quota_id"]

_MAC_POOL = "58ca604b-017d-0374-0220-00000000014e"
_BLANK = "00000000-0000-0000-0000-000000000000"
# A transparent pixel in place of the engine's images.
_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)
_RULE = {"enforcing": False, "positive": False}


def cpu_profile_id(cluster_id: str) -> str:
    return derived_id("cpu_profile", cluster_id)


def quota_id(datacenter_id: str | None) -> str:
    return derived_id("quota", datacenter_id or "")


def _cpu_profiles(world: World) -> Iterator[tuple[str, Element]]:
    for cluster in world.clusters:
        of, profile = {"id": cluster.id}, cpu_profile_id(cluster.id)
        yield "cpuprofiles", seeded("cpu_profile", profile, name=cluster.name, cluster=of)


def _quotas(world: World) -> Iterator[tuple[str, Element]]:
    for datacenter in world.datacenters:
        quota = seeded(
            "quota",
            quota_id(datacenter.id),
            name="Default",
            description="Default unlimited quota",
            data_center={"id": datacenter.id},
            **_QUOTA,
        )
        yield f"datacenters/{datacenter.id}/quotas", quota


_QUOTA = {
    "cluster_hard_limit_pct": 20,
    "cluster_soft_limit_pct": 80,
    "storage_hard_limit_pct": 20,
    "storage_soft_limit_pct": 80,
}


def _limits(world: World) -> Iterator[tuple[str, Element]]:
    for datacenter in world.datacenters:
        quota = quota_id(datacenter.id)
        path, of = f"datacenters/{datacenter.id}/quotas/{quota}", {"id": quota}
        cluster = {"memory_limit": -1.0, "memory_usage": 0.0, "vcpu_limit": -1, "vcpu_usage": 0}
        cluster_limit = seeded("quota_cluster_limit", quota, quota=of, **cluster)
        yield f"{path}/quotaclusterlimits", cluster_limit
        storage_limit = seeded("quota_storage_limit", quota, quota=of, limit=-1, usage=0.0)
        yield f"{path}/quotastoragelimits", storage_limit


def _mac_pools(world: World) -> Iterator[tuple[str, Element]]:
    yield (
        "macpools",
        seeded(
            "mac_pool",
            _MAC_POOL,
            name="Default",
            description="Default MAC pool",
            allow_duplicates=False,
            default_pool=True,
            ranges={"range": [{"from": "56:6f:1a:00:00:00", "to": "56:6f:1a:ff:ff:ff"}]},
        ),
    )


def _complete_affinity(call: Call, registry: Registry, element: Element) -> Element:
    """The older elements ``positive`` and ``enforcing`` repeat the rule for VMs."""
    rule = element.find("vms_rule")
    assert rule is not None  # a default
    for name in ("positive", "enforcing"):
        given = value(rule, name) or value(element, name) or "false"
        set_value(rule, name, given)
        set_value(element, name, given)
    for member in (
        "vms/vm",
        "hosts/host",
        "vm_labels/affinity_label",
        "host_labels/affinity_label",
    ):
        for reference in element.findall(member):
            registry.resolve_reference(reference)
    return element


def _refuse_blank(call: Call, registry: Registry, element: Element) -> Element:
    if value(element, "template/name") == "Blank" or value(element, "template/id") == _BLANK:
        raise Failure(409, "[VM-Pool must be based on  non-blank Template.]")
    return element


def _icons(world: World) -> Iterator[tuple[str, Element]]:
    for icon in recorded("icons"):
        yield "icons", seeded("icon", icon["id"], data=_PIXEL, media_type=icon["media_type"])


def _cluster_levels(world: World) -> Iterator[tuple[str, Element]]:
    for level, types in recorded("clusterlevels").items():
        split = (each.split(" ", 2) for each in types)
        cpu_types = [
            dict(zip(("architecture", "level", "name"), each, strict=True)) for each in split
        ]
        permits = {"permit": recorded("permits")}
        yield (
            "clusterlevels",
            seeded("cluster_level", level, cpu_types={"cpu_type": cpu_types}, permits=permits),
        )


COMPUTE: Sequence[Kind] = (
    Kind(
        path="clusters/{id}/affinitygroups",
        element="affinity_group",
        parent="cluster",
        links="hosts vms vmlabels hostlabels",
        defaults={
            "broken": False,
            "hosts_rule": {"enabled": False, **_RULE},
            "priority": 1,
            "vms_rule": {"enabled": True},
            **dict.fromkeys(("host_labels", "hosts", "vm_labels", "vms")),
        },
        taken="Cannot add Affinity Group. Affinity Group name already exists.",
        taken_status=400,
        added=(10350, "Affinity Group {name} was added. (User: {user})"),
        updated=(10352, "Affinity Group {name} was updated. (User: {user})"),
        removed=(10354, "Affinity Group {name} was removed. (User: {user})"),
        completes=_complete_affinity,
    ),
    Kind(
        path="affinitylabels",
        element="affinity_label",
        links="hosts vms",
        defaults={"has_implicit_affinity_group": False, "read_only": False},
        taken="Affinity Label name is already in use.",
        added=(10380, "Affinity Label {name} was added. (User: {user})"),
        updated=(10382, "Affinity Label {name} was updated. (User: {user})"),
        removed=(10384, "Affinity Label {name} was removed. (User: {user})"),
        in_use=(
            ("vms", "hosts"),
            "Cannot delete affinity label, remove it from all entities first.",
        ),
        hidden=frozenset(("vms", "hosts")),
    ),
    Kind(
        path="hosts/{id}/fenceagents",
        element="agent",
        parent="host",
        defaults={"encrypt_options": False},
        mandatory=("address", "order", "password", "type", "username"),
        hidden=frozenset(("password",)),
    ),
    Kind(
        path="cpuprofiles",
        element="cpu_profile",
        parent="cluster",
        views=(View("clusters/{id}/cpuprofiles", "cluster"),),
        links="permissions",
        added=(10130, "CPU Profile {name} was successfully added (User: {user})."),
        updated=(10134, "CPU Profile {name} was successfully updated (User: {user})."),
        removed=(10132, "CPU Profile {name} was successfully removed (User: {user})."),
        refers=("cluster",),
        seeds=_cpu_profiles,
    ),
    Kind(
        path="datacenters/{id}/qoss",
        element="qos",
        root="qoss",
        parent="data_center",
        mandatory=("name", "type"),
        taken="Cannot add QoS. QoS name already exists.",
        added=(10110, "QoS {name} was added. (User: {user})"),
        updated=(10114, "QoS {name} was updated. (User: {user})"),
        removed=(10112, "QoS {name} was removed. (User: {user})"),
    ),
    Kind(
        path="datacenters/{id}/quotas",
        element="quota",
        parent="data_center",
        links="permissions quotastoragelimits quotaclusterlimits",
        defaults={"description": "", **_QUOTA},
        taken="Cannot add Quota. Quota name already exists.",
        added=(3000, "Quota {name} has been added by {user}."),
        updated=(3002, "Quota {name} has been updated by {user}."),
        removed=(3004, "Quota {name} has been deleted by {user}."),
        seeds=_quotas,
    ),
    Kind(
        path="datacenters/{id}/quotas/{id}/quotaclusterlimits",
        element="quota_cluster_limit",
        parent="quota",
        defaults={"memory_usage": 0.0, "vcpu_usage": 0},
        mandatory=(),
        refers=("cluster",),
        seeds=_limits,
    ),
    Kind(
        path="datacenters/{id}/quotas/{id}/quotastoragelimits",
        element="quota_storage_limit",
        parent="quota",
        defaults={"usage": 0.0},
        mandatory=(),
        refers=("storage_domain",),
        seeds=_limits,
    ),
    Kind(
        path="macpools",
        element="mac_pool",
        links="permissions",
        defaults={"allow_duplicates": False, "default_pool": False},
        mandatory=("name", "ranges"),
        taken="Cannot add MAC Pool. The name is already in use.",
        added=(10700, "MAC Pool '{name}' (id={id}) was created. (User: {user})"),
        updated=(10702, "MAC Pool '{name}' (id={id}) was changed. (User: {user})"),
        removed=(10704, "MAC Pool '{name}' (id={id}) was removed. (User: {user})"),
        seeds=_mac_pools,
    ),
    Kind(
        path="bookmarks",
        element="bookmark",
        mandatory=("name", "value"),
        taken="Cannot add Bookmark. Bookmark name already exists.",
        added=(350, "Bookmark {name} was added by {user}."),
        updated=(352, "Bookmark {name} was updated by {user}."),
        removed=(354, "Bookmark {name} was removed by {user}."),
    ),
    Kind(
        path="vmpools",
        element="vm_pool",
        links="permissions",
        actions="allocatevm",
        defaults={
            "prestarted_vms": 0,
            "max_user_vms": 1,
            "size": 0,
            "stateful": False,
            "type": "automatic",
            "use_latest_template_version": False,
        },
        mandatory=("name", "template.id|template.name", "cluster.id|cluster.name"),
        entity="vmpools",
        added=(302, "VM Pool {name} (containing 0 VMs) was created by {user}."),
        removed=(304, "VM Pool {name} was removed by {user}."),
        refers=("cluster",),
        completes=_refuse_blank,
    ),
    Kind(
        path="instancetypes",
        element="instance_type",
        links="watchdogs graphicsconsoles nics",
        taken="Cannot add Instance Type. The name is already in use.",
        entity="instancetypes",
        seeds=seeds_of("instancetypes", "instance_type"),
    ),
    Kind(
        path="schedulingpolicies",
        element="scheduling_policy",
        root="scheduling_policies",
        links="filters weights balances",
        defaults={"default_policy": False, "locked": False},
        seeds=seeds_of(
            "schedulingpolicies", "scheduling_policy", ("filters", "weights", "balances")
        ),
    ),
    Kind(
        path="schedulingpolicyunits",
        element="scheduling_policy_unit",
        read_only=True,
        seeds=seeds_of("schedulingpolicyunits", "scheduling_policy_unit"),
    ),
    Kind(
        path="operatingsystems",
        element="operating_system",
        # The engine's own word (recording operatingsystems).
        root="operation_systems",
        read_only=True,
        seeds=seeds_of("operatingsystems", "operating_system"),
    ),
    Kind(
        path="icons",
        element="icon",
        read_only=True,
        seeds=_icons,
    ),
    Kind(
        path="clusterlevels",
        element="cluster_level",
        read_only=True,
        seeds=_cluster_levels,
    ),
)
