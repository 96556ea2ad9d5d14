"""The search fields of other collections than VMs and events.

Source: the engine's classes ...ConditionFieldAutoCompleter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chaosvm.lab.ovirt.field_builders import (
    ARCHITECTURE,
    MIB,
    choice,
    datacenter_of,
    level,
    name_of,
    number,
    tag_tree,
    words,
)
from chaosvm.lab.ovirt.operating_systems import OS_NUMBERS
from chaosvm.lab.ovirt.search_fields import (
    NUMERIC,
    STRING,
    TIMED,
    Entity,
    Field,
    Join,
    Type,
    bits,
    choices,
)
from chaosvm.lab.ovirt.statuses_and_events import HOST_NUMBERS, HOST_WORDS
from chaosvm.lab.ovirt.templates import Template
from chaosvm.lab.simulation import Cluster, Event, Host, Machine, User, World

__all__ = [
    "cluster_entity",
    "datacenter_entity",
    "host_entity",
    "storage_entity",
    "template_entity",
    "user_entity",
]

_POOL_STATUS = choices(
    "uninitialized", "up", "maintenance", "notoperational", "nonresponsive", "contend"
)


def host_entity(world: World, entities: Mapping[str, Entity]) -> Entity:
    def running(host: Host) -> Sequence[Machine]:
        return [vm for vm in world.vms if vm.host_id == host.id]

    def events(host: Host) -> Sequence[Event]:
        return [event for event in world.events if event.host_id == host.id]

    def spm_number(host: Host) -> int:
        return [each.id for each in world.hosts].index(host.id) + 1

    fields = {
        "NAME": Field("vds_name", lambda host: host.name),
        "COMMENT": Field("free_text_comment", lambda host: ""),
        "STATUS": choice("status", HOST_WORDS, lambda host: HOST_NUMBERS[host.status]),
        "EXTERNAL_STATUS": choice(
            "external_status", choices("ok", "info", "warning", "error", "failure"), lambda host: 0
        ),
        "CLUSTER": Field("cluster_name", lambda host: name_of(world.cluster(host.cluster_id))),
        "ADDRESS": Field("host_name", lambda host: host.address),
        "CPU_USAGE": number("usage_cpu_percent", lambda host: 0),
        "MEM_USAGE": number("usage_mem_percent", lambda host: 0),
        "NETWORK_USAGE": number("usage_network_percent", lambda host: 0),
        "LOAD": Field("cpu_load", lambda host: None, Type.DECIMAL, NUMERIC),
        "VERSION": Field("software_version", lambda host: "4.50.5"),
        "CPUS": number("cpu_cores", lambda host: host.topology.cores * host.topology.sockets),
        "MEMORY": number("physical_mem_mb", lambda host: host.memory // MIB),
        "CPU_SPEED": Field("cpu_speed_mh", lambda host: 2400, Type.DECIMAL, NUMERIC),
        "CPU_MODEL": Field("cpu_model", lambda host: "Intel(R) Xeon(R)"),
        "ACTIVE_VMS": number("vm_active", lambda host: len(running(host))),
        "MIGRATING_VMS": number("vm_migrating", lambda host: 0, STRING),
        "COMMITTED_MEM": number("mem_commited", lambda host: 0),
        "TAG": Field("tag_name", lambda host: None, of_tags=True),
        "TYPE": choice("vds_type", choices("rhel", "rhvh"), lambda host: 0),
        "DATACENTER": Field("storage_pool_name", lambda host: datacenter_of(world, host)),
        "ARCHITECTURE": choice("architecture", ARCHITECTURE, lambda host: 1),
        "UPDATE_AVAILABLE": choice("is_update_available", bits(), lambda host: 0),
        "HA_SCORE": number("ha_score", lambda host: 0, STRING),
        "SPM_ID": number("vds_spm_id", spm_number, STRING),
        "HW_ID": Field("vds_unique_id", lambda host: host.id, Type.OTHER),
        "ID": Field("vds_id", lambda host: host.id, Type.UUID),
    }
    return Entity(
        name="HOST",
        prefix="Hosts : ",
        fields=fields,
        hidden=frozenset(("ID",)),
        table="vds",
        full_table="vds_with_tags",
        key="vds_id",
        default_sort="vds_name ASC ",
        references=words("VMS TEMPLATES EVENTS USERS STORAGE NIC VM TEMPLATE EVENT USER"),
        joins={
            "VM": Join(lambda: entities["VM"], "vds_id", "run_on_vds", running),
            "EVENT": Join(lambda: entities["EVENT"], "vds_id", "vds_id", events),
        },
        tag_tree=lambda: tag_tree(world),
    )


def cluster_entity(world: World, entities: Mapping[str, Entity]) -> Entity:
    def datacenter(cluster: Cluster) -> Sequence[Any]:
        parent = world.datacenter(cluster.datacenter_id)
        return (parent,) if parent else ()

    return Entity(
        name="CLUSTER",
        prefix="Clusters : ",
        fields={
            "NAME": Field("name", lambda cluster: cluster.name),
            "DESCRIPTION": Field("description", lambda cluster: cluster.description or ""),
            "COMMENT": Field("free_text_comment", lambda cluster: ""),
            "ARCHITECTURE": choice("architecture", ARCHITECTURE, lambda cluster: 1),
            "COMPATIBILITY_LEVEL": Field("compatibility_version", level, Type.OTHER),
            "CPU_TYPE": Field("cpu_name", lambda cluster: "Intel Nehalem Family"),
        },
        table="cluster_view",
        full_table="cluster_storage_domain",
        key="cluster_id",
        default_sort="name ASC",
        references=frozenset(("DATACENTER", "STORAGE", "CLUSTER_NETWORK")),
        joins={
            "DATACENTER": Join(lambda: entities["DATACENTER"], "storage_pool_id", "id", datacenter),
        },
        tag_tree=lambda: tag_tree(world),
    )


def datacenter_entity(world: World, entities: Mapping[str, Entity]) -> Entity:
    def clusters(datacenter: Any) -> Sequence[Cluster]:
        return [each for each in world.clusters if each.datacenter_id == datacenter.id]

    return Entity(
        name="DATACENTER",
        prefix="Datacenter : ",
        fields={
            "NAME": Field("name", lambda datacenter: datacenter.name),
            "DESCRIPTION": Field("description", lambda datacenter: datacenter.description or ""),
            "COMMENT": Field("free_text_comment", lambda datacenter: ""),
            "LOCAL": choice("is_local", bits(), lambda datacenter: 0),
            "STATUS": choice("status", _POOL_STATUS, lambda datacenter: 1),
            "COMPATIBILITY_VERSION": Field("compatibility_version", lambda datacenter: "4.8"),
        },
        table="storage_pool",
        full_table="storage_pool_with_storage_domain",
        key="id",
        default_sort="name ASC ",
        distinct=True,
        references=frozenset(("CLUSTERS", "STORAGE", "NETWORK", "CLUSTER")),
        joins={"CLUSTER": Join(lambda: entities["CLUSTER"], "id", "storage_pool_id", clusters)},
        tag_tree=lambda: tag_tree(world),
    )


def template_entity(world: World, entities: Mapping[str, Entity]) -> Entity:
    def vms_of(template: Template) -> Sequence[Machine]:
        return world.vms

    return Entity(
        name="TEMPLATE",
        prefix="Template : ",
        fields={
            "NAME": Field("name", lambda template: template.name),
            "COMMENT": Field("free_text_comment", lambda template: ""),
            "OS": Field(
                "os", lambda template: "0", choices=OS_NUMBERS, exact_choices=True, free=False
            ),
            "CREATIONDATE": Field(
                "creation_date", lambda template: template.created.timestamp(), Type.DATE, TIMED
            ),
            "CHILDCOUNT": number("child_count", lambda template: len(world.vms)),
            "MEM": number("mem_size_mb", lambda template: 1024),
            "DESCRIPTION": Field("description", lambda template: template.description),
            "STATUS": choice("status", choices("ok", "locked", "illegal"), lambda template: 0),
            "SEALED": Field("is_template_sealed", lambda template: "false", Type.OTHER),
            "CLUSTER": Field("cluster_name", lambda template: None),
            "DATACENTER": Field("storage_pool_name", lambda template: None),
            "QUOTA": Field("quota_name", lambda template: None, nullable=True),
            "ARCHITECTURE": choice("architecture", ARCHITECTURE, lambda template: None),
            "VERSION_NAME": Field("template_version_name", lambda template: ""),
            "TAG": Field("tag_name", lambda template: None, of_tags=True),
            "_VMT_ID": Field("vmt_guid", lambda template: template.id, Type.UUID),
        },
        hidden=frozenset(("_VMT_ID",)),
        table="vm_templates_view",
        full_table="vm_templates_storage_domain_with_tags",
        key="vmt_guid",
        default_sort="name ASC ",
        distinct=True,
        references=words("VMS HOSTS EVENTS USERS STORAGE VNIC VM HOST EVENT USER"),
        joins={"VM": Join(lambda: entities["VM"], "vmt_guid", "vmt_guid", vms_of)},
        tag_tree=lambda: tag_tree(world),
    )


def user_entity(world: World, entities: Mapping[str, Entity]) -> Entity:
    """Users with a role on a VM. They can only be joined with VMs."""

    def name(user: User) -> str:
        return user.name.partition("@")[0]

    return Entity(
        name="USER",
        prefix="Users : ",
        fields={
            "NAME": Field("name", name),
            "LASTNAME": Field("surname", lambda user: ""),
            "USRNAME": Field("username", lambda user: f"{name(user)}@internal-authz"),
            "USER_AND_DOMAIN": Field("user_and_domain", lambda user: user.name),
            "LOGIN": Field("username", lambda user: f"{name(user)}@internal-authz"),
            "DIRECTORY": Field("domain", lambda user: "internal-authz"),
            "DEPARTMENT": Field("department", lambda user: ""),
            "TAG": Field("tag_name", lambda user: None, of_tags=True),
            "POOL": Field("vm_pool_name", lambda user: None),
            "TYPE": choice("user_group", choices("user", "group"), lambda user: 0),
        },
        table="vdc_users",
        full_table="vdc_users_with_tags",
        key="user_id",
        default_sort="name ASC ",
    )


def storage_entity(world: World, entities: Mapping[str, Entity]) -> Entity:
    """The only storage domain, which has all disks."""
    return Entity(
        name="STORAGE",
        prefix="Storage : ",
        fields={
            "NAME": Field("storage_name", lambda storage: storage),
            "DATACENTER": Field("storage_pool_name::text", lambda storage: None),
            "COMMENT": Field("storage_comment", lambda storage: ""),
            "DESCRIPTION": Field("storage_description", lambda storage: ""),
            "FREE_SIZE": number("available_disk_size", lambda storage: 100),
            "USED_SIZE": number("used_disk_size", lambda storage: 1),
            "TOTAL_SIZE": number("total_disk_size", lambda storage: 101),
        },
        table="storage_domains_for_search",
        full_table="storage_domains_with_hosts_view",
        key="id",
        default_sort="storage_name ASC ",
        distinct=True,
    )
