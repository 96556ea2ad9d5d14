"""The tags of VMs. They are not part of the SOAP API: the REST API has them."""

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

from chaosvm.errors import LoginFailed, PlatformError, ProtocolError
from chaosvm.redaction import hide_session
from chaosvm.runtime import Deadline, Login
from chaosvm.runtime.documents import parse_json
from chaosvm.vsphere.faults import connection_error
from chaosvm.vsphere.settings import VSphereSettings
from chaosvm.vsphere.transport import Transport

__all__ = ["SomethingGone", "Tag", "TagReader"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")

# So many names are asked for at once.
_SIDE_BY_SIDE = 8

# What is gone is not found; a VM that is gone may not be read (vmware/govmomi, vapi/simulator:
# "check if target (moref) exist or return 403 as per API behavior").
_GONE = (403, 404)


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


class SomethingGone(PlatformError):
    """One of the VMs or tags does not exist any more, or may not be seen."""


class TagReader:
    """Reads tags over the SOAP API's connections, in a session of its own, from any thread.

    One request tells which VM has which tags; the name of each tag and category
    is asked for once and kept. An answer that is missing, or is not what was
    asked for, is an error: it could hide a tag that protects a VM.
    """

    def __init__(self, transport: Transport, settings: VSphereSettings, api_version: str) -> None:
        self._transport = transport
        self._settings = settings
        # /api came with 7.0; /rest is there up to 8.
        major = int(api_version.split(".")[0]) if api_version[:1].isdigit() else 0
        self._modern = major >= 9
        self._session: str | None = None
        self._login = Login(
            self._log_in,
            f"{settings.server}:{settings.port}",
            settings.username,
            settings.password,
        )
        self._categories: dict[str, str] = {}
        self._tags: dict[str, Tag] = {}

    def read(self, moids: Sequence[str], deadline: Deadline) -> dict[str, list[Tag]]:
        """The tags of each VM that has some; raises PlatformError where they are not told.

        SomethingGone if a VM, or a tag that one had, was deleted meanwhile: then
        the vCenter tells nothing of the others.
        """
        ids = [{"id": moid, "type": "VirtualMachine"} for moid in moids]
        if not ids:
            return {}
        generation = self._login.ensure(deadline)
        try:
            return self._read(ids, deadline)
        except _Unauthorized:
            logger.debug("the session for tags had ended: logging in again")
        self._login.ensure(deadline, lost=generation)
        try:
            return self._read(ids, deadline)
        except _Unauthorized:
            raise PlatformError(
                "the vCenter's REST API does not accept the session for tags, not even a new one"
            ) from None

    def close(self, deadline: Deadline) -> None:
        if self._session is None:
            return
        try:
            with self._transport.within(deadline):
                self._request("DELETE", self._session_path)
        except (PlatformError, _Unauthorized) as error:
            logger.debug(f"the session for tags was not closed: {error}")
        self._session = None
        self._login.forget()

    def _read(self, ids: list[dict[str, str]], deadline: Deadline) -> dict[str, list[Tag]]:
        action = "?action=" if self._modern else "?~action="
        path = self._tagging(f"tag-association{action}list-attached-tags-on-objects")
        with self._transport.within(deadline):
            attached = self._asked("POST", path, _attached, {"object_ids": ids})
        self._learn({tag for tags in attached.values() for tag in tags}, deadline)
        return {moid: [self._tags[tag] for tag in tags] for moid, tags in attached.items()}

    def _log_in(self, deadline: Deadline) -> None:
        user = f"{self._settings.username}:{self._settings.password}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(user).decode()}"}
        self._session = None
        try:
            with self._transport.within(deadline):
                session = self._asked("POST", self._session_path, _text, headers=headers)
        except _Unauthorized:
            raise LoginFailed(
                "the vCenter's REST API, which has the tags, refused the user name or password"
            ) from None
        hide_session(session)
        self._session = session

    def _learn(self, tag_ids: set[str], deadline: Deadline) -> None:
        """What these tags are called, as far as that is not known."""
        new = sorted(tag_ids - self._tags.keys())
        told = self._each("tag", new, _name_and_category, deadline)
        categories = sorted({category for _, category in told} - self._categories.keys())
        names = self._each("category", categories, _name, deadline)
        self._categories.update(zip(categories, names, strict=True))
        for tag_id, (name, category) in zip(new, told, strict=True):
            self._tags[tag_id] = Tag(name, self._categories[category])

    def _each(
        self, kind: str, ids: list[str], made: Callable[[Any], T], deadline: Deadline
    ) -> list[T]:
        """Side by side: while names are asked for, what was read of the VMs grows old."""

        def ask(each: str) -> T:
            with self._transport.within(deadline):
                return self._asked("GET", self._tagging(f"{kind}/{self._in_path(each)}"), made)

        if not ids:
            return []
        width = min(_SIDE_BY_SIDE, len(ids))
        with ThreadPoolExecutor(width, thread_name_prefix="chaosvm-tags") as pool:
            return list(pool.map(ask, ids))

    @property
    def _session_path(self) -> str:
        return "/api/session" if self._modern else "/rest/com/vmware/cis/session"

    def _tagging(self, path: str) -> str:
        root = "/api/cis/tagging" if self._modern else "/rest/com/vmware/cis/tagging"
        return f"{root}/{path}"

    def _in_path(self, identifier: str) -> str:
        return identifier if self._modern else f"id:{identifier}"

    def _asked(
        self,
        method: str,
        path: str,
        made: Callable[[Any], T],
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> T:
        """What is made of the answer's value."""
        text = self._request(method, path, body, headers)
        try:
            told = parse_json(text)
            return made(told["value"] if isinstance(told, dict) and "value" in told else told)
        except (ValueError, TypeError, KeyError):
            raise ProtocolError(
                f"{self._settings.server} answered {method} {path} with something else than "
                "was asked for"
            ) from None

    def _request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> bytes:
        sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        if self._session:
            sent["vmware-api-session-id"] = self._session
        status, text = self._exchange(method, path, json.dumps(body) if body else None, sent)
        if status == 401:
            raise _Unauthorized
        if status in _GONE and path != self._session_path:
            raise SomethingGone(f"{self._settings.server} answered {method} {path} with {status}")
        if not 200 <= status < 300:
            raise PlatformError(f"{self._settings.server} answered {method} {path} with {status}")
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
            raise connection_error(error, self._settings.server) from None
        except zlib.error:
            self._transport.abandon()
            raise ProtocolError(
                f"{self._settings.server} answered {method} {path} with something that is not "
                "gzip, or not all of it"
            ) from None
        except BaseException:
            self._transport.abandon()
            raise
        self._transport.ReturnConnection(connection)
        return status, text


def _text(told: Any) -> str:
    if not isinstance(told, str) or not told:
        raise ValueError("not a text")
    return told


def _name(told: Any) -> str:
    return _text(told["name"])


def _name_and_category(told: Any) -> tuple[str, str]:
    return _name(told), _text(told["category_id"])


def _attached(told: Any) -> dict[str, list[str]]:
    """The ids of the tags on each object; in the place of an empty list, there may be null."""
    return {
        _text(each["object_id"]["id"]): [_text(tag) for tag in _list(each["tag_ids"])]
        for each in _list(told)
    }


def _list(told: Any) -> list[Any]:
    if told is not None and not isinstance(told, list):
        raise TypeError("not a list")
    return told or []
