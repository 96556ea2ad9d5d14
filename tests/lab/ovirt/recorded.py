"""The recordings of a real engine (recordings/README.md), and an estate like theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from chaosvm.lab import Durations, Guest, State, World

__all__ = [
    "Exchange",
    "event_codes",
    "RecordedSearch",
    "exchange",
    "exchange_names",
    "recorded_world",
    "searches",
]

_ARCHIVE = Path(__file__).parent / "recordings" / "recordings.zip"
_CLUSTER = "57e4194e-ec54-11f1-bc64-02fc00000001"
_DATACENTER = "57d63f86-ec54-11f1-971e-02fc00000001"
_HOSTS = {
    "host-01": "a65467c4-4bb0-418d-bd13-7493d8959897",
    "host-02": "c92e3ac0-3ece-4e9a-91b1-e3309f7021e0",
    "host-03": "1cd7551c-1d26-49e8-9c6b-2e34c6caddfc",
}
VM_IDS = {
    "app-01": "7602b0b1-7acd-4406-b35d-cda7c36a970f",
    "app-02": "05932bfc-c941-4638-b518-8ee083d56429",
    "db-01": "53a913e2-bfd4-4737-a0e4-ce83f9743496",
    "deaf-01": "84240602-c5fd-4e12-b97a-7139e4ce6c30",
    "ha-01": "5073a1ed-5e48-4bad-9108-a80fe2e87484",
    "lone-01": "2a6f8324-474e-42d4-952b-b32fe8d85e48",
    "nodisk-01": "562076a4-64df-4e24-861f-dfe3b93a8af3",
    "slow-01": "1530dd44-d680-4dbe-811f-172284121bfd",
    "web-01": "e8acedbe-fa39-48e8-a456-7b523743d807",
    "web-02": "09e951cd-43b2-48cc-804c-ada4b8f68b7d",
    "web-03": "2dbfeb24-d25e-4d32-a67c-770e015c9a62",
    "Web-04": "2813d21a-d2c6-4c39-8266-6fe3e5b81155",
    "web_under": "3affaaed-bac9-47c8-b316-5bdcf1248ab7",
}
# Made when all kinds of names were tried, after most of the searches.
ODD_NAMES = ("_", "-dash", ".dot", "or", "page", "sortby", "tag", "x.y-z_1", "wéb-ü1", "名前")


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, as they were recorded."""

    name: str
    remark: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    status: int
    answer_headers: Mapping[str, str]
    answer: str


@cache
def _texts() -> Mapping[str, str]:
    with ZipFile(_ARCHIVE) as archive:
        return {
            name.removesuffix(".txt"): archive.read(name).decode()
            for name in archive.namelist()
            if name.endswith(".txt")
        }


def exchange_names() -> list[str]:
    return [name for name, text in _texts().items() if "\n--- answer" in text]


def event_codes() -> str:
    """Every event code that was seen, with its severity and one text."""
    return _texts()["events-CODES"]


def exchange(name: str) -> Exchange:
    request, _, answered = _texts()[name].partition("\n--- answer")
    answered = answered.partition("\n")[2]
    remark, _, rest = request.partition("\n") if request.startswith("#") else ("", "", request)
    line, _, rest = rest.partition("\n")
    method, _, path = line.partition(" ")
    head, _, body = rest.partition("\n\n")
    status, _, answered = answered.partition("\n")
    answer_head, _, answer = answered.partition("\n\n")
    return Exchange(
        name,
        remark.lstrip("# "),
        method,
        path,
        _headers(head),
        body.strip("\n"),
        int(status.split()[0]),
        _headers(answer_head),
        # What was blanked is no XML.
        answer.removesuffix("\n")
        .replace("<content><certificate>", "<content>")
        .replace("'<session>'", "'session'"),
    )


def _headers(text: str) -> Mapping[str, str]:
    lines = (line.partition(": ") for line in text.splitlines() if ": " in line)
    return {name: value for name, _, value in lines}


