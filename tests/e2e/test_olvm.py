from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosvm.lab import Guest, Lab, State, World, rule
from chaosvm.lab.ovirt.sso import Sessions
from tests.e2e.conftest import Chaos
from tests.moments import eventually

VM, OTHER = "web-01", "web-02"
Experiment = Callable[..., dict[str, Any]]


@pytest.fixture
def world() -> World:
    made = World()
    made.add_vm(VM)
    made.add_vm(OTHER)
    return made


@pytest.fixture
def lab(world: World) -> Iterator[Lab]:
    with Lab(world, platforms=["olvm"]) as running:
        yield running


@pytest.fixture
def chaos(lab: Lab, tmp_path: Path) -> Chaos:
    return Chaos(tmp_path, lab.environment())


def activity(kind: str, func: str, tolerance: Any = None, **arguments: Any) -> dict[str, Any]:
    provider = {
        "type": "python",
        "module": f"chaosvm.olvm.{kind}s",
        "func": func,
        "arguments": arguments,
    }
    made: dict[str, Any] = {"type": kind, "name": func, "provider": provider}
    return made if tolerance is None else made | {"tolerance": tolerance}


def count(lab: Lab, verb: str) -> int:
    return lab.requests().get(f"POST /api/vms/{{id}}/{verb}", 0)


def test_an_experiment_from_steady_state_to_rollback(
    chaos: Chaos, world: World, lab: Lab, experiment: Experiment
) -> None:
    steady = activity("probe", "vm_power_state", tolerance="powered_on", vm_name=OTHER)
    made = experiment(
        [activity("action", "power_off", vm_name=VM)],
        hypothesis=[steady],
        rollbacks=[activity("action", "power_on", vm_name=VM)],
        title="Do we survive without web-01?",
    )
    journal = chaos.run(made, "--rollback-strategy", "always")
    assert (journal["status"], journal["deviated"]) == ("completed", False), chaos.console
    off = journal["run"][0]["output"]
    assert (off["name"], off["how"], off["after"]) == (VM, "guest", "powered_off")
    assert journal["rollbacks"][0]["output"]["after"] == "powered_on"
    assert world.vm(VM).state is State.RUNNING
    assert lab.sessions() == {"logins": 1, "logouts": 1, "alive": 0}
    said = [event for event in world.events if event.correlation_id == off["correlation_id"]]
    assert [event.reason for event in said] == [
        "Chaos Toolkit experiment: Do we survive without web-01?"
    ]


def test_password_and_token_are_nowhere(
    chaos: Chaos, lab: Lab, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[str] = []
    original = Sessions.user

    def seen(sessions: Sessions, request: Any) -> str | None:
        tokens.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
        return original(sessions, request)

    monkeypatch.setattr(Sessions, "user", seen)
    secrets = {
        "olvm": {
            "olvm_username": {"type": "env", "key": "OLVM_USERNAME"},
            "olvm_password": {"type": "env", "key": "OLVM_PASSWORD"},
        }
    }
    probe = activity("probe", "list_vms")
    probe["provider"]["secrets"] = ["olvm"]
    made = experiment([probe, activity("action", "power_off", vm_name=VM)], secrets=secrets)
    chaos.run(made, "--verbose")
    console = chaos.console
    for trouble in (rule("login", "html"), rule("GET /api/vms", "cut"), rule("stop", "drop_after")):
        lab.rules(trouble)
        chaos.run(made, "--verbose")
        console += chaos.console
    lab.rules()
    chaos("--verbose", "discover", "--no-install", "chaosvm")
    written = console + chaos.everything_written()
    assert "DEBUG" in written
    assert VM in written
    assert tokens
    assert all(len(token) > 40 for token in tokens)
    assert not [secret for secret in (lab.password, *tokens) if secret in written]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interruption_during_a_wait_ends_soon_and_rollbacks_put_things_back(
    chaos: Chaos, world: World, lab: Lab, experiment: Experiment, sent: signal.Signals
) -> None:
    world.change(VM, guest=Guest.slow(600))
    made = experiment(
        [activity("action", "batch_power_off", vms={"name": "web-*"}, timeout=300)],
        rollbacks=[activity("action", "batch_power_on", vms={"names": [OTHER]})],
    )
    process = chaos.start(*chaos.command(made, "--rollback-strategy", "always"))
    eventually(lambda: world.vm(OTHER).state is State.OFF)
    process.send_signal(sent)
    chaos.finish(process)
    assert "was interrupted: sent to" in chaos.console
    assert count(lab, "stop") == 0
    assert world.vm(OTHER).state is State.RUNNING
    assert lab.sessions()["alive"] == 0


def test_an_engine_that_goes_silent_does_not_hold_up_the_end(
    chaos: Chaos, lab: Lab, experiment: Experiment
) -> None:
    lab.rules(rule("logout", "silent"))
    start = time.monotonic()
    assert chaos.run(experiment([activity("probe", "count_vms")]))["status"] == "completed"
    assert time.monotonic() - start < 55


def test_a_failed_action_tells_why_in_the_journal(
    chaos: Chaos, lab: Lab, experiment: Experiment
) -> None:
    lab.rules(rule("stop", "fault", vm=VM, code=403, message="You may not stop it."))
    (run,) = chaos.run(
        experiment([activity("action", "batch_power_off", vms={"all": True}, graceful=False)])
    )["run"]
    assert run["status"] == "failed"
    told = run["exception"][-1]
    assert f"failed for 1 of 2 VMs: '{VM}'" in told
    assert "You may not stop it" in told
    assert f"changed: '{OTHER}'" in told


def test_discovery_of_the_engine(chaos: Chaos) -> None:

    chaos("discover", "--no-install", "chaosvm")
    found = json.loads((chaos.folder / "discovery.json").read_text())
    assert "chaosvm.olvm.actions" in {activity["mod"] for activity in found["activities"]}
    assert [vm["name"] for vm in found["system"]["olvm"]["vms"]] == [VM, OTHER]
