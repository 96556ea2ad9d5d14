"""Copies of an inventory, from what this package has exported of it.

Reads VM records (``chaosvm/vm.py``) from discovery, Dora's export, ``list_vms`` or a
journal.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.lab.simulation import World
from chaosvm.lab.world_files.inventory_copy import Copy, unescape
from chaosvm.platforms import PLATFORMS
from chaosvm.settings import values
from chaosvm.vm import PowerState

__all__ = ["build_world", "read_inventory", "read_csv_rows"]

logger = logging.getLogger("chaostoolkit")

Record = dict[str, Any]

# In order of precedence: where several platforms export a VM, the first one wins.
_PLATFORMS = tuple(each.name for each in PLATFORMS)
_REQUIRED_KEYS = ("name", "power_state")
_STRING = ((str,), "a string")
_INTEGER = ((int,), "a whole number")
_LIST = ((list,), "a list")
_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(
        ("id", "platform", "status", "instance_uuid", "datacenter", "cluster"), _STRING
    ),
    **dict.fromkeys(("host", "folder", "guest_os", "hostname", "tools_status"), _STRING),
    **dict.fromkeys(("cpu_count", "memory_mb"), _INTEGER),
    **dict.fromkeys(("ip_addresses", "tags"), _LIST),
    "template": ((bool,), "true or false"),
    "metadata": ((dict,), "a mapping"),
}
_LOCATION_KEYS = ("datacenter", "cluster", "host")
_INTEGER_KEYS = ("cpu_count", "memory_mb")
_MOID = re.compile(r"([A-Za-z]+-)?\d+")
# The export puts a quote before cells that a spreadsheet would take for a formula.
_FORMULA_GUARD = re.compile(r"'[=+\-@\t\r]")


class ExportedInventory:
    """VMs, hosts, data centers and clusters, the latter three also without VMs."""

    def __init__(self) -> None:
        self.vms: list[Record] = []
        self.hosts: list[Record] = []
        self.datacenters: list[str] = []
        self.clusters: list[str] = []


def read_inventory(data: Any) -> ExportedInventory | None:
    """Read an export; None if the data is not one. Raises InvalidValue if it has no VMs."""
    inventory = ExportedInventory()
    if not any(read(data, inventory) for read in _READERS):
        return None
    if not inventory.vms:
        raise InvalidValue(
            "it contains no VMs: run discovery with the platforms' settings in the environment; "
            "use export_inventory for Dora, because discovery only counts its VMs"
        )
    return inventory


def read_csv_rows(rows: Iterable[Mapping[str, str]]) -> list[Record]:
    """The VMs of an exported CSV file."""
    records = list(rows)
    columns = list(records[0]) if records else []
    if not {*_REQUIRED_KEYS, "id"} <= set(columns):
        actual = ", ".join(map(str, columns)) or "none"
        raise InvalidValue(
            "a CSV file of VMs needs the columns name, id and power_state, and at least one row: "
            f"this one has the columns {actual}"
        )
    return [_csv_record(f"row {number}", row) for number, row in enumerate(records, 2)]


def _csv_record(place: str, cells: Mapping[str, str]) -> Record:
    record: Record = {
        key: (cell[1:] if _FORMULA_GUARD.match(cell) else cell) or None
        for key, cell in cells.items()
        if isinstance(cell, str)
    }
    for key in _INTEGER_KEYS:
        if record.get(key) is not None:
            record[key] = values.integer(f"{place}.{key}", record[key], 0, 2**40)
    _check(place, record)
    return {**record, "platform": "dora", "folder": _csv_folder(record)}


def _csv_folder(record: Record) -> str | None:
    folder, _, name = (record.get("path") or "").rpartition("/")
    return folder if name == record["name"] else record.get("path")


# Formats: each function returns False for data in another format -----------------------


def _is_vm(data: Any) -> bool:
    return isinstance(data, dict) and all(isinstance(data.get(key), str) for key in _REQUIRED_KEYS)


def _read_list(data: Any, inventory: ExportedInventory) -> bool:
    """The result of list_vms."""
    if not isinstance(data, list):
        return False
    inventory.vms += _checked_vms(data, "")
    return True


def _read_discovery(data: Any, inventory: ExportedInventory) -> bool:
    """The output of `chaos discover`."""
    if not isinstance(data, dict) or not {"activities", "system"} <= data.keys():
        return False
    system = data["system"]
    if system and not (_read_platform(system, inventory) or _read_platforms(system, inventory)):
        raise InvalidValue(f"system contains no known platform: {', '.join(map(str, system))}")
    return True


def _read_platforms(data: Any, inventory: ExportedInventory) -> bool:
    """The discovered systems of several platforms, by name."""
    if not isinstance(data, dict) or not data or not data.keys() <= set(_PLATFORMS):
        return False
    for platform in _PLATFORMS:
        part = data.get(platform)
        if isinstance(part, dict) and "error" in part:
            logger.warning(f"{platform} is missing in the copy because its discovery failed")
        elif part:
            # Discovery lists no VMs of Dora, but its export may be put there instead.
            _read_platform(part, inventory) or _read_dora_export(part, inventory)
    return True


def _read_platform(data: Any, inventory: ExportedInventory) -> bool:
    """The discovered system of one platform."""
    if not isinstance(data, dict) or not {"counts", "vms"} <= data.keys():
        return False
    inventory.vms += _checked_vms(data["vms"], "vms")
    hosts = data.get("hosts") or ()
    inventory.hosts += [host for host in hosts if isinstance(host, dict)]
    inventory.datacenters += _names(data, "datacenters")
    inventory.clusters += _names(data, "clusters")
    return True


def _read_dora_export(data: Any, inventory: ExportedInventory) -> bool:
    """The output of Dora's export_inventory."""
    if not isinstance(data, dict) or not isinstance(data.get("environments"), list):
        return False
    for number, environment in enumerate(data["environments"]):
        place = f"environments[{number}]"
        if not isinstance(environment, dict):
            raise values.invalid(place, environment, "an environment as export_inventory writes it")
        inventory.vms += _checked_vms(environment.get("vms", []), f"{place}.vms")
    return True


