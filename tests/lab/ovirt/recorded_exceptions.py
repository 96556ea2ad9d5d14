"""What is not replayed, or still differs, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaosvm.lab import State

__all__ = ["EXCHANGES", "NOT_REPLAYED", "PREPARED", "SEARCHES"]

# Searches that are still answered otherwise: none.
SEARCHES: Mapping[str, str] = {}

# By the beginnings of their names, with the reason.
_LEFT_OUT = {
    "search-": "of the searches' own test",
    "events-": "they list what happened on the recorded estate; test_recorded_events makes it",
    "ha-": "likewise",
    "list-events": "likewise",
    "viewer-(readonly|chaosrole)-events": "likewise",
    "viewer-userrole-events": "likewise",
    "plain-events": "likewise",
    "event-get": "likewise",
    "event-76-json": "likewise",
    "host-events-": "likewise",
    "sso-lock-": "one after the other, of their own test",
    "race-": "several requests at a moment of a guest's shutdown",
    "same-time-": "several requests at once, of a test of their own",
    "correlation-": "of tests/lab/ovirt/test_actions.py",
    "affinity": "affinity groups and labels are not modelled",
    "(role|permission|user|pool)-add": "adding roles, permissions, users and pools is not modelled",
    "(snapshots?-|vm-while-|st(art|op)-while-)": "making and restoring snapshots is not modelled",
    "tag-": "making, changing and attaching tags is not modelled",
    "vm-tag-(add|remove)": "likewise",
    "vm-(add|delete|set)": "adding, changing and removing VMs is not modelled",
    "vm-get-all-content": "all_content is not modelled",
    "viewer-readonly-tag-add": "adding tags is not modelled",
    "event-add": "adding events is not modelled",
    "host-(activate|deactivate|fence)": "actions on hosts are not modelled",
    "host-get-(maintenance|non)": "of a host that was added later",
    "list-(clusterlevels|domains|permissions|roles|storagedomains|users)": "not modelled",
    "job-(get|steps)": "of jobs of the recorded estate; steps are not modelled",
}
NOT_REPLAYED = "|".join(_LEFT_OUT)

# What was set on the VM, or was the case with it, beside its state.
PREPARED: Mapping[str, Mapping[str, Any]] = {
    **{
        f"plain-{name}": {"state": State.RUNNING, "tags": ("protected",)}
        for name in (
            *("vm", "vms", "vms-filter-true", "vms-max", "vms-search-empty", "vms-search-name"),
            *("vms-search-name-2", "vms-search-status", "vms-search-tag"),
        )
    },
    "viewer-userrole-vms": {"stop_reason": "a reason"},
    "viewer-userrole-vms-search": {"stop_reason": "a reason"},
    "vm-get-paused": {"state": State.PAUSED},
    "vm-get-stateless": {"state": State.RUNNING, "stateless": True},
    "vm-get-unknown-status": {"state": State.UNREACHABLE},
    "act-suspend-again": {"hibernating_until": 1e12},
    "act-suspend-stateless": {"stateless": True},
    "act-reboot-refused-by-the-host": {"host_refuses": True, "stuck": False},
    "act-shutdown-refused-by-the-host": {"host_refuses": True, "stuck": False},
}

_LOOPBACK = "hosts on loopback addresses, which the engine does not migrate to"
_MIGRATING = "the engine still held the VM for a migration, whatever its state"
EXCHANGES: Mapping[str, str] = {
    "act-migrate-2": _LOOPBACK,
    "act-migrate-while-paused": _LOOPBACK,
    "act-migrate-while-powering-up": _LOOPBACK,
    "act-migrate-while-reboot-in-progress": _LOOPBACK,
    "act-migrate-to-own-host": "the destination of a migration is not modelled",
    "act-migrate-to-unknown-host": "likewise",
    "act-start-on-unknown-host": "the host of a start is not modelled",
    "act-migrate-while-migrating": _MIGRATING,
    "act-start-while-migrating": _MIGRATING,
    "act-suspend-while-migrating": _MIGRATING,
    "vm-permissions": "permissions are not modelled",
    "path-outside-api": "a page of the UI",
}
