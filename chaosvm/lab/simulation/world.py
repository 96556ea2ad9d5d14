"""A small world of virtual machines that knows nothing of any protocol.

It is modelled on what is known of real platforms, and is none of them: no
storage, no networks, no scheduler worth the name, no failures but those asked
for. The faces (``chaosvm.lab.ovirt``) speak a platform's protocol over it.
"""

from __future__ import annotations

import datetime as dt
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from chaosvm.lab.simulation.events import Asked, Event, EventKind
from chaosvm.lab.simulation.generated import populate
from chaosvm.lab.simulation.machine import (
    Cluster,
    Datacenter,
    Durations,
    Host,
    Machine,
    State,
    Tag,
)
from chaosvm.lab.simulation.outages import Outages
from chaosvm.lab.simulation.power import Power
from chaosvm.lab.simulation.timeline import Timeline
from chaosvm.lab.simulation.users import Role, User
from chaosvm.runtime import Clock

__all__ = ["NoSuchThing", "World"]

_MOST_EVENTS = 100_000
_NO_VM = ""  # whose plans nobody drops
_UP_FOR = 3600.0  # how long a machine that is running at the start has been so

Listener = Callable[[Sequence[Machine]], None]


class NoSuchThing(LookupError):
    """The world holds nothing of that id or name."""


