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

__all__ = ["Exchange", "exchange", "exchange_names", "recorded_world", "searches"]

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
    "web-01": "e8acedbe-fa39-48e8-a456-7b523743d807",
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


def exchange(name: str) -> Exchange:
    asked, _, answered = _texts()[name].partition("\n--- answer")
    answered = answered.partition("\n")[2]
    remark, _, rest = asked.partition("\n") if asked.startswith("#") else ("", "", asked)
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
        answer.removesuffix("\n"),
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
        name, text, status, told = read.groups()
        text, _, parameters = text.strip().partition("&")
        found = tuple(re.findall(r"'([^']*)'", told)) if told.startswith("[") else ()
        detail = ""
        if told.startswith("fault"):
            detail = told.partition("detail='")[2].removesuffix("'")
            detail = detail.replace("\\n", "\n").replace("\\'", "'")
        if text.endswith(";case_sensitive=false"):
            parameters = ""
        yield RecordedSearch(
            name, text.strip(), parameters,
            "hosts" if (name.startswith("hosts-") and name != "hosts-name") or (name == "hosts-name"
            and "HOST-01" in text) else "vms",
            int(status), found, detail,
        )  # fmt: skip


def recorded_world(*, odd_names: bool = False, under_tagged: bool = False) -> World:
    """The estate of DIFFERENCES' head, with web-01 and db-01 running."""
    world = World(durations=Durations())
    default = world.add_datacenter("Default", id=_DATACENTER)
    cluster = world.add_cluster(
        "Default", default, id=_CLUSTER, description="The default server cluster", version=(4, 8)
    )
    second = world.add_cluster("Second", default, version=(4, 8))
    hosts = {name: world.add_host(name, cluster, id=host_id) for name, host_id in _HOSTS.items()}
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
            **{"id": VM_IDS.get(name) or world.new_id(), "memory": 2**28, "os": "other", **fields},
        )
    if under_tagged:
        world.change("web_under", tags=("test_tag",))
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
    "nodisk-01": {},
    "tmpl.vm": {},
}
