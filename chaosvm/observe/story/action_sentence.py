"""What the method did to the VMs: the first of the three sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chaosvm.observe.story.lanes import outcome_ref
from chaosvm.observe.story.story import Story
from chaosvm.observe.story.words import joined, moment, named
from chaosvm.observe.timeline import Phase
from chaosvm.platforms import platform_title

__all__ = ["because", "reason", "sentence_of", "what_was_done"]

_FEW = 3
# Up to this many VMs that failed are named.
_MOST_FAILED = 20
# What was done: of one VM, and of several.
_DONE = {
    ("power_off", "guest"): ("was shut down by its guest", "were shut down by their guests"),
    ("power_off", "hard"): ("was powered off hard", "were powered off hard"),
    ("power_off", "engine_converted"): (
        "was powered off hard by the engine instead of shut down",
        "were powered off hard by the engine instead of shut down",
    ),
    ("power_off", "fallback_hard"): (
        "ignored the shutdown and was powered off hard",
        "ignored the shutdown and were powered off hard",
    ),
    ("suspend", "hard"): ("was suspended", "were suspended"),
    ("reboot", "guest"): ("was rebooted by its guest", "were rebooted by their guests"),
    ("reboot", "hard"): ("was reset", "were reset"),
    ("reboot", "fallback_hard"): (
        "ignored the reboot and was reset",
        "ignored the reboot and were reset",
    ),
    ("power_on", "hard"): ("was powered on", "were powered on"),
}
_BROUGHT_BACK = ", then powered on again"
# The first words of errors that have no subject, as most errors of a VM.
_PREDICATES = ("is", "was", "did", "does", "has", "had", "cannot", "may")
_REVERSED = {"power_on": "powered on", "power_off": "powered off", "suspend": "suspended"}


def what_was_done(story: Story) -> str:
    """Includes what prevented it: an interruption, and activities that failed as a whole."""
    first = (_stopped_by_guard(story), _interruption(story))
    return " ".join(filter(None, [*first, _done(story), _failed(story)]))


def _interruption(story: Story) -> str:
    interruption = story.run.interruption
    if interruption is None:
        return ""
    when = f" at {moment(story.at(interruption.at), story.span)}" if interruption.at else ""
    return f"The run was interrupted{when}: {reason(interruption.by)}."


def _stopped_by_guard(story: Story) -> str:
    stopped = story.timeline.stopped_by_guard
    return sentence_of(f"A guard stopped {stopped}") if stopped else ""


def _failed(story: Story) -> str:
    failed = [each for _, each in story.failed_activities if each.phase is not Phase.UNDO]
    if not failed or story.timeline.stopped_by_guard:
        return ""
    if len(failed) == 1:
        return f"{failed[0].name} failed: {reason(failed[0].error or '')}."
    first = f"{failed[0].name}: {reason(failed[0].error or '')}"
    return f"{len(failed)} activities failed without an outcome; the first was {first}."


def _done(story: Story) -> str:
    if story.timeline.stopped_by_guard and not _first_outcomes(story):
        return ""
    if story.met(Phase.BEFORE) is False and not story.method_was_run:
        return "The method was not run."
    if story.run.killed:
        acted = _actions_sentence(story) if _first_outcomes(story) else ""
        return " ".join(filter(None, [acted, _unrecorded(story)]))
    if not _first_outcomes(story):
        if story.failed_activities and not story.lanes:
            return ""
        return "No VM was changed." if story.lanes else "No VM was selected."
    return _actions_sentence(story)


def _unrecorded(story: Story) -> str:
    """The VMs that a killed run was acting on."""
    names = [lane.machine.name for lane in story.unrecorded]
    return f"What became of {named(names)} was not recorded." if names else ""


def _actions_sentence(story: Story) -> str:
    outcomes_by_vm = _first_outcomes(story)
    if story.is_dry:
        return _dry_sentence(outcomes_by_vm)
    by_action: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for outcome in outcomes_by_vm.values():
        by_action.setdefault(_action(outcome), []).append(outcome)
    parts = [_clause(action, each, len(outcomes_by_vm)) for action, each in by_action.items()]
    *first, last = _with_failures(parts, story)
    return sentence_of(f"{', '.join(first)}, and {last}" if first else last)


def _first_outcomes(story: Story) -> dict[tuple[str, str], Mapping[str, Any]]:
    """What the method did first to each VM."""
    first: dict[tuple[str, str], Mapping[str, Any]] = {}
    for _, activity in story.activities:
        if activity.phase is Phase.METHOD:
            for outcome in activity.outcomes:
                first.setdefault(outcome_ref(outcome), outcome)
    return first


def _action(outcome: Mapping[str, Any]) -> tuple[str, str]:
    operation, how = str(outcome.get("operation")), str(outcome.get("how"))
    if outcome.get("error") and outcome.get("verified") == "unverified":
        return operation, "unverified"
    if missing := _missing(outcome):
        return operation, f"not ready: {missing}"
    if outcome.get("error"):
        return operation, "failed"
    return operation, how if outcome.get("changed") else "unchanged"


def _missing(outcome: Mapping[str, Any]) -> str:
    """What a started VM lacks to be ready; empty if it was not started, or is ready."""
    if not outcome.get("changed"):
        return ""
    _, found, rest = str(outcome.get("error") or "").partition("but not ready after ")
    return (
        rest.partition(": ")[2].replace("'", "").replace(" is missing", " missing") if found else ""
    )


def _clause(action: tuple[str, str], outcomes: Sequence[Mapping[str, Any]], total: int) -> str:
    names = [str(outcome.get("name")) for outcome in outcomes]
    operation, how = action
    if how == "failed":
        verb = f"failed to {_infinitive(operation)}"
    elif how == "unverified":
        verb = "may have rebooted, but gave no proof of it"
    elif how.startswith("not ready"):
        done = {"power_on": "powered on", "reboot": "rebooted"}.get(operation, "brought back")
        was, are = ("was", "is") if len(names) == 1 else ("were", "are")
        verb = f"{was} {done}, and {are} on, {how}"
    elif how == "unchanged":
        verb = "was left as it was" if len(names) == 1 else "were left as they were"
    else:
        verb = _done_text(operation, how, outcomes)
    went_well = how not in ("failed", "unverified") and not how.startswith("not ready")
    counted = went_well or len(names) > _MOST_FAILED
    whom = _whom(names, outcomes, total) if counted else named(names)
    return f"{whom} {verb}"


def _done_text(operation: str, how: str, outcomes: Sequence[Mapping[str, Any]]) -> str:
    is_outage = operation == "outage"
    done = "power_off" if is_outage else operation
    one, several = _DONE.get((done, how), _DONE.get((done, "hard"), _plain(done)))
    verb = one if len(outcomes) == 1 else several
    if how == "fallback_hard" and len(outcomes) == 1:
        verb += f" after {_ignored_seconds(outcomes[0])}"
    return verb + (_BROUGHT_BACK if is_outage else "")


def _plain(operation: str) -> tuple[str, str]:
    done = operation.replace("_", " ")
    return f"underwent {done}", f"underwent {done}"


def _infinitive(operation: str) -> str:
    return "go down and come back" if operation == "outage" else operation.replace("_", " ")


def _ignored_seconds(outcome: Mapping[str, Any]) -> str:
    """Until it was off; an outage lasts longer."""
    down = (outcome.get("milestones") or {}).get("down")
    seconds = down or outcome.get("seconds") or 0
    return f"{float(seconds):.0f} s"


def _whom(names: Sequence[str], outcomes: Sequence[Mapping[str, Any]], total: int) -> str:
    if total <= _FEW or len(names) == 1:
        return joined(names)
    platforms = list(dict.fromkeys(str(each.get("platform")) for each in outcomes))
    counts = [
        (sum(each.get("platform") == platform for each in outcomes), platform)
        for platform in platforms
    ]
    first, *rest = [f"{number} VMs on {platform_title(name)}" for number, name in counts]
    return joined([first, *(text.replace(" VMs", "", 1) for text in rest)])


def _with_failures(parts: list[str], story: Story) -> list[str]:
    """With the reason, if all failures have the same."""
    failed = [
        failure
        for lane in story.lanes
        for failure in lane.failures
        if failure.activity.phase is Phase.METHOD
    ]
    reasons = {failure.text for failure in failed}
    if len(reasons) != 1:
        return parts
    why = because(reasons.pop(), len(failed))
    return [f"{part}{why}" if " failed to " in part else part for part in parts]


def _dry_sentence(outcomes: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    by_operation: dict[str, list[str]] = {}
    for outcome in outcomes.values():
        by_operation.setdefault(str(outcome.get("operation")), []).append(str(outcome.get("name")))
    parts = [
        f"{joined(names) if len(names) <= _FEW else f'{len(names)} VMs'} would have been "
        f"{_REVERSED.get(operation, 'rebooted')}"
        for operation, names in by_operation.items()
    ]
    return sentence_of(joined(parts))


def because(text: str, vms: int = 1) -> str:
    """An error of one or more VMs as the end of a sentence about them."""
    subject = "it " if vms == 1 else "each "
    return f", because {subject if text.split(' ', 1)[0] in _PREDICATES else ''}{reason(text)}"


def reason(text: str) -> str:
    """An error as part of a sentence."""
    return text.rstrip(". ")


def sentence_of(text: str) -> str:
    """Starts with a capital letter, except for a name: web-01 is not Web-01."""
    text = text.rstrip(". ")
    first = text.split(" ", 1)[0]
    begins_with_a_word = first.isalpha() and first.islower() and "-" not in first
    known = first in ("while", "the", "undo", "no")
    return f"{text[0].upper()}{text[1:]}." if begins_with_a_word and known else f"{text}."
