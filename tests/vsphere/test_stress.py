"""Random actions on a bad network: none hangs, reports a wrong outcome or reboots twice.

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

from chaosvm.outcome import Outcome, Verified
from chaosvm.vm import PowerState
from chaosvm.vsphere import VSpherePlatform
from tests.network import KINDS, Fault, Network, attempt
from tests.vcsim import Rule, Vcsim, rule
from tests.vcsim.estate import Estate

VM, OTHER = "DC0_H0_VM0", "DC0_H0_VM1"
TIMEOUT, GRACE = 4.0, 30.0  # a machine may stand still for a while
# The longest time that a task or a guest takes, and the longest delay of the network.
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
TARGET_STATES = {"on": PowerState.POWERED_ON, "suspend": PowerState.SUSPENDED}
STATES = {
    "poweredOn": PowerState.POWERED_ON,
    "poweredOff": PowerState.POWERED_OFF,
    "suspended": PowerState.SUSPENDED,
}
TASKS = ("PowerOnVM_Task", "PowerOffVM_Task", "SuspendVM_Task", "ResetVM_Task")
VERBS = (*TASKS, "ShutdownGuest", "RebootGuest")
READ_METHODS = (
    *("RetrievePropertiesEx", "WaitForUpdatesEx") * 3,
    *("Login", "RetrieveServiceContent", "CreatePropertyCollector", "CreateFilter"),
    *("DestroyPropertyCollector", "Logout", "POST /rest*"),
)
# Actions of rules after which the request has been carried out, or has not.
DONE, NOT_DONE = ("cut", "drop_after", "drip", "delay"), ("drop_before", "silent", "html", "status")


@dataclass
class Trial:
    seed: int
    act: str
    faults: dict[int, Fault]
    rules: list[Rule]

    @classmethod
    def generate(cls, seed: int) -> Trial:
        chance = random.Random(seed)
        act = chance.choice(sorted(ACTS))
        # An action needs one or two connections, and more when they break.
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
    """Within the size of an action's traffic: about 12 kB of requests, 16 kB of responses."""
    side: Literal["request", "answer"] = chance.choice(("request", "answer"))
    most = 12_000 if side == "request" else 16_000
    kind, seconds = chance.choice(KINDS), chance.uniform(0.1, LONGEST)
    return Fault(side, chance.randint(0, most), kind, seconds)


def _trouble(chance: random.Random) -> Rule:
    where = chance.choice((*VERBS, *READ_METHODS))
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
class Result:
    """What an action returned or raised, and how long it took."""

    outcome: Outcome | None
    error: str
    seconds: float
    leaving: float
    state: PowerState  # the VM's, when the action returned


def run_trial(seed: int) -> str:
    """The errors found, with everything needed to reproduce them; empty if there are none."""
    trial = Trial.generate(seed)
    with (
        Vcsim.start(clusters=0) as vcsim,
        Estate(vcsim) as estate,
        Network(vcsim.port, trial.faults) as network,
    ):
        if trial.act == "on":
            estate.power_off(VM)
        vcsim.rules(*trial.rules)
        result = _act(trial, vcsim, network, estate)
        closed = network.drain(30)
        # By then every accepted request has been carried out.
        threading.Event().wait(LONGEST + 0.5)
        errors = find_errors(trial, result, _done(trial, vcsim), estate)
        errors += [] if closed else ["left a connection open"]
    return f"{trial}: {errors}; {result.outcome!r}; {result.error}" if errors else ""


def _act(trial: Trial, vcsim: Vcsim, network: Network, estate: Estate) -> Result:
    platform = VSpherePlatform(
        vcsim.host,
        vcsim.username,
        vcsim.password,
        port=network.port,
        ca_file=vcsim.ca_file,
        timeout=1,
    )
    start = time.monotonic()
    outcome, error = attempt(lambda: ACTS[trial.act](platform))
    took = time.monotonic() - start
    state = STATES[estate.power_state(VM)]
    leaving = time.monotonic()
    platform.disconnect()
    return Result(outcome, error, took, time.monotonic() - leaving, state)


def _done(trial: Trial, vcsim: Vcsim) -> dict[str, int]:
    """How often each method was carried out, not only requested."""
    requested: dict[str, int] = vcsim.requests()["methods"]
    done = {verb: requested.get(verb, 0) for verb in VERBS}
    for each, times in zip(trial.rules, vcsim.applied(), strict=True):
        if each["method"] in done and each["action"] in NOT_DONE:
            done[each["method"]] -= times
    return done


def find_errors(trial: Trial, result: Result, done: dict[str, int], estate: Estate) -> list[str]:
    # As documented, a guest may still shut down after the action has failed.
    later = STATES[estate.power_state(VM)]
    state = result.state if trial.act == "shutdown or fail" else later
    errors = []
    if result.seconds > TIMEOUT + GRACE:
        errors.append(f"took {result.seconds:.1f} s")
    if result.leaving > 2 + GRACE:
        errors.append(f"took {result.leaving:.1f} s to leave")
    if done["RebootGuest"] > 1 or done["ResetVM_Task"] > 1:
        errors.append("rebooted twice")
    if estate.power_state(OTHER) != "poweredOn":
        errors.append("the wrong VM was touched")
    outcome = result.outcome
    if outcome is None:
        # Without an outcome, nothing may have been sent.
        return [*errors, f"no outcome, but {done}"] if any(done.values()) else errors
    if outcome.verified is Verified.UNVERIFIED:
        return errors  # it says itself that it does not know
    if outcome.after is not PowerState.UNKNOWN and outcome.after is not state:
        errors.append(f"reported as {outcome.after}, but is {state}")
    if not result.error and outcome.after is PowerState.UNKNOWN:
        errors.append("reported as done, but unknown")
    if outcome.after is PowerState.UNKNOWN or "unknown whether it rebooted" in result.error:
        return errors
    if trial.act in REBOOTS:
        really = done[REBOOTS[trial.act]] > 0
    else:
        really = state is TARGET_STATES.get(trial.act, PowerState.POWERED_OFF)
    if outcome.changed is not really:
        errors.append(f"changed is {outcome.changed}, and it is {state} ({done})")
    return errors


@pytest.mark.timeout(3600)
def test_actions_on_a_bad_network(request: pytest.FixtureRequest) -> None:
    trials, first = (request.config.getoption(name) for name in ("--trials", "--trial-seed"))
    with ThreadPoolExecutor(10) as pool:
        seeds = range(first, first + trials)
        failures = [report for report in pool.map(run_trial, seeds) if report]
    assert not failures, f"{len(failures)} of {trials}:\n" + "\n".join(failures)
