"""Reads a run from its ledger, which is all that is left of one that was killed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.ledger import LedgerFile
from chaosvm.observe.timeline.model import (
    ActivityRun,
    Change,
    Kind,
    Machine,
    Mode,
    Phase,
    Run,
    Server,
)
from chaosvm.observe.timeline.server_recorder import machine_ref
from chaosvm.settings.files import is_rehearsal_path

__all__ = ["LedgerStory", "read_ledger"]

_SOURCE = "the ledger"
Line = Mapping[str, Any]


@dataclass(frozen=True)
class LedgerStory:
    """The last run in a ledger that did more than restore, and its recovery if there was one."""

    run: Run
    machines: Sequence[Machine]
    servers: Sequence[Server]
    changes: Sequence[Change]
    activities: Sequence[ActivityRun]


def read_ledger(path: Path) -> LedgerStory:
    """Read it without taking its lock; raises LedgerError or InvalidValue if it holds no run."""
    lines = [line for _, line in LedgerFile(path).lines()]
    starts = [number for number, line in enumerate(lines) if line["kind"] == "run"]
    if not starts:
        raise InvalidValue(f"{path.name} has no run in it: nothing was changed")
    runs = [lines[begin:end] for begin, end in pairwise([*starts, len(lines)])]
    last = max((n for n, run in enumerate(runs) if _acts(run)), default=len(runs) - 1)
    (header, *own), recovery = runs[last], [line for run in runs[last + 1 :] for line in run[1:]]
    try:
        story = _story(header, own, recovery)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidValue(f"{path.name} has a line that cannot be used: {error!r}") from None
    mode = Mode.REHEARSAL if is_rehearsal_path(path) else Mode.REAL
    return replace(story, run=replace(story.run, mode=mode))


def _acts(run: Sequence[Line]) -> bool:
    """False for a recovery, which only restores."""
    return any(line["kind"] == "intent" and not line.get("restores") for line in run)


def _story(header: Line, own: Sequence[Line], recovery: Sequence[Line]) -> LedgerStory:
    lines = [*own, *recovery]
    machines: dict[str, Machine] = {}
    calls: dict[str, list[Line]] = {}
    for line in lines:
        calls.setdefault(str(line["call"]), []).append(line)
        if line["kind"] == "intent":
            machine = _machine(line)
            machines.setdefault(machine.ref, machine)
    # The first intents are noted just before the run is.
    started = min([_time(header), *map(_time, lines)])
    places = {(each.platform, each.server) for each in machines.values()}
    return LedgerStory(
        run=Run(
            title=str(header.get("experiment") or "an experiment"),
            started=started,
            ended=max([started, *map(_time, lines)]),
            id=str(header["run"]),
            killed=True,
            killed_at=max([started, *map(_time, own)]) if recovery else None,
        ),
        machines=list(machines.values()),
        servers=[
            Server(platform=platform, address=address) for platform, address in sorted(places)
        ],
        changes=_changes(lines, machines),
        activities=[_activity(lines) for lines in calls.values()],
    )


def _machine(line: Line) -> Machine:
    platform, server, vm_id = (str(line[key]) for key in ("platform", "server", "id"))
    ref = machine_ref(platform, server, vm_id)
    return Machine(ref=ref, id=vm_id, name=str(line["name"]), platform=platform, server=server)


def _changes(lines: Sequence[Line], machines: Mapping[str, Machine]) -> list[Change]:
    """The state before each operation, and after its outcome."""
    refs: dict[tuple[str, str], str] = {}
    known: dict[str, str] = {}
    changes: list[Change] = []
    for line in lines:
        if line["kind"] == "intent":
            refs[str(line["call"]), str(line["id"])] = _machine(line).ref
        value = {"intent": line.get("before"), "outcome": line.get("after")}.get(line["kind"])
        ref = refs[str(line["call"]), str(line["id"])]
        if value is not None and known.get(ref) != value:
            known[ref] = str(value)
            changes.append(
                Change(at=_time(line), vm=ref, kind=Kind.POWER, value=str(value), source=_SOURCE)
            )
    return changes


def _activity(lines: Sequence[Line]) -> ActivityRun:
    """One call: an action on one or more VMs."""
    intents = {str(line["id"]): line for line in lines if line["kind"] == "intent"}
    order = list(intents)
    outcomes = sorted(
        (line for line in lines if line["kind"] == "outcome"),
        key=lambda line: order.index(str(line["id"])),
    )
    first = next(iter(intents.values()))
    began = _time(first)
    done = len(outcomes) == len(intents)
    return ActivityRun(
        name=str(first["operation"]),
        phase=Phase.UNDO if first["restores"] else Phase.METHOD,
        began=began,
        ended=max(map(_time, outcomes)) if done else None,
        vms=tuple(_machine(line).ref for line in intents.values()),
        outcomes=tuple(_outcome(intents[str(line["id"])], line, began) for line in outcomes),
    )


def _outcome(intent: Line, line: Line, began: datetime) -> dict[str, Any]:
    outcome = {
        "name": intent["name"],
        "id": intent["id"],
        "platform": intent["platform"],
        "operation": intent["operation"],
        "before": intent["before"],
        "after": line["after"],
        "changed": line["changed"],
        "how": line["how"],
        "seconds": round((_time(line) - began).total_seconds(), 3),
    }
    return outcome | ({"error": line["error"]} if line.get("error") else {})


def _time(line: Line) -> datetime:
    return datetime.fromisoformat(line["at"])