class World:
    """Data centers, clusters, hosts and machines, safe to share between threads.

    What is due is done whenever somebody looks, at the moment when it was due;
    with :meth:`start` also when nobody does, so that listeners hear in time.
    The clock can be replaced, and then time passes when the clock says so.
    """

    def __init__(
        self, *, clock: Clock = time, durations: Durations | None = None, seed: int = 0
    ) -> None:
        self.durations = durations or Durations()
        self._clock = clock
        self._epoch = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=clock.monotonic())
        self._random = random.Random(seed)
        self._datacenters: dict[str, Datacenter] = {}
        self._clusters: dict[str, Cluster] = {}
        self._hosts: dict[str, Host] = {}
        self._users: dict[str, User] = {}
        self._vms: dict[str, Machine] = {}
        self._vm_number = 1000
        self._reserved: set[str] = set()
        self._tag_parents: dict[str, str | None] = {}
        self._load: dict[str, int] = {}  # running machines of each host
        self._events: deque[Event] = deque(maxlen=_MOST_EVENTS)
        self._event_number = 0
        self._listeners: list[Listener] = []
        self._news: list[Machine] = []
        self._shape = 0
        self._timeline = Timeline()
        self._now = clock.monotonic()
        self._depth = 0
        self._turn = threading.Condition(threading.RLock())
        self._keeper: threading.Thread | None = None
        self.power = Power(self)
        self.outages = Outages(self)

    @classmethod
    def generated(cls, vms: int = 12, *, seed: int = 0, **options: Any) -> World:
        """A world of any size, the same for the same seed; options as for World and populate()."""
        shape = {key: options.pop(key) for key in ("clusters", "hosts", "running") & options.keys()}
        world = cls(seed=seed, **options)
        populate(world, vms, seed=seed, **shape)
        return world

    # Looking ---------------------------------------------------------------------

    @property
    def datacenters(self) -> list[Datacenter]:
        with self._turn:
            return list(self._datacenters.values())

    @property
    def clusters(self) -> list[Cluster]:
        with self._turn:
            return list(self._clusters.values())

    @property
    def hosts(self) -> list[Host]:
        with self._turn:
            return list(self._hosts.values())

    @property
    def vms(self) -> list[Machine]:
        with self.present():
            return list(self._vms.values())

    @property
    def events(self) -> list[Event]:
        """The oldest first."""
        with self.present():
            return list(self._events)

    @property
    def tags(self) -> list[Tag]:
        """Each tag that was added or is on a machine."""
        with self.present():
            parents = dict(self._tag_parents)
            for vm in self._vms.values():
                for name in vm.tags:
                    parents.setdefault(name, None)
            return [Tag(name, parent) for name, parent in parents.items()]

    def tags_of(self, vm: Machine) -> tuple[str, ...]:
        """A machine's tags, and all that these are parts of."""
        found = list(vm.tags)
        for tag in found:
            parent = self._tag_parents.get(tag)
            if parent is not None and parent not in found:
                found.append(parent)
        return tuple(found)

    @property
    def shape(self) -> int:
        """Grows whenever something is added, removed or put elsewhere in the inventory."""
        return self._shape

    def vm(self, wanted: str) -> Machine:
        """By id, or by a name that only one machine has; raises NoSuchThing."""
        with self.present():
            if wanted in self._vms:
                return self._vms[wanted]
            found = [vm for vm in self._vms.values() if vm.name == wanted]
        if len(found) != 1:
            raise NoSuchThing(f"{len(found)} machines are called {wanted!r}")
        return found[0]

    def host(self, host_id: str | None) -> Host | None:
        return self._hosts.get(host_id or "")

    def cluster(self, cluster_id: str | None) -> Cluster | None:
        return self._clusters.get(cluster_id or "")

    def datacenter(self, datacenter_id: str | None) -> Datacenter | None:
        return self._datacenters.get(datacenter_id or "")

    def elapsed(self, vm: Machine) -> float | None:
        """Seconds since the guest booted; None while it has no process."""
        if vm.booted_at is None or not vm.state.on_a_host:
            return None
        return max(0.0, self.now - vm.booted_at)

    def moment(self, seconds: float) -> dt.datetime:
        """The date of a moment in the world's own seconds."""
        return self._epoch + dt.timedelta(seconds=seconds)

    @property
    def now(self) -> float:
        """The present moment; for what is due, the moment when it was."""
        with self.present():
            return self._now

    # Building --------------------------------------------------------------------

    def new_id(self) -> str:
        with self._turn:
            while True:
                made = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
                if made not in self._reserved:
                    return made

    def reserve(self, ids: Iterable[str]) -> None:
        """Never give these to anything: they are those of things that are added later."""
        self._reserved.update(ids)

    def add_datacenter(self, name: str = "Default", **fields: Any) -> Datacenter:
        with self._turn:
            made = Datacenter(**{"id": self.new_id(), "name": name, **fields})
            self._datacenters[made.id] = made
            self._shape += 1
        return made

    def add_cluster(
        self, name: str = "Default", datacenter: Datacenter | None = None, **fields: Any
    ) -> Cluster:
        """Without a data center the cluster belongs to none, as real ones may."""
        with self._turn:
            belongs = datacenter.id if datacenter else None
            given = {"id": self.new_id(), "name": name, "datacenter_id": belongs, **fields}
            made = Cluster(**given)
            self._clusters[made.id] = made
            self._shape += 1
        return made

    def add_host(self, name: str, cluster: Cluster | None = None, **fields: Any) -> Host:
        with self._turn:
            belongs = (cluster or self._some_cluster()).id
            given = {"id": self.new_id(), "name": name, "cluster_id": belongs}
            made = Host(**{**given, "address": f"{name}.lab.example", **fields})
            self._hosts[made.id] = made
            self._shape += 1
            self._load[made.id] = 0
        return made

    def add_tag(self, name: str, parent: str | None = None) -> None:
        """A tag, perhaps as a part of another one. Machines get theirs by add_vm or change."""
        with self._turn:
            self._tag_parents[name] = parent

    def add_user(
        self,
        name: str,
        password: str,
        role: Role = Role.USER,
        vms: Iterable[str] = (),
        *,
        disabled: bool = False,
    ) -> User:
        """An account beside the lab's own; ``vms`` are those that it has a role on."""
        with self.present():
            vm_ids = frozenset(self.vm(wanted).id for wanted in vms)
            self._users[name] = User(name, password, Role(role), vm_ids, disabled)
            return self._users[name]

    @property
    def user_names(self) -> list[str]:
        return list(self._users)

    def user(self, name: str) -> User | None:
        return self._users.get(name)

    def add_vm(
        self,
        name: str,
        state: State = State.RUNNING,
        *,
        cluster: Cluster | None = None,
        host: Host | None = None,
        up_for: float = _UP_FOR,
        **fields: Any,
    ) -> Machine:
        """A machine, by default running for an hour, with Machine's fields as given.

        Without a cluster it goes to the first one, which is made if need be.
        """
        with self.present():
            belongs = (cluster or self._some_cluster()).id
            given = {"id": self.new_id(), "moid": self._new_moid(fields.get("moid")), "name": name}
            home_id = host.id if host else None
            vm = Machine(**{**given, "cluster_id": belongs, "home_id": home_id, **fields})
            if state.on_a_host:
                since = self._now - up_for
                vm = vm.changed(started_at=since, booted_at=since, host_id=home_id)
            self.put(self._in_state(vm, state))
            return self._vms[vm.id]

    def _new_moid(self, given: str | None) -> str:
        """One behind all that there are."""
        number = int(given.rpartition("-")[2]) if given else self._vm_number + 1
        self._vm_number = max(self._vm_number, number)
        return given or f"vm-{number}"

    def remove_vm(self, wanted: str) -> None:
        with self.present():
            vm = self.vm(wanted)
            self._timeline.drop(vm.id)
            self.put(vm.changed(state=State.OFF, host_id=None))
            del self._vms[vm.id]
            self._shape += 1

    def change(self, wanted: str, **fields: Any) -> Machine:
        """Set fields of a machine, whatever they are; what it was doing goes on."""
        with self.present():
            vm = self.vm(wanted).changed(**fields)
            if "state" in fields and "host_id" not in fields:
                vm = self._in_state(vm, vm.state)
            self.put(vm)
            return vm

    def stick(self, wanted: str, state: State) -> None:
        """Keep the machine in this state: requests are accepted, and nothing happens."""
        with self.present():
            vm = self.vm(wanted)
            self._timeline.drop(vm.id)
            self.put(self._in_state(vm, state).changed(stuck=True, being_cut=False))

    def release(self, wanted: str, state: State | None = None) -> None:
        """End :meth:`stick`, in the state where it was stuck or in another one."""
        with self.present():
            vm = self.vm(wanted)
            self.stick(vm.id, state or vm.state)
            self.put(self._vms[vm.id].changed(stuck=False))

    def occupy(self, wanted: str, seconds: float) -> None:
        """Another operation holds the machine: requests are refused so long."""
        with self.present():
            self.put(self.vm(wanted).changed(busy_until=self._now + seconds))

    def change_host(self, host_id: str, **fields: Any) -> Host:
        with self.present():
            changed = replace(self._hosts[host_id], **fields)
            self._hosts[host_id] = changed
            self._shape += 1
            return changed

    # Hearing ---------------------------------------------------------------------

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell of all machines that changed; returns what ends it.

        It is called in whatever thread made or noticed the change.
        """
        with self._turn:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def record(
        self,
        kind: EventKind,
        vm: Machine | None = None,
        asked: Asked | None = None,
        *,
        host_id: str | None = None,
        vm_id: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Write something down, at the world's present."""
        asked = asked or Asked()
        with self.present():
            self._event_number += 1
            event = Event(
                number=self._event_number,
                kind=kind,
                at=self.moment(self._now),
                vm_id=vm.id if vm else vm_id,
                vm_name=vm.name if vm else None,
                host_id=host_id or (vm.host_id if vm else None),
                cluster_id=vm.cluster_id if vm else None,
                user=asked.user,
                correlation_id=asked.correlation_id,
                reason=asked.reason,
                detail=detail,
            )
            self._events.append(event)

    # Time ------------------------------------------------------------------------

    @contextmanager
    def present(self) -> Iterator[None]:
        """Do what is due, then keep everybody else out for the length of the block."""
        news: list[Machine] = []
        try:
            with self._turn:
                self._depth += 1
                try:
                    if self._depth == 1:
                        self._settle()
                    yield
                finally:
                    self._depth -= 1
                    if self._depth == 0:
                        news, self._news = self._news, news
        finally:
            self._tell(news)

    def every(self, seconds: float, happens: Callable[[], bool]) -> None:
        """Do it each so many seconds, at those very moments, until it returns False."""

        def due() -> None:
            if happens():
                self.every(seconds, happens)

        with self.present():
            self._timeline.add(self._now + seconds, _NO_VM, due)
            self._turn.notify_all()

    def start(self) -> None:
        """Keep time in a thread of its own, until :meth:`stop`."""
        with self._turn:
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep_time, name="lab-world")
                self._keeper.daemon = True
                self._keeper.start()

    def stop(self) -> None:
        with self._turn:
            keeper, self._keeper = self._keeper, None
            self._turn.notify_all()
        if keeper is not None:
            keeper.join()

    def _keep_time(self) -> None:
        me = threading.current_thread()
        while True:
            with self._turn:
                if self._keeper is not me:
                    return
                due = self._timeline.next_moment()
                wait = None if due is None else due - self._clock.monotonic()
                if wait is None or wait > 0:
                    self._turn.wait(wait)
                    continue
            with self.present():
                pass

    def _settle(self) -> None:
        now = self._clock.monotonic()
        while (due := self._timeline.take(now)) is not None:
            self._now, happens = due
            happens()
        self._now = now

    def _tell(self, news: Sequence[Machine]) -> None:
        if news:
            for listener in list(self._listeners):
                listener(news)

    # For what makes things happen (Power), within present() --------------------------

    def put(self, vm: Machine) -> None:
        """This is how the machine is now."""
        before = self._vms.get(vm.id)
        for there, change in ((before, -1), (vm, 1)):
            if there is not None and there.host_id in self._load:
                self._load[there.host_id] += change
        if before is None or _place_of(before) != _place_of(vm):
            self._shape += 1
        self._vms[vm.id] = vm
        self._news.append(vm)

    def plan(self, vm: Machine, *steps: tuple[float, Callable[[Machine], None]]) -> None:
        """Instead of what was planned: these steps, each so long after the one before."""
        self._timeline.drop(vm.id)
        moment = self._now
        for seconds, step in steps:
            moment += seconds
            self._timeline.add(moment, vm.id, partial(self._do, vm.id, step))
        self._turn.notify_all()

    def later(self, seconds: float, happens: Callable[[], None]) -> None:
        """Whatever else is planned for anybody meanwhile."""
        with self.present():
            self._timeline.add(self._now + seconds, _NO_VM, happens)
            self._turn.notify_all()

    def leave(self, vm: Machine) -> None:
        """Forget what was planned for the machine."""
        self._timeline.drop(vm.id)

    def knows(self, vm_id: str) -> bool:
        return vm_id in self._vms

    def place(self, vm: Machine) -> str | None:
        """Its own host, or the one of its cluster with the fewest machines."""
        home = self.host(vm.home_id)
        if home is not None and home.usable:
            return home.id
        hosts = self.usable_hosts(vm)
        return min(hosts, key=lambda host: self._load[host.id]).id if hosts else None

    def usable_hosts(self, vm: Machine) -> list[Host]:
        """Those of its cluster on which it could be started."""
        return [h for h in self._hosts.values() if h.cluster_id == vm.cluster_id and h.usable]

    def _do(self, vm_id: str, step: Callable[[Machine], None]) -> None:
        step(self._vms[vm_id])

    def _in_state(self, vm: Machine, state: State) -> Machine:
        host_id = (vm.host_id or self.place(vm)) if state.on_a_host else None
        return vm.changed(state=state, host_id=host_id)

    def _some_cluster(self) -> Cluster:
        if not self._clusters:
            self.add_host("host-1", self.add_cluster(datacenter=self.add_datacenter()))
        return next(iter(self._clusters.values()))


def _place_of(vm: Machine) -> tuple[str, tuple[str, ...]]:
    return vm.cluster_id, vm.folder
