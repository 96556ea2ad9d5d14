"""What can be searched for in each collection.

Names of fields, columns and enumerations are those of the engine's classes
VmConditionFieldAutoCompleter, VdsConditionFieldAutoCompleter and their like.
What the world does not hold is none, and so is found by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaosvm.lab.ovirt.lists import engine_tags
from chaosvm.lab.ovirt.search_fields import (
    NUMERIC,
    ORDERED,
    STRING,
    TIMED,
    Entity,
    Field,
    Join,
    Type,
    Value,
    bits,
    choices,
)
from chaosvm.lab.ovirt.systems import OS_NUMBERS
from chaosvm.lab.ovirt.templates import BLANK, Template
from chaosvm.lab.ovirt.words import HOST_NUMBERS, SEVERITIES, VM_NUMBERS, VM_WORDS, told
from chaosvm.lab.world import Cluster, Event, Host, Machine, World

__all__ = ["search_entities"]

Get = Callable[[Any], Value]

_MIB = 1024**2
_ARCHITECTURE = choices(undefined=0, x86=4, ppc=3, s390x=7, x86_64=1, ppc64=2, ppc64le=5, ppcle=6)
_BIOS = choices("i440fx_sea_bios", "q35_sea_bios", "q35_ovmf", "q35_secure_boot", first=1)
_POOL_STATUS = choices(
    "uninitialized", "up", "maintenance", "notoperational", "nonresponsive", "contend"
)


def search_entities(world: World) -> Mapping[str, Entity]:
    """By the names that the engine's search has for them."""
    entities: dict[str, Entity] = {}
    for make in (_vms, _hosts, _clusters, _datacenters, _templates, _events):
        made = make(world, entities)
        entities[made.name] = made
    return entities


def _vms(world: World, entities: Mapping[str, Entity]) -> Entity:
    def host(vm: Machine) -> Sequence[Host]:
        found = world.host(vm.host_id) if vm.state.on_a_host else None
        return (found,) if found else ()

    def events(vm: Machine) -> Sequence[Event]:
        return [event for event in world.events if event.vm_id == vm.id]

    def joined(name: str) -> Callable[[], Entity]:
        return lambda: entities[name]

    return Entity(
        name="VM",
        prefix="VMs : ",
        fields=_vm_fields(world),
        table="vms",
        full_table="vms_with_tags",
        key="vm_guid",
        default_sort="vm_name ASC ",
        references=_words("HOSTS TEMPLATES EVENTS USERS STORAGE VNIC HOST TEMPLATE EVENT USER"),
        joins={
            "HOST": Join(joined("HOST"), "run_on_vds", "vds_id", host),
            "TEMPLATE": Join(joined("TEMPLATE"), "vmt_guid", "vmt_guid", lambda vm: (BLANK,)),
            "EVENT": Join(joined("EVENT"), "vm_guid", "vm_id", events),
        },
        tags=lambda vm: vm.tags,
        tag_tree=lambda: _tag_tree(world),
    )


