"""The tags of VMs. They are not part of the SOAP API: the REST API has them."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from logzero import logger

from chaosvm.deadline import Deadline
from chaosvm.errors import PlatformError, ProtocolError
from chaosvm.vsphere.faults import connection_error
from chaosvm.vsphere.settings import VSphereSettings
from chaosvm.vsphere.transport import Transport

__all__ = ["Tag", "TagReader"]


_NOT_OFFERED = (404, 405, 501)


@dataclass(frozen=True, slots=True)
class Tag:
    name: str
    category: str

    @property
    def qualified(self) -> str:
        """Tells apart two tags of one name in two categories."""
        return f"{self.category}/{self.name}"


class _Unauthorized(Exception):
    pass


class TagReader:
    """Reads tags over the SOAP API's connections, in a session of its own.

    One request tells which VM has which tags; the name of each tag and category
    is asked for once and kept.
    """

    def __init__(self, transport: Transport, settings: VSphereSettings, api_version: str) -> None:
        self._transport = transport
        self._settings = settings
        # /api came with 7.0; /rest is there up to 8.
        major = int(api_version.split(".")[0]) if api_version[:1].isdigit() else 0
        self._modern = major >= 9
        self._session: str | None = None
        self._offered: bool | None = None
        self._names: dict[str, str] = {}
        self._tags: dict[str, Tag] = {}

    def read(self, moids: Iterable[str], deadline: Deadline) -> dict[str, list[Tag]] | None:
        """The tags of each VM that has some; None where the server offers no tags."""
        ids = [{"id": moid, "type": "VirtualMachine"} for moid in moids]
        if self._offered is False or not ids:
            return None if self._offered is False else {}
        with self._transport.within(deadline):
            try:
                return self._read(ids)
            except _Unauthorized:
                self._session = None
            try:
                return self._read(ids)
            except _Unauthorized:
                raise PlatformError("the vCenter's REST API refused the login for tags") from None

    def close(self, deadline: Deadline) -> None:
        if self._session is None:
            return
        try:
            with self._transport.within(deadline):
                self._request("DELETE", self._session_path)
        except (PlatformError, _Unauthorized) as error:
            logger.debug(f"the session for tags was not closed: {error}")
        self._session = None

    def _read(self, ids: list[dict[str, str]]) -> dict[str, list[Tag]] | None:
        if self._session is None and not self._log_in():
            return None
        action = "?action=" if self._modern else "?~action="
        path = self._tagging(f"tag-association{action}list-attached-tags-on-objects")
        attached = self._request("POST", path, {"object_ids": ids})
        return {
            item["object_id"]["id"]: [self._tag(tag) for tag in item["tag_ids"] or ()]
            for item in attached or ()
        }

    def _log_in(self) -> bool:
        """False where there is no such API, as on old servers and simulators."""
        user = f"{self._settings.username}:{self._settings.password}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(user).decode()}"}
        session = self._request("POST", self._session_path, headers=headers)
        self._offered = session is not None
        self._session = session
        return self._offered

    def _tag(self, tag_id: str) -> Tag:
        if tag_id not in self._tags:
            told = self._request("GET", self._tagging(f"tag/{self._in_path(tag_id)}")) or {}
            category = told.get("category_id", "")
            self._tags[tag_id] = Tag(told.get("name", tag_id), self._category(category))
        return self._tags[tag_id]

    def _category(self, category_id: str) -> str:
        if category_id not in self._names:
            path = self._tagging(f"category/{self._in_path(category_id)}")
            told = self._request("GET", path) or {}
            self._names[category_id] = told.get("name", category_id)
        return self._names[category_id]

    @property
    def _session_path(self) -> str:
        return "/api/session" if self._modern else "/rest/com/vmware/cis/session"

    def _tagging(self, path: str) -> str:
        root = "/api/cis/tagging" if self._modern else "/rest/com/vmware/cis/tagging"
        return f"{root}/{path}"

    def _in_path(self, identifier: str) -> str:
        return identifier if self._modern else f"id:{identifier}"

    def _request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        """The answer's value; None for no body, and where there is no such thing."""
        sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        if self._session:
            sent["vmware-api-session-id"] = self._session
        status, text = self._exchange(method, path, json.dumps(body) if body else None, sent)
        if status == 401:
            raise _Unauthorized
        if status in _NOT_OFFERED:
            return None
        if status >= 300:
            raise PlatformError(f"{self._settings.server} answered {method} {path} with {status}")
        try:
            told = json.loads(text) if text.strip() else None
        except ValueError:
            raise ProtocolError(
                f"{self._settings.server} answered {method} {path} with something that is not JSON"
            ) from None
        return told["value"] if isinstance(told, dict) and "value" in told else told

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
            raise connection_error(error, self._settings.server) from error
        self._transport.ReturnConnection(connection)
        return status, text
