"""A rehearsal connects to nothing but its lab, whatever goes wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.control import reset_global_controls
from chaoslib.exceptions import InterruptExecution
from chaoslib.experiment import run_experiment
from chaoslib.types import Strategy

from chaosvm.errors import NotInRehearsal
from chaosvm.lab import control
from chaosvm.lab import session as stage
from chaosvm.lab.http_server import Server
from chaosvm.runtime import rehearsal
from tests import production
from tests.examples import EXAMPLES, WITHOUT_VAULT
from tests.http_service import serving
from tests.production import (
    CONTROL_FILE,
    Production,
    everything,
    from_python,
    read,
    run,
    switch,
)
from tests.registry import ACTING, SIMULATED

WAYS = [*map(read, SIMULATED), *map(switch, ACTING)]


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    control.cleanup_control()
    reset_global_controls()


def statuses(journal: dict[str, Any]) -> list[str]:
    return [step["status"] for step in journal["run"]]


# That it would be noticed ---------------------------------------------------------------


@pytest.mark.parametrize("each", [*WAYS, *map(from_python, ACTING)], ids=str)
def test_without_a_rehearsal_every_way_leads_to_the_server(
    each: dict[str, Any], real: Production, tmp_path: Path
) -> None:
    assert statuses(run(real.experiment(each), tmp_path)) == ["failed"]
    assert real.connections > 0


# Nothing goes wrong ---------------------------------------------------------------------


@pytest.mark.parametrize("where", ["experiment", "environment"])
@pytest.mark.parametrize("how", ["declared", "by control file"])
def test_a_rehearsal(
    where: str, how: str, real: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = real.experiment(*everything())
    if where == "environment":
        environment = real.environment()
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        experiment["configuration"] = {"production_port": real.port}
        experiment["secrets"] = {"all": {}}
    if how == "declared":
        experiment["controls"] = [production.control()]
    journal = run(experiment, tmp_path, CONTROL_FILE if how == "by control file" else None)
    assert journal["status"] == "completed"
    # The last two ask for the server by its address: they are refused.
    assert statuses(journal) == ["succeeded"] * 6 + ["failed"] * 2, journal["run"]
    assert "a rehearsal connects only to its simulated servers" in str(
        journal["run"][-1]["exception"]
    )
    assert real.connections == 0


@pytest.mark.parametrize("how", ["background", "continuously"])
def test_in_other_threads(how: str, real: Production, tmp_path: Path) -> None:
    background = [{**each, "background": True} for each in everything()]
    probes = [{**read(platform), "tolerance": 12} for platform in SIMULATED]
    experiment = real.experiment(
        *(background if how == "background" else everything()),
        **{"steady-state-hypothesis": {"title": "All are there", "probes": probes}},
    )
    strategy = Strategy.CONTINUOUS if how == "continuously" else Strategy.DEFAULT
    journal = run(experiment, tmp_path, CONTROL_FILE, strategy=strategy)
    assert journal["steady_states"]["before"]["steady_state_met"]
    assert statuses(journal)[:3] == ["succeeded"] * 3
    assert real.connections == 0


def test_connections_from_before_are_not_used(real: Production, tmp_path: Path) -> None:
    for each in WAYS[:3]:
        run(real.experiment(each), tmp_path)
    before = real.connections
    assert statuses(run(real.experiment(*WAYS), tmp_path, CONTROL_FILE)) == ["succeeded"] * 5
    assert real.connections == before > 0


def test_what_is_not_on_this_machine_does_not_matter(real: Production, tmp_path: Path) -> None:
    missing = {"type": "env", "key": "CHAOSVM_TEST_NOT_SET"}
    experiment = real.experiment(*WAYS, switch("dora", "web-02"))
    own = {"server": "vcenter.example.com", "ca_file": "/not/there.pem", "credentials": "nobody"}
    experiment["configuration"] |= {
        "vsphere_server": missing,
        "vsphere_port": {**missing, "env_var_type": "int"},
        "vsphere_ca_file": "/not/there.pem",
        "olvm_ca_file": "/not/there.pem",
        "dora_environments": {production.ENVIRONMENT: {"vsphere": own}},
    }
    experiment["secrets"] = {
        "all": {
            "vsphere_username": missing,
            "vsphere_password": {"type": "vault", "path": "not/there"},
        },
        "more": {"type": "vault", "path": "not/there"},
    }
    journal = run(experiment, tmp_path, CONTROL_FILE)
    assert statuses(journal) == ["succeeded"] * 6, journal["run"]
    assert journal["experiment"]["secrets"] == experiment["secrets"]
    assert journal["experiment"]["configuration"] == experiment["configuration"]


def test_proxies_are_not_asked(
    real: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{real.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert statuses(run(real.experiment(*WAYS), tmp_path, CONTROL_FILE)) == ["succeeded"] * 5
    assert real.connections == 0


def test_probes_in_the_configuration_ask_the_lab(real: Production, tmp_path: Path) -> None:
    found = {**read("vsphere"), "name": "how-many"}
    experiment = real.experiment(read("vsphere"))
    experiment["configuration"]["vms"] = found
    experiment["configuration"]["vsphere_username"] = "admin@internal"
    journal = run(experiment, tmp_path, CONTROL_FILE)
    assert journal["status"] == "completed"
    assert real.connections == 0


def test_nor_do_they_ask_anything_else(real: Production, tmp_path: Path) -> None:
    """They are run before a control that the experiment declares is even imported."""
    found = [{**each, "name": f"found-{number}"} for number, each in enumerate(everything())]
    experiment = real.experiment(read("vsphere"), controls=[production.control()])
    experiment["configuration"] |= {each["name"]: each for each in found}
    journal = run_experiment(experiment, settings={})
    assert statuses(journal) == ["succeeded"]
    assert real.connections == 0


# The rehearsal cannot be set up -----------------------------------------------------------


def no_aiohttp(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    return {}


def no_port(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    async def refuse(server: Server) -> None:
        raise OSError("no port is free")

    monkeypatch.setattr(Server, "_serve", refuse)
    return {}


def no_world(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"world": "not-there.yaml"}


def no_such_argument(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"wrold": "small"}


def no_such_module(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setitem(sys.modules, "chaosvm.lab.session", None)
    return {}


def settings_go_astray(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(rehearsal, "environment", lambda: None)
    return {}


def an_environment_that_goes_astray(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    begin = rehearsal.begin

    def elsewhere(environment: dict[str, str], addresses: Any) -> None:
        begin({**environment, "VSPHERE_SERVER": "localhost"}, addresses)

    monkeypatch.setattr(rehearsal, "begin", elsewhere)
    return {}


def configuration_that_wins(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Where the experiment is silent, everything leads to the lab; where it is not, astray."""
    begin = rehearsal.begin

    def by_the_way(environment: dict[str, str], addresses: Any) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        begin(environment, addresses)

    monkeypatch.setattr(rehearsal, "begin", by_the_way)
    monkeypatch.setattr(rehearsal, "environment", lambda: None)
    return {}


