"""A platform in memory, with scripted machines and a clock of its own.

It is for what no simulator can be made to do on request: an answer that is
lost, a guest that takes 299 seconds, a VM that vanishes between two looks.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from chaosvm.backend import (
    Backend,
    CommandHandle,
    GuestStatus,
    Observation,
    Order,
    PowerCommand,
    ToolsStatus,
    Watch,
)
from chaosvm.errors import AnswerLost, CommandFailed, PlatformError
from chaosvm.outcome import How
from chaosvm.runtime import Deadline
from chaosvm.service import VMService
from chaosvm.settings import Safety
from chaosvm.vm import VM, PowerState

ON, OFF, SUSPENDED = PowerState.POWERED_ON, PowerState.POWERED_OFF, PowerState.SUSPENDED

STATE_AFTER = {
    PowerCommand.POWER_ON: ON,
    PowerCommand.POWER_OFF: OFF,
    PowerCommand.SUSPEND: SUSPENDED,
    PowerCommand.RESET: ON,
    PowerCommand.SHUTDOWN_GUEST: OFF,
    PowerCommand.REBOOT_GUEST: ON,
}
WORDS = {ON: "poweredOn", OFF: "poweredOff", SUSPENDED: "suspended"}


class FakeClock:
    """Time passes only when somebody sleeps, and takes what is due along."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._lock = threading.RLock()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.advance_to(self.now + seconds)

    def at(self, seconds: float, happens: Callable[[], None]) -> None:
        """So many seconds from now."""
        with self._lock:
            heapq.heappush(self._due, (self.now + seconds, next(self._order), happens))

    def next_due(self) -> float:
        with self._lock:
            return self._due[0][0] if self._due else float("inf")

    def advance_to(self, moment: float) -> None:
        with self._lock:
            while self._due and self._due[0][0] <= moment:
                self.now, _, happens = heapq.heappop(self._due)
                happens()
            self.now = max(self.now, moment)


@dataclass
class Machine:
    """One VM of the fake world, and what a watch would say of it."""

    vm: VM
    state: PowerState
    exists: bool = True
    rebooted: bool = False
    going_down: bool = False
    question: str | None = None
    how: How | None = None
    ended: CommandHandle | None = None
    error: CommandFailed | None = None
    # Of its guest.
    booted_at: float = 0.0
    tools: ToolsStatus = ToolsStatus.RUNNING
    addresses: tuple[str, ...] = ()
    uptime_unknown: str | None = None
    uptime_lag: float = 0.0
    uptime_frozen: float | None = None  # what the server goes on to report

    def status(self, now: float) -> GuestStatus:
        uptime = now - self.booted_at if self.uptime_frozen is None else self.uptime_frozen
        known = self.state is ON and self.uptime_unknown is None
        return GuestStatus(
            vm_id=self.vm.id,
            power_state=self.state,
            tools=self.tools if self.state is ON else ToolsStatus.NOT_RUNNING,
            ip_addresses=self.addresses,
            uptime_seconds=uptime if known else None,
            uptime_unknown=self.uptime_unknown,
            uptime_lag=self.uptime_lag,
        )

    def observation(self) -> Observation:
        return Observation(
            vm_id=self.vm.id,
            power_state=self.state,
            exists=self.exists,
            ended=self.ended,
            error=self.error,
            rebooted=self.rebooted,
            going_down=self.going_down,
            question=self.question,
            how=self.how,
        )


# How a machine takes to a request.
Reaction = Callable[["FakeBackend", Machine, PowerCommand], CommandHandle]


def does(seconds: float = 1.0, tracked: bool | None = None) -> Reaction:
    """Accepts, and is done after so many seconds; a guest's work is not tracked."""

    def react(platform: FakeBackend, machine: Machine, command: PowerCommand) -> CommandHandle:
        ticket = CommandHandle(
            machine.vm.id, not command.is_guest_command if tracked is None else tracked
        )
        platform.clock.at(seconds, lambda: platform.finish(machine, command, ticket))
        return ticket

    return react


def ignores(tracked: bool | None = None) -> Reaction:
    """Accepts, and then nothing ever happens."""
    return does(float("inf"), tracked)


def fails(error: CommandFailed, seconds: float = 1.0) -> Reaction:
    """Accepts, and the task ends with this error."""

    def react(platform: FakeBackend, machine: Machine, command: PowerCommand) -> CommandHandle:
        ticket = CommandHandle(machine.vm.id, tracked=True)
        platform.clock.at(
            seconds, lambda: platform.change(machine.vm.name, ended=ticket, error=error)
        )
        return ticket

    return react