def _read_journal(data: Any, inventory: ExportedInventory) -> bool:
    """A journal: the first record of each VM that its activities returned."""
    if not isinstance(data, dict) or not {"experiment", "run"} <= data.keys():
        return False
    inventory.vms += _checked_vms(list(_vms_in_journal(data)), "VMs")
    return True


def _vms_in_journal(data: Any) -> Iterator[Record]:
    if _is_vm(data) and data.get("platform") in _PLATFORMS:
        yield data
        return
    children = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    for item in children:
        yield from _vms_in_journal(item)


def _checked_vms(data: Any, place: str) -> Sequence[Record]:
    if not isinstance(data, list):
        raise values.invalid(place, data, "a list of VMs")
    for number, item in enumerate(data):
        _check(f"{place}[{number}]", item)
    return data


def _check(place: str, item: Any) -> None:
    """Check the type of each field."""
    if not _is_vm(item):
        raise values.invalid(place, item, "a VM as list_vms returns it, with name and power_state")
    values.choice(f"{place}.power_state", item["power_state"], PowerState)
    for key, (kinds, expected) in _TYPES.items():
        value = item.get(key)
        if value is not None and not isinstance(value, kinds):
            raise values.invalid(f"{place}.{key}", value, expected)
    for key in ("tags", "ip_addresses"):
        if not all(isinstance(each, str) for each in item.get(key) or ()):
            raise values.invalid(f"{place}.{key}", item[key], "a list of strings")


def _names(data: Mapping[str, Any], key: str) -> list[str]:
    names = data.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise values.invalid(key, names, "a list of names")
    return names


_READERS = (
    _read_list,
    _read_discovery,
    _read_platform,
    _read_platforms,
    _read_dora_export,
    _read_journal,
)


# Building the world --------------------------------------------------------------------


def build_world(inventory: ExportedInventory) -> World:
    """A world with each VM once, merged from the records of all platforms."""
    records = _merge(inventory.vms)
    copy = Copy(inventory.datacenters, inventory.hosts, _all_ids(records, inventory.hosts))
    for record in records:
        copy.add_vm(record)
    return copy.finish(inventory.clusters)


def _all_ids(records: Iterable[Record], hosts: Iterable[Record]) -> Iterator[str]:
    """The ids of all VMs, clusters and hosts."""
    for record in records:
        metadata = record["metadata"]
        ids = (record["id"], record.get("instance_uuid"), metadata.get("cluster_id"))
        yield from (id for id in ids if id)
    yield from (host["id"] for host in hosts if isinstance(host.get("id"), str))


def _merge(records: Iterable[Record]) -> list[Record]:
    """Merge records of the same VM: later platforms fill in missing fields."""
    merged: list[Record] = []
    by_id: dict[str, list[Record]] = {}
    for record in sorted(map(_with_id, records), key=_rank):
        ids = {record["id"], record.get("instance_uuid") or record["id"]}
        candidates = (each for id in ids for each in by_id.get(id, ()))
        existing = next((each for each in candidates if _is_same_vm(each, record)), None)
        if existing is None:
            merged.append(record)
            for id in ids:
                by_id.setdefault(id, []).append(record)
        else:
            existing.update({k: v for k, v in record.items() if existing.get(k) is None})
    return merged


def _with_id(record: Record) -> Record:
    """Add the platform's id; in Dora's records without moid, the id is a path and is replaced."""
    copy = {**record, "metadata": record.get("metadata") or {}}
    id = record.get("id")
    if record.get("platform") == "dora":
        id = id if isinstance(id, str) and _MOID.fullmatch(id) else None
        # Dora's locations are parts of paths, and escaped.
        copy |= {key: unescape(record[key]) for key in _LOCATION_KEYS if record.get(key)}
    return {**copy, "id": id or f"?{record['name']}"}


def _rank(record: Record) -> int:
    platform = record.get("platform")
    return _PLATFORMS.index(platform) if platform in _PLATFORMS else len(_PLATFORMS)


def _is_same_vm(record: Record, other: Record) -> bool:
    """Compare name and vCenter: VMs of two vCenters may have the same moid."""
    if record["name"] != other["name"] or record["id"].startswith("?"):
        return False
    vcenters = {each["metadata"].get("vcenter") for each in (record, other)} - {None}
    return len(vcenters) < 2
