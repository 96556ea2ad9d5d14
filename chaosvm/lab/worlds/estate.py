"""Copies of one's own estate, from what this package told of it.

A VM is read in the shape that all platforms share (``chaosvm/vm.py``), wherever
it is written: by discovery, by Dora's export, by ``list_vms``, in a journal.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chaosvm import values
from chaosvm.errors import InvalidValue
from chaosvm.lab.world import World
from chaosvm.lab.worlds.copying import Copy, unescaped
from chaosvm.vm import PowerState

__all__ = ["copied", "records_in", "table"]

logger = logging.getLogger("chaostoolkit")

Record = dict[str, Any]

# The one that tells most comes first: what it tells of a VM is what counts.
_PLATFORMS = ("vsphere", "olvm", "dora")
_NEEDED = ("name", "power_state")
_TEXT = ((str,), "a text")
_WHOLE_NUMBER = ((int,), "a whole number")
_LIST = ((list,), "a list")
_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("id", "platform", "status", "instance_uuid", "datacenter", "cluster"), _TEXT),
    **dict.fromkeys(("host", "folder", "guest_os", "hostname", "tools_status"), _TEXT),
    **dict.fromkeys(("cpu_count", "memory_mb"), _WHOLE_NUMBER),
    **dict.fromkeys(("ip_addresses", "tags"), _LIST),
    "template": ((bool,), "true or false"),
    "metadata": ((dict,), "a mapping"),
}
_PLACES = ("datacenter", "cluster", "host")
_WHOLE = ("cpu_count", "memory_mb")
_MOID = re.compile(r"([A-Za-z]+-)?\d+")
# What the export puts before a cell that a spreadsheet would take for a formula.
_GUARDED = re.compile(r"'[=+\-@\t\r]")


class Estate:
    """What was found: the VMs, and the hosts and clusters that may have none."""

    def __init__(self) -> None:
        self.vms: list[Record] = []
        self.hosts: list[Record] = []
        self.datacenters: list[str] = []
        self.clusters: list[str] = []


def records_in(told: Any) -> Estate | None:
    """None for what is no estate's. Raises InvalidValue for one without a single VM."""
    found = Estate()
    for reader in (_listed, _discovered, _system, _systems, _exported, _journaled):
        if reader(told, found):
            break
    else:
        return None
    if not found.vms:
        raise InvalidValue(
            "it tells of no VMs: discover with the platforms' settings in the environment, and "
            "take Dora's from export_inventory, for discovery only counts them"
        )
    return found


def table(rows: Iterable[Mapping[str, str]]) -> list[Record]:
    """The VMs of an exported CSV file."""
    read = list(rows)
    columns = list(read[0]) if read else []
    if not {*_NEEDED, "id"} <= set(columns):
        shown = ", ".join(map(str, columns)) or "none"
        raise InvalidValue(
            "a table of VMs needs the columns name, id and power_state, and at least one row: "
            f"this one has {shown}"
        )
    return [_row(f"row {number}", row) for number, row in enumerate(read, 2)]


def _row(place: str, cells: Mapping[str, str]) -> Record:
    record: Record = {
        key: (cell[1:] if _GUARDED.match(cell) else cell) or None
        for key, cell in cells.items()
        if isinstance(cell, str)
    }
    for key in _WHOLE:
        if record.get(key) is not None:
            record[key] = values.integer(f"{place}.{key}", record[key], 0, 2**40)
    _check(place, record)
    return {**record, "platform": "dora", "folder": _folder_of(record)}


def _folder_of(record: Record) -> str | None:
    around, _, name = (record.get("path") or "").rpartition("/")
    return around if name == record["name"] else record.get("path")


# Where VMs are ------------------------------------------------------------------------


def _is_vm(told: Any) -> bool:
    return isinstance(told, dict) and all(isinstance(told.get(key), str) for key in _NEEDED)


def _listed(told: Any, found: Estate) -> bool:
    """What list_vms returns."""
    if not isinstance(told, list):
        return False
    found.vms += _vms(told, "")
    return True


def _discovered(told: Any, found: Estate) -> bool:
    """What `chaos discover` writes."""
    if not isinstance(told, dict) or not {"activities", "system"} <= told.keys():
        return False
    system = told["system"]
    if system and not (_system(system, found) or _systems(system, found)):
        raise InvalidValue(f"system has nothing that is known: {', '.join(map(str, system))}")
    return True


def _systems(told: Any, found: Estate) -> bool:
    """Of some platforms, by their names."""
    if not isinstance(told, dict) or not told or not told.keys() <= set(_PLATFORMS):
        return False
    for platform in _PLATFORMS:
        part = told.get(platform)
        if isinstance(part, dict) and "error" in part:
            logger.warning(f"{platform} is missing in the copy, as it could not be discovered")
        elif part:
            # Of Dora discovery tells no VMs, but what it exported can be put in that place.
            _system(part, found) or _exported(part, found)
    return True


