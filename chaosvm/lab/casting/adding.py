"""Adds to a world what is needed and not there."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

from chaosvm.errors import SelectionError
from chaosvm.lab.casting.inventing import literal, series
from chaosvm.lab.casting.needs import Need
from chaosvm.lab.casting.shown import POWER_STATES, shown
from chaosvm.lab.vcenter.words import unescape_name
from chaosvm.lab.world import Cluster, Host, Machine, State, World
from chaosvm.lab.worlds.places import Places
from chaosvm.selection import Selection
from chaosvm.vm import VM

__all__ = ["Adding"]

_MOID = re.compile(r"vm-\d+")
_NUMBER = re.compile(r"\d+")
_IN_WORDS = {
    State.RUNNING: "powered on",
    State.OFF: "powered off",
    State.SUSPENDED: "suspended",
    State.PAUSED: "paused",
}
_PLACES = ("datacenter", "cluster", "host")


class CannotMake(Exception):
    """Nothing that fits can be made up."""


class Adding:
    """``lines`` tells what was done, and what could not be."""

    def __init__(self, world: World) -> None:
        self.lines: list[str] = []
        self._world = world
        self._places = Places(world)
        # By then an action of the method has been at them.
        self._acted_on: set[str] = set()

    def provide(self, need: Need) -> None:
        try:
            fitting = self._fitting(need)
            touched = any(vm.instance_uuid in self._acted_on for vm in fitting)
            in_state = fitting if touched else _in_state(need, fitting)
            if not need.words:
                self._add_some(need, len(in_state))
            elif not fitting:
                self._add_named(need)
            elif not Selection(need.vms).read(fitting):
                raise CannotMake(f"{fitting[0]} is there, but does not fit {need.vms}")
            elif not in_state:
                raise CannotMake(f"{fitting[0]} is there, but is {fitting[0].power_state}")
        except (CannotMake, SelectionError) as error:
            line = f"not added: for {need.activity!r}: {error}"
            self.lines += [] if line in self.lines else [line]
        if need.acts:
            self._acted_on.update(vm.instance_uuid or "" for vm in self._fitting(need))

    def _inventory(self, platform: str) -> list[VM]:
        return shown(self._world, self._world.vms, platform)

    def _fitting(self, need: Need) -> list[VM]:
        inventory = self._inventory(need.platform)
        if need.words:  # wherever they are: a second one of the name would be ambiguous
            return [vm for vm in inventory if vm.answers_to(need.words[0])]
        return Selection(need.vms).read(inventory)

    # Which ---------------------------------------------------------------------------------

    def _add_some(self, need: Need, there: int) -> None:
        if there > need.most:
            raise CannotMake(f"{there} VMs fit {need.vms}, and at most {need.most} are expected")
        if there >= need.least:
            return
        if "regex" in need.vms:
            raise CannotMake(
                f"{there} VMs fit {need.vms}, and none can be made up for a regular expression"
            )
        taken = {vm.name for vm in self._world.vms}
        names = (name for name in self._names(need) if name not in taken)
        for have in range(there, need.least):
            name = next(names, None)
            if name is None:
                if have and _is_literal(need.vms.get("name")):
                    return  # there are no more that could be meant
                raise CannotMake(f"no more names fit {need.vms}")
            self._add(need, name)

    def _names(self, need: Need) -> Iterator[str]:
        excluded = _texts(need.vms.get("exclude"))
        globs = _texts(need.vms.get("name")) or [f"{self._label(need)}-*"]
        for name in chain.from_iterable(series(glob) for glob in globs):
            if not any(fnmatchcase(name, glob) for glob in excluded):
                yield name

    def _label(self, need: Need) -> str:
        """VMs of no name are called after the first thing that is said of them."""
        for key in ("tag", "folder", "cluster", "host", "datacenter", "guest_os"):
            for glob in _texts(need.vms.get(key)):
                word = re.sub(r"[^a-z0-9]+", "-", (literal(glob) or "").rpartition("/")[2].lower())
                if word.strip("-"):
                    return word.strip("-")
        return "vm"

    def _add_named(self, need: Need) -> None:
        word, in_engine = need.words[0], need.platform == "olvm"
        if _is_uuid(word):
            self._add(need, f"vm-{word[:8]}", id=word.lower())
        elif _MOID.fullmatch(word) and not in_engine:
            self._add(need, word, moid=word)
        elif _NUMBER.fullmatch(word) and not in_engine and need.by_id:
            self._add(need, f"vm-{word}", moid=word)
        elif need.by_id:
            kind = "a UUID" if in_engine else "such as vm-101"
            raise CannotMake(f"no VM of {need.platform} can have the id {word!r}: these are {kind}")
        elif word.startswith("/"):
            self._add_at(need, [unescape_name(part) for part in word.split("/") if part])
        else:
            self._add(need, word)

    def _add_at(self, need: Need, parts: Sequence[str]) -> None:
        """By path: /datacenter/vm/folder/name, or in an engine /datacenter/cluster/name."""
        if need.platform == "olvm" and len(parts) == 3:
            self._add(need, parts[2], datacenter=[parts[0]], cluster=[parts[1]])
        elif need.platform != "olvm" and len(parts) > 2 and parts[1] == "vm":
            self._add(need, parts[-1], datacenter=[parts[0]], folder=tuple(parts[2:-1]))
        else:
            raise CannotMake(f"no VM can be made up at {need.words[0]!r}")

    # How -----------------------------------------------------------------------------------

    def _add(self, need: Need, name: str, **fields: Any) -> None:
        globs = {key: fields.pop(key, _texts(need.vms.get(key))) for key in _PLACES}
        fields = self._described(need, globs) | fields
        cluster, host = self._place(globs)
        state = need.state or State.RUNNING
        vm = self._world.add_vm(name, state, cluster=cluster, host=host, **fields)
        if not self._fits(need, vm):
            self._world.remove_vm(vm.id)
            raise CannotMake(f"a VM called {name!r} was made up, but did not fit {need.vms}")
        around = self._world.cluster(vm.cluster_id)
        self.lines.append(
            f"added VM {name!r} ({_IN_WORDS[state]}) in cluster {around.name if around else None}"
        )

    def _fits(self, need: Need, vm: Machine) -> bool:
        return bool(Selection(need.vms).read(shown(self._world, [vm], need.platform)))

    def _described(self, need: Need, globs: dict[str, list[str]]) -> dict[str, Any]:
        """Tag, system and folder; a folder's path may say which data center is meant."""
        fields: dict[str, Any] = {}
        if tags := _texts(need.vms.get("tag")):
            fields["tags"] = (self._tag(tags),)
        if systems := _texts(need.vms.get("guest_os")):
            fields["os"] = _made_up("guest_os", systems)
        if folders := _texts(need.vms.get("folder")):
            parts = [unescape_name(part) for part in _made_up("folder", folders).split("/")]
            if parts[0] == "" and len(parts) > 2 and parts[2] == "vm":
                globs["datacenter"] = globs["datacenter"] or [parts[1]]
                parts = parts[3:]
            fields["folder"] = tuple(part for part in parts if part)
        return fields

    def _tag(self, globs: list[str]) -> str:
        """One that is there, or a new one; before a slash is its category."""
        for tag in self._world.tags:
            names = (tag.name, f"{tag.parent or 'lab'}/{tag.name}")
            if any(fnmatchcase(name, glob) for name in names for glob in globs):
                return tag.name
        category, _, name = _made_up("tag", globs).rpartition("/")
        if any(tag.name == name for tag in self._world.tags):
            raise CannotMake(f"the tag {name!r} is there, in another category than {category!r}")
        self._world.add_tag(name, category or None)
        return name

    def _place(self, globs: dict[str, list[str]]) -> tuple[Cluster | None, Host | None]:
        """Where such VMs are already, or else a new place."""
        if not any(globs.values()):
            return self._usual_cluster(), None
        for cluster in self._world.clusters:
            around = self._world.datacenter(cluster.datacenter_id)
            if (
                not cluster.standalone
                and _fit(globs["cluster"], cluster.name)
                and _fit(globs["datacenter"], around.name if around else None)
            ):
                hosts = [h for h in self._world.hosts if h.cluster_id == cluster.id and h.up]
                fitting = [host for host in hosts if _fit(globs["host"], host.name)]
                if fitting or (hosts and not globs["host"]):
                    return cluster, fitting[0] if globs["host"] else None
        return self._new_place(globs)

    def _new_place(self, globs: dict[str, list[str]]) -> tuple[Cluster, Host | None]:
        known = self._world.datacenters
        there = [each for each in known if _fit(globs["datacenter"], each.name)]
        around = there[0] if there else self._places.datacenter(_named(globs, "datacenter"))
        cluster = self._places.cluster(_named(globs, "cluster"), around)
        host = self._places.host(_named(globs, "host", f"{cluster.name}-host-1"), cluster)
        return cluster, host if globs["host"] else None

    def _usual_cluster(self) -> Cluster | None:
        """The first that has a host to run VMs on."""
        running = {host.cluster_id for host in self._world.hosts if host.up}
        usual = [c for c in self._world.clusters if c.id in running and not c.standalone]
        return usual[0] if usual else None


def _in_state(need: Need, vms: list[VM]) -> list[VM]:
    """Those that count, where the selection asks for a power state."""
    if not need.filtered or need.state is None:
        return vms
    wanted = POWER_STATES[need.state]
    return [vm for vm in vms if vm.power_state is wanted]


def _is_literal(globs: Any) -> bool:
    return bool(globs) and all(literal(glob) == glob for glob in _texts(globs))


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _fit(globs: Iterable[str], name: str | None) -> bool:
    globs = list(globs)
    return not globs or any(name is not None and fnmatchcase(name, glob) for glob in globs)


def _made_up(key: str, globs: Iterable[str]) -> str:
    globs = list(globs)
    for glob in globs:
        if text := literal(glob):
            return text
    raise CannotMake(f"nothing can be made up for {key} {globs}")


def _named(globs: dict[str, list[str]], key: str, usual: str = "Default") -> str:
    return _made_up(key, globs[key]) if globs[key] else usual


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
