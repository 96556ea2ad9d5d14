"""Content libraries, which hold no items."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.vapi.errors import VapiError
from chaosvm.lab.vcenter.vapi.operations import Operation, Request, operation_table
from chaosvm.lab.vcenter.vapi.structures import Structure

__all__ = ["ContentLibraries"]

_SERVICE = "com.vmware.content"
_MODEL = f"{_SERVICE}.library_model"


class ContentLibraries:
    def __init__(self, inventory: Inventory) -> None:
        self._world = inventory.world
        self._libraries: dict[str, Structure] = {}

    def operations(self) -> Iterable[Operation]:
        yield from operation_table(
            f"{_SERVICE}.library",
            "/content/library",
            ("list", "GET", "", None, self._list),
            ("find", "POST", "?find", None, self._find),
            ("get", "GET", "/{library_id}", None, self._get),
            ("update", "PATCH", "/{library_id}", "update_spec", self._update),
        )
        yield from operation_table(
            f"{_SERVICE}.local_library",
            "/content/local-library",
            ("list", "GET", "", None, self._list),
            ("create", "POST", "", "create_spec", self._create),
            ("get", "GET", "/{library_id}", None, self._get),
            ("update", "PATCH", "/{library_id}", "update_spec", self._update),
            ("delete", "DELETE", "/{library_id}", None, self._delete),
        )

    def _list(self, request: Request) -> list[str]:
        return list(self._libraries)

    def _find(self, request: Request) -> list[str]:
        wanted = request.required("spec")
        return [
            id
            for id, library in self._libraries.items()
            if all(library.get(key) == value for key, value in wanted.items() if value)
        ]

    def _get(self, request: Request) -> Structure:
        id = request.required("library_id")
        if id not in self._libraries:
            raise VapiError("not_found", f"There is no library {id!r}.")
        return self._libraries[id]

    def _create(self, request: Request) -> str:
        spec = request.required("create_spec")
        name = spec.get("name")
        if not name:
            raise VapiError("invalid_argument", "The library has no name.")
        if any(each["name"] == name for each in self._libraries.values()):
            raise VapiError("already_exists", f"The name {name!r} is in use.")
        id = str(uuid.uuid4())
        self._libraries[id] = Structure(
            _MODEL,
            id=id,
            name=name,
            description=spec.get("description") or "",
            type="LOCAL",
            creation_time=self._now(),
            last_modified_time=self._now(),
            version="1",
            storage_backings=[
                Structure(f"{_SERVICE}.library.storage_backing", **backing)
                for backing in spec.get("storage_backings") or ()
            ],
        )
        return id

    def _update(self, request: Request) -> None:
        library, spec = self._get(request), request.required("update_spec")
        changed = {name: spec[name] for name in ("name", "description") if spec.get(name)}
        library.update(changed, last_modified_time=self._now())

    def _delete(self, request: Request) -> None:
        del self._libraries[self._get(request)["id"]]

    def _now(self) -> str:
        now = self._world.date_of(self._world.now)
        return now.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
