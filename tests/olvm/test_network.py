"""Many actions on a bad network, drawn at random: none hangs, none lies, none reboots twice.

pytest tests/olvm/test_network.py --trials 1000 --trial-seed 7
"""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from chaosvm.lab import Lab, State, World
from chaosvm.olvm import OLVMPlatform
from tests.moments import running_time
from tests.network import KINDS, Fault, Network, attempt
from tests.olvm.conftest import VM, sent
from tests.olvm.test_stress import ACTS, TIMEOUT, wrong

GRACE = 4.0
# A delay on the way, and what the lab takes for anything.
LONGEST = 1.0


def drawn(chance: random.Random) -> dict[int, Fault]:
    return {
        chance.randint(0, 7): Fault(
            chance.choice(("request", "answer")),
            chance.choice((0, 300, 1000, 2000, 3000, 5000)) + chance.randint(0, 800),
            chance.choice(KINDS),
            chance.uniform(0.1, LONGEST),
        )
        for _ in range(chance.randint(1, 4))
    }


def one_trial(seed: int) -> str:
    """What went wrong in it, with all that is needed to see it again; empty if all is well."""
    chance = random.Random(seed)
    act = chance.choice(sorted(ACTS))
    world = World()
    world.add_vm(VM, State.OFF if act == "on" else State.RUNNING)
    world.add_vm("bystander")
    faults = drawn(chance)
    with ExitStack() as opened:
        lab = opened.enter_context(Lab(world))
        port = urlsplit(lab.olvm_url).port or 443
        network = opened.enter_context(Network(port, faults))
        url = lab.olvm_url.replace(f":{port}/", f":{network.port}/")
        platform = OLVMPlatform(url, lab.username, lab.password, lab.ca_file, timeout=1)
        seconds = opened.enter_context(running_time())
        outcome, error = attempt(lambda: ACTS[act](platform))
        took = seconds()
        platform.disconnect()
        closed = network.drain(30)
        # Whatever was accepted by then is done.
        threading.Event().wait(LONGEST + 0.5)
        found = wrong(world, sent(lab), act, outcome, error)
        found += [] if took <= TIMEOUT + GRACE else [f"took {took:.1f} s"]
        found += [] if closed else ["left a connection open"]
    return f"seed {seed}, {act}, {faults}: {found}; {outcome!r}; {error}" if found else ""


@pytest.mark.timeout(3600)
def test_actions_on_a_bad_network(request: pytest.FixtureRequest) -> None:
    trials, first = (request.config.getoption(name) for name in ("--trials", "--trial-seed"))
    with ThreadPoolExecutor(6) as pool:
        seeds = range(first, first + trials)
        wrongs = [message for message in pool.map(one_trial, seeds) if message]
    assert not wrongs, f"{len(wrongs)} of {trials}:\n" + "\n".join(wrongs)
