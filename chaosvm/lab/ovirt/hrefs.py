"""Where things are: the paths under which the API shows them."""

from __future__ import annotations

__all__ = ["API", "PREFIX", "VM_ACTIONS", "VM_COLLECTIONS", "href"]

PREFIX = "/ovirt-engine"
API = f"{PREFIX}/api"

# What an engine advertises for every VM; the face answers a part of it.
VM_ACTIONS = (
    "autopincpuandnumanodes",
    "cancelmigration",
    "clone",
    "commitsnapshot",
    "detach",
    "export",
    "freezefilesystems",
    "logon",
    "maintenance",
    "migrate",
    "previewsnapshot",
    "reboot",
    "reordermacaddresses",
    "reset",
    "screenshot",
    "shutdown",
    "start",
    "stop",
    "suspend",
    "thawfilesystems",
    "ticket",
    "undosnapshot",
)
VM_COLLECTIONS = (
    "affinitylabels",
    "applications",
    "backups",
    "cdroms",
    "checkpoints",
    "diskattachments",
    "graphicsconsoles",
    "hostdevices",
    "katelloerrata",
    "mediateddevices",
    "nics",
    "numanodes",
    "permissions",
    "reporteddevices",
    "sessions",
    "snapshots",
    "statistics",
    "tags",
    "watchdogs",
)


def href(*parts: object) -> str:
    return "/".join((API, *map(str, parts)))
