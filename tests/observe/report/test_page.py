"""The page: one file, no request, everything from outside escaped."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chaosvm import redaction
from chaosvm.observe.report import render, write_files
from chaosvm.observe.timeline import (
    ActivityRun,
    Interruption,
    Kind,
    Phase,
    Probe,
    Timeline,
    UndoResult,
)
from tests.observe import samples

SAMPLES = samples.all_samples()
# HTML closes these by itself.
VOID = ("meta", "br")
IMPLIED = ("td", "tr")


class Page(HTMLParser):
    """Checks that tags are closed, and collects text, ids and links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.attributes: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for key, value in attrs:
            self.attributes.add(key)
            if key == "id":
                self.ids.append(value or "")
            if key in ("href", "src", "xlink:href"):
                self.links.append(value or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open[-1] != tag and self._open[-1] in IMPLIED:
            self._open.pop()
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def page_of(timeline: Timeline) -> Page:
    return Page(render(timeline).html)


@pytest.mark.parametrize("name", SAMPLES)
def test_it_is_one_file_that_needs_nothing(name: str) -> None:
    html = render(SAMPLES[name]).html
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert "default-src 'none'; style-src 'unsafe-inline'" in html
    assert not page.tags.keys() & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert not [each for each in page.attributes if each.startswith("on")]
    assert not re.search(r"@import|url\((?!#)|https?://", html.replace("http://www.w3.org", ""))
    assert all(re.fullmatch(r"#\w+|[\w.%-]+", link) for link in page.links)
    assert [each for each, n in Counter(page.ids).items() if n > 1] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_the_order_of_the_sections(name: str) -> None:
    headings = re.findall(r"<h2[^>]*>([^<]*)", render(SAMPLES[name]).html)
    titles = [each.strip() for each in headings]
    order = ["Timeline", "Hypothesis", "What was done", "Plan", "Outcomes", "Guards in force"]
    order += ["Undo", "Evidence", "Environment", "Files"]
    assert titles == [each for each in order if each in titles]
    assert {"Timeline", "Hypothesis", "Guards in force", "Undo", "Evidence"} <= set(titles)


def test_the_size() -> None:
    assert len(render(SAMPLES["sixty"]).html.encode()) < 200_000
    assert len(render(SAMPLES["300"]).html.encode()) < 400_000


def test_the_picture_is_twice_the_size() -> None:
    png = render(SAMPLES["three"]).png
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") == 2 * (880 + 32)


EVIL = "<script>alert('x')</script>\"&'"


def spoiled(text: str) -> Timeline:
    """A timeline in which every string from outside is this one."""
    base = samples.three()
    vm = replace(base.vms[0], name=text, cluster=text, host=text)
    outcomes = ({**base.activities[0].outcomes[0], "name": text, "id": vm.id, "error": text},)
    activity = replace(base.activities[0], name=text, outcomes=outcomes, error=text)
    probe = base.probes[0] if base.probes else None
    assert probe is not None
    checks = tuple(replace(each, value=text, error=text) for each in probe.checks)
    changes = [replace(each, cause=text, source=text) for each in base.changes]
    changes += [replace(changes[0], kind=Kind.STATUS, value=text)]
    return replace(
        base,
        run=replace(base.run, title=text, id=text, strategies=text),
        vms=(vm, *base.vms[1:]),
        changes=tuple(changes),
        activities=(activity, *base.activities[1:]),
        probes=(replace(probe, name=text, expected=text, checks=checks),),
        guards=(replace(base.guards[0], name=text, limit=text, used=text),),
        servers=(replace(base.servers[0], address=text, version=text),),
        stopped_by_guard=text,
        gaps=(text,),
        environment={text: text},
        files={"Journal": text},
    )


def test_everything_from_outside_is_escaped() -> None:
    rendered = render(spoiled(EVIL))
    page = Page(rendered.html)
    assert "script" not in page.tags
    assert "<script" not in rendered.html
    assert "<script" not in rendered.svg
    assert "<script>alert('x')" in page.text


@pytest.mark.parametrize("text", ["a\x00b", "a\x1b[31mb", "a\nb", "a\u202eb", "a\udc80b", "a\x85b"])
def test_control_characters_are_replaced(text: str) -> None:
    rendered = render(spoiled(text))
    for each in (rendered.html, rendered.svg, rendered.json):
        assert text not in each
        each.encode()
    assert "a\ufffd" in rendered.html


def test_long_texts_are_cut() -> None:
    rendered = render(spoiled("x" * 5000))
    assert "x" * 201 not in rendered.html
    assert "x" * 201 not in rendered.svg


NEVER = [
    ("the password Tr0ub4dor&3 was refused", "Tr0ub4dor"),
    ("https://admin:hunter22@vc.example.com/sdk failed", "hunter22"),
    ("https://admin:hunter22@vc.example.com/sdk failed", "admin"),
    ("https://vc.example.com/api?token=abcdef0123 failed", "abcdef0123"),
    ("cannot open /home/alice/secret/ledger.jsonl", "/home/alice"),
    ("vc.example.com refused user 'chaos@vsphere.local'", "chaos@vsphere"),
]


@pytest.mark.parametrize(("text", "hidden"), NEVER)
def test_what_is_never_shown(text: str, hidden: str) -> None:
    redaction.hide_password("Tr0ub4dor&3")
    rendered = render(spoiled(text))
    for each in (rendered.html, rendered.svg, rendered.json):
        assert hidden not in each


def test_a_host_in_a_url_and_the_name_of_a_file_are_kept() -> None:
    shown = render(spoiled("https://vc.example.com/sdk and /var/lib/ledger.jsonl")).html
    assert "https://vc.example.com/sdk and ledger.jsonl" in shown


SAID: dict[str, list[str]] = {
    "three": [
        "web-02 ignored the shutdown and was powered off hard after 28 s, web-03 was powered "
        "off hard, and web-01 was shut down by its guest.",
        "While the method ran, shop-answers failed for 11 s (no answer); web-03, the slowest, "
        "was back in 38.0 s, within its limit of 60 s; the hypothesis was met before and after "
        "the method.",
        "All three VMs run again: the method powered on web-01, the rollback powered on web-02, "
        "and undo found nothing left to do.",
        "✓ 3 of 3 VMs",
        "not by this run",
        "✓ 3 of 3 as they were before the run.",
    ],
    "sixty": [
        "39 VMs on vSphere were shut down by their guests",
        "The hypothesis was not met afterwards: shop-answers got 503 instead of HTTP 200",
        "Undo restored 59 of the 60 VMs in 48 s; web-05 is still off, because no host",
        "To do: power on web-05",
        "chaos run recover.json --var ledger=chaosvm-ledger-",
        "✕ 59 of 60 VMs",
        "The other 58 VMs",
    ],
    "rehearsal": ["Rehearsal. This ran on a simulated lab; no real VM was touched."],
    "dry run": ["Dry run. Nothing was changed", "Not judged", "VMs that would change", "Plan"],
    "killed": [
        "This run was killed; its last record is from 14:02:50. This page was written later",
        "Not known",
        "Not recorded",
        "It is not known whether web-01, web-02, and web-03 are back.",
    ],
    "not met before": ["The method was not run.", "✕ Not met", "No VM was operated on."],
    "interrupted": ["interrupted: SIGTERM"],
    "guard": ["A guard stopped power-off-4: chaosvm_max_vms is 3 for this run: 4 with this action"],
    "nothing": ["No VM was selected.", "The experiment has no hypothesis", "no undo"],
    "clocks": ["The clock of vcenter.example.com:443 is 5 min 0 s ahead of", "could not be read."],
    "slow": ["over its limit of 30 s", "✕ 38.0 s"],
    "rebooted": [
        "web-01 was rebooted by its guest.",
        "rebooted, confirmed",
        "Reboots: web-01: confirmed (the guest's uptime fell from 3614 s to 2 s).",
    ],
    "left off": ["web-02 is still off, because no host has memory", "✕ 0 of 1 restored."],
}


@pytest.mark.parametrize("name", SAID)
def test_what_it_says(name: str) -> None:
    text = page_of(SAMPLES[name]).text.replace(" .", ".")
    assert [each for each in SAID[name] if _squeezed(each) not in _squeezed(text)] == []


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_the_tables_hold_what_the_chart_shows() -> None:
    timeline = samples.three()
    text = page_of(timeline).text
    seen: set[Any] = set()
    causes: set[str] = set()
    for change in timeline.changes:
        first = (change.vm, change.kind) not in seen
        seen.add((change.vm, change.kind))
        if not first and change.cause:
            causes.add(change.cause)
    assert causes
    assert [each for each in causes if each not in text] == []


def test_without_the_extra_there_are_fewer_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("jinja2", "resvg_py"):
        monkeypatch.setitem(sys.modules, module, None)
    written = write_files(SAMPLES["three"], tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["timeline.json", "timeline.svg"]
    assert set(written.paths) == {"json", "svg"}
    assert [each.split()[-1] for each in written.missing] == ["'chaostoolkit-vm[report]'"] * 2


def test_an_activity_that_is_refused_says_why() -> None:
    three = SAMPLES["three"]
    error = "reboot refused, and nothing was touched: parallel is 100"
    refused = ActivityRun(name="reboot-all", phase=Phase.METHOD, began=samples.at(1), error=error)
    alone = page_of(replace(three, activities=(refused,), changes=(), vms=(), undo=None)).text
    assert _squeezed(f"reboot-all failed: {error}.") in _squeezed(alone)
    assert "No VM was selected" not in alone
    beside = page_of(replace(three, activities=(refused, *three.activities))).text
    assert beside.count(error) >= 2  # in the story, and in a table


def test_an_interruption_is_in_the_story() -> None:
    assert "The run was interrupted" in page_of(SAMPLES["interrupted"]).text


VM = samples.machine("web-01", 1, "esx-01")


def run_of(*outcomes: Any) -> Timeline:
    """A run with one action that had these outcomes."""
    acted = ActivityRun(
        name="a", phase=Phase.METHOD, began=samples.at(1), ended=samples.at(9), outcomes=outcomes
    )
    return replace(SAMPLES["three"], activities=(acted,), changes=(), vms=(VM,), undo=None)


@pytest.mark.parametrize(
    ("operation", "more", "said"),
    [
        (
            "reboot",
            {"error": "is powered_on, but not ready after 12 s: 'port:99' is missing"},
            "web-01 was rebooted, and is on, not ready: port:99 missing.",
        ),
        (
            "power_on",
            {"error": "is powered_on, but not ready after 12 s: 'ip' is missing"},
            "web-01 was powered on, and is on, not ready: ip missing.",
        ),
        (
            "reboot",
            {"error": "it is unknown", "verified": "unverified", "changed": False},
            "web-01 may have rebooted, but gave no proof of it.",
        ),
        ("reboot", {"error": "no", "changed": False}, "web-01 failed to reboot, because no."),
        (
            "power_off",
            {"error": "is still powered_on: no", "changed": False},
            "web-01 failed to power off, because it is still powered_on: no.",
        ),
        (
            "outage",
            {"how": "guest"},
            "web-01 was shut down by its guest, then powered on again.",
        ),
        (
            "outage",
            {"how": "fallback_hard", "milestones": {"down": 27.6, "back": 90}},
            "ignored the shutdown and was powered off hard after 28 s, then powered on again.",
        ),
    ],
)
def test_what_was_done(operation: str, more: dict[str, Any], said: str) -> None:
    outcome = samples.outcome(
        VM, operation, "powered_on", "powered_on", 2, **{"changed": True, **more}
    )
    assert _squeezed(said) in _squeezed(page_of(run_of(outcome)).text)


def test_failures_with_the_same_reason_share_it() -> None:
    other = samples.machine("web-02", 2, "esx-01")
    failed = [
        samples.outcome(vm, "power_off", "powered_on", "powered_on", 2, error="is on: no")
        for vm in (VM, other)
    ]
    text = page_of(replace(run_of(*failed), vms=(VM, other))).text
    said = "web-01 and web-02 failed to power off, because each is on: no."
    assert _squeezed(said) in _squeezed(text)


@pytest.mark.parametrize(("vm", "is_slowest"), [("web-01", False), ("web-03", True)])
def test_only_the_slowest_of_all_is_called_so(vm: str, is_slowest: bool) -> None:
    three = SAMPLES["three"]
    limits = (replace(three.limits[0], vm_name=vm),)
    text = page_of(replace(three, limits=limits)).text
    assert ("the slowest, was back" in text) is is_slowest
    assert ("Slowest recovery" in text) is is_slowest


def test_a_vm_that_a_killed_run_was_acting_on() -> None:
    outcome = samples.outcome(VM, "power_off", "powered_on", "powered_off", 2)
    other = samples.machine("web-02", 2, "esx-01")
    of_one = run_of(outcome)
    (action,) = of_one.activities
    killed = replace(
        of_one,
        run=replace(of_one.run, killed=True),
        activities=(replace(action, vms=(VM.ref, other.ref), ended=None),),
        vms=(VM, other),
        changes=(*samples.power(VM), *samples.power(other)),
        probes=None,
    )
    text = page_of(killed).text
    assert _squeezed("What became of web-02 was not recorded.") in _squeezed(text)
    assert "the run was killed before its outcome" in text
    assert "no recovery was recorded" in text
    assert "No guard stopped an action" not in text
    nothing = replace(killed, activities=(replace(killed.activities[0], outcomes=()),))
    assert "No VM was changed" not in page_of(nothing).text


def test_a_vm_that_was_powered_on_twice_counts_once() -> None:
    on = samples.outcome(VM, "power_on", "powered_off", "powered_on", 2)
    text = page_of(replace(run_of(on, on, on, on), changes=tuple(samples.power(VM)))).text
    assert _squeezed("the method powered on web-01.") in _squeezed(text)


def test_the_method_does_not_restore_a_vm_that_was_off_at_first() -> None:
    on = samples.outcome(VM, "power_on", "powered_off", "powered_on", 2)
    off = samples.outcome(VM, "restore", "powered_on", "powered_off", 2)
    states = [
        replace(each, value=state)
        for each, state in zip(
            samples.power(VM, (3, "powered_on", None), (50, "powered_off", None)),
            ("powered_off", "powered_on", "powered_off"),
            strict=True,
        )
    ]
    undo = UndoResult(began=samples.at(49), ended=samples.at(51), outcomes=(off,))
    text = page_of(replace(run_of(on), changes=tuple(states), undo=undo)).text
    assert _squeezed("web-01 is as it was: undo powered off web-01.") in _squeezed(text)


def test_a_guard_comes_first() -> None:
    guard = SAMPLES["guard"]
    by = Interruption(by="the action 'power-off-4' failed")
    page = page_of(replace(guard, run=replace(guard.run, interruption=by))).text
    assert 0 < page.index("A guard stopped") < page.index("The run was interrupted")


@pytest.mark.parametrize("number", [60, 200])
def test_the_chart_of_many_vms_has_a_line_for_each_reboot(number: int) -> None:
    machines = [samples.machine(f"vm-{n}", n, "esx-01") for n in range(number)]
    outcomes = [
        samples.outcome(vm, "reboot", "powered_on", "powered_on", 2, changed=True)
        for vm in machines
    ]
    timeline = replace(run_of(*outcomes), vms=tuple(machines))
    assert "rebooted</text>" in render(timeline).svg
    assert "rebooted</text>" not in render(replace(timeline, activities=())).svg


def test_the_service_is_not_a_count_of_vms() -> None:
    """Where a probe asks the service, its outages count."""
    three = SAMPLES["three"]
    service = replace(
        next(each for each in three.probes or () if not each.judged_when_back),
        checks=tuple(samples.checks(1, 20, 1, (0, 0))),
    )
    failing = tuple(samples.checks(1, 20, 1, (4, 9)))
    counted = replace(service, name="thirty-run", of_vms=True, checks=failing)
    text = page_of(replace(three, probes=(counted, service))).text
    assert "no check failed during the method, of 20" in text
    assert _squeezed("Failed checks 5 s") in _squeezed(
        page_of(replace(three, probes=(counted,))).text
    )
    assert "checked only during the method" not in text  # the method went on
    assert "not checked" in text


def test_the_chart_prefers_a_probe_of_the_service() -> None:
    three = SAMPLES["three"]
    service = replace(
        next(each for each in three.probes or () if not each.judged_when_back),
        checks=tuple(samples.checks(1, 20, 1, (0, 0))),
    )
    counted = replace(service, name="thirty-run", of_vms=True)
    svg = render(replace(three, probes=(counted, service))).svg
    assert service.name in svg
    assert counted.name not in svg


def test_a_recovery_past_its_limit_is_not_judged_later() -> None:
    failed = [
        replace(check, met=number == 0, value="0.0" if number == 0 else None, error="12 s")
        for number, check in enumerate(samples.checks(1, 4, 1, (0, 0)))
    ]
    probe = Probe(name="back", expected="10 s", checks=tuple(failed), judged_when_back=True)
    text = page_of(replace(SAMPLES["three"], probes=(probe,))).text
    assert "✕ 12 s" in text
    assert "judged once it is back" not in text


def test_a_vm_that_never_went_off_is_not_on_again() -> None:
    machines = [samples.machine(f"vm-{n}", n, "esx-01") for n in range(13)]
    error = "is powered_on after 45 s, and it is unknown whether it rebooted"
    outcomes = [
        samples.outcome(vm, "reboot", "powered_on", "powered_on", 2, error=error) for vm in machines
    ]
    changes = [change for vm in machines for change in samples.power(vm)]
    timeline = replace(run_of(*outcomes), vms=tuple(machines), changes=tuple(changes))
    page = render(timeline)
    assert "✓ on<" in page.html
    assert "on again" not in page.html
    assert ">it is unknown whether it rebooted<" in page.svg
