"""What the simulation holds: data centers, clusters, hosts, VMs, tags and events."""

from __future__ import annotations

import random
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from chaosvm.lab.simulation.compute import Cluster, Datacenter, Host
from chaosvm.lab.simulation.durations import Durations
from chaosvm.lab.simulation.events import Event, EventKind, Note, Origin
from chaosvm.lab.simulation.hardware import default_disk, default_nic
from chaosvm.lab.simulation.machine import Machine, State
from chaosvm.lab.simulation.scheduler import Scheduler
from chaosvm.lab.simulation.tags import Tag, TagRegistry
from chaosvm.runtime import Clock

__all__ = ["Inventory", "NotFound"]

_MAX_EVENTS = 100_000
_WITHOUT_POWER = {"powered": False, "answers": False, "condition": "non_responsive"}
_UP_FOR = 3600.0  # uptime of a VM that is added as running


class NotFound(LookupError):
    """No object has this id or name, or several have this name."""


class Inventory(Scheduler):
    """The objects, with their lookups and what adds or changes them."""

    def __init__(
        self, *, clock: Clock = time, durations: Durations | None = None, seed: int = 0
    ) -> None:
        super().__init__(clock)
        self.durations = durations or Durations()
        self._random = random.Random(seed)
        self._datacenters: dict[str, Datacenter] = {}
        self._clusters: dict[str, Cluster] = {}
        self._hosts: dict[str, Host] = {}
        self._last_moid = 1000
        self._reserved_ids: set[str] = set()
        self._tags = TagRegistry()
        self._hosts_of: dict[str, list[str]] = defaultdict(list)  # ids by cluster
        self._vms_on_host: dict[str, int] = {}
        self._events: deque[Event] = deque(maxlen=_MAX_EVENTS)
        self._last_event = 0
        # Seconds after which events are gone.
        self.event_retention: float | None = None
        self._generation = 0

    # Lookups ---------------------------------------------------------------------

    @property
    def datacenters(self) -> list[Datacenter]:
        with self._lock:
            return list(self._datacenters.values())

    @property
    def clusters(self) -> list[Cluster]:
        with self._lock:
            return list(self._clusters.values())

    @property
    def hosts(self) -> list[Host]:
        with self.present():
            return list(self._hosts.values())

    @property
    def vms(self) -> list[Machine]:
        with self.present():
            return list(self._vms.values())

    @property
    def events(self) -> list[Event]:
        """Oldest first."""
        with self.present():
            if self.event_retention is not None:
                oldest = self.date_of(self._now - self.event_retention)
                while self._events and self._events[0].at < oldest:
                    self._events.popleft()
            return list(self._events)

    @property
    def tags(self) -> list[Tag]:
        """All tags that were added or are on a VM."""
        with self.present():
            return self._tags.all(name for vm in self._vms.values() for name in vm.tags)

    def tags_of(self, vm: Machine) -> tuple[str, ...]:
        """A VM's tags and all their ancestors."""
        return self._tags.with_ancestors(vm.tags)

    @property
    def generation(self) -> int:
        """Grows whenever an object is added, removed or moved in the inventory."""
        return self._generation

    def vm(self, id_or_name: str) -> Machine:
        """Raises NotFound unless exactly one VM has this id or name."""
        with self.present():
            if id_or_name in self._vms:
                return self._vms[id_or_name]
            matches = [vm for vm in self._vms.values() if vm.name == id_or_name]
        if len(matches) != 1:
            raise NotFound(f"{len(matches)} VMs are called {id_or_name!r}")
        return matches[0]

    def has_vm(self, vm_id: str) -> bool:
        return vm_id in self._vms

    def host(self, host_id: str | None) -> Host | None:
        return self._hosts.get(host_id or "")

    def cluster(self, cluster_id: str | None) -> Cluster | None:
        return self._clusters.get(cluster_id or "")

    def datacenter(self, datacenter_id: str | None) -> Datacenter | None:
        return self._datacenters.get(datacenter_id or "")

    def hosts_of(self, cluster_id: str) -> list[Host]:
        return [self._hosts[host_id] for host_id in self._hosts_of[cluster_id]]

    def usable_hosts(self, vm: Machine) -> list[Host]:
        """The hosts of its cluster on which the VM can be started."""
        return [host for host in self.hosts_of(vm.cluster_id) if host.usable]

    def choose_host(self, vm: Machine) -> str | None:
        """The id of its home host, or of the host in its cluster with the fewest VMs."""
        home = self.host(vm.home_id)
        if home is not None and home.usable and home.cluster_id == vm.cluster_id:
            return home.id
        return self.least_loaded(self.usable_hosts(vm))

    def least_loaded(self, hosts: Iterable[Host]) -> str | None:
        """The id of the host on which the fewest VMs are."""
        hosts = list(hosts)
        return min(hosts, key=lambda host: self._vms_on_host[host.id]).id if hosts else None

    def registered_host(self, vm: Machine) -> Host | None:
        """The host that it is on or was on last; one of its cluster if it never ran."""
        for host_id in (vm.host_id, vm.home_id):
            if host_id in self._hosts:
                return self._hosts[host_id]
        hosts = self.hosts_of(vm.cluster_id)
        return hosts[int(vm.moid.rpartition("-")[2]) % len(hosts)] if hosts else None

    def uptime(self, vm: Machine) -> float | None:
        """Seconds since the guest booted; None if the VM is on no host."""
        if vm.booted_at is None or not vm.state.on_a_host:
            return None
        return max(0.0, self.now - vm.booted_at)

    # Adding ----------------------------------------------------------------------

    def new_id(self) -> str:
        with self._lock:
            while True:
                new_id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
                if new_id not in self._reserved_ids:
                    return new_id

    def reserve(self, ids: Iterable[str]) -> None:
        """Never generate these ids: objects that are added later have them."""
        self._reserved_ids.update(ids)

    def add_datacenter(self, name: str = "Default", **fields: Any) -> Datacenter:
        with self._lock:
            datacenter = Datacenter(**{"id": self.new_id(), "name": name, **fields})
            self._datacenters[datacenter.id] = datacenter
            self._generation += 1
        return datacenter

    def add_cluster(
        self, name: str = "Default", datacenter: Datacenter | None = None, **fields: Any
    ) -> Cluster:
        """Without a data center the cluster belongs to none, as on real platforms."""
        with self._lock:
            datacenter_id = datacenter.id if datacenter else None
            defaults = {"id": self.new_id(), "name": name, "datacenter_id": datacenter_id}
            cluster = Cluster(**{**defaults, **fields})
            self._clusters[cluster.id] = cluster
            self._generation += 1
        return cluster

    def add_host(
        self, name: str, cluster: Cluster | None = None, *, up: bool = True, **fields: Any
    ) -> Host:
        """Without a cluster it is in the first one. If it is not up, it has no power."""
        with self._lock:
            if not up:
                fields = {**_WITHOUT_POWER, **fields}
            cluster_id = (cluster or self._default_cluster()).id
            defaults = {"id": self.new_id(), "name": name, "cluster_id": cluster_id}
            host = Host(**{**defaults, "address": f"{name}.lab.example", **fields})
            self._hosts[host.id] = host
            self._hosts_of[cluster_id].append(host.id)
            self._vms_on_host[host.id] = 0
            self._generation += 1
        return host

    def add_tag(self, name: str, parent: str | None = None) -> None:
        """Add a tag. add_vm, change and assign_tag put it on VMs."""
        with self._lock:
            self._tags.put(Tag(name, parent))

    def add_vm(
        self,
        name: str,
        state: State = State.RUNNING,
        *,
        cluster: Cluster | None = None,
        host: Host | None = None,
        up_for: float = _UP_FOR,
        bootable: bool = True,
        **fields: Any,
    ) -> Machine:
        """Add a VM, by default one that has been running for an hour.

        It goes to the first cluster by default, which is created if there is none.
        bootable: give it a disk, unless ``disks`` are given.
        fields: those of Machine. By default it has one network card and one disk.
        """
        with self.present():
            cluster_id = (cluster or self._default_cluster()).id
            moid = self._new_moid(fields.get("moid"))
            home_id = host.id if host else None
            fields = {"id": self.new_id(), "cluster_id": cluster_id, "home_id": home_id, **fields}
            fields.setdefault("nics", (default_nic(fields["id"], moid),))
            fields.setdefault("disks", (default_disk(fields["id"], name),) if bootable else ())
            vm = Machine(**{"name": name, **fields, "moid": moid})
            if state.on_a_host:
                since = self._now - up_for
                vm = vm.changed(started_at=since, booted_at=since, host_id=home_id)
            return self.put(self._in_state(vm, state))

    def _new_moid(self, moid: str | None) -> str:
        """The one given, or one after all others."""
        number = int(moid.rpartition("-")[2]) if moid else self._last_moid + 1
        self._last_moid = max(self._last_moid, number)
        return moid or f"vm-{number}"

    def _default_cluster(self) -> Cluster:
        if not self._clusters:
            self.add_host("host-1", self.add_cluster(datacenter=self.add_datacenter()))
        return next(iter(self._clusters.values()))

    # Changing --------------------------------------------------------------------

    def put(self, vm: Machine) -> Machine:
        """Add or replace a VM. Only within :meth:`present`. Returns it with its home."""
        if vm.host_id is not None and vm.home_id != vm.host_id:
            vm = vm.changed(home_id=vm.host_id)
        before = self._vms.get(vm.id)
        for version, difference in ((before, -1), (vm, 1)):
            if version is not None and version.host_id in self._vms_on_host:
                self._vms_on_host[version.host_id] += difference
        if before is None or (before.cluster_id, before.folder) != (vm.cluster_id, vm.folder):
            self._generation += 1
        self._vms[vm.id] = vm
        self._changed.append(vm)
        return vm

    def change(self, id_or_name: str, **fields: Any) -> Machine:
        """Set fields of a VM. Its plan goes on."""
        with self.present():
            vm = self.vm(id_or_name).changed(**fields)
            if "state" in fields and "host_id" not in fields:
                vm = self._in_state(vm, vm.state)
            return self.put(vm)

    def change_host(self, host_id: str, **fields: Any) -> Host:
        with self.present():
            before = self._hosts[host_id]
            host = self._hosts[host_id] = replace(before, **fields)
            self._generation += 1
            if host.responding is not before.responding:
                self._announce_vms_of(host)
            return host

    def change_cluster(self, cluster_id: str, **fields: Any) -> Cluster:
        with self.present():
            cluster = self._clusters[cluster_id] = replace(self._clusters[cluster_id], **fields)
            self._generation += 1
            return cluster

    def _announce_vms_of(self, host: Host) -> None:
        """Notify listeners about its VMs, whose connection is that of the host."""
        for vm in list(self._vms.values()):
            if self.registered_host(vm) is host:
                self.put(vm.changed())

    def remove_vm(self, id_or_name: str) -> None:
        with self.present():
            vm = self.vm(id_or_name)
            self.cancel_plan(vm)
            self.put(vm.changed(state=State.OFF, host_id=None))
            del self._vms[vm.id]
            self._generation += 1

    def record(
        self,
        kind: EventKind,
        vm: Machine | None = None,
        origin: Origin | None = None,
        *,
        host_id: str | None = None,
        vm_id: str | None = None,
        detail: str | None = None,
        note: Note | None = None,
    ) -> int:
        """Record an event at the current simulated time. Returns its number."""
        origin = origin or Origin()
        with self.present():
            self._last_event += 1
            event = Event(
                number=self._last_event,
                kind=kind,
                at=self.date_of(self._now),
                vm_id=vm.id if vm else vm_id,
                vm_name=vm.name if vm else None,
                host_id=host_id or (vm.host_id if vm else None),
                cluster_id=vm.cluster_id if vm else None,
                user=origin.user,
                correlation_id=origin.correlation_id,
                reason=origin.reason,
                detail=detail,
                note=note,
            )
            self._events.append(event)
            return event.number

    def _in_state(self, vm: Machine, state: State) -> Machine:
        host_id = (vm.host_id or self.choose_host(vm)) if state.on_a_host else None
        return vm.changed(state=state, host_id=host_id)
