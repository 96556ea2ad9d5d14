"""What Dora tells of VMs and hypervisors, read tolerantly.

Only ``name`` or ``managedObjRef`` must be there. A field that is missing or
makes no sense is None, and fields that are not known are kept in ``metadata``.
An answer of another shape is an error, and never an empty inventory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from chaosvm.dora.environments import Environment
from chaosvm.errors import InvalidValue, ProtocolError
from chaosvm.redaction import printable
from chaosvm.runtime.documents import parse_json
from chaosvm.vm import VM, PowerState

__all__ = ["EnvironmentInventory", "Hypervisor", "items", "read_hypervisors", "read_vms"]

_POWER_STATES = {
    "poweredon": PowerState.POWERED_ON,
    "poweredoff": PowerState.POWERED_OFF,
    "suspended": PowerState.SUSPENDED,
}
_USAGE = {"cpu_usage_percent": "cpuUsagePerc", "memory_usage_percent": "memUsagePerc"}
_VM_FIELDS = frozenset(
    ("name", "path", "host", "os", "cpus", "memMb", "state", "managedObjRef", *_USAGE.values())
)
# Beside an empty list these say why it is empty.
_TROUBLE = ("error", "errors", "errorMessage")
# As JSON writes what may be half of a surrogate pair.
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
# The names of a hypervisor's fields are not certain: the first that is there is taken.
_ADDRESS = ("address", "ipAddress", "ip", "host")
_TYPE = ("type", "hypervisorType", "productType")
_STATUS = ("connectionStatus", "connectionState", "connection", "status", "state")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypervisor:
    """A host as Dora described it; None where it did not tell."""

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
        """None where Dora does not tell."""
        if self.connection_status is None:
            return None
        return self.connection_status.lower() == "connected"

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class EnvironmentInventory:
    """All that Dora tells of one environment."""

    environment: Environment
    vms: tuple[VM, ...]
    hypervisors: tuple[Hypervisor, ...]

    def counts(self) -> dict[str, Any]:
        states: dict[str, int] = {}
        for vm in self.vms:
            states[vm.power_state.value] = states.get(vm.power_state.value, 0) + 1
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


def items(content: bytes, what: str) -> list[dict[str, Any]]:
    """The items of an answer: in {"items": [...]}, or a bare list."""
    try:
        told = parse_json(content)
    except InvalidValue as error:
        raise ProtocolError(f"{what} answered with JSON that cannot be used: {error}") from None
    except ValueError:
        raise ProtocolError(
            f"{what} answered with something that is not JSON, or not all of it"
        ) from None
    if _HALF.search(content):
        told = _written_out(told)
    found = told.get("items") if isinstance(told, dict) else told
    if not found and isinstance(told, dict) and any(told.get(key) for key in _TROUBLE):
        raise ProtocolError(f"{what} answered with an error in the place of items")
    if not isinstance(found, list):
        raise ProtocolError(f"{what} answered with JSON that has no list of items")
    if not all(isinstance(item, dict) for item in found):
        raise ProtocolError(f"{what} answered with items that are not objects")
    return found


def _written_out(told: Any) -> Any:
    """Without halves of surrogate pairs, which JSON can hold, and neither a log nor a journal."""
    if isinstance(told, dict):
        return {_written_out(key): _written_out(value) for key, value in told.items()}
    if isinstance(told, list):
        return [_written_out(each) for each in told]
    return printable(told) if isinstance(told, str) else told


def read_vms(told: Iterable[dict[str, Any]], environment: Environment) -> tuple[VM, ...]:
    """The VMs of an environment by name; with a moid, what is told twice alike is one."""
    read = [_vm(item, environment) for item in told]
    known = dict.fromkeys(vm for vm in read if vm.metadata["moid"])
    found = [*known, *(vm for vm in read if not vm.metadata["moid"])]
    return tuple(sorted(found, key=lambda vm: (vm.name, vm.id)))


def read_hypervisors(
    told: Iterable[dict[str, Any]], environment: Environment
) -> tuple[Hypervisor, ...]:
    found = [_hypervisor(item, environment) for item in told]
    return tuple(sorted(found, key=lambda host: host.name))


def _vm(item: dict[str, Any], environment: Environment) -> VM:
    moid, path = _moid(item.get("managedObjRef")), _text(item.get("path"))
    name = _text(item.get("name")) or moid
    if name is None:
        raise ProtocolError(f"Dora told of a VM of {environment} without name or managedObjRef")
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
        cpu_count=_whole(item.get("cpus")),
        memory_mb=_whole(item.get("memMb")),
        guest_os=_text(item.get("os")),
        metadata={
            **{key: value for key, value in item.items() if key not in _VM_FIELDS},
            "environment": environment.name,
            "vcenter": environment.vcenter,
            "moid": moid,
            **{ours: _number(item.get(theirs)) for ours, theirs in _USAGE.items()},
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
        raise ProtocolError(f"Dora told of a hypervisor of {environment} without name or address")
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
    """As "vm-101", {"type": "VirtualMachine", "value": "vm-101"} or "VirtualMachine:vm-101"."""
    if isinstance(value, dict):
        value = value.get("value")
    text = _text(value)
    return text.rpartition(":")[2] or None if text else None


def _cluster(host_path: list[str]) -> str | None:
    """A host's path is /datacenter/host/cluster/name: without a cluster it tells none."""
    if len(host_path) < 4 or host_path[1] != "host":
        return None
    return None if host_path[-2] == host_path[-1] else host_path[-2]


def _folder(parts: list[str], name: str) -> str | None:
    """It is not certain whether the path ends with the VM's own name."""
    if parts and parts[-1] == name:
        parts = parts[:-1]
    return "/" + "/".join(parts) if parts else None


def _parts(path: Any) -> list[str]:
    text = _text(path)
    return [part for part in text.split("/") if part] if text else []


def _text(value: Any) -> str | None:
    """Numbers are taken as they are written; an empty text is none."""
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
    return number if abs(number) < float("inf") else None  # which NaN is not either


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number >= 0 else None