@dataclass(frozen=True)
class RecordedSearch:
    name: str
    text: str
    parameters: str
    collection: str
    status: int
    found: tuple[str, ...]
    detail: str


def searches() -> Iterator[RecordedSearch]:
    """All of search-INDEX, with what was found or refused."""
    for line in _texts()["search-INDEX"].splitlines():
        read = re.fullmatch(r"(\S+) +(.*?) +(200|400|500) (\[.*\]|fault.*|<html>.*)", line)
        assert read is not None, line
        name, text, status, result = read.groups()
        text, _, parameters = text.strip().partition("&")
        found = tuple(re.findall(r"'([^']*)'", result)) if result.startswith("[") else ()
        detail = ""
        if result.startswith("fault"):
            detail = result.partition("detail='")[2].removesuffix("'")
            detail = detail.replace("\\n", "\n").replace("\\'", "'")
        if text.endswith(";case_sensitive=false"):
            parameters = ""
        yield RecordedSearch(
            name, text.strip(), parameters,
            "hosts" if (name.startswith("hosts-") and name != "hosts-name") or (name == "hosts-name"
            and "HOST-01" in text) else "vms",
            int(status), found, detail,
        )  # fmt: skip


def recorded_world(
    *, odd_names: bool = False, later_tags: bool = False, failing_host: bool = False
) -> World:
    """The estate of the recordings, with web-01 and db-01 running.

    ``later_tags``: with the two tags that were put on VMs after the first searches.
    ``failing_host``: with host-04, which came last and was made to fail, and ha-01 on it.
    """
    world = World(durations=Durations())
    default = world.add_datacenter("Default", id=_DATACENTER)
    cluster = world.add_cluster(
        "Default", default, id=_CLUSTER, description="The default server cluster", version=(4, 8)
    )
    second = world.add_cluster("Second", default, version=(4, 8))
    hosts = {
        name: world.add_host(name, cluster, id=host_id, address=f"127.0.0.{number}")
        for number, (name, host_id) in enumerate(_HOSTS.items(), 2)
    }
    for tag, parent in _TAGS.items():
        world.add_tag(tag, parent)
    for name, fields in _VMS.items():
        fields = dict(fields)
        state = fields.pop("state", State.OFF)
        host = fields.pop("on", None)
        world.add_vm(
            name,
            state,
            cluster=second if name == "lone-01" else cluster,
            host=hosts[host] if host else None,
            **{
                "id": VM_IDS.get(name) or world.new_id(),
                "memory": 2**28,
                "os": "other",
                "tells_start": True,
                "nics": (),
                **fields,
            },
        )
    if later_tags:
        world.change("web_under", tags=("test_tag",))
        world.change("tmpl.vm", tags=("dot.tag",))
    if failing_host:
        host_04 = world.add_host("host-04", cluster)
        world.add_vm("ha-01", cluster=cluster, host=host_04, id=VM_IDS["ha-01"], **_USUAL)
    if odd_names:
        for name in ODD_NAMES:
            world.add_vm(name, State.OFF, cluster=cluster, memory=2**28, os="other")
    return world


_TAGS = {
    "env": None,
    "prod": "env",
    "prod-eu": "prod",
    "PROD": None,
    "protected": None,
    "test_tag": None,
    "dot.tag": None,
}
_USUAL: Mapping[str, Any] = {"memory": 2**28, "os": "other", "tells_start": True}
_VMS: Mapping[str, dict[str, Any]] = {
    "web-01": {"tags": ("prod",), "state": State.RUNNING, "on": "host-02"},
    "web-02": {"tags": ("prod-eu",)},
    "web-03": {"tags": ("test_tag",)},
    "Web-04": {},
    "web_under": {},
    "app-01": {"tags": ("PROD",)},
    "app-02": {"tags": ("env",)},
    "db-01": {"tags": ("protected",), "state": State.RUNNING, "on": "host-03"},
    "slow-01": {"guest": Guest.without_agent()},
    "deaf-01": {"guest": Guest.ignores()},
    "lone-01": {},
    "nodisk-01": {"bootable": False},
    "tmpl.vm": {},
}
