"""Objects that only a vCenter has: folders, including empty ones, and resource pools.

The simulation knows the folder of each VM by the names on its path. The folders that these
paths lead through stay when the last VM has left them, until they are removed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chaosvm.lab.vcenter.datastore_files import DatastoreFiles

__all__ = ["OwnFolder", "OwnObjects", "OwnPool"]


@dataclass(slots=True)
class OwnFolder:
    moid: str
    name: str
    parent: str
    # What it is for: root, vm, host, datastore or network.
    content: str


@dataclass(slots=True)
class OwnPool:
    moid: str
    name: str
    parent: str
    # A ResourceConfigSpec.
    config: Any


class OwnObjects:
    """Folders and pools by moid. ``generation`` grows whenever one is added, changed or removed."""

    def __init__(self) -> None:
        self.generation = 0
        self.folders: dict[str, OwnFolder] = {}
        self.pools: dict[str, OwnPool] = {}
        # The pools of VMs that are not in the root pool of their cluster, by the VM's id.
        self.pool_of_vm: dict[str, str] = {}
        # The folders of data centers and clusters that are not where they began.
        self.parents: dict[str, str] = {}
        # What clients have set of clusters and the like, by id and name.
        self._settings: dict[str, dict[str, Any]] = {}
        # Machines that were unregistered, by the path of their configuration file.
        self.unregistered: dict[str, Any] = {}
        self._files: dict[str, DatastoreFiles] = {}
        self._numbers = itertools.count(10_001)

    def new_moid(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers)}"

    def changed(self) -> None:
        self.generation += 1

    def settings_of(self, id: str) -> dict[str, Any]:
        return self._settings.setdefault(id, {})

    def files_of(self, datastore: str) -> DatastoreFiles:
        return self._files.setdefault(datastore, DatastoreFiles())

    def subfolders(self, parent: str) -> Iterator[OwnFolder]:
        return (each for each in list(self.folders.values()) if each.parent == parent)

    def subpools(self, parent: str) -> Iterator[OwnPool]:
        return (each for each in list(self.pools.values()) if each.parent == parent)

    def remove_folder(self, moid: str) -> None:
        for each in self.subfolders(moid):
            self.remove_folder(each.moid)
        self.folders.pop(moid, None)
        self.changed()
