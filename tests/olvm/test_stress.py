"""Many actions with trouble drawn at random: none hangs, none lies, none reboots twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaosvm.lab import Lab, Rule, State, World, rule
from chaosvm.lab.simulation import EventKind
from chaosvm.olvm import OLVMPlatform
from chaosvm.outcome import Outcome, Verified
from chaosvm.vm import PowerState
from tests.moments import running_time
from tests.network import attempt
from tests.olvm.conftest import GRACE, VM, sent

TIMEOUT = 4.0
WHERE = (
    *("stop", "start", "shutdown", "reboot", "reset") * 2,
    *("login", "logout", "GET /api/events", "GET /api/vms/{id}/statistics"),
    *("GET /api/vms", "GET /api/vms/{id}", "GET /api/hosts", "*"),
)
MANNERS = ("cut", "drop_before", "drop_after", "silent", "silent_after", "status", "html")
STATES = {
    PowerState.POWERED_ON: State.RUNNING,
    PowerState.POWERED_OFF: State.OFF,
}
ACTS: dict[str, Callable[[OLVMPlatform], Outcome]] = {
    "off": lambda p: p.power_off(VM, graceful=False, timeout=TIMEOUT),
    "shutdown": lambda p: p.power_off(VM, timeout=TIMEOUT),
    "on": lambda p: p.power_on(VM, timeout=TIMEOUT),
    "reboot": lambda p: p.reboot(VM, timeout=TIMEOUT),
    "reset": lambda p: p.reboot(VM, graceful=False, timeout=TIMEOUT),
}


def trouble(chance: random.Random) -> list[Rule]:
    made = []
    for _ in range(chance.randint(1, 3)):
        manner = chance.choice(MANNERS)
        made.append(
            rule(
                chance.choice(WHERE),
                manner,
                skip=chance.choice((0, 0, 1, 2)),
                times=chance.choice((1, 1, 2, 3)),
                code=503 if manner == "status" else 0,
            )
        )
    return made


def one_run(seed: int) -> str:
    """What went wrong in it, with all that is needed to see it again; empty if all is well."""
    chance = random.Random(seed)
    act = chance.choice(sorted(ACTS))
    world = World()
    world.add_vm(VM, State.OFF if act == "on" else State.RUNNING)
    world.add_vm("bystander")
    rules = trouble(chance)
    with Lab(world) as lab, running_time() as seconds:
        platform = OLVMPlatform(lab.olvm_url, lab.username, lab.password, lab.ca_file, timeout=1)
        lab.rules(*rules)
        start = seconds()
        outcome, error = attempt(lambda: ACTS[act](platform))
        took = seconds() - start
        platform.disconnect()
        leaving = seconds() - start - took
        found = wrong(world, sent(lab), act, outcome, error)
        if took > TIMEOUT + GRACE:
            found.append(f"took {took:.1f} s")
        if leaving > 1 + GRACE:
            found.append(f"took {leaving:.1f} s to leave")
    drawn = [(r.method, r.action, r.skip, r.times) for r in rules]
    return f"seed {seed}, {act}, {drawn}: {found}; {outcome!r}; {error}" if found else ""


def wrong(
    world: World, requests: dict[str, int], act: str, outcome: Outcome | None, error: str
) -> list[str]:
    found = []
    kinds = [event.kind for event in world.events]
    if kinds.count(EventKind.REBOOT_REQUESTED) > 1 or kinds.count(EventKind.RESET) > 1:
        found.append("rebooted twice")
    if requests.get("reboot", 0) > 1 or requests.get("reset", 0) > 1:
        found.append("a reboot was sent twice")
    if world.vm("bystander").state is not State.RUNNING:
        found.append("the wrong VM was touched")
    if outcome is None:
        # Nothing was sent before the first look.
        return [*found, f"no outcome for {requests}"] if requests else found
    state = world.vm(VM).state
    rebooted = EventKind.REBOOTED in kinds or EventKind.RESET in kinds
    if not error and STATES.get(outcome.after) is not state:
        found.append(f"said to be {outcome.after}, and is {state}")
    if error and outcome.after in STATES and STATES[outcome.after] is not state:
        found.append(f"said to be {outcome.after} after a failure, and is {state}")
    if act in ("reboot", "reset"):
        if outcome.changed and not rebooted:
            found.append("said to have rebooted, and has not")
        unknown = outcome.after is PowerState.UNKNOWN or outcome.verified is Verified.UNVERIFIED
        if rebooted and not outcome.changed and not unknown:
            found.append("has rebooted, and that is neither said nor unknown")
    elif outcome.changed != (state is (State.RUNNING if act == "on" else State.OFF)):
        unknown = outcome.after is PowerState.UNKNOWN
        found += [] if unknown else [f"changed is {outcome.changed}, and it is {state}"]
    return found


@pytest.mark.timeout(300)
def test_forty_actions_in_trouble() -> None:
    with ThreadPoolExecutor(8) as pool:
        wrongs = [message for message in pool.map(one_run, range(40)) if message]
    assert not wrongs, "\n".join(wrongs)
