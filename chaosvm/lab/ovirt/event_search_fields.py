"""The search fields of events (the engine's class AuditLogConditionFieldAutoCompleter)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chaosvm.lab.ovirt.field_builders import (
    choice,
    name_of,
    number,
    tag_tree,
    words,
)
from chaosvm.lab.ovirt.search_fields import (
    NUMERIC,
    STRING,
    TIMED,
    Entity,
    Field,
    Join,
    Type,
    bits,
)
from chaosvm.lab.ovirt.statuses_and_events import SEVERITIES, event_text
from chaosvm.lab.ovirt.templates import BLANK
from chaosvm.lab.simulation import Event, Host, Machine, World

__all__ = ["event_entity"]


def event_entity(world: World, entities: Mapping[str, Entity]) -> Entity:
    def vm(event: Event) -> Sequence[Machine]:
        return [each for each in world.vms if each.id == event.vm_id]

    def host(event: Event) -> Sequence[Host]:
        current = world.host(event.host_id)
        return (current,) if current else ()

    fields = {
        "TYPE": number("log_type", lambda event: event_text(world, event).code, STRING),
        "SEVERITY": Field(
            "severity",
            lambda event: int(SEVERITIES[event_text(world, event).severity.upper()]),
            Type.INTEGER,
            NUMERIC,
            SEVERITIES,
        ),
        "MESSAGE": Field("message", lambda event: event_text(world, event).text),
        "TIME": Field("log_time", lambda event: event.at.timestamp(), Type.DATE, TIMED),
        "USRNAME": Field("user_name", lambda event: event_text(world, event).user),
        "EVENT_HOST": Field("vds_name", lambda event: name_of(world.host(event.host_id))),
        "EVENT_VM": Field("vm_name", lambda event: event.vm_name),
        "EVENT_TEMPLATE": Field(
            "vm_template_name", lambda event: BLANK.name if event.vm_name else None
        ),
        "EVENT_STORAGE": Field("storage_domain_name", lambda event: None),
        "EVENT_DATACENTER": Field("storage_pool_name", lambda event: None),
        "EVENT_VOLUME": Field("gluster_volume_name", lambda event: None),
        "CORRELATION_ID": Field("correlation_id", lambda event: event.correlation_id),
        "ORIGIN": Field("origin", lambda event: "oVirt"),
        "CUSTOM_EVENT_ID": number("custom_event_id::int", lambda event: -1, STRING),
        "DELETED": choice("deleted::boolean", bits(), lambda event: 0),
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
        references=words(
            "VMS TEMPLATES USERS CLUSTERS VOLUMES QUOTA VM HOST TEMPLATE USER CLUSTER VOLUME"
        ),
        joins={
            "VM": Join(lambda: entities["VM"], "vm_id", "vm_guid", vm),
            "HOST": Join(lambda: entities["HOST"], "vds_id", "vds_id", host),
        },
        tag_tree=lambda: tag_tree(world),
    )
