"""The search fields of objects that only the engine has.

Source: the engine's classes NetworkConditionFieldAutoCompleter,
StorageDomainFieldAutoCompleter, DiskConditionFieldAutoCompleter and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chaosvm.lab.ovirt.bodies import value
from chaosvm.lab.ovirt.search_fields import Entity, Field, Type

__all__ = ["stored_entities"]

# Each searchable kind: the prefix of its searches, its table, and its fields by the
# columns and the elements that they are read from.
_KINDS: Mapping[str, tuple[str, str, Mapping[str, tuple[str, str]]]] = {
    "networks": (
        "Network : ",
        "network_view",
        {
            "NAME": ("name", "name"),
            "DESCRIPTION": ("description", "description"),
            "VLANID": ("vlan_id", "vlan/id"),
            "MTU": ("mtu", "mtu"),
            "VMNETWORK": ("vm_network", "usages/usage"),
            "DATACENTER": ("storage_pool_name", "data_center/name"),
        },
    ),
    "storagedomains": (
        "Storage : ",
        "storage_domains_for_search",
        {
            "NAME": ("storage_name", "name"),
            "COMMENT": ("storage_comment", "comment"),
            "DESCRIPTION": ("storage_description", "description"),
            "STATUS": ("storage_domain_shared_status", "status"),
            "DATACENTER": ("storage_pool_name::text", "data_center/name"),
            "TYPE": ("storage_type", "storage/type"),
        },
    ),
    "disks": (
        "Disks : ",
        "disks_view",
        {
            "NAME": ("disk_alias", "alias"),
            "ALIAS": ("disk_alias", "alias"),
            "ID": ("disk_id", "id"),
            "DESCRIPTION": ("disk_description", "description"),
            "VM_NAMES": ("vm_names", "vm_names"),
        },
    ),
    "users": (
        "Users : ",
        "vdc_users",
        {
            "NAME": ("name", "name"),
            "LASTNAME": ("surname", "last_name"),
            "USRNAME": ("username", "user_name"),
            "LOGIN": ("username", "user_name"),
            "DIRECTORY": ("domain", "domain/name"),
            "DEPARTMENT": ("department", "department"),
            "ID": ("user_id", "id"),
        },
    ),
    "groups": (
        "Groups : ",
        "vdc_groups",
        {"NAME": ("name", "name"), "DIRECTORY": ("domain", "domain/name"), "ID": ("id", "id")},
    ),
    "vmpools": (
        "Pools : ",
        "vm_pools_view",
        {
            "NAME": ("vm_pool_name", "name"),
            "DESCRIPTION": ("vm_pool_description", "description"),
            "CLUSTER": ("cluster_name", "cluster/name"),
        },
    ),
    "instancetypes": (
        "Instancetypes : ",
        "instance_types_view",
        {"NAME": ("name", "name"), "DESCRIPTION": ("description", "description")},
    ),
}


def stored_entities() -> Mapping[str, Entity]:
    """The searchable kinds by their paths."""
    return {path: _entity(*declared) for path, declared in _KINDS.items()}


def _entity(prefix: str, table: str, fields: Mapping[str, tuple[str, str]]) -> Entity:
    first_column = next(iter(fields.values()))[0]
    return Entity(
        name=prefix.partition(" ")[0].upper().removesuffix("S"),
        prefix=prefix,
        fields={
            name: Field(column, _reader(path), Type.UUID if path == "id" else Type.TEXT)
            for name, (column, path) in fields.items()
        },
        table=table,
        full_table=table,
        key="id",
        default_sort=f"{first_column} ASC ",
    )


def _reader(path: str) -> Callable[[Any], str | None]:
    return lambda stored: value(stored.element, path)
