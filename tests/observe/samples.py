"""Timelines with made-up data, for the report and its chart."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chaosvm.observe.timeline import (
    ActivityRun,
    Change,
    Check,
    Guard,
    Interruption,
    Kind,
    Limit,
    Machine,
    Mode,
    Phase,
    Probe,
    Run,
    Server,
    Timeline,
    UndoResult,
)

START = datetime(2031, 5, 14, 14, 2, 10, tzinfo=UTC)
ON, OFF, SUSPENDED = "powered_on", "powered_off", "suspended"
GUARDS = (
    Guard(name="chaosvm_max_vms", limit="3", used="3"),
    Guard(name="chaosvm_max_percent", limit="50 % of cluster prod", used="3 of 8 VMs"),
    Guard(name="chaosvm_protect", limit="db-*, *-canary", used="3 VMs excluded"),
    Guard(name="chaosvm_protect_tag", limit="chaosvm-protect", used="1 VM excluded"),
    Guard(name="chaosvm_min_running"),
)
ENVIRONMENT = {
    "Ran on": "runner-1, Python 3.11.7",
    "Versions": "chaosvm 0.2.0, Chaos Toolkit 1.19.0",
}
FILES = {"Journal": "journal.json", "Ledger": "chaosvm-ledger-20310514T140210Z-7c1f2e.jsonl"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=round(seconds, 3))


def machine(
    name: str, number: int, host: str, cluster: str = "prod", olvm: bool = False
) -> Machine:
    platform = "olvm" if olvm else "vsphere"
    server = "engine.example.com" if olvm else "vcenter.example.com"
    vm_id = f"vm-{number}"
    return Machine(
        ref=f"{platform}/{server}/{vm_id}",
        id=vm_id,
        name=name,
        platform=platform,
        server=server,
        cluster=cluster,
        host=host,
    )


def outcome(
    vm: Machine, operation: str, before: str, after: str, seconds: float, **more: Any
) -> Any:
    return {
        "name": vm.name,
        "id": vm.id,
        "platform": vm.platform,
        "operation": operation,
        "before": before,
        "after": after,
        "changed": before != after,
        "how": "hard",
        "seconds": seconds,
        **more,
    }


def power(vm: Machine, *steps: tuple[float, str, str | None]) -> Iterator[Change]:
    """A reading at the start, and changes with their cause."""
    yield Change(at=at(0.2), vm=vm.ref, kind=Kind.POWER, value=ON)
    for seconds, value, cause in steps:
        source = (
            "vCenter, event VmPoweredOffEvent" if value == OFF else "vCenter, task PowerOnVM_Task"
        )
        yield Change(
            at=at(seconds), vm=vm.ref, kind=Kind.POWER, value=value, cause=cause, source=source
        )


def tools(vm: Machine, *seconds: float) -> Iterator[Change]:
    """Running at first, then stopped and running again."""
    yield Change(at=at(0.2), vm=vm.ref, kind=Kind.TOOLS, value="running")
    for number, each in enumerate(seconds):
        value = "running" if number % 2 else "not_running"
        yield Change(at=at(each), vm=vm.ref, kind=Kind.TOOLS, value=value, source="VMware Tools")


def checks(first: float, last: float, step: float, failing: tuple[float, float]) -> list[Check]:
    found, seconds = [], first
    while seconds <= last:
        met = not failing[0] <= seconds < failing[1]
        value, error = ("200", None) if met else (None, "no answer")
        found.append(Check(phase=Phase.DURING, at=at(seconds), met=met, value=value, error=error))
        seconds += step
    return found


def _met(phase: Phase, seconds: float, value: str, met: bool = True) -> Check:
    return Check(phase=phase, at=at(seconds), met=met, value=value)


def _activity(
    name: str, began: float, ended: float, outcomes: Sequence[Any], **more: Any
) -> ActivityRun:
    refs = {
        "vsphere": "vsphere/vcenter.example.com",
        "olvm": "olvm/engine.example.com",
    }
    vms = tuple(f"{refs[each['platform']]}/{each['id']}" for each in outcomes)
    return ActivityRun(
        name=name,
        began=at(began),
        ended=at(ended),
        status="succeeded",
        outcomes=tuple(outcomes),
        **{"phase": Phase.METHOD, "vms": vms, **more},
    )


def three() -> Timeline:
    """Three VMs, the hypothesis met, one restarted by HA on another host."""
    web1, web2, web3 = (machine(f"web-0{n}", 40 + n, f"esx-0{n}") for n in (1, 2, 3))
    ready = {"power": 1.0, "tools": 6.4, "port:443": 10.1}
    activities = (
        _activity(
            "shut-down-web-02",
            1.8,
            29.7,
            [outcome(web2, "power_off", ON, OFF, 27.8, how="fallback_hard")],
            background=True,
        ),
        _activity("crash-web-03", 8.6, 9.1, [outcome(web3, "power_off", ON, OFF, 0.4)]),
        _activity(
            "shut-down-web-01", 12.0, 20.7, [outcome(web1, "power_off", ON, OFF, 8.6, how="guest")]
        ),
        _activity(
            "power-on-web-01",
            30.5,
            40.7,
            [outcome(web1, "power_on", OFF, ON, 10.1, milestones=ready)],
        ),
        _activity("web-03-restarted-by-ha", 48.0, 48.3, [], type="probe", vms=(web3.ref,)),
        _activity(
            "power-on-web-02",
            49.6,
            62.4,
            [outcome(web2, "power_on", OFF, ON, 12.7, milestones={"tools": 6.6, "port:443": 12.7})],
            phase=Phase.ROLLBACK,
        ),
    )
    changes = (
        *power(web1, (20.6, OFF, "guest shutdown"), (31.6, ON, None)),
        *power(
            web2,
            (29.6, OFF, "ignored it for 27 s: powered off hard"),
            (50.7, ON, "powered on by the rollback"),
        ),
        *power(web3, (9.0, OFF, "powered off hard"), (33.2, ON, "restarted by HA on esx-02")),
        *tools(web1, 20.0, 36.9),
        *tools(web2, 29.6, 56.2),
        *tools(web3, 9.0, 40.9),
        Change(at=at(47.0), vm=web3.ref, kind=Kind.STATUS, value="ready: port:443"),
        Change(at=at(33.2), vm=web3.ref, kind=Kind.HOST, value="esx-02"),
    )
    answers = [
        _met(Phase.BEFORE, 0.6, "200"),
        *checks(1.2, 47.5, 1.0, (29.2, 40.2)),
        _met(Phase.AFTER, 48.8, "200"),
    ]
    back = [
        _met(Phase.BEFORE, 0.7, "0 s"),
        _met(Phase.DURING, 12, "none", False),
        _met(Phase.AFTER, 48.9, "38.0 s"),
    ]
    undone = [outcome(vm, "power_on", ON, ON, 0.1, how="none") for vm in (web1, web2, web3)]
    return Timeline(
        run=Run(
            title="The shop stays up while its web VMs go down",
            started=START,
            ended=at(63.4),
            id="20310514T140210-7c1f2e",
            status="completed",
            strategies="hypothesis continuously, every second; rollbacks always",
        ),
        written=at(64),
        servers=(
            Server(
                platform="vsphere",
                address="vcenter.example.com:443",
                version="vCenter 8.0.3",
                clock_ahead=-1.4,
                clock_error=0.1,
            ),
        ),
        vms=(web1, web2, web3),
        changes=changes,
        activities=activities,
        probes=(
            Probe(name="shop-answers", expected="HTTP 200", checks=tuple(answers)),
            Probe(
                name="web-03-is-back-in-time",
                expected="60 s at most",
                checks=tuple(back),
                judged_when_back=True,
            ),
        ),
        limits=(Limit(vm_name="web-03", seconds=60.0, milestone="port:443"),),
        guards=GUARDS,
        undo=UndoResult(began=at(62.6), ended=at(63.0), outcomes=tuple(undone)),
        environment=ENVIRONMENT,
        files=FILES,
    )


def many(number: int = 60, seed: int = 1) -> Timeline:
    """Many VMs, the hypothesis not met, one left off, one whose guest was slow."""
    draw = random.Random(seed)
    olvm = number // 3
    vms = [
        machine(f"web-{n:02d}", 1100 + n, f"esx-a{(n - 1) * 3 // (number - olvm) + 1}", "prod-a")
        for n in range(1, number - olvm + 1)
    ]
    vms += [
        machine(f"job-{n:02d}", 2100 + n, f"kvm-0{(n - 1) * 2 // olvm + 1}", "batch", olvm=True)
        for n in range(1, olvm + 1)
    ]
    if number > 80:
        vms = [
            replace(vm, host=f"{vm.host}{chr(97 + n % 5)}", ref=vm.ref) for n, vm in enumerate(vms)
        ]
    stuck, slow = vms[4], vms[-1 - olvm]
    down, back, changes = [], [], []
    for vm in vms:
        jobs = vm.platform == "olvm"
        gone = draw.uniform(6, 24)
        returned = draw.uniform(110, 160)
        state = SUSPENDED if jobs else OFF
        steps: list[tuple[float, str, str | None]] = [(gone, state, None)]
        if jobs:
            steps = [(3.0, "transitioning", None), *steps, (returned - 4, "transitioning", None)]
        if vm is slow:
            steps = [(71.0, OFF, None)]
        if vm is not stuck:
            steps.append((returned, ON, None))
        changes += power(vm, *steps)
        if not jobs:
            changes += tools(vm, gone, *([] if vm is stuck else [returned + draw.uniform(6, 15)]))
        error = (
            {"error": "its guest had not shut down after 60 s (on_timeout: fail)"}
            if vm is slow
            else {}
        )
        verb = "suspend" if jobs else "power_off"
        how = "hard" if jobs else "guest"
        down.append(
            outcome(
                vm,
                verb,
                ON,
                "unknown" if vm is slow else state,
                60.0 if vm is slow else gone - 2,
                how=how,
                **error,
            )
        )
        failed = (
            {"error": "no host in cluster prod-a has enough memory for it"} if vm is stuck else {}
        )
        back.append(
            outcome(
                vm,
                "power_on",
                state,
                OFF if vm is stuck else ON,
                0.9 if vm is stuck else draw.uniform(1, 5),
                **failed,
            )
        )
    answers = [
        _met(Phase.BEFORE, 0.6, "200"),
        *[
            Check(
                phase=Phase.DURING, at=at(1.2 + 2 * n), met=n < 33, value="200" if n < 33 else "503"
            )
            for n in range(58)
        ],
        _met(Phase.AFTER, 115, "503", False),
    ]
    runs = [
        _met(Phase.BEFORE, 0.7, "4"),
        *[_met(Phase.DURING, 1.3 + 2 * n, "4") for n in range(58)],
        _met(Phase.AFTER, 115.1, "4"),
    ]
    web = [each for each in down if each["platform"] == "vsphere"]
    jobs_down = [each for each in down if each["platform"] == "olvm"]
    activities = (
        _activity("shut-down-web", 2, 62, web),
        _activity("suspend-jobs", 2.1, 24, jobs_down, background=True),
    )
    return Timeline(
        run=Run(
            title="The shop goes on without its workers",
            started=START,
            ended=at(166),
            id="20310603T093000-41d0aa",
            status="completed",
            deviated=True,
            strategies="hypothesis continuously, every 2 s; rollbacks always",
        ),
        written=at(167),
        servers=(
            Server(
                platform="vsphere",
                address="vcenter.example.com:443",
                version="vCenter 8.0.3",
                clock_ahead=0.3,
                clock_error=0.1,
            ),
            Server(
                platform="olvm",
                address="engine.example.com",
                version="OLVM 4.5",
                clock_ahead=-2.1,
                clock_error=0.1,
            ),
        ),
        vms=tuple(vms),
        changes=tuple(changes),
        activities=activities,
        probes=(
            Probe(name="shop-answers", expected="HTTP 200", checks=tuple(answers)),
            Probe(name="databases-run", expected="at least 3", checks=tuple(runs)),
        ),
        guards=GUARDS,
        undo=UndoResult(began=at(116), ended=at(164), outcomes=tuple(back)),
        environment=ENVIRONMENT,
        files=FILES,
    )


def special_runs() -> dict[str, Timeline]:
    """One of each kind of run that is not ordinary."""
    base = three()
    run, cut = base.run, 40.0
    early = tuple(each for each in base.changes if each.at <= at(cut))
    begun = tuple(
        replace(each, ended=None, outcomes=()) if each.ended and each.ended > at(cut) else each
        for each in base.activities
        if each.began <= at(cut)
    )
    not_met = Probe(
        name="shop-answers",
        expected="HTTP 200",
        checks=(_met(Phase.BEFORE, 0.6, "503", False),),
    )
    unchanged = {
        "after": ON,
        "changed": False,
        "how": "none",
        "seconds": 0.0,
        "detail": "dry run: the guest is asked to shut down, and powered off hard after 270 s",
    }
    planned = tuple(
        replace(
            each,
            outcomes=tuple({**o, **unchanged} for o in each.outcomes),
        )
        for each in base.activities[:3]
    )
    readings = tuple(each for each in base.changes if each.at == at(0.2))
    return {
        "rehearsal": replace(base, run=replace(run, mode=Mode.REHEARSAL)),
        "dry run": replace(
            base,
            run=replace(run, mode=Mode.DRY_RUN),
            changes=readings,
            activities=planned,
            limits=(),
            probes=(),
            undo=None,
        ),
        "killed": replace(
            base,
            run=replace(run, killed=True, status=None, ended=at(cut)),
            changes=early,
            activities=begun,
            probes=None,
            undo=None,
        ),
        "not met before": replace(
            base,
            run=replace(run, status="failed", ended=at(1.5)),
            changes=(),
            vms=(),
            activities=(),
            probes=(not_met,),
            limits=(),
            undo=None,
        ),
        "interrupted": replace(
            base,
            run=replace(
                run, status="interrupted", interruption=Interruption(by="SIGTERM", at=at(35))
            ),
        ),
        "guard": replace(
            base,
            changes=readings,
            activities=(),
            limits=(),
            stopped_by_guard="power-off-4: chaosvm_max_vms is 3 for this run: 4 with this action",
        ),
        "nothing": replace(
            base, vms=(), changes=(), activities=(), probes=(), limits=(), guards=(), undo=None
        ),
        "clocks": replace(
            base,
            servers=(replace(base.servers[0], clock_ahead=300.0),),
            gaps=("The events of engine.example.com could not be read.",),
        ),
        "slow": replace(
            base,
            limits=(Limit(vm_name="web-03", seconds=30.0, milestone="port:443"),),
        ),
        "rebooted": replace(
            base,
            changes=readings,
            limits=(),
            activities=(
                _activity(
                    "reboot-web-01",
                    5,
                    20,
                    [
                        outcome(
                            base.vms[0],
                            "reboot",
                            ON,
                            ON,
                            15.0,
                            changed=True,
                            how="guest",
                            verified="confirmed",
                            evidence="the guest's uptime fell from 3614 s to 2 s",
                        )
                    ],
                ),
            ),
        ),
        "left off": replace(
            base,
            changes=tuple(each for each in base.changes if each.at < at(50)),
            activities=base.activities[:-1],
            undo=UndoResult(
                began=at(62),
                ended=at(63),
                outcomes=(
                    outcome(base.vms[1], "power_on", OFF, OFF, 0.9, error="no host has memory"),
                ),
            ),
        ),
    }


def all_samples() -> dict[str, Timeline]:
    counts = {"twelve": 12, "sixty": 60, "300": 300}
    crowds = {name: many(number) for name, number in counts.items()}
    return {"three": three(), **crowds, **special_runs()}
