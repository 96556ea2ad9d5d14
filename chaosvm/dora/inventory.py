"""VMs and hypervisors parsed tolerantly from Dora's responses.

Only ``name`` or ``managedObjRef`` is required. A missing or malformed field is
None, and unknown fields are kept in ``metadata``. A response of another shape
is an error, never an empty inventory.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from chaosvm.dora.environments import Environment
from chaosvm.errors import InvalidValue, ProtocolError
from chaosvm.redaction import printable
from chaosvm.runtime.documents import parse_json
from chaosvm.vm import VM, PowerState

__all__ = ["EnvironmentInventory", "Hypervisor", "parse_hypervisors", "parse_items", "parse_vms"]

_POWER_STATES = {
    "poweredon": PowerState.POWERED_ON,
    "poweredoff": PowerState.POWERED_OFF,
    "suspended": PowerState.SUSPENDED,
}
_USAGE = {"cpu_usage_percent": "cpuUsagePerc", "memory_usage_percent": "memUsagePerc"}
_VM_FIELDS = frozenset(
    ("name", "path", "host", "os", "cpus", "memMb", "state", "managedObjRef", *_USAGE.values())
)
# With an empty list of items, these mean that the request failed.
_ERROR_KEYS = ("error", "errors", "errorMessage")
# A JSON escape that may be an unpaired surrogate.
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
# The names of a hypervisor's fields vary: the first one present is used.
_ADDRESS = ("address", "ipAddress", "ip", "host")
_TYPE = ("type", "hypervisorType", "productType")
_STATUS = ("connectionStatus", "connectionState", "connection", "status", "state")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypervisor:
    """A host; None for each field that Dora does not report."""

    name: str
    environment: str
    address: str | None = None
    type: str | None = None
    connection_status: str | None = None
    cpu_usage_percent: float | None = None
    memory_usage_percent: float | None = None
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def connected(self) -> bool | None:
        """None if Dora does not report the connection status."""
        if self.connection_status is None:
            return None
        return self.connection_status.lower() == "connected"

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class EnvironmentInventory:
    """VMs and hypervisors of one environment."""

    environment: Environment
    vms: tuple[VM, ...]
    hypervisors: tuple[Hypervisor, ...]

    def counts(self) -> dict[str, Any]:
        states = Counter(vm.power_state.value for vm in self.vms)
        return {
            "vms": len(self.vms),
            "hypervisors": len(self.hypervisors),
            "hypervisors_connected": sum(host.connected is True for host in self.hypervisors),
            "power_states": dict(sorted(states.items())),
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "environment": self.environment.name,
            "group": self.environment.group,
            "coordinates": self.environment.coordinates,
            "counts": self.counts(),
            "vms": [vm.to_json() for vm in self.vms],
            "hypervisors": [host.to_json() for host in self.hypervisors],
        }


def parse_items(content: bytes, source: str) -> list[dict[str, Any]]:
    """Return the items of a response: {"items": [...]}, or a bare list."""
    try:
        body = parse_json(content)
    except InvalidValue as error:
        raise ProtocolError(f"{source} returned JSON that cannot be used: {error}") from None
    except ValueError:
        raise ProtocolError(f"{source} returned invalid or incomplete JSON") from None
    if _SURROGATE_ESCAPE.search(content):
        body = _escape_surrogates(body)
    items = body.get("items") if isinstance(body, dict) else body
    if not items and isinstance(body, dict) and any(body.get(key) for key in _ERROR_KEYS):
        raise ProtocolError(f"{source} returned an error instead of items")
    if not isinstance(items, list):
        raise ProtocolError(f"{source} returned JSON without a list of items")
    if not all(isinstance(item, dict) for item in items):
        raise ProtocolError(f"{source} returned items that are not objects")
    return items


def _escape_surrogates(value: Any) -> Any:
    """Escape unpaired surrogates, which JSON allows but a log or a journal cannot encode."""
    if isinstance(value, dict):
        return {_escape_surrogates(key): _escape_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escape_surrogates(item) for item in value]
    return printable(value) if isinstance(value, str) else value


def parse_vms(items: Iterable[dict[str, Any]], environment: Environment) -> tuple[VM, ...]:
    """Return the VMs of an environment by name; exact duplicates of a moid are one VM."""
    vms = [_vm(item, environment) for item in items]
    identified = dict.fromkeys(vm for vm in vms if vm.metadata["moid"])
    unidentified = [vm for vm in vms if not vm.metadata["moid"]]
    return tuple(sorted([*identified, *unidentified], key=lambda vm: (vm.name, vm.id)))


def parse_hypervisors(
    items: Iterable[dict[str, Any]], environment: Environment
) -> tuple[Hypervisor, ...]:
    hosts = [_hypervisor(item, environment) for item in items]
    return tuple(sorted(hosts, key=lambda host: host.name))


def _vm(item: dict[str, Any], environment: Environment) -> VM:
    moid, path = _moid(item.get("managedObjRef")), _text(item.get("path"))
    name = _text(item.get("name")) or moid
    if name is None:
        raise ProtocolError(f"Dora returned a VM without name or managedObjRef in {environment}")
    host_path = _parts(item.get("host"))
    parts = _parts(path)
    status = _text(item.get("state")) or ""
    return VM(
        id=moid or path or name,
        name=name,
        platform="dora",
        power_state=_POWER_STATES.get(status.lower(), PowerState.UNKNOWN),
        status=status,
        path=path,
        datacenter=next(iter(parts or host_path), None),
        cluster=_cluster(host_path),
        host=host_path[-1] if host_path else None,
        folder=_folder(parts, name),
        cpu_count=_integer(item.get("cpus")),
        memory_mb=_integer(item.get("memMb")),
        guest_os=_text(item.get("os")),
        metadata={
            **{key: value for key, value in item.items() if key not in _VM_FIELDS},
            "environment": environment.name,
            "vcenter": environment.vcenter,
            "moid": moid,
            **{key: _number(item.get(field)) for key, field in _USAGE.items()},
        },
    )


def _hypervisor(item: dict[str, Any], environment: Environment) -> Hypervisor:
    used: set[str] = {"name", *_USAGE.values()}

    def first(names: Iterable[str]) -> str | None:
        for name in names:
            if name not in used and (text := _text(item.get(name))) is not None:
                used.add(name)
                return text
        return None

    address, kind, status = first(_ADDRESS), first(_TYPE), first(_STATUS)
    name = _text(item.get("name")) or address
    if name is None:
        raise ProtocolError(f"Dora returned a hypervisor without name or address in {environment}")
    return Hypervisor(
        name=name,
        environment=environment.name,
        address=address,
        type=kind,
        connection_status=status,
        cpu_usage_percent=_number(item.get("cpuUsagePerc")),
        memory_usage_percent=_number(item.get("memUsagePerc")),
        metadata={key: value for key, value in item.items() if key not in used},
    )


def _moid(value: Any) -> str | None:
    """Accept "vm-101", "VirtualMachine:vm-101" or {"type": "VirtualMachine", "value": "vm-101"}."""
    if isinstance(value, dict):
        value = value.get("value")
    text = _text(value)
    return text.rpartition(":")[2] or None if text else None


def _cluster(host_path: list[str]) -> str | None:
    """A host in a cluster has the path /datacenter/host/cluster/name."""
    if len(host_path) < 4 or host_path[1] != "host":
        return None
    return None if host_path[-2] == host_path[-1] else host_path[-2]


def _folder(parts: list[str], name: str) -> str | None:
    """The path may or may not end with the VM's own name."""
    if parts and parts[-1] == name:
        parts = parts[:-1]
    return "/" + "/".join(parts) if parts else None


def _parts(path: Any) -> list[str]:
    text = _text(path)
    return [part for part in text.split("/") if part] if text else []


def _text(value: Any) -> str | None:
    """Numbers are converted to strings; an empty string is None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() or None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _integer(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number >= 0 else None
