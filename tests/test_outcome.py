from __future__ import annotations

import json

import pytest

from chaosvm.outcome import Batch, How, Outcome, failure_text, summary_text
from chaosvm.vm import VM, PowerState


def outcome(name: str = "web", **fields) -> Outcome:
    defaults = {
        "id": f"id-{name}",
        "platform": "vsphere",
        "operation": "power_off",
        "before": PowerState.POWERED_ON,
        "after": PowerState.POWERED_OFF,
        "changed": True,
        "how": How.GUEST,
        "seconds": 1.5,
    }
    return Outcome(name=name, **{**defaults, **fields})


DONE = outcome("done")
THERE = outcome("there", before=PowerState.POWERED_OFF, changed=False, how=How.NONE)
FAILED = outcome("failed", after=PowerState.UNKNOWN, changed=False, error="was never seen again")


def test_an_outcome_as_json():
    assert DONE.to_json() == {
        "name": "done",
        "id": "id-done",
        "platform": "vsphere",
        "operation": "power_off",
        "before": "powered_on",
        "after": "powered_off",
        "changed": True,
        "how": "guest",
        "seconds": 1.5,
    }


def test_optional_fields_are_added():
    shown = outcome(detail="the guest was slow", error="it failed").to_json()
    assert (shown["detail"], shown["error"]) == ("the guest was slow", "it failed")


def test_an_outcome_has_plain_words_only():
    assert {type(value) for value in DONE.to_json().values()} == {str, bool, float}


@pytest.mark.parametrize(("story", "failed"), [(DONE, False), (THERE, False), (FAILED, True)])
def test_an_outcome_with_an_error_has_failed(story, failed):
    assert story.failed is failed


def test_a_batch_counts_and_keeps_its_seed():
    shown = Batch((DONE, THERE, FAILED, FAILED), seed=7).to_json()

    assert (shown["changed"], shown["failed"], shown["seed"]) == (1, 2, 7)
    assert [story["name"] for story in shown["outcomes"]] == ["done", "there", "failed", "failed"]
    assert "passed_over" not in shown
    assert json.loads(json.dumps(shown)) == shown


def test_a_batch_lists_the_vms_it_passed_over():
    template = VM(
        id="vm-9", name="tpl", platform="x", power_state=PowerState.POWERED_OFF, status="off"
    )
    shown = Batch((DONE,), passed_over=((template, "is a template"),)).to_json()
    assert shown["seed"] is None
    assert shown["passed_over"] == [{"name": "tpl", "id": "vm-9", "reason": "is a template"}]


def test_the_failure_of_one_vm():
    assert failure_text("power_off", [FAILED]) == (
        "power_off failed: 'failed' (id-failed) was never seen again"
    )


def test_the_failure_of_some_of_many():
    assert failure_text("power_off", [DONE, FAILED, THERE, outcome("x", error="is gone")]) == (
        "power_off failed for 2 of 4 VMs: 'failed' (id-failed) was never seen again; "
        "'x' (id-x) is gone. Of the others, changed: 'done' (id-done). "
        "Of the others, not changed: 'there' (id-there)"
    )


def test_the_failure_of_all():
    assert failure_text("power_off", [FAILED, FAILED]).endswith("was never seen again")


def test_vms_that_ended_with_the_same_error_are_named_together():
    gone = [outcome(name, error="is gone") for name in ("a", "b")]
    assert failure_text("reboot", [*gone, DONE]).startswith(
        "reboot failed for 2 of 3 VMs: 'a' (id-a), 'b' (id-b) is gone. Of"
    )


def test_at_most_twenty_vms_are_named():
    failed = [outcome(f"lost-{n}", error=f"is gone since {n}") for n in range(200)]
    done = [outcome(f"done-{n}") for n in range(50)]

    said = failure_text("power_off", [*failed, *done], seed=7)

    assert said.startswith("power_off failed for 200 of 250 VMs: 'lost-0' (id-lost-0) is gone")
    assert (said.count("lost-"), said.count("done-")) == (40, 40)  # with their ids
    assert "is gone since 19 and 180 more. Of the others, changed: 'done-0'" in said
    assert "'done-19' (id-done-19) and 30 more. They were drawn with seed 7. The journal" in said
    assert said.endswith("The journal and the ledger have all of them")
    assert len(said) < 2_000


def test_a_summary_says_how_many_by_which_means_and_how_long():
    on = PowerState.POWERED_ON
    outcomes = [outcome("a"), outcome("b"), outcome("c", how=How.FALLBACK_HARD)]
    assert summary_text("power_off", outcomes, 41.2) == (
        "power_off: 3 of 3 off (2 by guest, 1 forced) in 41 s"
    )
    left = outcome("d", after=on, changed=False)
    failed = [outcome(name, after=on, error="stuck") for name in "efgh"]
    assert summary_text("power_off", [*outcomes, left, *failed], 4.21) == (
        "power_off: 3 of 8 off (2 by guest, 1 forced), 1 left as it is, 4 failed: 'e' (id-e), "
        "'f' (id-f), 'g' (id-g) and 1 more, in 4.2 s"
    )
    unready = [
        outcome(name, after=on, error="is powered_on, but not ready", missing="port:99")
        for name in "ab"
    ]
    assert summary_text("power_on", unready[:1], 30) == (
        "power_on: 0 of 1 ready, 1 on, not ready: port:99 is missing, in 30 s"
    )
    assert summary_text("power_on", [*unready, *failed[:1]], 30) == (
        "power_on: 0 of 3 ready, 2 on, not ready: 'a' (id-a) (port:99 is missing), "
        "'b' (id-b) (port:99 is missing), 1 failed: 'e' (id-e), in 30 s"
    )
    already = outcome("a", after=on, how=How.NONE)
    started = outcome("b", after=on, how=How.HARD)
    assert summary_text("power_on", [already, started], 2) == (
        "power_on: 2 of 2 on (1 already) in 2.0 s"
    )