def a_password_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    begin = rehearsal.begin

    def misled(environment: dict[str, str], addresses: Any) -> None:
        begin({**environment, "OLVM_PASSWORD": "wrong"}, addresses)

    monkeypatch.setattr(rehearsal, "begin", misled)
    return {}


TROUBLE = [
    no_aiohttp,
    no_port,
    no_world,
    no_such_argument,
    no_such_module,
    settings_go_astray,
    an_environment_that_goes_astray,
    configuration_that_wins,
    a_password_that_is_wrong,
]


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("trouble", TROUBLE)
def test_nothing_is_run_when_it_cannot_be_set_up(
    trouble: Any,
    declared: bool,
    real: Production,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    logs: pytest.LogCaptureFixture,
) -> None:
    arguments = trouble(monkeypatch)
    ways = everything()
    record = tmp_path / "touched"
    process = {"type": "process", "path": "touch", "arguments": str(record)}
    ways.append({"type": "action", "name": "touch", "provider": process})
    background = [{**each, "background": True} for each in ways]
    experiment = real.experiment(*background, rollbacks=ways[::-1])
    control_file = None
    if declared:
        experiment["controls"] = [production.control(**arguments)]
    else:
        control_file = tmp_path / "control.json"
        control_file.write_text(json.dumps({"rehearse": production.control(**arguments)}))
    for strategy in (Strategy.DEFAULT, Strategy.CONTINUOUS):
        journal = run(experiment, tmp_path, control_file, "always", strategy)
        assert journal["status"] == "interrupted"
        assert journal["run"] == journal["rollbacks"] == []
    assert "the rehearsal could not be set up, so nothing was run" in logs.text
    # Nor does Python connect any more.
    for connect in (production.connect_vsphere, production.connect_olvm):
        with pytest.raises(NotInRehearsal, match="no connection was made"):
            connect(real.port)
    assert real.connections == 0
    assert not record.exists()


