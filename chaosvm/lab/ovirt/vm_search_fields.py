"""The searchable collections, and the search fields of VMs.

Names of fields, columns and enumerations are those of the engine's classes
VmConditionFieldAutoCompleter, VdsConditionFieldAutoCompleter and so on. Fields that are
not simulated are None, and match nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chaosvm.lab.ovirt.event_search_fields import event_entity
from chaosvm.lab.ovirt.field_builders import (
    ARCHITECTURE,
    MIB,
    Get,
    choice,
    level,
    name_of,
    number,
    tag_tree,
    words,
)
from chaosvm.lab.ovirt.operating_systems import OS_NUMBERS
from chaosvm.lab.ovirt.other_search_fields import (
    cluster_entity,
    datacenter_entity,
    host_entity,
    storage_entity,
    template_entity,
    user_entity,
)
from chaosvm.lab.ovirt.search_fields import (
    ORDERED,
    Entity,
    Field,
    Join,
    Type,
    Value,
    bits,
    choices,
)
from chaosvm.lab.ovirt.statuses_and_events import VM_NUMBERS, VM_WORDS
from chaosvm.lab.ovirt.templates import BLANK
from chaosvm.lab.simulation import Cluster, Event, Host, Machine, User, World

__all__ = ["search_entities"]

_BIOS = choices("i440fx_sea_bios", "q35_sea_bios", "q35_ovmf", "q35_secure_boot", first=1)


def search_entities(world: World) -> Mapping[str, Entity]:
    """The searchable collections by the engine's names."""
    entities: dict[str, Entity] = {}
    for create in (
        vm_entity,
        host_entity,
        cluster_entity,
        datacenter_entity,
        template_entity,
        event_entity,
        user_entity,
        storage_entity,
    ):
        entity = create(world, entities)
        entities[entity.name] = entity
    return entities


def vm_entity(world: World, entities: Mapping[str, Entity]) -> Entity:
    def host(vm: Machine) -> Sequence[Host]:
        current = world.host(vm.host_id) if vm.state.on_a_host else None
        return (current,) if current else ()

    def events(vm: Machine) -> Sequence[Event]:
        return [event for event in world.events if event.vm_id == vm.id]

    def users(vm: Machine) -> Sequence[User]:
        all_users = (world.user(name) for name in world.user_names)
        return [user for user in all_users if user and vm.id in user.vm_ids]

    def storage(vm: Machine) -> Sequence[str]:
        return ("storage",) if vm.bootable else ()

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
        references=words("HOSTS TEMPLATES EVENTS USERS STORAGE VNIC HOST TEMPLATE EVENT USER"),
        joins={
            "HOST": Join(joined("HOST"), "run_on_vds", "vds_id", host),
            "TEMPLATE": Join(joined("TEMPLATE"), "vmt_guid", "vmt_guid", lambda vm: (BLANK,)),
            "EVENT": Join(joined("EVENT"), "vm_guid", "vm_id", events),
            "USER": Join(joined("USER"), "vm_guid", "vm_guid", users),
            "STORAGE": Join(joined("STORAGE"), "storage_id", "id", storage),
        },
        tags=lambda vm: vm.tags,
        tag_tree=lambda: tag_tree(world),
    )


