"""Many actions on a bad network, drawn at random: none hangs, none lies, none reboots twice.

pytest tests/vsphere/test_stress.py --trials 1000 --trial-seed 7
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import pytest

from chaosvm.errors import ChaosVMError, OperationFailed
from chaosvm.outcome import Outcome
from chaosvm.vm import PowerState
from chaosvm.vsphere import VSpherePlatform
from tests.network import KINDS, Fault, Network
from tests.vcsim import Rule, Vcsim, rule
from tests.vcsim.estate import Estate

VM, OTHER = "DC0_H0_VM0", "DC0_H0_VM1"
TIMEOUT, GRACE = 4.0, 1.0
# What the vCenter or its guest takes at the most, and a delay on the way.
LONGEST = 1.0

Act = Callable[[VSpherePlatform], Outcome]
ACTS: dict[str, Act] = {
    "off": lambda p: p.power_off(VM, graceful=False, timeout=TIMEOUT),
    "shutdown": lambda p: p.power_off(VM, timeout=TIMEOUT),
    "shutdown or fail": lambda p: p.power_off(VM, timeout=TIMEOUT, on_timeout="fail"),
    "on": lambda p: p.power_on(VM, timeout=TIMEOUT),
    "suspend": lambda p: p.suspend(VM, timeout=TIMEOUT),
    "reboot": lambda p: p.reboot(VM, timeout=TIMEOUT),
    "reset": lambda p: p.reboot(VM, graceful=False, timeout=TIMEOUT),
}
REBOOTS = {"reboot": "RebootGuest", "reset": "ResetVM_Task"}
WANTED = {"on": PowerState.POWERED_ON, "suspend": PowerState.SUSPENDED}
STATES = {
    "poweredOn": PowerState.POWERED_ON,
    "poweredOff": PowerState.POWERED_OFF,
    "suspended": PowerState.SUSPENDED,
}
TASKS = ("PowerOnVM_Task", "PowerOffVM_Task", "SuspendVM_Task", "ResetVM_Task")
VERBS = (*TASKS, "ShutdownGuest", "RebootGuest")
READINGS = (
    *("RetrievePropertiesEx", "WaitForUpdatesEx") * 3,
    *("Login", "RetrieveServiceContent", "CreatePropertyCollector", "CreateFilter"),
    *("DestroyPropertyCollector", "Logout", "POST /rest*"),
)
# With these, what was asked for is done, or it is not.
DONE, NOT_DONE = ("cut", "drop_after", "drip", "delay"), ("drop_before", "silent", "html", "status")


@dataclass
class Trial:
    seed: int
    act: str
    faults: dict[int, Fault]
    rules: list[Rule]

    @classmethod
    def drawn(cls, seed: int) -> Trial:
        chance = random.Random(seed)
        act = chance.choice(sorted(ACTS))
        # An action needs a connection or two, until they break.
        faults = {number: _fault(chance) for number in range(4) if chance.random() < 0.7}
        rules = [_trouble(chance) for _ in range(chance.randint(0 if faults else 1, 2))]
        slow = chance.uniform(0, LONGEST)
        rules += [rule(task, "slow_task", seconds=slow) for task in TASKS]
        rules += [rule(verb, "guest_after", seconds=slow + 0.2) for verb in VERBS[len(TASKS) :]]
        return cls(seed, act, faults, rules)

    def __str__(self) -> str:
        rules = [(r["method"], r["action"], r["skip"], r["times"]) for r in self.rules]
        return f"seed {self.seed}, {self.act}, {self.faults}, {rules}"


def _fault(chance: random.Random) -> Fault:
    """Where there is most to break: an action takes some 12 kB of requests, and 16 of answers."""
    side: Literal["request", "answer"] = chance.choice(("request", "answer"))
    most = 12_000 if side == "request" else 16_000
    kind, seconds = chance.choice(KINDS), chance.uniform(0.1, LONGEST)
    return Fault(side, chance.randint(0, most), kind, seconds)


def _trouble(chance: random.Random) -> Rule:
    where = chance.choice((*VERBS, *READINGS))
    manner = chance.choice((*DONE, *NOT_DONE))
    return rule(
        where,
        manner,
        skip=chance.choice((0, 0, 1, 2, 3)),
        times=chance.choice((1, 1, 2, 3)),
        seconds=0.01 if manner == "drip" else chance.uniform(0, LONGEST),
        code=503 if manner == "status" else 0,
    )


@dataclass
class ObjectProperties:
    """What became of a trial, as the action says."""

    outcome: Outcome | None
    error: str
    seconds: float
    leaving: float
    state: PowerState  # the VM's, when the action returned


def one_trial(seed: int) -> str:
    """What went wrong in it, with all that is needed to see it again; empty if all is well."""
    trial = Trial.drawn(seed)
    with (
        Vcsim.start(clusters=0) as vcsim,
        Estate(vcsim) as estate,
        Network(vcsim.port, trial.faults) as network,
    ):
        if trial.act == "on":
            estate.power_off(VM)
        vcsim.rules(*trial.rules)
        told = _act(trial, vcsim, network, estate)
        closed = network.drain(5)
        # Whatever was accepted by then is done.
        threading.Event().wait(LONGEST + 0.5)
        found = wrong(trial, told, _done(trial, vcsim), estate)
        found += [] if closed else ["left a connection open"]
    return f"{trial}: {found}; {told.outcome!r}; {told.error}" if found else ""


def _act(trial: Trial, vcsim: Vcsim, network: Network, estate: Estate) -> ObjectProperties:
    platform = VSpherePlatform(
        vcsim.host,
        vcsim.username,
        vcsim.password,
        port=network.port,
        ca_file=vcsim.ca_file,
        timeout=1,
    )
    outcome, error = None, ""
    start = time.monotonic()
    try:
        outcome = ACTS[trial.act](platform)
    except OperationFailed as failure:
        outcome, error = failure.outcomes[0], str(failure)
    except ChaosVMError as failure:
        error = str(failure)
    took = time.monotonic() - start
    state = STATES[estate.power_state(VM)]
    leaving = time.monotonic()
    platform.disconnect()
    return ObjectProperties(outcome, error, took, time.monotonic() - leaving, state)


def _done(trial: Trial, vcsim: Vcsim) -> dict[str, int]:
    """How often each verb was carried out, rather than only asked for."""
    asked: dict[str, int] = vcsim.requests()["methods"]
    done = {verb: asked.get(verb, 0) for verb in VERBS}
    for each, times in zip(trial.rules, vcsim.applied(), strict=True):
        if each["method"] in done and each["action"] in NOT_DONE:
            done[each["method"]] -= times
    return done


def wrong(trial: Trial, told: ObjectProperties, done: dict[str, int], estate: Estate) -> list[str]:
    # A guest that was asked in vain may still go down later: that is documented.
    later = STATES[estate.power_state(VM)]
    state = told.state if trial.act == "shutdown or fail" else later
    found = []
    if told.seconds > TIMEOUT + GRACE:
        found.append(f"took {told.seconds:.1f} s")
    if told.leaving > 2 + GRACE:
        found.append(f"took {told.leaving:.1f} s to leave")
    if done["RebootGuest"] > 1 or done["ResetVM_Task"] > 1:
        found.append("rebooted twice")
    if estate.power_state(OTHER) != "poweredOn":
        found.append("the wrong VM was touched")
    outcome = told.outcome
    if outcome is None:
        # Nothing was sent before there could be an outcome.
        return [*found, f"nothing is told of {done}"] if any(done.values()) else found
    if outcome.after is not PowerState.UNKNOWN and outcome.after is not state:
        found.append(f"said to be {outcome.after}, and is {state}")
    if not told.error and outcome.after is PowerState.UNKNOWN:
        found.append("said to be done, and unknown")
    if outcome.after is PowerState.UNKNOWN or "unknown whether it rebooted" in told.error:
        return found
    if trial.act in REBOOTS:
        really = done[REBOOTS[trial.act]] > 0
    else:
        really = state is WANTED.get(trial.act, PowerState.POWERED_OFF)
    if outcome.changed is not really:
        found.append(f"changed is {outcome.changed}, and it is {state} ({done})")
    return found


@pytest.mark.timeout(3600)
def test_actions_on_a_bad_network(request: pytest.FixtureRequest) -> None:
    trials, first = (request.config.getoption(name) for name in ("--trials", "--trial-seed"))
    with ThreadPoolExecutor(6) as pool:
        seeds = range(first, first + trials)
        wrongs = [told for told in pool.map(one_trial, seeds) if told]
    assert not wrongs, f"{len(wrongs)} of {trials}:\n" + "\n".join(wrongs)
