"""Files that clients have put on datastores, in addition to those of VMs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.managed_object import SoapFault

__all__ = ["DatastoreFile", "DatastoreFiles", "parse_path"]


@dataclass(frozen=True, slots=True)
class DatastoreFile:
    """A file with its content, or a virtual disk with its capacity, which is empty."""

    content: bytes = b""
    capacity: int | None = None

    @property
    def size(self) -> int:
        return len(self.content) if self.capacity is None else self.capacity


class DatastoreFiles:
    """One datastore's files by path; None is a folder."""

    def __init__(self) -> None:
        self._files: dict[str, DatastoreFile | None] = {"": None}

    def items(self) -> Iterator[tuple[str, DatastoreFile | None]]:
        return (each for each in list(self._files.items()) if each[0])

    def get(self, path: str) -> DatastoreFile | None:
        return self._files.get(path)

    def require(self, path: str) -> None:
        if path not in self._files:
            raise SoapFault(vim.fault.FileNotFound(file=path), f"File {path} was not found")

    def disk(self, path: str) -> DatastoreFile:
        self.require(path)
        found = self._files[path]
        if found is None or found.capacity is None:
            raise SoapFault(vim.fault.InvalidDiskFormat(), f"{path} is no virtual disk.")
        return found

    def put(self, path: str, file: DatastoreFile, force: bool = True) -> None:
        if path in self._files and not force:
            raise _exists(path)
        self.make_folder(path.rpartition("/")[0], parents=True, exists=True)
        self._files[path] = file

    def make_folder(self, path: str, *, parents: bool, exists: bool = False) -> None:
        if path in self._files:
            if not exists:
                raise _exists(path)
            return
        parent = path.rpartition("/")[0]
        if parents:
            self.make_folder(parent, parents=True, exists=True)
        self.require(parent)
        self._files[path] = None

    def delete(self, path: str) -> None:
        """A folder goes with everything in it."""
        self.require(path)
        for each in self._below(path):
            del self._files[each]

    def copy_to(self, path: str, target: DatastoreFiles, target_path: str, force: bool) -> None:
        self.require(path)
        if target_path in target._files and not force:
            raise _exists(target_path)
        target.make_folder(target_path.rpartition("/")[0], parents=True, exists=True)
        for each in self._below(path):
            target._files[target_path + each[len(path) :]] = self._files[each]

    def _below(self, path: str) -> list[str]:
        return [each for each in self._files if each == path or each.startswith(f"{path}/")]


def _exists(path: str) -> SoapFault:
    return SoapFault(vim.fault.FileAlreadyExists(file=path), f"File {path} exists.")


def parse_path(inventory: Any, path: str | None, datacenter: Any) -> tuple[Any, str]:
    """The datastore and the path of a name such as "[datastore1] folder/file"."""
    name, bracket, rest = (path or "").removeprefix("[").partition("]")
    if not bracket or not (path or "").startswith("["):
        fault = vim.fault.InvalidDatastorePath(datastorePath=path or "", name=path)
        raise SoapFault(fault, f"Invalid path: {path}")
    for each in inventory.tree.datacenters.values():
        is_meant = datacenter is None or each.moid == datacenter._moId
        if is_meant and each.store.plain_name == name:
            return each.store, rest.strip().strip("/")
    raise SoapFault(vim.fault.InvalidDatastore(name=name), f"There is no datastore {name!r}.")
