"""What is not replayed, or still differs, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chaosvm.lab import State

__all__ = ["CHANGES", "EXCHANGES", "NOT_REPLAYED", "PREPARED", "SEARCHES"]

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
    "host-deactivate(-again)?$": "hosts on loopback addresses",
    "host-get-(maintenance|non)": "of a host that was added later",
    "job-(get|steps)": "of jobs of the recorded estate",
}
# Requests that change the estate, and those that came before them: test_recorded_changes.
CHANGES: Mapping[str, tuple[str, ...]] = {
    "affinitygroup-add": (),
    "affinitygroups": ("affinitygroup-add",),
    "affinitylabel-add": (),
    "event-add": (),
    "host-activate": (),
    "host-activate-while-up": (),
    "host-deactivate-unknown": (),
    "host-fence-manual-while-non-responsive": (),
    "host-fence-none": (),
    "host-fence-restart": (),
    "host-fence-status": (),
    "host-fence-while-non-responsive": (),
    "permission-add-chaos-on-cluster": ("user-add", "role-add-least"),
    "permission-add-readonlyadmin": ("user-add",),
    "permission-add-uservmmanager": ("user-add",),
    "pool-add": (),
    "role-add-least": (),
    "snapshot-add": (),
    "snapshot-add-while-locked": ("snapshot-add",),
    "snapshot-delete": ("snapshot-add",),
    "snapshot-delete-again": ("snapshot-add", "snapshot-delete"),
    "snapshot-get": ("snapshot-add",),
    "snapshot-get-locked": ("snapshot-add",),
    "snapshot-restore": ("snapshot-add",),
    "snapshot-unknown": (),
    "snapshots-list": ("snapshot-add",),
    "start-while-restore": ("snapshot-add", "snapshot-restore"),
    "start-while-snapshot-is-made": ("snapshot-add",),
    "stop-while-restore": ("snapshot-add", "snapshot-restore"),
    "tag-add-bad-name": (),
    "tag-add-dot-like": (),
    "tag-add-duplicate": (),
    "tag-add-no-name": (),
    "tag-create": (),
    "tag-delete": ("tag-create",),
    "tag-delete-again": ("tag-create", "tag-delete"),
    "tag-env": (),
    "tag-get": (),
    "tag-get-unknown": (),
    "tag-move": ("tag-create",),
    "tag-parent-loop": (),
    "tag-prod": (),
    "tag-prod-eu": (),
    "tag-root": (),
    "tag-update": ("tag-create",),
    "user-add": (),
    "viewer-readonly-tag-add": (),
    "vm-add-bad-name": (),
    "vm-add-duplicate-name": (),
    "vm-add-missing": (),
    **{
        f"vm-add-name-{name}": ()
        for name in (
            *("-dash", ".dot", "_", "len2-0x540d", "len255-0x61", "len256-0x61", "len6-0x77"),
            *("or", "page", "sortby", "tag", "x.y-z_1"),
        )
    },
    "vm-delete": ("vm-add-name-x.y-z_1",),
    "vm-delete-running": (),
    "vm-get-all-content": (),
    "vm-set-stateless": (),
    "vm-tag-add-twice": (),
    "vm-tag-add-unknown": (),
    "vm-tag-remove": (),
    "vm-tag-remove-again": ("vm-tag-remove",),
    "vm-while-restore": ("snapshot-add", "snapshot-restore"),
    "vm-while-snapshot-is-made": ("snapshot-add",),
}
NOT_REPLAYED = "|".join((*_LEFT_OUT, *(f"{re.escape(name)}$" for name in CHANGES)))

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
    "act-start-on-unknown-host": "the host of a start is not modelled",
    "act-migrate-while-migrating": _MIGRATING,
    "act-start-while-migrating": _MIGRATING,
    "act-suspend-while-migrating": _MIGRATING,
    "path-outside-api": "a page of the UI",
}
