"""The story in three sentences, and the banners of special runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chaosvm.observe.story.action_sentence import because, reason, sentence_of, what_was_done
from chaosvm.observe.story.lanes import Lane, outcome_ref
from chaosvm.observe.story.story import Outage, Story
from chaosvm.observe.story.words import (
    clock_time,
    duration,
    joined,
    moment,
    named,
    rounded,
    seconds_text,
    state_word,
)
from chaosvm.observe.timeline import Mode, Phase

__all__ = ["banners", "three_sentences"]

_NUMBERS = ("no", "one", "two", "three")
_FEW = 3


def banners(story: Story) -> list[str]:
    """What a reader must know first."""
    run = story.run
    found = []
    if run.mode is Mode.REHEARSAL:
        found.append("Rehearsal. This ran on a simulated lab; no real VM was touched.")
    if run.mode is Mode.DRY_RUN:
        found.append("Dry run. Nothing was changed; this is what would have been done.")
    if run.killed:
        last = clock_time(run.killed_at or run.ended)
        source = "ledger" if story.timeline.probes is None else "journal and the ledger"
        found.append(
            f"This run was killed; its last record is from {last}. "
            f"This page was written later, from the {source}."
        )
    if run.killed_at:
        found.append(f"It was recovered afterwards; the recovery ended at {clock_time(run.ended)}.")
    for server in story.timeline.servers:
        ahead = server.clock_ahead
        if ahead is not None and abs(ahead) > 60:
            way = "ahead of" if ahead > 0 else "behind"
            found.append(
                f"The clock of {server.address} is {duration(abs(ahead))} {way} this machine’s."
            )
    return found


def three_sentences(story: Story) -> list[str]:
    """What was done, how it affected the service, and what is back."""
    return [what_was_done(story), _second(story), _third(story)]


def number_word(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


# What that did to the service --------------------------------------------------------------


def _second(story: Story) -> str:
    if story.is_dry:
        return "Nothing was judged."
    if story.timeline.probes is None:
        return "What that did to the service, and whether the hypothesis was met, was not recorded."
    before, after = story.met(Phase.BEFORE), story.met(Phase.AFTER)
    if before is False and not story.method_was_run:
        return _not_met_sentence(story, Phase.BEFORE, "before the method")
    if after is False:
        return _not_met_sentence(story, Phase.AFTER, "afterwards")
    parts = [*_outage_parts(story), *_recovery_parts(story)]
    if not story.probes:
        parts.append("the experiment has no hypothesis, so nothing was judged")
    elif after is None:
        parts.append("the hypothesis was not checked after the method")
    else:
        parts.append(f"the hypothesis was met {'before and ' if before else ''}after the method")
    return sentence_of("; ".join(parts))


def _not_met_sentence(story: Story, phase: Phase, when: str) -> str:
    failed = [
        (probe, check)
        for probe in story.probes
        for check in probe.checks
        if check.phase is phase and not check.met
    ]
    probe, check = failed[0]
    seen = f"got {check.value}" if check.value is not None else f"failed ({check.error})"
    text = f"The hypothesis was not met {when}: {probe.name} {seen} instead of {probe.expected}"
    lasting = [each for each in story.outages_of(probe) if not each.ended]
    if lasting and phase is Phase.AFTER:
        begin, end = (moment(each, story.span) for each in (lasting[-1].begin, lasting[-1].end))
        text += f", from {begin} until its last check during the method at {end}"
    over = [f"{lane.machine.name} took {_took(lane)}" for lane in story.lanes if lane.over_limit]
    return sentence_of("; ".join([text, *over[:_FEW]]))


def _took(lane: Lane) -> str:
    slowest, limit = lane.slowest, lane.limit
    assert slowest is not None
    assert limit is not None
    return (
        f"{seconds_text(slowest.recovery or 0)} to be back, over its limit of {limit.seconds:.0f} s"
    )


def _outage_parts(story: Story) -> list[str]:
    if not story.outages:
        steady = any(story.during(probe) for probe in story.probes)
        return ["while the method ran, no check failed"] if steady else []
    worst = max(story.outages, key=lambda each: each.end - each.begin)
    return [f"while the method ran, {worst.probe.name} failed for {outage_text(story, worst)}"]


def outage_text(story: Story, outage: Outage) -> str:
    """11.0 s, or how long it failed altogether where it failed several times."""
    outages = story.outages_of(outage.probe)
    seconds = sum(each.end - each.begin for each in outages)
    more = "" if outages[-1].ended else " or more"
    times = f", {len(outages)} times" if len(outages) > 1 else ""
    return f"{rounded(seconds)}{more} ({outage.reason}){times}"


def _recovery_parts(story: Story) -> list[str]:
    lane = story.judged_recovery
    if lane is None:
        return []
    slowest = lane.slowest
    assert slowest is not None
    is_slowest = len(story.recovered) > 1 and lane is story.slowest_recovery
    who = lane.machine.name + (", the slowest," if is_slowest else "")
    text = f"{who} was back in {seconds_text(slowest.recovery or 0)}"
    if lane.limit is not None:
        way = "over" if lane.over_limit else "within"
        text += f", {way} its limit of {lane.limit.seconds:.0f} s"
    return [text]


# What is back --------------------------------------------------------------------------------


def _third(story: Story) -> str:
    if story.is_dry:
        return "There is nothing to put back."
    changed, missing = story.changed, story.not_back
    if not changed:
        return "There was nothing to put back."
    if story.run.killed and missing and all(lane.killed for lane in missing):
        names = named([lane.machine.name for lane in missing])
        return f"It is not known whether {names} {'is' if len(missing) == 1 else 'are'} back."
    if not missing:
        return _all_back(story, changed)
    first = _back_text(story, len(changed) - len(missing), len(changed))
    return sentence_of("; ".join(filter(None, [first, *_missing_parts(missing)])))


def _back_text(story: Story, back: int, total: int) -> str:
    undo = story.timeline.undo
    restored = sum(bool(each.get("changed")) for each in undo.outcomes) if undo else 0
    if undo and undo.began and undo.ended and restored == back:
        seconds = (undo.ended - undo.began).total_seconds()
        return f"undo restored {back} of the {total} VMs in {rounded(seconds)}"
    if total == 1:
        return ""
    return f"{back} of the {total} VMs {'is' if back == 1 else 'are'} back"


def _all_back(story: Story, changed: Sequence[Lane]) -> str:
    subject = {1: changed[0].machine.name, 2: "Both VMs"}.get(
        len(changed), f"All {number_word(len(changed))} VMs"
    )
    one = len(changed) == 1
    if all(lane.first_state == "powered_on" for lane in changed):
        text = f"{subject} {'runs' if one else 'run'} again"
    else:
        text = f"{subject} {'is as it was' if one else 'are as they were'}"
    by = [
        *_by_whom(story, Phase.METHOD, "the method"),
        *_by_whom(story, Phase.ROLLBACK, "the rollback"),
        *_by_whom(story, Phase.UNDO, "a recovery" if story.run.killed_at else "undo"),
    ]
    undo = story.timeline.undo
    if undo is not None and undo.began and not _by_whom(story, Phase.UNDO, "undo"):
        by.append("undo found nothing left to do")
    if not by:
        by = ["this run had no undo, and needed none"] if undo is None else []
    sentence = f"{text}: {joined(by)}" if by else text
    return f"{sentence}."


def _by_whom(story: Story, phase: Phase, who: str) -> list[str]:
    by_operation: dict[str, dict[tuple[str, str], str]] = {}  # a VM counts once
    for _, activity in story.activities:
        if activity.phase is phase:
            for outcome in activity.outcomes:
                if outcome.get("changed") and (
                    phase is not Phase.METHOD or _restores(story, outcome)
                ):
                    vms = by_operation.setdefault(_restored_to(outcome), {})
                    vms[outcome_ref(outcome)] = str(outcome["name"])
    return [
        f"{who} {verb} {joined(list(vms.values())) if len(vms) <= _FEW else f'{len(vms)} of them'}"
        for verb, vms in by_operation.items()
    ]


def _restores(story: Story, outcome: Mapping[str, Any]) -> bool:
    """In a method: powering on a VM that was on at first."""
    return outcome.get("operation") == "power_on" and any(
        lane.first_state == outcome.get("after")
        for lane in story.changed
        if (lane.machine.platform, lane.machine.id) == outcome_ref(outcome)
    )


def _restored_to(outcome: Mapping[str, Any]) -> str:
    word = state_word(str(outcome.get("after")))
    return {"on": "powered on", "off": "powered off", "suspended": "suspended"}.get(
        word, "restored"
    )


def _missing_parts(missing: Sequence[Lane]) -> list[str]:
    by_state: dict[str, list[Lane]] = {}
    for lane in missing:
        by_state.setdefault(lane.still, []).append(lane)
    parts = []
    for state, lanes in by_state.items():
        verb = "is" if len(lanes) == 1 else "are"
        text = f"{named([lane.machine.name for lane in lanes])} {verb} {state}"
        reasons = {reason(lane.failures[-1].text) for lane in lanes if lane.failures}
        parts.append(f"{text}{because(reasons.pop(), len(lanes))}" if len(reasons) == 1 else text)
    return parts