def test_the_second_wall_holds_without_the_first(
    real: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "environment", lambda: None)
    monkeypatch.setattr(stage.RehearsalSession, "_verify", lambda *_: None)
    monkeypatch.setattr(stage.RehearsalSession, "_log_in", lambda _: None)
    journal = run(real.experiment(*everything()), tmp_path, CONTROL_FILE, "always")
    assert statuses(journal) == ["failed"] * 8
    for step in journal["run"]:
        assert "a rehearsal connects only to its simulated servers" in str(step["exception"])
    assert real.connections == 0


# It is interrupted ------------------------------------------------------------------------


@pytest.mark.parametrize("rollbacks", ["default", "always"])
def test_after_an_interruption(rollbacks: str, real: Production, tmp_path: Path) -> None:
    stop = production.activity("tests.production", "interrupt")
    experiment = real.experiment(switch("vsphere"), stop, *WAYS, rollbacks=everything())
    journal = run(experiment, tmp_path, CONTROL_FILE, rollbacks)
    assert journal["status"] == "interrupted"
    played = [step["status"] for step in journal["rollbacks"]]
    assert played == (["succeeded"] * 6 + ["failed"] * 2 if rollbacks == "always" else [])
    with pytest.raises(NotInRehearsal, match="the rehearsal is over"):
        production.connect_vsphere(real.port)
    assert real.connections == 0


def test_another_control_interrupts_at_once(
    real: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise InterruptExecution("not now")

    monkeypatch.setattr(control, "before_experiment_control", interrupt)
    journal = run(real.experiment(*WAYS, rollbacks=WAYS), tmp_path, CONTROL_FILE, "always")
    assert (journal["status"], journal["rollbacks"]) == ("interrupted", [])
    assert real.connections == 0


# The examples -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", WITHOUT_VAULT, ids=lambda path: path.stem)
def test_examples(path: Path, real: Production, tmp_path: Path, monkeypatch: Any) -> None:
    environment = real.environment() | {"DORA_TIMEOUT": "100"}
    environment["DORA_ENVIRONMENTS"] = json.dumps({production.ENVIRONMENT: {"vsphere": {}}})
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    vm_name = "web-*" if "batch" in path.stem else "web-01"
    ledger = tmp_path / "ledger.jsonl"  # of a run that changed nothing
    ledger.write_text('{"kind": "run", "version": 1, "run": "a-run"}\n')
    variables = {"vm_name": vm_name, "environment": production.ENVIRONMENT, "ledger": str(ledger)}
    control_file = tmp_path / "rehearse.yaml"
    control_file.write_text(CONTROL_FILE.read_text() + "    arguments: {longest_wait: 0.2}\n")
    with serving() as port:  # what is not a platform is not rehearsed
        variables["service_url"] = f"http://127.0.0.1:{port}/"
        journal = run(path, tmp_path, control_file, variables=variables)
    assert (journal["status"], journal["deviated"]) == ("completed", False)
    assert set(statuses(journal)) == {"succeeded"}
    assert {step["status"] for step in journal["rollbacks"]} <= {"succeeded"}
    assert real.connections == 0


@pytest.mark.parametrize("where", ["configuration", "environment"])
def test_the_ledger_of_production_is_not_written_to(
    where: str, real: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = tmp_path / "production.jsonl"
    ledger.write_text('{"kind": "run", "version": 1}\n')
    before = ledger.read_bytes()
    experiment = real.experiment(*WAYS)
    if where == "configuration":
        experiment["configuration"]["chaosvm_ledger"] = str(ledger)
    else:
        monkeypatch.setenv("CHAOSVM_LEDGER", str(ledger))
    monkeypatch.chdir(tmp_path)
    assert statuses(run(experiment, tmp_path, CONTROL_FILE)) == ["succeeded"] * 5
    run(EXAMPLES / "recover.json", tmp_path, CONTROL_FILE, variables={"ledger": str(ledger)})
    assert ledger.read_bytes() == before
    assert real.connections == 0