def refuses(error: Exception) -> Reaction:
    def react(platform: FakeBackend, machine: Machine, command: PowerCommand) -> CommandHandle:
        raise error

    return react


def loses_answer(done: bool, seconds: float = 1.0) -> Reaction:
    """The request arrives, or does not, and nobody hears."""

    def react(platform: FakeBackend, machine: Machine, command: PowerCommand) -> CommandHandle:
        if done:
            ticket = CommandHandle(machine.vm.id)
            platform.clock.at(seconds, lambda: platform.finish(machine, command, ticket))
        raise AnswerLost("the answer was lost (connection reset)")

    return react


@dataclass
class FakeBackend(Backend):
    """Does what it is told to, at once as the clock of the world would have it."""

    name: ClassVar[str] = "fake"

    clock: FakeClock = field(default_factory=FakeClock)
    timeout: float = 60.0
    address: str = "fake.example.com"
    tags_known: bool = True

    def __post_init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        self.sent: list[tuple[str, PowerCommand]] = []
        self.sent_at: list[float] = []
        self.inventories = 0
        self.guests_read = 0
        self.guest_trouble: PlatformError | None = None
        self.marks_read: list[int] = []  # of how many VMs, each time
        self.deaf: dict[str, str] = {}
        self.looks = 0
        self.opened = self.closed = self.watching = 0
        self.repeats_news = False  # tell of every VM at every look, as a polled API does
        self.refused: dict[str, str] = {}
        self.before_first_look: Callable[[], None] = lambda: None
        self.at_look: dict[int, Callable[[], None]] = {}
        self._reactions: dict[tuple[str, PowerCommand], list[Reaction]] = {}
        self._trouble: list[BaseException | None] = []
        self._dirty: dict[str, int] = defaultdict(int)
        self._lock = threading.RLock()

    # Telling it what to be ---------------------------------------------------------

    def add(self, name: str, state: PowerState = ON, **fields: Any) -> VM:
        fields = {"id": f"vm-{len(self.machines) + 1}", "status": WORDS.get(state, "?"), **fields}
        vm = VM(name=name, platform=self.name, power_state=state, **fields)
        self.machines[vm.id] = Machine(vm, state)
        return vm

    def on(self, name: str, command: PowerCommand, *reactions: Reaction) -> None:
        """How a VM takes to a step: one reaction after another, the last one for good."""
        self._reactions[name, command] = list(reactions)

    def trouble_watching(self, *errors: BaseException | None) -> None:
        """What the next looks end with, after the first; the last one for good, unless None."""
        self._trouble = list(errors)

    def machine(self, name: str) -> Machine:
        return next(machine for machine in self.machines.values() if machine.vm.name == name)

    def change(self, name: str, **what: Any) -> None:
        machine = self.machine(name)
        with self._lock:
            for key, value in what.items():
                setattr(machine, key, value)
            self._dirty[machine.vm.id] += 1

    def become(self, name: str, /, **fields: Any) -> None:
        """Change what is told of a VM, such as where it is."""
        machine = self.machine(name)
        machine.vm = replace(machine.vm, **fields)

    def finish(self, machine: Machine, command: PowerCommand, ticket: CommandHandle) -> None:
        told: dict[str, Any] = {"state": STATE_AFTER[command]}
        if command in (PowerCommand.REBOOT_GUEST, PowerCommand.RESET):
            told |= {"rebooted": True, "booted_at": self.clock.now}
        if machine.state is not ON:
            told["booted_at"] = self.clock.now
        if ticket.tracked:
            told |= {"ended": ticket, "error": None}
        self.change(machine.vm.name, **told)

    def steps(self, name: str) -> list[PowerCommand]:
        """What was sent to one VM."""
        return [command for sent_to, command in self.sent if sent_to == name]

    # The primitives ----------------------------------------------------------------

    def open(self, deadline: Deadline) -> None:
        self.opened += 1

    def close(self, deadline: Deadline) -> None:
        self.closed += 1

    def inventory(
        self,
        deadline: Deadline,
        only: Sequence[str] | None = None,
        allow_cached: bool = False,
        fields: Collection[str] | None = None,
    ) -> list[VM]:
        self.inventories += 1
        return [
            replace(machine.vm, power_state=machine.state, tags=None)
            for machine in self.machines.values()
            if machine.exists
        ]

    def with_tags(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        tags = {vm.id: self.machines[vm.id].vm.tags for vm in vms}
        return [replace(vm, tags=tags[vm.id] if self.tags_known else None) for vm in vms]

    def send(
        self, vm: VM, command: PowerCommand, order: Order, deadline: Deadline
    ) -> CommandHandle:
        with self._lock:
            self.sent.append((vm.name, command))
            self.sent_at.append(self.clock.now)
            reactions = self._reactions.get((vm.name, command), [does()])
            reaction = reactions.pop(0) if len(reactions) > 1 else reactions[0]
        return reaction(self, self.machines[vm.id], command)

    def guest_statuses(self, vms: Sequence[VM], deadline: Deadline) -> dict[str, GuestStatus]:
        self.guests_read += 1
        if self.guest_trouble is not None:
            raise self.guest_trouble
        machines = {vm.id: self.machines[vm.id] for vm in vms}
        return {
            vm_id: machine.status(self.clock.now)
            for vm_id, machine in machines.items()
            if machine.exists
        }

    def watch(self, vms: Sequence[VM], order: Order, deadline: Deadline) -> FakeWatch:
        return FakeWatch(self, [vm.id for vm in vms])

    def refusal_reason(self, vm: VM, order: Order) -> str | None:
        return self.refused.get(vm.name)

    def guest_unavailable(self, vm: VM) -> str | None:
        return self.deaf.get(vm.name)

    def protected_by_tag(self, vms: Sequence[VM], tag: str, deadline: Deadline) -> dict[str, str]:
        self.marks_read.append(len(vms))
        marked = [vm for vm in vms if tag in (self.machines[vm.id].vm.tags or ())]
        return {vm.id: f"has the tag {tag!r}" for vm in marked}

    def server_info(self, deadline: Deadline) -> dict[str, Any]:
        return {"version": "1.2.3"}

    def next_trouble(self) -> BaseException | None:
        if not self._trouble:
            return None
        stays = len(self._trouble) == 1 and self._trouble[0] is not None
        return self._trouble[0] if stays else self._trouble.pop(0)

    def versions(self, vm_ids: Sequence[str]) -> dict[str, int]:
        with self._lock:
            return {vm_id: self._dirty[vm_id] for vm_id in vm_ids}


class FakePlatform(VMService):
    """A service over a fake backend, which answers for everything that the service lacks."""

    backend: FakeBackend

    def __init__(self, clock: FakeClock | None = None, **fields: Any) -> None:
        super().__init__(FakeBackend(clock or FakeClock(), **fields), Safety())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["backend"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        known = getattr(type(self), name, None)
        of_service = name.startswith("_") or name in ("backend", "safety") or callable(known)
        object.__setattr__(self if of_service else self.backend, name, value)

    def __delattr__(self, name: str) -> None:
        of_service = name in self.__dict__
        (self if of_service else self.backend).__dict__.pop(name, None)


class FakeWatch(Watch):
    pushed = True

    def __init__(self, platform: FakeBackend, vm_ids: Sequence[str]) -> None:
        self._platform = platform
        self._vm_ids = vm_ids
        self._told: dict[str, int] = {}
        self._followed: list[CommandHandle] = []
        platform.watching += 1

    def track(self, tickets: Sequence[CommandHandle]) -> None:
        self._followed += tickets
        for ticket in tickets:
            if self._platform.machines[ticket.vm_id].ended is ticket:
                self._told.pop(ticket.vm_id, None)

    def close(self) -> None:
        self._platform.watching -= 1

    def poll(self, seconds: float, deadline: Deadline) -> list[Observation]:
        platform, clock = self._platform, self._platform.clock
        first = not self._told
        platform.looks += 1
        platform.at_look.get(platform.looks, lambda: None)()
        if first:
            platform.before_first_look()
        elif trouble := platform.next_trouble():
            raise trouble
        until = clock.monotonic() + min(seconds, deadline.remaining)
        while not (changed := self._changed()) and clock.monotonic() < until:
            clock.advance_to(min(clock.next_due(), until))
        self._told = platform.versions(self._vm_ids)
        told = self._vm_ids if platform.repeats_news else changed
        return [self._only_followed(platform.machines[vm_id].observation()) for vm_id in told]

    def _changed(self) -> list[str]:
        now = self._platform.versions(self._vm_ids)
        return [vm_id for vm_id in self._vm_ids if now[vm_id] != self._told.get(vm_id)]

    def _only_followed(self, observation: Observation) -> Observation:
        if any(observation.ended is ticket for ticket in self._followed):
            return observation
        return replace(observation, ended=None, error=None)
