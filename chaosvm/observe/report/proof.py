"""The rest of the page: guards, undo, evidence, environment, files, and remaining tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from chaosvm.observe.story import Story
from chaosvm.observe.story.lanes import Lane
from chaosvm.observe.story.words import (
    clock_time,
    date_time,
    duration,
    moment,
    named,
    state_word,
)
from chaosvm.observe.timeline import Change, Kind, Server
from chaosvm.platforms import platform_title

__all__ = ["ToDo", "clock_note", "environment", "evidence", "head", "reboots", "to_do", "undo_text"]

_MOST_TO_DO = 20
_OPERATIONS = {"powered_on": "power on", "powered_off": "power off", "suspended": "suspend"}


@dataclass(frozen=True)
class ToDo:
    """A VM that is not back, and how to bring it back."""

    what: str
    name: str
    where: str
    reason: str


def to_do(story: Story) -> list[ToDo]:
    return [] if story.is_dry else [_to_do(story, lane) for lane in story.not_back[:_MOST_TO_DO]]


def _to_do(story: Story, lane: Lane) -> ToDo:
    server = lane.machine.server  # a journal alone does not have it
    where = f"{lane.machine.id} on {server}" if server else lane.machine.id
    if lane.hosts:
        where += f", {'was' if lane.last_state != 'powered_on' else 'is'} on {lane.hosts[-1]}"
    reason = lane.failures[-1].text.rstrip(".") if lane.failures else ""
    what = "check" if lane.killed else _OPERATIONS.get(lane.first_state, "restore")
    return ToDo(what, lane.machine.name, where, reason)


def undo_text(story: Story) -> tuple[str, str, list[str]]:
    """A class, the sentence in bold, and more sentences."""
    undo = story.timeline.undo
    if undo is None:
        return "soft", "", [_no_undo(story)]
    if story.is_dry:
        return "soft", "", ["Nothing was changed, so there was nothing to put back."]
    if undo.began is None and not undo.outcomes and not undo.error:
        return "ok", "✓ Nothing was left to undo.", []
    failed = [str(each.get("name")) for each in undo.outcomes if each.get("error")]
    total = len(undo.outcomes) or len(story.changed)
    more = []
    if undo.began and undo.ended:
        times = (moment(story.at(each), story.span) for each in (undo.began, undo.ended))
        more.append("The control chaosvm.controls.undo ran from {} to {}.".format(*times))
    left = [str(each["name"]) for each in undo.outcomes if not each.get("changed")]
    left = [name for name in left if name not in failed]
    if left and len(left) == len(undo.outcomes):
        more.append("It checked every VM that the run had changed, and had nothing left to do.")
    elif left:
        more.append(f"Left alone, because they were as before: {named(left)}.")
    if undo.error:
        more.append(f"It ended with an error: {undo.error}.")
    if missing := [lane for lane in story.not_back if lane.last_state != "unknown"]:
        by_state: dict[str, list[str]] = {}
        for lane in missing:
            by_state.setdefault(lane.still, []).append(lane.machine.name)
        more += [f"{state.capitalize()}: {named(names)}." for state, names in by_state.items()]
    if failed or undo.error:
        return "no", f"✕ {total - len(failed)} of {total} restored.", more
    if not total:
        return "ok", "✓ Nothing was changed.", more
    return "ok", f"✓ {total} of {total} as they were before the run.", more


def _no_undo(story: Story) -> str:
    if story.run.killed_at:
        return "This run was killed; a recovery came afterwards."
    if story.run.killed:
        return "Not recorded: the run was killed."
    return "This run had no undo."


def seen_text(change: Change, story: Story) -> str:
    if change.kind is Kind.POWER:
        word = state_word(change.value)
        return f"powered {word}" if word in ("on", "off") else word
    if change.kind is Kind.TOOLS:
        return f"tools {change.value.replace('_', ' ')}"
    if change.kind is Kind.ADDRESS:
        return f"ip {change.value}" if change.value else "no ip"
    return f"host {change.value}" if change.kind is Kind.HOST else change.value


def evidence(story: Story) -> list[tuple[str, str, str, str]]:
    """When, which VM or how many, what was seen, and who recorded it."""
    first: set[tuple[str, Kind]] = set()
    changes = []
    for change in sorted(story.timeline.changes, key=lambda each: each.at):
        if (change.vm, change.kind) in first:
            changes.append(change)
        first.add((change.vm, change.kind))
    names = {machine.ref: machine.name for machine in story.timeline.vms}
    if not story.many:
        return [
            (
                moment(story.at(each.at), story.span),
                names.get(each.vm, ""),
                _with_cause(each, seen_text(each, story)),
                each.source or "this machine",
            )
            for each in changes
        ]
    counted = Counter((_kind_seen(each, story), each.source or "this machine") for each in changes)
    return [("", str(number), seen, source) for (seen, source), number in counted.items()]


def _kind_seen(change: Change, story: Story) -> str:
    """For many VMs, addresses and hosts are not listed one by one."""
    if change.kind is Kind.ADDRESS:
        return "ip known" if change.value else "no ip"
    return "on another host" if change.kind is Kind.HOST else seen_text(change, story)


def _with_cause(change: Change, seen: str) -> str:
    if not change.cause or change.cause.startswith(seen):
        return change.cause or seen
    return f"{seen}: {change.cause}"


def reboots(story: Story) -> list[str]:
    """Whether and how each reboot was proved."""
    found = []
    for _, activity in story.activities:
        for outcome in activity.outcomes:
            if verified := outcome.get("verified"):
                proof = outcome.get("evidence")
                proof = ", ".join(map(str, proof)) if isinstance(proof, list) else proof
                found.append(
                    f"{outcome.get('name')}: {verified}" + (f" ({proof})" if proof else "")
                )
    return found


def clock_note(story: Story) -> str:
    """By how much the servers' clocks differed, and what could not be recorded."""
    notes = [_clock(server) for server in story.timeline.servers if server.clock_ahead is not None]
    text = f"Clocks: {'; '.join(notes)}; times are corrected here." if notes else ""
    return " ".join([text, *story.timeline.gaps]).strip()


def _clock(server: Server) -> str:
    ahead = server.clock_ahead or 0.0
    error = f" (±{server.clock_error:.1f} s)" if server.clock_error is not None else ""
    name = f"{platform_title(server.platform)} {server.address}"
    if abs(ahead) < 0.05:
        return f"{name} agreed with this machine{error}"
    return (
        f"{name} {duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} this machine{error}"
    )


def environment(story: Story) -> list[tuple[str, str]]:
    """Pairs of a name and a text."""
    timeline = story.timeline
    platforms = list(dict.fromkeys(each.platform for each in timeline.servers))
    products = dict.fromkeys(
        f"{platform_title(each.platform)}{f', {each.version}' if each.version else ''}"
        for each in timeline.servers
    )
    clusters = list(dict.fromkeys(each.cluster for each in timeline.vms if each.cluster))
    pairs = [
        ("Platform" if len(platforms) == 1 else "Platforms", "; ".join(products)),
        (
            "Server" if len(timeline.servers) == 1 else "Servers",
            ", ".join(each.address for each in timeline.servers),
        ),
        ("Cluster" if len(clusters) == 1 else "Clusters", named(clusters)),
        *timeline.environment.items(),
        ("Strategies", timeline.run.strategies or ""),
    ]
    return [(name, text) for name, text in pairs if text]


def head(story: Story) -> str:
    """Start, end and duration."""
    run = story.run
    ended = "last record " if run.killed else ""
    return (
        f"{date_time(run.started)} to {ended}{clock_time(run.ended)} UTC · {duration(story.span)}"
    )
