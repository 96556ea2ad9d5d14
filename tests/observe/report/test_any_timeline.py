"""Whatever a timeline holds, it is drawn, and no two texts overlap."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

import pytest

from chaosvm.observe.chart import draw_chart
from chaosvm.observe.report import render
from chaosvm.observe.story import Story
from chaosvm.observe.timeline import (
    ActivityRun,
    Change,
    Check,
    Interruption,
    Kind,
    Limit,
    Machine,
    Mode,
    Phase,
    Probe,
    Run,
    Timeline,
    UndoResult,
)
from tests.observe.samples import GUARDS, START, at, machine, outcome

STATES = ("powered_on", "powered_off", "suspended", "paused", "transitioning", "unknown")
OTHER_VALUES = ("running", "not_running", "10.0.0.1", "esx-2", "ready: port:443", "")
CAUSES = (None, "guest shutdown", "ignored the shutdown: powered off hard " * 3)
NAMES = ("a", "web-{}", "a-very-long-name-of-a-virtual-machine-{}-in-production", "名前{}")
HOSTS = ("esx-1", "esx-with-a-long-name.example.com", None)
OPERATIONS = ("power_off", "power_on", "reboot", "suspend", "restore", "outage", "something")
MEANS = ("guest", "hard", "none", "fallback_hard", "something")
MORE = (
    {},
    {"error": "boom " * 30},
    {"milestones": {"tools": 3.0, "port:443": None}},
    {"verified": "confirmed", "evidence": "x"},
)


@pytest.mark.parametrize("seed", range(24))
def test_any_timeline(seed: int) -> None:
    timeline = drawn_at_random(random.Random(seed))
    rendered = render(timeline)
    assert rendered.html.endswith("</html>")
    labels = draw_chart(Story(rendered.timeline)).labels
    assert [(a.text, b.text) for a, b in combinations(labels, 2) if a.overlaps(b)] == []


def drawn_at_random(draw: random.Random) -> Timeline:
    span = draw.choice([0, 0.001, 0.5, 5, 60, 119.9, 120, 500, 7000, 90000])
    vms = [_machine(draw, number) for number in range(draw.choice([0, 1, 3, 7, 12, 13, 30, 81]))]
    changes = [_change(draw, vm, span) for vm in vms for _ in range(draw.randint(0, 8))]
    activities = [_activity(draw, vms, span) for _ in range(draw.randint(0, 10))]
    probes = tuple(_probe(draw, number, span) for number in range(draw.randint(0, 4)))
    restored = tuple(outcome(vm, "restore", "powered_off", "powered_on", 1.0) for vm in vms[:3])
    interruption = Interruption(by="SIGTERM", at=draw.choice([None, at(span / 2)]))
    return Timeline(
        run=Run(
            title="t" * draw.randint(1, 150),
            started=START,
            ended=at(span),
            mode=draw.choice(list(Mode)),
            killed=draw.random() < 0.2,
            interruption=draw.choice([None, interruption]),
        ),
        written=at(span),
        vms=tuple(vms),
        changes=tuple(changes),
        activities=tuple(activities),
        probes=draw.choice([None, probes, probes]),
        limits=tuple(
            Limit(vm_name=vm.name, seconds=draw.uniform(0, span + 9), milestone="tools")
            for vm in vms[::3]
        ),
        guards=GUARDS,
        undo=draw.choice([None, UndoResult(), UndoResult(began=at(span), outcomes=restored)]),
    )


def _machine(draw: random.Random, number: int) -> Machine:
    name, cluster = draw.choice(NAMES).format(number), draw.choice(["c1", "c2"])
    return machine(name, number, draw.choice(HOSTS), cluster, olvm=draw.random() < 0.3)


def _change(draw: random.Random, vm: Machine, span: float) -> Change:
    kind = draw.choice(list(Kind))
    value = draw.choice(STATES if kind is Kind.POWER else OTHER_VALUES)
    time = at(draw.uniform(-2, span + 2))
    return Change(at=time, vm=vm.ref, kind=kind, value=value, cause=draw.choice(CAUSES))


def _activity(draw: random.Random, vms: list[Machine], span: float) -> ActivityRun:
    chosen = [vm for vm in vms if draw.random() < 0.5]
    began = draw.uniform(0, span)
    return ActivityRun(
        name=draw.choice(["a", "shut-down-the-web-tier-of-the-shop-" * 4]),
        phase=draw.choice([Phase.METHOD, Phase.ROLLBACK, Phase.UNDO]),
        began=at(began),
        ended=draw.choice([None, at(draw.uniform(began, span))]),
        background=draw.random() < 0.3,
        error=draw.choice([None, "x"]),
        vms=tuple(vm.ref for vm in chosen),
        outcomes=tuple(_outcome(draw, vm, span) for vm in chosen),
    )


def _outcome(draw: random.Random, vm: Machine, span: float) -> Any:
    before, after = draw.choice(STATES), draw.choice(STATES)
    more = {"how": draw.choice(MEANS), **draw.choice(MORE)}
    return outcome(vm, draw.choice(OPERATIONS), before, after, draw.uniform(0, span), **more)


def _probe(draw: random.Random, number: int, span: float) -> Probe:
    checks = [
        Check(
            phase=draw.choice([Phase.BEFORE, Phase.DURING, Phase.AFTER]),
            at=at(draw.uniform(0, span)),
            met=draw.random() < 0.6,
            value=draw.choice([None, "200", "x" * 80]),
            error=draw.choice([None, "no answer"]),
        )
        for _ in range(draw.randint(0, 40))
    ]
    name = draw.choice(["p{}", "shop-answers-on-every-port-{}"]).format(number)
    ordered = tuple(sorted(checks, key=lambda check: check.at))
    judged = draw.random() < 0.3
    return Probe(name=name, expected="HTTP 200", checks=ordered, judged_when_back=judged)
