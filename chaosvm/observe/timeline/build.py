"""Builds a timeline from a journal, a ledger and what was recorded, as far as they are there."""

from __future__ import annotations

import importlib.metadata
import platform
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import chaosvm
from chaosvm.observe.timeline import journal as journals
from chaosvm.observe.timeline.changes import with_causes, with_outcomes
from chaosvm.observe.timeline.ledger_lines import LedgerStory
from chaosvm.observe.timeline.model import (
    ActivityRun,
    Guard,
    Machine,
    Phase,
    Timeline,
    UndoResult,
)
from chaosvm.observe.timeline.recorder import Recording
from chaosvm.observe.timeline.server_recorder import machine_ref
from chaosvm.platforms import PLATFORMS

__all__ = ["build_timeline"]

_DISTRIBUTION = "chaostoolkit-vm"


def build_timeline(
    journal: Mapping[str, Any] | None,
    ledger: LedgerStory | None = None,
    recording: Recording | None = None,
    guards: Sequence[Guard] = (),
    files: Mapping[str, str] | None = None,
    configuration: Mapping[str, Any] | None = None,
) -> Timeline:
    """The timeline of a run of which at least the journal or the ledger is left.

    ``configuration`` has the values of the experiment's variables.
    """
    now = datetime.now(UTC)
    recording = recording or Recording()
    if journal is None:
        assert ledger is not None
        return _of_ledger(ledger, now, files or {})
    run = journals.read_run(journal, now)
    undo = journals.read_undo(journal)
    activities = journals.read_activities(journal)
    everything = [*activities, *([_undo_run(undo)] if undo and undo.began else [])]
    machines = _machines(recording, ledger, everything)
    refs = {(each.platform, each.id): each.ref for each in machines}
    changes = list(recording.changes) or (list(ledger.changes) if ledger else [])
    changes = with_outcomes(changes, everything, refs, run.ended)
    ends = [run.ended, *(each.at for each in changes)]
    ends += [each.ended for each in everything if each.ended]
    ends += [recording.ended] if recording.ended else []
    ran_here = journal.get("node") in (None, socket.gethostname(), platform.node())
    return Timeline(
        run=replace(run, ended=max(ends), id=ledger.run.id if ledger else run.id),
        written=now,
        servers=tuple(recording.servers) or (tuple(ledger.servers) if ledger else ()),
        vms=tuple(machines),
        changes=tuple(with_causes(changes, everything, refs)),
        activities=tuple(_with_vms(each, refs) for each in activities),
        probes=tuple(journals.read_probes(journal)),
        limits=tuple(journals.read_limits(journal, configuration or {})),
        guards=tuple(guards),
        stopped_by_guard=journals.stopped_by_guard(journal),
        undo=undo,
        gaps=tuple(recording.gaps),
        environment=_environment(journal, ran_here),
        files=dict(files or {}),
    )


def _of_ledger(ledger: LedgerStory, now: datetime, files: Mapping[str, str]) -> Timeline:
    """Of a run without a journal: it was killed before it could write one."""
    refs = {(each.platform, each.id): each.ref for each in ledger.machines}
    return Timeline(
        run=ledger.run,
        written=now,
        servers=tuple(ledger.servers),
        vms=tuple(ledger.machines),
        changes=tuple(with_causes(ledger.changes, ledger.activities, refs)),
        activities=tuple(ledger.activities),
        environment={"Versions": _installed_versions()},
        files=dict(files),
    )


def _undo_run(undo: UndoResult) -> ActivityRun:
    assert undo.began is not None
    return ActivityRun(
        name="undo",
        phase=Phase.UNDO,
        began=undo.began,
        ended=undo.ended,
        outcomes=undo.outcomes,
    )


def _machines(
    recording: Recording, ledger: LedgerStory | None, activities: Sequence[ActivityRun]
) -> list[Machine]:
    """Recorded, or in the ledger, or at least in an outcome."""
    found = {(each.platform, each.id): each for each in (ledger.machines if ledger else ())}
    found |= {(each.platform, each.id): each for each in recording.machines}
    for activity in activities:
        for outcome in activity.outcomes:
            key = (str(outcome.get("platform")), str(outcome.get("id")))
            name = str(outcome.get("name"))
            if key not in found:
                ref = machine_ref(key[0], "", key[1])
                found[key] = Machine(ref=ref, id=key[1], name=name, platform=key[0], server="")
    return sorted(found.values(), key=lambda each: (each.platform, each.server, each.name, each.id))


def _with_vms(activity: ActivityRun, refs: Mapping[tuple[str, str], str]) -> ActivityRun:
    keys = ((str(each.get("platform")), str(each.get("id"))) for each in activity.outcomes)
    return replace(activity, vms=tuple(refs[key] for key in keys))


def _environment(journal: Mapping[str, Any], ran_here: bool) -> dict[str, str]:
    found = {"Ran on": str(journal.get("node") or socket.gethostname())}
    if ran_here:  # what is installed elsewhere is not known
        found["Ran on"] += f", Python {platform.python_version()}"
        found["Versions"] = _installed_versions()
    elif version := journal.get("chaoslib-version"):
        found["Versions"] = f"chaostoolkit-lib {version}"
    return found


def _installed_versions() -> str:
    """chaosvm, Chaos Toolkit, and the SDKs of the platforms, as far as they are installed."""
    versions = [f"chaosvm {chaosvm.__version__}"]
    for name in ("chaostoolkit", "chaostoolkit-lib", *_sdks()):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(versions)


def _sdks() -> list[str]:
    """What the extra of each platform requires."""
    try:
        required = importlib.metadata.requires(_DISTRIBUTION) or ()
    except importlib.metadata.PackageNotFoundError:
        return []
    extras = {each.name for each in PLATFORMS}
    return [
        line.split(";")[0].strip().split("<")[0].split(">")[0].split("[")[0].strip()
        for line in required
        if any(f"extra == {quote}{extra}{quote}" in line for extra in extras for quote in "'\"")
    ]
