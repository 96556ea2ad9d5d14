"""What a ledger tells: which VMs were changed, from which state, and by what.

A history is made of the lines of a ledger, one after the other, and nothing
else: whether they come from a file or were written a moment ago.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chaosvm.order import Operation
from chaosvm.outcome import How
from chaosvm.platform import Step
from chaosvm.vm import PowerState

__all__ = ["TARGETS", "Deed", "History", "Touched"]

TARGETS = {
    Operation.POWER_ON: PowerState.POWERED_ON,
    Operation.POWER_OFF: PowerState.POWERED_OFF,
    Operation.SUSPEND: PowerState.SUSPENDED,
    Operation.REBOOT: PowerState.POWERED_ON,
}

# A platform, its server, and a VM's id there.
Key = tuple[str, str, str]


@dataclass
class Deed:
    """One operation on one VM, as far as it is known."""

    run: str
    call: str
    operation: Operation
    before: PowerState
    restores: bool
    step: Step | None = None  # the last request about it, if any was sent
    # Would the ledger have that request? Not if the machine died before it was synced.
    step_known: bool = True
    asked_at: datetime | None = None
    ended_at: datetime | None = None
    after: PowerState | None = None  # None as long as there is no outcome
    pending: bool = False  # at its outcome, something that was sent could still happen
    changed: bool = True  # at its outcome, unless it is known to have changed nothing

    @property
    def target(self) -> PowerState:
        return TARGETS[self.operation]

    @property
    def aims_at(self) -> PowerState:
        """Where the VM is when what was sent last is done."""
        return self.step.leads_to if self.step is not None else self.target

    @property
    def asks_guest(self) -> bool:
        return self.step is not None and self.step.asks_guest

    @property
    def open_ended(self) -> bool:
        """Was something sent whose end nobody saw?"""
        return self.step is not None and (self.after is None or self.pending)

    @property
    def unfinished(self) -> bool:
        """Was something sent, and is there no outcome?"""
        return self.step is not None and self.after is None

    @property
    def idle(self) -> bool:
        """Is it known to have done nothing to the VM?"""
        if self.after is None:
            return self.step is None and self.step_known
        return self.after.settled and not (self.pending or self.changed)

    @property
    def may_have_left(self) -> set[PowerState]:
        """The states in which it may have left the VM."""
        if self.after is not None and self.after.settled and not self.pending:
            return {self.after}
        if self.idle:
            return {self.before}
        passed = {PowerState.POWERED_OFF} if self.operation is Operation.REBOOT else set()
        known = {self.after} if self.after is not None and self.after.settled else set()
        return known | passed | {self.before, self.target, PowerState.TRANSITIONING}


@dataclass
class Touched:
    """A VM, the state it had before it was first touched, and what was done to it since."""

    platform: str
    server: str
    id: str
    name: str
    instance_uuid: str | None
    original: PowerState
    status: str  # the platform's own word for it
    deeds: list[Deed] = field(default_factory=list)

    @property
    def last(self) -> Deed:
        return self.deeds[-1]

    @property
    def open_ended(self) -> list[Deed]:
        """What was sent and may still change the VM, as nobody saw its end.

        That is the last deed, and also others where several calls are at the
        same VM. What restores begins when all before it has had its time.
        """
        since = max((n for n, deed in enumerate(self.deeds) if deed.restores), default=0)
        return [
            deed
            for number, deed in enumerate(self.deeds[since:], since)
            if (deed.unfinished and not self._reached_since(deed.aims_at, number + 1))
            or (deed is self.last and deed.open_ended)
        ]

    def _reached_since(self, state: PowerState, since: int) -> bool:
        """True if the deed of this number, or a later one, saw the VM in this state."""
        return any(state in (deed.before, deed.after) for deed in self.deeds[since:])

    @property
    def may_have_left(self) -> set[PowerState]:
        """The states in which the run may have left the VM."""
        done = [deed for deed in self.deeds if not deed.idle]
        left = done[-1].may_have_left if done else {self.deeds[0].before}
        return left.union(*(deed.may_have_left for deed in self.open_ended))

    def copy(self) -> Touched:
        """As it is now, whatever is noted of it later."""
        return replace(self, deeds=[replace(deed) for deed in self.deeds])

    def __str__(self) -> str:
        return f"{self.name!r} ({self.id})"


class History:
    """The VMs that are not known to be back where they were, in the order of their first touch."""

    def __init__(self, boot: str | None = None) -> None:
        """``boot`` tells this start of this machine from others, where that is known."""
        self._boot = boot
        self._boots: dict[str, str | None] = {}
        self._touched: dict[Key, Touched] = {}
        self._deeds: dict[tuple[str, str], tuple[Key, Deed]] = {}
        self._ever: dict[str, set[Key]] = {}

    # Reading -----------------------------------------------------------------------

    def __iter__(self) -> Iterator[Touched]:
        return iter(list(self._touched.values()))

    @property
    def runs(self) -> list[str]:
        return list(self._boots)

    def of(self, platform: str, server: str, vm_id: str) -> Touched | None:
        return self._touched.get((platform, server, vm_id))

    def ever_touched(self, run: str) -> set[Key]:
        """Every VM that a run has touched, put back or not; what restored others not counted."""
        return set(self._ever.get(run, ()))

    # Being told --------------------------------------------------------------------

    def add(self, line: Mapping[str, Any]) -> None:
        """Take in one line; raises KeyError or ValueError for one that is not as it should be."""
        match line["kind"]:
            case "run":
                self._boots[str(line["run"])] = line.get("boot")
            case "intent":
                self._intended(line)
            case "request":
                _, deed = self._deeds[line["call"], line["id"]]
                deed.step, deed.asked_at = Step(line["step"]), _moment(line)
            case "outcome":
                self._ended(line)
            case unknown:
                raise ValueError(f"lines of the kind {unknown!r} are not known")

    def _intended(self, line: Mapping[str, Any]) -> None:
        key = (str(line["platform"]), str(line["server"]), str(line["id"]))
        deed = Deed(
            run=str(line["run"]),
            call=str(line["call"]),
            operation=Operation(line["operation"]),
            before=PowerState(line["before"]),
            restores=_flag(line, "restores"),
            step_known=self._boot is not None and self._boots.get(line["run"]) == self._boot,
        )
        touched = self._before(key, deed) or Touched(
            *key,
            name=str(line["name"]),
            instance_uuid=line["instance_uuid"],
            original=deed.before,
            status=str(line["status"]),
        )
        touched.deeds.append(deed)
        self._touched[key] = touched  # whole, as other threads look at it
        self._deeds[deed.call, touched.id] = (key, deed)
        if not deed.restores:
            self._ever.setdefault(deed.run, set()).add(key)

    def _before(self, key: Key, deed: Deed) -> Touched | None:
        """What is known of the VM; None if it is as somebody else has made it, for another run."""
        touched = self._touched.get(key)
        if touched is None or deed.restores or deed.run == touched.last.run:
            return touched
        return touched if deed.before in touched.may_have_left else None

    def _ended(self, line: Mapping[str, Any]) -> None:
        key, deed = self._deeds[line["call"], line["id"]]
        after, deed.ended_at = PowerState(line["after"]), _moment(line)
        deed.pending = _flag(line, "pending")
        deed.changed = _flag(line, "changed") or How(line["how"]) is not How.NONE
        deed.after = after
        touched = self._touched.get(key)
        if touched is None or not deed.restores or deed.pending:
            return
        if deed.after is touched.original:
            del self._touched[key]


def _flag(line: Mapping[str, Any], key: str) -> bool:
    value = line[key]
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {value!r}, neither true nor false")
    return value


def _moment(line: Mapping[str, Any]) -> datetime:
    moment = datetime.fromisoformat(line["at"])
    if moment.tzinfo is None:
        raise ValueError(f"the time {line['at']!r} has no zone")
    return moment