def _vm_fields(world: World) -> Mapping[str, Field]:
    def cluster(vm: Machine) -> Cluster | None:
        return world.cluster(vm.cluster_id)

    def datacenter(vm: Machine) -> str | None:
        vm_cluster = cluster(vm)
        return name_of(world.datacenter(vm_cluster.datacenter_id)) if vm_cluster else None

    def from_guest(get: Get) -> Get:
        """Of a VM that is off: None, or an empty string if it never ran."""

        def value(vm: Machine) -> Value:
            if vm.state.on_a_host and vm.guest.agent:
                return get(vm)
            return "" if vm.started_at is None and vm.stopped_at is None else None

        return value

    def while_it_runs(number: int) -> Get:
        return lambda vm: number if vm.state.on_a_host else None

    return {
        "NAME": Field("vm_name", lambda vm: vm.name),
        "COMMENT": Field("free_text_comment", lambda vm: vm.comment or ""),
        "STATUS": choice("status", VM_WORDS, lambda vm: VM_NUMBERS[vm.state]),
        "IP": Field(
            "vm_ip",
            from_guest(lambda vm: " ".join(vm.ip_addresses)),
            sort_column="vm_ip_inet_array",
        ),
        "ON_HOST": Field("run_on_vds_name", lambda vm: name_of(world.host(vm.host_id))),
        "FQDN": Field("vm_fqdn", from_guest(lambda vm: vm.fqdn)),
        "UPTIME": Field("elapsed_time", lambda vm: world.uptime(vm) or 0.0, Type.SPAN, ORDERED),
        "OS": Field(
            "os", lambda vm: OS_NUMBERS.get(vm.os), choices=OS_NUMBERS, exact_choices=True,
            free=False,
        ),
        "CREATIONDATE": Field(
            "creation_date", lambda vm: vm.created.timestamp(), Type.DATE, ORDERED
        ),
        "ADDRESS": Field("vm_host", lambda vm: None if vm.state.on_a_host else ""),
        "CPU_USAGE": number("usage_cpu_percent", while_it_runs(0)),
        "MEM_USAGE": number("usage_mem_percent", while_it_runs(0)),
        "NETWORK_USAGE": number("usage_network_percent", while_it_runs(0)),
        "MEMORY": number("mem_size_mb", lambda vm: vm.memory // MIB),
        "GUARANTEED_MEMORY": number("min_allocated_mem", lambda vm: vm.memory // MIB),
        "MIGRATION_PROGRESS_PERCENT": number("migration_progress_percent", lambda vm: 0),
        "APPS": Field("app_list", lambda vm: None, free=False, contains=True),
        "CLUSTER": Field("cluster_name", lambda vm: name_of(cluster(vm))),
        "POOL": Field("vm_pool_name", lambda vm: vm.pool_id),
        "LOGGEDINUSER": Field("guest_cur_user_name", lambda vm: None),
        "TAG": Field("tag_name", lambda vm: None, of_tags=True),
        "DATACENTER": Field("storage_pool_name", datacenter),
        "TYPE": choice("vm_type", choices("desktop", "server", "highperformance"),
                        lambda vm: 1),
        "QUOTA": Field("quota_name", lambda vm: "Default", nullable=True),
        "ID": Field("vm_guid", lambda vm: vm.id, Type.UUID),
        "DESCRIPTION": Field("description", lambda vm: vm.description or ""),
        "ARCHITECTURE": choice("architecture", ARCHITECTURE, lambda vm: 1),
        "CUSTOM_EMULATED_MACHINE": Field("custom_emulated_machine", lambda vm: None),
        "CUSTOM_CPU_TYPE": Field("custom_cpu_name", lambda vm: None),
        "COMPATIBILITY_LEVEL": Field(
            "cluster_compatibility_version", lambda vm: level(cluster(vm))
        ),
        "CUSTOM_COMPATIBILITY_LEVEL": Field(
            "custom_compatibility_version", lambda vm: None, Type.OTHER
        ),
        "CREATED_BY_USER_ID": Field("created_by_user_id", lambda vm: None, Type.UUID),
        "NEXT_RUN_CONFIG_EXISTS": choice("next_run_config_exists", bits(), lambda vm: None),
        "HAS_ILLEGAL_IMAGES": choice(
            "has_illegal_images", bits(), lambda vm: 0 if vm.bootable else None
        ),
        "BIOS_TYPE": choice("bios_type", _BIOS, lambda vm: 2),
        "K8S_NAMESPACE": Field("namespace", lambda vm: None),
        "VCPUS": number("num_of_cpus", lambda vm: vm.topology.cpus),
    }  # fmt: skip
