"""Reads the tags of VMs from the REST API; the SOAP API does not have them."""

from __future__ import annotations

import base64
import http.client
import json
import logging
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from chaosvm.errors import ObjectDeleted, PlatformError, ProtocolError
from chaosvm.redaction import hide_session
from chaosvm.runtime import Deadline, Login
from chaosvm.runtime.documents import parse_json
from chaosvm.vsphere.faults import connection_error, login_refused
from chaosvm.vsphere.settings import VSphereSettings
from chaosvm.vsphere.transport import Transport

__all__ = ["Tag", "TagReader"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")

# Number of names requested in parallel.
_PARALLEL = 8

# 404 for an object that was deleted; 403 for a deleted VM (vmware/govmomi, vapi/simulator:
# "check if target (moref) exist or return 403 as per API behavior").
_DELETED = (403, 404)


@dataclass(frozen=True, slots=True)
class Tag:
    name: str
    category: str

    @property
    def qualified(self) -> str:
        """Tags in different categories may have the same name."""
        return f"{self.category}/{self.name}"


class _Unauthorized(Exception):
    pass


class TagReader:
    """Reads tags over the SOAP client's connections, in a REST session; thread-safe.

    One request returns the tag ids of all VMs; the name of each tag and category
    is read once and cached. A missing or malformed response is an error: it
    could hide a tag that protects a VM.
    """

    def __init__(self, transport: Transport, settings: VSphereSettings, api_version: str) -> None:
        self._transport = transport
        self._settings = settings
        self._address = f"{settings.server}:{settings.port}"
        # /api exists since 7.0, /rest up to 8.
        major = int(api_version.split(".")[0]) if api_version[:1].isdigit() else 0
        self._uses_api_path = major >= 9
        self._session: str | None = None
        self._login = Login(
            self._log_in,
            self._address,
            settings.username,
            settings.password,
        )
        self._categories: dict[str, str] = {}
        self._tags: dict[str, Tag] = {}

    def read(self, moids: Sequence[str], deadline: Deadline) -> dict[str, list[Tag]]:
        """The tags of each VM that has any; raises PlatformError if they cannot be read.

        Raises ObjectDeleted if a VM or one of its tags was deleted meanwhile: the
        vCenter then returns nothing about the others either.
        """
        object_ids = [{"id": moid, "type": "VirtualMachine"} for moid in moids]
        if not object_ids:
            return {}
        generation = self._login.ensure(deadline)
        try:
            return self._read(object_ids, deadline)
        except _Unauthorized:
            logger.debug("the REST session had ended: logging in again")
        self._login.ensure(deadline, lost=generation)
        try:
            return self._read(object_ids, deadline)
        except _Unauthorized:
            raise PlatformError(
                f"the REST API of {self._address}, which has the tags, rejects even a new session"
            ) from None

    def close(self, deadline: Deadline) -> None:
        if self._session is None:
            return
        try:
            with self._transport.within(deadline):
                self._request("DELETE", self._session_path)
        except (PlatformError, _Unauthorized) as error:
            logger.debug(f"could not end the REST session: {error}")
        self._session = None
        self._login.forget()

    def _read(self, object_ids: list[dict[str, str]], deadline: Deadline) -> dict[str, list[Tag]]:
        action = "?action=" if self._uses_api_path else "?~action="
        path = self._tagging(f"tag-association{action}list-attached-tags-on-objects")
        with self._transport.within(deadline):
            attached = self._fetch("POST", path, _parse_attached, {"object_ids": object_ids})
        self._cache_names({tag for tags in attached.values() for tag in tags}, deadline)
        return {moid: [self._tags[tag] for tag in tags] for moid, tags in attached.items()}

    def _log_in(self, deadline: Deadline) -> None:
        user = f"{self._settings.username}:{self._settings.password}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(user).decode()}"}
        self._session = None
        try:
            with self._transport.within(deadline):
                session = self._fetch("POST", self._session_path, _parse_string, headers=headers)
        except _Unauthorized:
            server = f"the REST API of {self._address}, which has the tags,"
            raise login_refused(server, self._settings.username) from None
        hide_session(session)
        self._session = session

    def _cache_names(self, tag_ids: set[str], deadline: Deadline) -> None:
        new = sorted(tag_ids - self._tags.keys())
        named = self._fetch_each("tag", new, _parse_tag, deadline)
        categories = sorted({category for _, category in named} - self._categories.keys())
        names = self._fetch_each("category", categories, _parse_name, deadline)
        self._categories.update(zip(categories, names, strict=True))
        for tag_id, (name, category) in zip(new, named, strict=True):
            self._tags[tag_id] = Tag(name, self._categories[category])

    def _fetch_each(
        self, kind: str, ids: list[str], parse: Callable[[Any], T], deadline: Deadline
    ) -> list[T]:
        """Parallel, because the VMs that were read before become stale meanwhile."""

        def fetch(identifier: str) -> T:
            path = self._tagging(f"{kind}/{self._path_id(identifier)}")
            with self._transport.within(deadline):
                return self._fetch("GET", path, parse)

        if not ids:
            return []
        with ThreadPoolExecutor(
            min(_PARALLEL, len(ids)), thread_name_prefix="chaosvm-tags"
        ) as pool:
            return list(pool.map(fetch, ids))

    @property
    def _session_path(self) -> str:
        return "/api/session" if self._uses_api_path else "/rest/com/vmware/cis/session"

    def _tagging(self, path: str) -> str:
        root = "/api/cis/tagging" if self._uses_api_path else "/rest/com/vmware/cis/tagging"
        return f"{root}/{path}"

    def _path_id(self, identifier: str) -> str:
        return identifier if self._uses_api_path else f"id:{identifier}"

    def _fetch(
        self,
        method: str,
        path: str,
        parse: Callable[[Any], T],
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> T:
        text = self._request(method, path, body, headers)
        try:
            value = parse_json(text)
            return parse(value["value"] if isinstance(value, dict) and "value" in value else value)
        except (ValueError, TypeError, KeyError):
            raise ProtocolError(
                f"{self._address} answered {method} {path} with unexpected content"
            ) from None

    def _request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> bytes:
        all_headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            **(headers or {}),
        }
        if self._session:
            all_headers["vmware-api-session-id"] = self._session
        content = json.dumps(body) if body else None
        status, text = self._exchange(method, path, content, all_headers)
        if status == 401:
            raise _Unauthorized
        if status in _DELETED and path != self._session_path:
            raise ObjectDeleted(f"{self._address} answered {method} {path} with {status}")
        if not 200 <= status < 300:
            raise PlatformError(f"{self._address} answered {method} {path} with {status}")
        return text

    def _exchange(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        try:
            connection = self._transport.GetConnection()
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            status, text = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._transport.abandon()
            raise connection_error(error, self._address) from None
        except zlib.error:
            self._transport.abandon()
            raise ProtocolError(
                f"{self._address} answered {method} {path} with invalid or incomplete gzip data"
            ) from None
        except BaseException:
            self._transport.abandon()
            raise
        self._transport.ReturnConnection(connection)
        return status, text


def _parse_string(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a non-empty string")
    return value


def _parse_name(value: Any) -> str:
    return _parse_string(value["name"])


def _parse_tag(value: Any) -> tuple[str, str]:
    """Its name and the id of its category."""
    return _parse_name(value), _parse_string(value["category_id"])


def _parse_attached(value: Any) -> dict[str, list[str]]:
    """The ids of the tags on each object."""
    return {
        _parse_string(item["object_id"]["id"]): [
            _parse_string(tag) for tag in _parse_list(item["tag_ids"])
        ]
        for item in _parse_list(value)
    }


def _parse_list(value: Any) -> list[Any]:
    """The server may send null for an empty list."""
    if value is not None and not isinstance(value, list):
        raise TypeError("expected a list")
    return value or []
