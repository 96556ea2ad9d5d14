"""The contents of a ledger: which VMs were changed, from which state, and by which operations.

A history is built from the lines of a ledger alone, read from a file or just written.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chaosvm.backend import Operation, PowerCommand
from chaosvm.outcome import How
from chaosvm.vm import PowerState

__all__ = ["TARGET_STATES", "History", "Key", "OperationRecord", "VMRecord"]

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
    """One operation on one VM, as recorded."""

    run: str
    call: str
    operation: Operation
    before: PowerState
    is_restore: bool
    command: PowerCommand | None = None  # the last one sent, if any
    # False if the machine may have died before a sent command was synced.
    command_known: bool = True
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    end_number: int = 0  # counts outcomes, because the clock may be set back between two
    after: PowerState | None = None  # None until there is an outcome
    pending: bool = False  # at the outcome, a command could still take effect
    changed: bool = True  # False if the outcome proves that nothing was changed
    # Another operation on the VM had begun and not ended, so ``before`` may have been passing.
    overlaps: bool = False

    @property
    def target(self) -> PowerState:
        return TARGET_STATES[self.operation]

    @property
    def expected_state(self) -> PowerState:
        """The state of the VM once the last command is carried out."""
        return self.command.target_state if self.command is not None else self.target

    @property
    def is_guest_command(self) -> bool:
        return self.command is not None and self.command.is_guest_command

    @property
    def unconfirmed(self) -> bool:
        """True if a command was sent and its end was not observed."""
        return self.command is not None and (self.after is None or self.pending)

    @property
    def unfinished(self) -> bool:
        """True if a command was sent and there is no outcome."""
        return self.command is not None and self.after is None

    @property
    def had_no_effect(self) -> bool:
        """True if it certainly did nothing to the VM."""
        if self.after is None:
            return self.command is None and self.command_known
        return self.after.settled and not (self.pending or self.changed)

    @property
    def is_certain(self) -> bool:
        """True if the state in which it left the VM is known."""
        return self.after is not None and self.after.settled and not self.pending

    def ends_last(self, operations: Iterable[OperationRecord]) -> bool:
        """True if it has ended, and after all others that have."""
        if self.ended_at is None:
            return False
        return all(
            each.ended_at < self.ended_at and each.end_number < self.end_number
            for each in operations
            if each.ended_at is not None and each is not self
        )

    @property
    def possible_states(self) -> set[PowerState]:
        """The states in which it may have left the VM."""
        if self.after is not None and self.is_certain:
            return {self.after}
        if self.had_no_effect:
            return {self.before}
        passed = {PowerState.POWERED_OFF} if self.operation is Operation.REBOOT else set()
        known = {self.after} if self.after is not None and self.after.settled else set()
        return known | passed | {self.before, self.target, PowerState.TRANSITIONING}


@dataclass
class VMRecord:
    """A VM, its state before the first operation, and the operations since."""

    platform: str
    server: str
    id: str
    name: str
    instance_uuid: str | None
    original: PowerState
    status: str  # the platform's own name for ``original``
    operations: list[OperationRecord] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return (self.platform, self.server, self.id)

    @property
    def last(self) -> OperationRecord:
        return self.operations[-1]

    @property
    def unconfirmed(self) -> list[OperationRecord]:
        """The operations that may still change the VM.

        Usually only the last one, but several calls may operate on the same VM. A restore
        starts after everything before it has had its time, so nothing older counts.
        """
        restores = (n for n, operation in enumerate(self.operations) if operation.is_restore)
        first = max(restores, default=0)
        return [
            operation
            for number, operation in enumerate(self.operations[first:], first)
            if (operation is self.last and operation.unconfirmed)
            or (
                operation.unfinished
                and not self._reached_since(operation.expected_state, number + 1)
            )
        ]

    def _reached_since(self, state: PowerState, first: int) -> bool:
        """True if the VM was in this state before or after an operation, from ``first`` on."""
        later = self.operations[first:]
        return any(state in (operation.before, operation.after) for operation in later)

    @property
    def possible_states(self) -> set[PowerState]:
        """The states in which the run may have left the VM."""
        effective = [operation for operation in self.operations if not operation.had_no_effect]
        states = set() if effective else {self.operations[0].before}
        for operation in reversed(effective):
            states |= operation.possible_states
            if not operation.overlaps or (operation.is_certain and operation.ends_last(effective)):
                break  # what was done earlier no longer shows
        return states.union(*(operation.possible_states for operation in self.unconfirmed))

    @property
    def is_in_original_state(self) -> bool:
        """True if the run certainly left the VM as it was: there is nothing to restore."""
        return self.possible_states == {self.original}

    def copy(self) -> VMRecord:
        """A copy that later lines do not change."""
        return replace(self, operations=[replace(operation) for operation in self.operations])

    def __str__(self) -> str:
        return f"{self.name!r} ({self.id})"


class History:
    """The VMs that are not known to be restored, in the order of their first operation."""

    def __init__(self, boot: str | None = None) -> None:
        """``boot`` identifies the current boot of this machine, if that is known."""
        self._boot = boot
        self._boots: dict[str, str | None] = {}
        self._vm_records: dict[Key, VMRecord] = {}
        self._operations: dict[tuple[str, str], tuple[VMRecord, OperationRecord]] = {}
        self._changed_by_run: dict[str, set[Key]] = {}
        self._end_numbers = itertools.count(1)

    # Reading -----------------------------------------------------------------------

    def __iter__(self) -> Iterator[VMRecord]:
        return iter(list(self._vm_records.values()))

    @property
    def runs(self) -> list[str]:
        return list(self._boots)

    def find(self, platform: str, server: str, vm_id: str) -> VMRecord | None:
        return self._vm_records.get((platform, server, vm_id))

    def changed_vms(self, run: str) -> set[Key]:
        """Every VM that a run operated on, restored since or not; its restores do not count."""
        return set(self._changed_by_run.get(run, ()))

    # Adding lines ------------------------------------------------------------------

    def add(self, line: Mapping[str, Any]) -> None:
        """Add one line; raises KeyError, TypeError or ValueError if it is malformed."""
        match line["kind"]:
            case "run":
                self._boots[str(line["run"])] = line.get("boot")
            case "intent":
                self._add_intent(line)
            case "request":
                self._add_request(line)
            case "outcome":
                self._add_outcome(line)
            case unknown:
                raise ValueError(f"unknown kind of line: {unknown!r}")

    def _add_intent(self, line: Mapping[str, Any]) -> None:
        key = (str(line["platform"]), str(line["server"]), str(line["id"]))
        operation = OperationRecord(
            run=str(line["run"]),
            call=str(line["call"]),
            operation=Operation(line["operation"]),
            before=PowerState(line["before"]),
            is_restore=_boolean(line, "restores"),
            command_known=self._boot is not None and self._boots.get(line["run"]) == self._boot,
        )
        record = self._record_to_continue(key, operation) or VMRecord(
            *key,
            name=str(line["name"]),
            instance_uuid=line["instance_uuid"],
            original=operation.before,
            status=str(line["status"]),
        )
        for other in record.operations:
            if other.after is None:
                other.overlaps = operation.overlaps = True
        record.operations.append(operation)
        self._vm_records[key] = record  # complete, because other threads iterate over it
        self._operations[operation.call, record.id] = (record, operation)
        if not operation.is_restore:
            self._changed_by_run.setdefault(operation.run, set()).add(key)

    def _record_to_continue(self, key: Key, operation: OperationRecord) -> VMRecord | None:
        """The VM's record; None if the VM was changed externally since the last run."""
        record = self._vm_records.get(key)
        if record is None or operation.is_restore or operation.run == record.last.run:
            return record
        return record if operation.before in record.possible_states else None

    def _add_request(self, line: Mapping[str, Any]) -> None:
        begun, operation = self._operations[line["call"], line["id"]]
        operation.command, operation.sent_at = PowerCommand(line["step"]), _time(line)
        # What is sent last counts last: a restore of the VM may have begun, or even ended, while
        # this request waited for its turn.
        record = self._vm_records.get(begun.key) or replace(begun, operations=[])
        others = [each for each in record.operations if each is not operation]
        self._vm_records[begun.key] = replace(record, operations=[*others, operation])

    def _add_outcome(self, line: Mapping[str, Any]) -> None:
        begun, operation = self._operations[line["call"], line["id"]]
        after, operation.ended_at = PowerState(line["after"]), _time(line)
        operation.end_number = next(self._end_numbers)
        operation.pending = _boolean(line, "pending")
        operation.changed = _boolean(line, "changed") or How(line["how"]) is not How.NONE
        operation.after = after
        record = self._vm_records.get(begun.key)
        if record is None or not operation.is_restore or operation.pending:
            return
        if operation.after is record.original and _is_in(operation, record.operations):
            self._end_record(record, operation)

    def _end_record(self, record: VMRecord, restore: OperationRecord) -> None:
        """The VM is restored, but another call may have begun to change it again meanwhile."""
        index = next(n for n, each in enumerate(record.operations) if each is restore)
        if later := record.operations[index + 1 :]:
            self._vm_records[record.key] = replace(record, operations=later)
        else:
            del self._vm_records[record.key]


def _is_in(operation: OperationRecord, operations: list[OperationRecord]) -> bool:
    """By identity: two operations may be equal."""
    return any(each is operation for each in operations)


def _boolean(line: Mapping[str, Any], key: str) -> bool:
    value = line[key]
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {value!r}, neither true nor false")
    return value


def _time(line: Mapping[str, Any]) -> datetime:
    time = datetime.fromisoformat(line["at"])
    if time.tzinfo is None:
        raise ValueError(f"the time {line['at']!r} has no time zone")
    return time
