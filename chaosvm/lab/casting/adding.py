"""Adds the VMs that a need lacks, with their tags, folders, clusters and hosts."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

from chaosvm.errors import SelectionError
from chaosvm.lab.casting.inventing import matching_names, shortest_match
from chaosvm.lab.casting.needs import Need
from chaosvm.lab.casting.shown import POWER_STATES, platform_vms
from chaosvm.lab.vcenter.words import unescape_name
from chaosvm.lab.world import Cluster, Host, Machine, State, World
from chaosvm.lab.worlds.places import Locations
from chaosvm.selection import Selection
from chaosvm.vm import VM

__all__ = ["FixtureBuilder"]

_MOID = re.compile(r"vm-\d+")
_NUMBER = re.compile(r"\d+")
_STATE_NAMES = {
    State.RUNNING: "powered on",
    State.OFF: "powered off",
    State.SUSPENDED: "suspended",
    State.PAUSED: "paused",
}
_LOCATION_KEYS = ("datacenter", "cluster", "host")


class CannotCreate(Exception):
    """No VM can be created that matches a need."""


class FixtureBuilder:
    """Creates VMs; ``lines`` says which, and which could not be created."""

    def __init__(self, world: World) -> None:
        self.lines: list[str] = []
        self._world = world
        self._locations = Locations(world)
        # VMs that an earlier action changes: their state at this point is unknown.
        self._acted_on: set[str] = set()

    def provide(self, need: Need) -> None:
        try:
            matching = self._matching(need)
            state_unknown = any(vm.instance_uuid in self._acted_on for vm in matching)
            in_state = matching if state_unknown else _in_state(need, matching)
            if not need.identifiers:
                self._add_matching(need, len(in_state))
            elif not matching:
                self._add_named(need)
            elif not Selection(need.vms).read(matching):
                raise CannotCreate(f"{matching[0]} exists, but does not match {need.vms}")
            elif not in_state:
                raise CannotCreate(f"{matching[0]} exists, but is {matching[0].power_state}")
        except (CannotCreate, SelectionError) as error:
            line = f"not added: for {need.activity!r}: {error}"
            self.lines += [] if line in self.lines else [line]
        if need.changes_state:
            self._acted_on.update(vm.instance_uuid or "" for vm in self._matching(need))

    def _inventory(self, platform: str) -> list[VM]:
        return platform_vms(self._world, self._world.vms, platform)

    def _matching(self, need: Need) -> list[VM]:
        inventory = self._inventory(need.platform)
        if need.identifiers:  # anywhere, because a second VM of the same name would be ambiguous
            return [vm for vm in inventory if vm.answers_to(need.identifiers[0])]
        return Selection(need.vms).read(inventory)

    # Names and identifiers -----------------------------------------------------------------

    def _add_matching(self, need: Need, count: int) -> None:
        if count > need.maximum:
            raise CannotCreate(
                f"{count} VMs match {need.vms}, but at most {need.maximum} are expected"
            )
        if count >= need.minimum:
            return
        if "regex" in need.vms:
            raise CannotCreate(
                f"{count} VMs match {need.vms}, and a regular expression yields no names"
            )
        taken = {vm.name for vm in self._world.vms}
        names = (name for name in self._names(need) if name not in taken)
        for count_so_far in range(count, need.minimum):
            name = next(names, None)
            if name is None:
                if count_so_far and _is_literal(need.vms.get("name")):
                    return  # all VMs that the names can match exist
                raise CannotCreate(f"no more names match {need.vms}")
            self._add(need, name)

    def _names(self, need: Need) -> Iterator[str]:
        excluded = _as_list(need.vms.get("exclude"))
        globs = _as_list(need.vms.get("name")) or [f"{self._label(need)}-*"]
        for name in chain.from_iterable(matching_names(glob) for glob in globs):
            if not any(fnmatchcase(name, glob) for glob in excluded):
                yield name

    def _label(self, need: Need) -> str:
        """A name prefix from the first other filter of a selection without names."""
        for key in ("tag", "folder", "cluster", "host", "datacenter", "guest_os"):
            for glob in _as_list(need.vms.get(key)):
                label = re.sub(
                    r"[^a-z0-9]+", "-", (shortest_match(glob) or "").rpartition("/")[2].lower()
                )
                if label.strip("-"):
                    return label.strip("-")
        return "vm"

    def _add_named(self, need: Need) -> None:
        identifier, on_olvm = need.identifiers[0], need.platform == "olvm"
        if _is_uuid(identifier):
            self._add(need, f"vm-{identifier[:8]}", id=identifier.lower())
        elif _MOID.fullmatch(identifier) and not on_olvm:
            self._add(need, identifier, moid=identifier)
        elif _NUMBER.fullmatch(identifier) and not on_olvm and need.by_id:
            self._add(need, f"vm-{identifier}", moid=identifier)
        elif need.by_id:
            expected = "a UUID" if on_olvm else "an id such as vm-101"
            raise CannotCreate(
                f"{identifier!r} is no VM id on {need.platform}: expected {expected}"
            )
        elif identifier.startswith("/"):
            self._add_at(need, [unescape_name(part) for part in identifier.split("/") if part])
        else:
            self._add(need, identifier)

    def _add_at(self, need: Need, parts: Sequence[str]) -> None:
        """Add a VM by path: /datacenter/vm/folder/name, or /datacenter/cluster/name on oVirt."""
        if need.platform == "olvm" and len(parts) == 3:
            self._add(need, parts[2], datacenter=[parts[0]], cluster=[parts[1]])
        elif need.platform != "olvm" and len(parts) > 2 and parts[1] == "vm":
            self._add(need, parts[-1], datacenter=[parts[0]], folder=tuple(parts[2:-1]))
        else:
            raise CannotCreate(f"no VM can be created at the path {need.identifiers[0]!r}")

    # Fields and location -------------------------------------------------------------------

    def _add(self, need: Need, name: str, **fields: Any) -> None:
        globs = {key: fields.pop(key, _as_list(need.vms.get(key))) for key in _LOCATION_KEYS}
        fields = self._fields(need, globs) | fields
        cluster, host = self._find_location(globs)
        state = need.state or State.RUNNING
        vm = self._world.add_vm(name, state, cluster=cluster, host=host, **fields)
        if not self._matches(need, vm):
            self._world.remove_vm(vm.id)
            raise CannotCreate(f"a VM named {name!r} would not match {need.vms}")
        actual = self._world.cluster(vm.cluster_id)
        cluster_name = actual.name if actual else None
        self.lines.append(f"added VM {name!r} ({_STATE_NAMES[state]}) in cluster {cluster_name}")

    def _matches(self, need: Need, vm: Machine) -> bool:
        return bool(Selection(need.vms).read(platform_vms(self._world, [vm], need.platform)))

    def _fields(self, need: Need, globs: dict[str, list[str]]) -> dict[str, Any]:
        """Tags, guest system and folder; the path of a folder may also set the data center."""
        fields: dict[str, Any] = {}
        if tags := _as_list(need.vms.get("tag")):
            fields["tags"] = (self._tag(tags),)
        if systems := _as_list(need.vms.get("guest_os")):
            fields["os"] = _example("guest_os", systems)
        if folders := _as_list(need.vms.get("folder")):
            parts = [unescape_name(part) for part in _example("folder", folders).split("/")]
            if parts[0] == "" and len(parts) > 2 and parts[2] == "vm":
                globs["datacenter"] = globs["datacenter"] or [parts[1]]
                parts = parts[3:]
            fields["folder"] = tuple(part for part in parts if part)
        return fields

    def _tag(self, globs: list[str]) -> str:
        """An existing or new tag that matches; a slash separates category and tag."""
        for tag in self._world.tags:
            names = (tag.name, f"{tag.parent or 'lab'}/{tag.name}")
            if any(fnmatchcase(name, glob) for name in names for glob in globs):
                return tag.name
        category, _, name = _example("tag", globs).rpartition("/")
        if any(tag.name == name for tag in self._world.tags):
            raise CannotCreate(f"the tag {name!r} exists in another category than {category!r}")
        self._world.add_tag(name, category or None)
        return name

    def _find_location(self, globs: dict[str, list[str]]) -> tuple[Cluster | None, Host | None]:
        """An existing cluster and host that match, or new ones."""
        if not any(globs.values()):
            return self._default_cluster(), None
        for cluster in self._world.clusters:
            datacenter = self._world.datacenter(cluster.datacenter_id)
            if (
                not cluster.standalone
                and _matches_any(globs["cluster"], cluster.name)
                and _matches_any(globs["datacenter"], datacenter.name if datacenter else None)
            ):
                hosts = [h for h in self._world.hosts if h.cluster_id == cluster.id and h.up]
                matching = [host for host in hosts if _matches_any(globs["host"], host.name)]
                if matching or (hosts and not globs["host"]):
                    return cluster, matching[0] if globs["host"] else None
        return self._create_location(globs)

    def _create_location(self, globs: dict[str, list[str]]) -> tuple[Cluster, Host | None]:
        existing = self._world.datacenters
        matching = [each for each in existing if _matches_any(globs["datacenter"], each.name)]
        if matching:
            datacenter = matching[0]
        else:
            datacenter = self._locations.datacenter(_example_or(globs, "datacenter"))
        cluster = self._locations.cluster(_example_or(globs, "cluster"), datacenter)
        host = self._locations.host(_example_or(globs, "host", f"{cluster.name}-host-1"), cluster)
        return cluster, host if globs["host"] else None

    def _default_cluster(self) -> Cluster | None:
        """The first cluster with a running host."""
        cluster_ids = {host.cluster_id for host in self._world.hosts if host.up}
        clusters = self._world.clusters
        return next((c for c in clusters if c.id in cluster_ids and not c.standalone), None)


def _in_state(need: Need, vms: list[VM]) -> list[VM]:
    """The VMs in the required power state, if the selection filters by one."""
    if not need.filters_state or need.state is None:
        return vms
    power_state = POWER_STATES[need.state]
    return [vm for vm in vms if vm.power_state is power_state]


def _is_literal(globs: Any) -> bool:
    return bool(globs) and all(shortest_match(glob) == glob for glob in _as_list(globs))


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _matches_any(globs: Iterable[str], name: str | None) -> bool:
    globs = list(globs)
    return not globs or any(name is not None and fnmatchcase(name, glob) for glob in globs)


def _example(key: str, globs: Iterable[str]) -> str:
    globs = list(globs)
    for glob in globs:
        if example := shortest_match(glob):
            return example
    raise CannotCreate(f"no {key} can be made up that matches {globs}")


def _example_or(globs: dict[str, list[str]], key: str, default: str = "Default") -> str:
    return _example(key, globs[key]) if globs[key] else default


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