def _system(told: Any, found: Estate) -> bool:
    """Of one platform."""
    if not isinstance(told, dict) or not {"counts", "vms"} <= told.keys():
        return False
    found.vms += _vms(told["vms"], "vms")
    hosts = told.get("hosts") or ()
    found.hosts += [host for host in hosts if isinstance(host, dict)]
    found.datacenters += _names(told, "datacenters")
    found.clusters += _names(told, "clusters")
    return True


def _exported(told: Any, found: Estate) -> bool:
    """What Dora's export_inventory writes."""
    if not isinstance(told, dict) or not isinstance(told.get("environments"), list):
        return False
    for number, environment in enumerate(told["environments"]):
        place = f"environments[{number}]"
        if not isinstance(environment, dict):
            raise values.invalid(place, environment, "an environment as export_inventory writes it")
        found.vms += _vms(environment.get("vms", []), f"{place}.vms")
    return True


def _journaled(told: Any, found: Estate) -> bool:
    """A journal: the VMs that its activities returned, as they were told first."""
    if not isinstance(told, dict) or not {"experiment", "run"} <= told.keys():
        return False
    found.vms += _vms(list(_vms_within(told)), "VMs")
    return True


def _vms_within(told: Any) -> Iterator[Record]:
    if _is_vm(told) and told.get("platform") in _PLATFORMS:
        yield told
        return
    inside = told.values() if isinstance(told, dict) else told if isinstance(told, list) else ()
    for item in inside:
        yield from _vms_within(item)


def _vms(told: Any, place: str) -> Sequence[Record]:
    if not isinstance(told, list):
        raise values.invalid(place, told, "a list of VMs")
    for number, item in enumerate(told):
        _check(f"{place}[{number}]", item)
    return told


def _check(place: str, item: Any) -> None:
    """Each thing that is told has the type that this package writes."""
    if not _is_vm(item):
        raise values.invalid(place, item, "a VM as list_vms returns it, with name and power_state")
    values.choice(f"{place}.power_state", item["power_state"], PowerState)
    for key, (kinds, expected) in _TYPES.items():
        value = item.get(key)
        if value is not None and not isinstance(value, kinds):
            raise values.invalid(f"{place}.{key}", value, expected)
    for key in ("tags", "ip_addresses"):
        if not all(isinstance(each, str) for each in item.get(key) or ()):
            raise values.invalid(f"{place}.{key}", item[key], "a list of texts")


def _names(told: Mapping[str, Any], key: str) -> list[str]:
    names = told.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise values.invalid(key, names, "a list of names")
    return names


# One world of them ---------------------------------------------------------------------


def copied(found: Estate) -> World:
    """Every VM once: what several platforms tell of one is put together."""
    records = _merged(found.vms)
    copy = Copy(found.datacenters, found.hosts, _ids(records, found.hosts))
    for record in records:
        copy.add_vm(record)
    return copy.finish(found.clusters)


def _ids(records: Iterable[Record], hosts: Iterable[Record]) -> Iterator[str]:
    """All that are told, of whatever."""
    for record in records:
        metadata = record["metadata"]
        told = (record["id"], record.get("instance_uuid"), metadata.get("cluster_id"))
        yield from (number for number in told if number)
    yield from (host["id"] for host in hosts if isinstance(host.get("id"), str))


def _merged(records: Iterable[Record]) -> list[Record]:
    """In the order of platforms; a later record fills in what the earlier ones left out."""
    kept: list[Record] = []
    known: dict[str, list[Record]] = {}
    for record in sorted(map(_identified, records), key=_rank):
        numbers = {record["id"], record.get("instance_uuid") or record["id"]}
        alike = (each for number in numbers for each in known.get(number, ()))
        same = next((each for each in alike if _one(each, record)), None)
        if same is None:
            kept.append(record)
            for number in numbers:
                known.setdefault(number, []).append(record)
        else:
            same.update({k: v for k, v in record.items() if same.get(k) is None})
    return kept


def _identified(record: Record) -> Record:
    """With the id that its platform knows it by; a Dora that tells no moid has its path there."""
    told = {**record, "metadata": record.get("metadata") or {}}
    number = record.get("id")
    if record.get("platform") == "dora":
        number = number if isinstance(number, str) and _MOID.fullmatch(number) else None
        # What it knows of places, it has from paths.
        told |= {key: unescaped(record[key]) for key in _PLACES if record.get(key)}
    return {**told, "id": number or f"?{record['name']}"}


def _rank(record: Record) -> int:
    platform = record.get("platform")
    return _PLATFORMS.index(platform) if platform in _PLATFORMS else len(_PLATFORMS)


def _one(one: Record, other: Record) -> bool:
    """Two vCenters may have given one moid to VMs of theirs; only Dora tells of which it is."""
    if one["name"] != other["name"] or one["id"].startswith("?"):
        return False
    vcenters = {each["metadata"].get("vcenter") for each in (one, other)} - {None}
    return len(vcenters) < 2
