"""The page, ``report.html``: one file that needs no network and no script."""

from __future__ import annotations

from typing import Any

import chaosvm
from chaosvm.observe.chart import Chart
from chaosvm.observe.chart.style import chart_style
from chaosvm.observe.report import proof, tables
from chaosvm.observe.report.facts import facts
from chaosvm.observe.report.html import TEMPLATES, page_style, render_html
from chaosvm.observe.story import Story, banners, three_sentences
from chaosvm.observe.story.words import count, date_time
from chaosvm.observe.timeline import Mode
from chaosvm.platforms import platform_title

__all__ = ["render_page"]

_NO_JOURNAL = "Not recorded: there is no journal of this run."


def render_page(story: Story, chart: Chart) -> str:
    """The whole page; the chart escapes what it shows by itself."""
    markup = {"chart": chart.svg(), "style": page_style() + chart_style()}
    return render_html(TEMPLATES / "report.html.j2", _values(story), markup)


def _values(story: Story) -> dict[str, Any]:
    timeline = story.timeline
    to_do = proof.to_do(story)
    return {
        "version": chaosvm.__version__,
        "run": story.run,
        "many": story.many,
        "dry": story.is_dry,
        "banners": banners(story),
        "when": proof.head(story),
        "servers": [(platform_title(each.platform), each.address) for each in timeline.servers],
        "facts": facts(story),
        "sentences": three_sentences(story),
        "to_do": to_do,
        "more_to_do": max(0, len(story.not_back) - len(to_do)) if to_do else 0,
        # The lab of a rehearsal is gone.
        "ledger": None if story.run.mode is Mode.REHEARSAL else timeline.files.get("Ledger"),
        "vm_count": len(story.lanes),
        "clock_note": proof.clock_note(story),
        "probe_rows": tables.probe_rows(story),
        "no_probes": _no_probes(story),
        "outage": bool(story.outages),
        **_outcomes(story),
        "failed_activities": story.failed_activities,
        "guards": timeline.guards,
        "guard_note": _guard_note(story),
        "undo": proof.undo_text(story),
        "evidence": proof.evidence(story),
        "reboots": proof.reboots(story),
        "environment": proof.environment(story),
        "files": list(timeline.files.items()),
        "written": date_time(timeline.written),
    }


def _guard_note(story: Story) -> str:
    if story.timeline.probes is None:
        return _NO_JOURNAL
    stopped = story.timeline.stopped_by_guard
    return f"A guard stopped {stopped}." if stopped else "No guard stopped an action."


def _no_probes(story: Story) -> str:
    if story.timeline.probes is None:
        return _NO_JOURNAL
    return "The experiment has no hypothesis, so nothing was judged."


def _outcomes(story: Story) -> dict[str, Any]:
    """Up to twelve VMs one after another; more in activities, failures and short rows."""
    if not story.many:
        note = "What would have been done" if story.is_dry else "What was done to each VM"
        groups = tables.outcome_groups(story)
        empty: dict[str, Any] = dict.fromkeys(("activity_rows", "failures", "dense"), ())
        return {"groups": groups, "outcomes_note": note, "dense_note": "", **empty}
    rows = tables.dense_rows(story)
    half = (len(rows) + 1) // 2
    failures = tables.failure_rows(story)
    operations = sum(len(lane.operations) for lane in story.lanes)
    others = f"The other {count(len(rows), 'VM')}" if failures else f"All {count(len(rows), 'VM')}"
    return {
        "groups": (),
        "activity_rows": tables.activity_rows(story),
        "failures": failures,
        "dense": [part for part in (rows[:half], rows[half:]) if part],
        "dense_note": others,
        "outcomes_note": f"{count(operations, 'operation')}; {len(failures)} failed",
    }
