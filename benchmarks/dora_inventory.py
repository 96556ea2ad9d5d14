"""Methods to read the VMs of a Dora environment."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import requests

from benchmarks.measure import Target
from chaosvm.dora import DoraClient

__all__ = ["INVENTORY"]

_ENVIRONMENT, _COORDINATES = (
    "measured",
    {"vcenter": "a", "pattern_path": "b", "vm_path": "c", "host_filter": ""},
)
_NAMES = ("host", "username", "password", "api_port", "auth_port")


def _path(target: Target) -> str:
    with DoraClient(**{name: target[name] for name in _NAMES}) as client:
        token = quote(client._token, safe="")
    return f"/v1/GetVirtualMachines/{token}/a/c?listing_only=false&host_filter="


def floor(target: Target) -> Callable[[], int]:
    """Fetch the same bytes over an open connection and parse the JSON."""
    path = _path(target)
    connection = http.client.HTTPConnection(target["host"], target["api_port"])

    def read() -> int:
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        response = connection.getresponse()
        content = response.read()
        is_gzip = response.headers["Content-Encoding"] == "gzip"
        return len(json.loads(gzip.decompress(content) if is_gzip else content)["items"])

    return read


def chaosvm(target: Target) -> Callable[[], int]:
    environments = {_ENVIRONMENT: _COORDINATES}
    settings = {name: target[name] for name in _NAMES}
    client = DoraClient(**settings, environments=environments, timeout=600).connect()
    return lambda: len(client.list_vms(_ENVIRONMENT))


def by_requests(target: Target) -> Callable[[], int]:
    """requests, as in most scripts."""
    url = f"http://{target['host']}:{target['api_port']}{_path(target)}"

    def read() -> int:
        items: list[dict[str, Any]] = requests.get(url, timeout=600).json()["items"]
        return len({item["managedObjRef"]: (item["name"], item["state"]) for item in items})

    return read


INVENTORY = {"floor": floor, "chaosvm": chaosvm, "requests": by_requests}
