"""What a ledger tells: which VMs were changed, from which state, and by what.

A history is made of the lines of a ledger, one after the other, and nothing
else: whether they come from a file or were written a moment ago.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chaosvm.backend import Operation, PowerCommand
from chaosvm.outcome import How
from chaosvm.vm import PowerState

__all__ = ["TARGET_STATES", "OperationRecord", "History", "VMRecord"]

TARGET_STATES = {
    Operation.POWER_ON: PowerState.POWERED_ON,
    Operation.POWER_OFF: PowerState.POWERED_OFF,
    Operation.SUSPEND: PowerState.SUSPENDED,
    Operation.REBOOT: PowerState.POWERED_ON,
}

# A platform, its server, and a VM's id there.
Key = tuple[str, str, str]


@dataclass
class OperationRecord:
    """One operation on one VM, as far as it is known."""

    run: str
    call: str
    operation: Operation
    before: PowerState
    is_restore: bool
    step: PowerCommand | None = None  # the last request about it, if any was sent
    # Would the ledger have that request? Not if the machine died before it was synced.
    command_known: bool = True
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    after: PowerState | None = None  # None as long as there is no outcome
    pending: bool = False  # at its outcome, something that was sent could still happen
    changed: bool = True  # at its outcome, unless it is known to have changed nothing

    @property
    def target(self) -> PowerState:
        return TARGET_STATES[self.operation]

    @property
    def expected_state(self) -> PowerState:
        """Where the VM is when what was sent last is done."""
        return self.step.target_state if self.step is not None else self.target

    @property
    def is_guest_command(self) -> bool:
        return self.step is not None and self.step.is_guest_command

    @property
    def unconfirmed(self) -> bool:
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
            return self.step is None and self.command_known
        return self.after.settled and not (self.pending or self.changed)

    @property
    def possible_states(self) -> set[PowerState]:
        """The states in which it may have left the VM."""
        if self.after is not None and self.after.settled and not self.pending:
            return {self.after}
        if self.idle:
            return {self.before}
        passed = {PowerState.POWERED_OFF} if self.operation is Operation.REBOOT else set()
        known = {self.after} if self.after is not None and self.after.settled else set()
        return known | passed | {self.before, self.target, PowerState.TRANSITIONING}


@dataclass
class VMRecord:
    """A VM, the state it had before it was first touched, and what was done to it since."""

    platform: str
    server: str
    id: str
    name: str
    instance_uuid: str | None
    original: PowerState
    status: str  # the platform's own word for it
    operations: list[OperationRecord] = field(default_factory=list)

    @property
    def last(self) -> OperationRecord:
        return self.operations[-1]

    @property
    def unconfirmed(self) -> list[OperationRecord]:
        """What was sent and may still change the VM, as nobody saw its end.

        That is the last deed, and also others where several calls are at the
        same VM. What restores begins when all before it has had its time.
        """
        since = max(
            (
                n
                for n, operation_record in enumerate(self.operations)
                if operation_record.is_restore
            ),
            default=0,
        )
        return [
            operation_record
            for number, operation_record in enumerate(self.operations[since:], since)
            if (
                operation_record.unfinished
                and not self._reached_since(operation_record.expected_state, number + 1)
            )
            or (operation_record is self.last and operation_record.unconfirmed)
        ]

    def _reached_since(self, state: PowerState, since: int) -> bool:
        """True if the deed of this number, or a later one, saw the VM in this state."""
        return any(
            state in (operation_record.before, operation_record.after)
            for operation_record in self.operations[since:]
        )

    @property
    def possible_states(self) -> set[PowerState]:
        """The states in which the run may have left the VM."""
        done = [
            operation_record for operation_record in self.operations if not operation_record.idle
        ]
        left = done[-1].possible_states if done else {self.operations[0].before}
        return left.union(
            *(operation_record.possible_states for operation_record in self.unconfirmed)
        )

    def copy(self) -> VMRecord:
        """As it is now, whatever is noted of it later."""
        return replace(
            self, operations=[replace(operation_record) for operation_record in self.operations]
        )

    def __str__(self) -> str:
        return f"{self.name!r} ({self.id})"


class History:
    """The VMs that are not known to be back where they were, in the order of their first touch."""

    def __init__(self, boot: str | None = None) -> None:
        """``boot`` tells this start of this machine from others, where that is known."""
        self._boot = boot
        self._boots: dict[str, str | None] = {}
        self._record_of: dict[Key, VMRecord] = {}
        self._deeds: dict[tuple[str, str], tuple[Key, OperationRecord]] = {}
        self._ever: dict[str, set[Key]] = {}

    # Reading -----------------------------------------------------------------------

    def __iter__(self) -> Iterator[VMRecord]:
        return iter(list(self._record_of.values()))

    @property
    def runs(self) -> list[str]:
        return list(self._boots)

    def of(self, platform: str, server: str, vm_id: str) -> VMRecord | None:
        return self._record_of.get((platform, server, vm_id))

    def changed_vms(self, run: str) -> set[Key]:
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
                _, operation_record = self._deeds[line["call"], line["id"]]
                operation_record.step, operation_record.sent_at = (
                    PowerCommand(line["step"]),
                    _moment(line),
                )
            case "outcome":
                self._ended(line)
            case unknown:
                raise ValueError(f"lines of the kind {unknown!r} are not known")

    def _intended(self, line: Mapping[str, Any]) -> None:
        key = (str(line["platform"]), str(line["server"]), str(line["id"]))
        operation_record = OperationRecord(
            run=str(line["run"]),
            call=str(line["call"]),
            operation=Operation(line["operation"]),
            before=PowerState(line["before"]),
            is_restore=_flag(line, "restores"),
            command_known=self._boot is not None and self._boots.get(line["run"]) == self._boot,
        )
        record = self._before(key, operation_record) or VMRecord(
            *key,
            name=str(line["name"]),
            instance_uuid=line["instance_uuid"],
            original=operation_record.before,
            status=str(line["status"]),
        )
        record.operations.append(operation_record)
        self._record_of[key] = record  # whole, as other threads look at it
        self._deeds[operation_record.call, record.id] = (key, operation_record)
        if not operation_record.is_restore:
            self._ever.setdefault(operation_record.run, set()).add(key)

    def _before(self, key: Key, operation_record: OperationRecord) -> VMRecord | None:
        """What is known of the VM; None if it is as somebody else has made it, for another run."""
        record = self._record_of.get(key)
        if record is None or operation_record.is_restore or operation_record.run == record.last.run:
            return record
        return record if operation_record.before in record.possible_states else None

    def _ended(self, line: Mapping[str, Any]) -> None:
        key, operation_record = self._deeds[line["call"], line["id"]]
        after, operation_record.ended_at = PowerState(line["after"]), _moment(line)
        operation_record.pending = _flag(line, "pending")
        operation_record.changed = _flag(line, "changed") or How(line["how"]) is not How.NONE
        operation_record.after = after
        record = self._record_of.get(key)
        if record is None or not operation_record.is_restore or operation_record.pending:
            return
        if operation_record.after is record.original:
            del self._record_of[key]


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