def _vm_fields(world: World) -> Mapping[str, Field]:
    def cluster(vm: Machine) -> Cluster | None:
        return world.cluster(vm.cluster_id)

    def datacenter(vm: Machine) -> str | None:
        of = cluster(vm)
        found = world.datacenter(of.datacenter_id) if of else None
        return found.name if found else None

    def from_guest(get: Get) -> Get:
        return lambda vm: get(vm) if vm.state.on_a_host and vm.guest.agent else None

    return {
        "NAME": Field("vm_name", lambda vm: vm.name),
        "COMMENT": Field("free_text_comment", lambda vm: vm.comment or ""),
        "STATUS": _choice("status", VM_WORDS, lambda vm: VM_NUMBERS[vm.state]),
        "IP": Field(
            "vm_ip",
            from_guest(lambda vm: " ".join(vm.ip_addresses)),
            sort_column="vm_ip_inet_array",
        ),
        "ON_HOST": Field("run_on_vds_name", lambda vm: _name(world.host(vm.host_id))),
        "FQDN": Field("vm_fqdn", from_guest(lambda vm: vm.fqdn)),
        "UPTIME": Field("elapsed_time", world.elapsed, Type.SPAN, ORDERED),
        "OS": Field(
            "os", lambda vm: OS_NUMBERS.get(vm.os), choices=OS_NUMBERS, exact_choices=True,
            free=False,
        ),
        "CREATIONDATE": Field(
            "creation_date", lambda vm: vm.created.timestamp(), Type.DATE, ORDERED
        ),
        "ADDRESS": Field("vm_host", from_guest(lambda vm: vm.fqdn)),
        "CPU_USAGE": _number("usage_cpu_percent", lambda vm: 0),
        "MEM_USAGE": _number("usage_mem_percent", lambda vm: 0),
        "NETWORK_USAGE": _number("usage_network_percent", lambda vm: 0),
        "MEMORY": _number("mem_size_mb", lambda vm: vm.memory // _MIB),
        "GUARANTEED_MEMORY": _number("min_allocated_mem", lambda vm: vm.memory // _MIB),
        "MIGRATION_PROGRESS_PERCENT": _number("migration_progress_percent", lambda vm: 0),
        "APPS": Field("app_list", lambda vm: None, free=False, contains=True),
        "CLUSTER": Field("cluster_name", lambda vm: _name(cluster(vm))),
        "POOL": Field("vm_pool_name", lambda vm: vm.pool_id),
        "LOGGEDINUSER": Field("guest_cur_user_name", lambda vm: None),
        "TAG": Field("tag_name", lambda vm: None, of_tags=True),
        "DATACENTER": Field("storage_pool_name", datacenter),
        "TYPE": _choice("vm_type", choices("desktop", "server", "highperformance"),
                        lambda vm: 1),
        "QUOTA": Field("quota_name", lambda vm: "Default", nullable=True),
        "ID": Field("vm_guid", lambda vm: vm.id, Type.UUID),
        "DESCRIPTION": Field("description", lambda vm: vm.description or ""),
        "ARCHITECTURE": _choice("architecture", _ARCHITECTURE, lambda vm: 1),
        "CUSTOM_EMULATED_MACHINE": Field("custom_emulated_machine", lambda vm: ""),
        "CUSTOM_CPU_TYPE": Field("custom_cpu_name", lambda vm: ""),
        "COMPATIBILITY_LEVEL": Field(
            "cluster_compatibility_version", lambda vm: _level(cluster(vm))
        ),
        "CUSTOM_COMPATIBILITY_LEVEL": Field(
            "custom_compatibility_version", lambda vm: "", Type.OTHER
        ),
        "CREATED_BY_USER_ID": Field("created_by_user_id", lambda vm: None, Type.UUID),
        "NEXT_RUN_CONFIG_EXISTS": _choice("next_run_config_exists", bits(), lambda vm: 0),
        "HAS_ILLEGAL_IMAGES": _choice("has_illegal_images", bits(), lambda vm: 0),
        "BIOS_TYPE": _choice("bios_type", _BIOS, lambda vm: 3),
        "K8S_NAMESPACE": Field("namespace", lambda vm: None),
        "VCPUS": _number("num_of_cpus", lambda vm: vm.topology.cpus),
    }  # fmt: skip


def _hosts(world: World, entities: Mapping[str, Entity]) -> Entity:
    def running(host: Host) -> Sequence[Machine]:
        return [vm for vm in world.vms if vm.host_id == host.id]

    def events(host: Host) -> Sequence[Event]:
        return [event for event in world.events if event.host_id == host.id]

    fields = {
        "NAME": Field("vds_name", lambda host: host.name),
        "COMMENT": Field("free_text_comment", lambda host: ""),
        "STATUS": _choice("status", HOST_NUMBERS, lambda host: HOST_NUMBERS[host.status]),
        "EXTERNAL_STATUS": _choice(
            "external_status", choices("ok", "info", "warning", "error", "failure"), lambda host: 0
        ),
        "CLUSTER": Field("cluster_name", lambda host: _name(world.cluster(host.cluster_id))),
        "ADDRESS": Field("host_name", lambda host: host.address),
        "CPU_USAGE": _number("usage_cpu_percent", lambda host: 0),
        "MEM_USAGE": _number("usage_mem_percent", lambda host: 0),
        "NETWORK_USAGE": _number("usage_network_percent", lambda host: 0),
        "LOAD": Field("cpu_load", lambda host: 0, Type.DECIMAL, NUMERIC),
        "VERSION": Field("software_version", lambda host: "4.50.5"),
        "CPUS": _number("cpu_cores", lambda host: host.topology.cores * host.topology.sockets),
        "MEMORY": _number("physical_mem_mb", lambda host: host.memory // _MIB),
        "CPU_SPEED": Field("cpu_speed_mh", lambda host: 2400, Type.DECIMAL, NUMERIC),
        "CPU_MODEL": Field("cpu_model", lambda host: "Intel(R) Xeon(R)"),
        "ACTIVE_VMS": _number("vm_active", lambda host: len(running(host))),
        "MIGRATING_VMS": _number("vm_migrating", lambda host: 0, STRING),
        "COMMITTED_MEM": _number("mem_commited", lambda host: 0),
        "TAG": Field("tag_name", lambda host: None, of_tags=True),
        "TYPE": _choice("vds_type", choices("rhel", "rhvh"), lambda host: 0),
        "DATACENTER": Field("storage_pool_name", lambda host: _datacenter_of(world, host)),
        "ARCHITECTURE": _choice("architecture", _ARCHITECTURE, lambda host: 1),
        "UPDATE_AVAILABLE": _choice("is_update_available", bits(), lambda host: 0),
        "HA_SCORE": _number("ha_score", lambda host: 0, STRING),
        "SPM_ID": _number("vds_spm_id", lambda host: 1, STRING),
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
        references=_words("VMS TEMPLATES EVENTS USERS STORAGE NIC VM TEMPLATE EVENT USER"),
        joins={
            "VM": Join(lambda: entities["VM"], "vds_id", "run_on_vds", running),
            "EVENT": Join(lambda: entities["EVENT"], "vds_id", "vds_id", events),
        },
        tag_tree=lambda: _tag_tree(world),
    )


def _clusters(world: World, entities: Mapping[str, Entity]) -> Entity:
    def datacenter(cluster: Cluster) -> Sequence[Any]:
        found = world.datacenter(cluster.datacenter_id)
        return (found,) if found else ()

    return Entity(
        name="CLUSTER",
        prefix="Clusters : ",
        fields={
            "NAME": Field("name", lambda cluster: cluster.name),
            "DESCRIPTION": Field("description", lambda cluster: cluster.description or ""),
            "COMMENT": Field("free_text_comment", lambda cluster: ""),
            "ARCHITECTURE": _choice("architecture", _ARCHITECTURE, lambda cluster: 1),
            "COMPATIBILITY_LEVEL": Field("compatibility_version", _level, Type.OTHER),
            "CPU_TYPE": Field("cpu_name", lambda cluster: "Intel Cascadelake Server Family"),
        },
        table="cluster_view",
        full_table="cluster_storage_domain",
        key="cluster_id",
        default_sort="name ASC",
        references=frozenset(("DATACENTER", "STORAGE", "CLUSTER_NETWORK")),
        joins={
            "DATACENTER": Join(lambda: entities["DATACENTER"], "storage_pool_id", "id", datacenter),
        },
        tag_tree=lambda: _tag_tree(world),
    )


def _datacenters(world: World, entities: Mapping[str, Entity]) -> Entity:
    def clusters(datacenter: Any) -> Sequence[Cluster]:
        return [each for each in world.clusters if each.datacenter_id == datacenter.id]

    return Entity(
        name="DATACENTER",
        prefix="Datacenter : ",
        fields={
            "NAME": Field("name", lambda datacenter: datacenter.name),
            "DESCRIPTION": Field("description", lambda datacenter: datacenter.description or ""),
            "COMMENT": Field("free_text_comment", lambda datacenter: ""),
            "LOCAL": _choice("is_local", bits(), lambda datacenter: 0),
            "STATUS": _choice("status", _POOL_STATUS, lambda datacenter: 1),
            "COMPATIBILITY_VERSION": Field("compatibility_version", lambda datacenter: "4.7"),
        },
        table="storage_pool",
        full_table="storage_pool_with_storage_domain",
        key="id",
        default_sort="name ASC ",
        distinct=True,
        references=frozenset(("CLUSTERS", "STORAGE", "NETWORK", "CLUSTER")),
        joins={"CLUSTER": Join(lambda: entities["CLUSTER"], "id", "storage_pool_id", clusters)},
        tag_tree=lambda: _tag_tree(world),
    )


def _templates(world: World, entities: Mapping[str, Entity]) -> Entity:
    def made_of_it(template: Template) -> Sequence[Machine]:
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
            "CHILDCOUNT": _number("child_count", lambda template: len(world.vms)),
            "MEM": _number("mem_size_mb", lambda template: 1024),
            "DESCRIPTION": Field("description", lambda template: template.description),
            "STATUS": _choice("status", choices("ok", "locked", "illegal"), lambda template: 0),
            "SEALED": Field("is_template_sealed", lambda template: "f", Type.OTHER),
            "CLUSTER": Field("cluster_name", lambda template: None),
            "DATACENTER": Field("storage_pool_name", lambda template: None),
            "QUOTA": Field("quota_name", lambda template: None, nullable=True),
            "ARCHITECTURE": _choice("architecture", _ARCHITECTURE, lambda template: 0),
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
        references=_words("VMS HOSTS EVENTS USERS STORAGE VNIC VM HOST EVENT USER"),
        joins={"VM": Join(lambda: entities["VM"], "vmt_guid", "vmt_guid", made_of_it)},
        tag_tree=lambda: _tag_tree(world),
    )


def _events(world: World, entities: Mapping[str, Entity]) -> Entity:
    def vm(event: Event) -> Sequence[Machine]:
        return [each for each in world.vms if each.id == event.vm_id]

    def host(event: Event) -> Sequence[Host]:
        found = world.host(event.host_id)
        return (found,) if found else ()

    fields = {
        "TYPE": _number("log_type", lambda event: told(world, event).code, STRING),
        "SEVERITY": Field(
            "severity",
            lambda event: int(SEVERITIES[told(world, event).severity.upper()]),
            Type.INTEGER,
            NUMERIC,
            SEVERITIES,
        ),
        "MESSAGE": Field("message", lambda event: told(world, event).text),
        "TIME": Field("log_time", lambda event: event.at.timestamp(), Type.DATE, TIMED),
        "USRNAME": Field("user_name", lambda event: told(world, event).user),
        "EVENT_HOST": Field("vds_name", lambda event: _name(world.host(event.host_id))),
        "EVENT_VM": Field("vm_name", lambda event: event.vm_name),
        "EVENT_TEMPLATE": Field(
            "vm_template_name", lambda event: BLANK.name if event.vm_name else None
        ),
        "EVENT_STORAGE": Field("storage_domain_name", lambda event: None),
        "EVENT_DATACENTER": Field("storage_pool_name", lambda event: None),
        "EVENT_VOLUME": Field("gluster_volume_name", lambda event: None),
        "CORRELATION_ID": Field("correlation_id", lambda event: event.correlation_id),
        "ORIGIN": Field("origin", lambda event: "oVirt"),
        "CUSTOM_EVENT_ID": _number("custom_event_id::int", lambda event: -1, STRING),
        "DELETED": _choice("deleted::boolean", bits(), lambda event: 0),
        "_EVENT_VM_ID": Field("vm_id::varchar", lambda event: event.vm_id),
        "_EVENT_TEMPLATE_ID": Field("vm_template_id::varchar", lambda event: None),
        "_EVENT_STORAGE_ID": Field("storage_domain_id::varchar", lambda event: None),
        "_EVENT_HOST_ID": Field("vds_id::varchar", lambda event: event.host_id),
        "_EVENT_DATACENTER_ID": Field("storage_pool_id::varchar", lambda event: None),
        "_EVENT_QUOTA_ID": Field("quota_id::varchar", lambda event: None),
        "USRID": Field("user_id::varchar", lambda event: None, relations=None),
    }
    return Entity(
        name="EVENT",
        prefix="Events : ",
        fields=fields,
        hidden=frozenset(name for name in fields if name.startswith("_") or name == "USRID"),
        table="audit_log",
        full_table="audit_log",
        key="audit_log_id",
        default_sort="audit_log_id DESC ",
        references=_words(
            "VMS TEMPLATES USERS CLUSTERS VOLUMES QUOTA VM HOST TEMPLATE USER CLUSTER VOLUME"
        ),
        joins={
            "VM": Join(lambda: entities["VM"], "vm_id", "vm_guid", vm),
            "HOST": Join(lambda: entities["HOST"], "vds_id", "vds_id", host),
        },
        tag_tree=lambda: _tag_tree(world),
    )


def _number(column: str, value: Get, relations: tuple[str, ...] = NUMERIC) -> Field:
    return Field(column, value, Type.INTEGER, relations)


def _choice(column: str, words: Mapping[Any, Any], value: Get) -> Field:
    """An enumeration: words, or things of ours that have a number and words."""
    known = {str(word).replace("_", "").upper(): str(number) for word, number in words.items()}
    return Field(column, value, Type.INTEGER, STRING, known, free=False)


def _name(thing: Any) -> str | None:
    return thing.name if thing else None


def _level(cluster: Cluster | None) -> str | None:
    return ".".join(map(str, cluster.version)) if cluster else None


def _datacenter_of(world: World, host: Host) -> str | None:
    cluster = world.cluster(host.cluster_id)
    return _name(world.datacenter(cluster.datacenter_id)) if cluster else None


def _tag_tree(world: World) -> Mapping[str | None, Sequence[str]]:
    """Without the root of all, which is no tag."""
    tree: dict[str | None, list[str]] = {}
    for tag in engine_tags(world)[:-1]:
        tree.setdefault(tag.parent, []).append(tag.name)
    return tree


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())
