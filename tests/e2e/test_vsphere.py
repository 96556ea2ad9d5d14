from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import Chaos, activity
from tests.examples import EXAMPLES, EXPERIMENTS
from tests.moments import eventually
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate

VM = "DC0_H0_VM0"
Experiment = Callable[..., dict[str, Any]]


def outcomes(journal: dict[str, Any]) -> list[Any]:
    return [run["output"] for run in [*journal["run"], *journal["rollbacks"]]]


def asked(vcsim: Vcsim, method: str) -> int:
    return int(vcsim.requests()["methods"].get(method, 0))


def test_the_power_off_example(chaos: Chaos, estate: Estate, vcsim: Vcsim) -> None:
    journal = chaos.run(EXAMPLES / "vsphere_vm_poweroff.json", "--var", f"vm_name={VM}")
    assert (journal["status"], journal["deviated"]) == ("completed", False)
    off = journal["run"][0]["output"]
    assert (off["name"], off["before"], off["after"]) == (VM, "powered_on", "powered_off")
    assert [run["status"] for run in journal["run"] + journal["rollbacks"]].count("failed") == 0
    assert estate.power_state(VM) == "poweredOn"
    assert (asked(vcsim, "PowerOnVM_Task"), asked(vcsim, "Login")) == (1, 1)
    assert vcsim.sessions()["logouts"] == 1


def test_the_power_off_example_where_tools_do_not_run(chaos: Chaos, estate: Estate) -> None:
    estate.set_guest(VM, tools_running=False)
    journal = chaos.run(EXAMPLES / "vsphere_vm_poweroff.json", "--var", f"vm_name={VM}")
    assert journal["status"] == "completed"
    assert estate.power_state(VM) == "poweredOn"


def test_the_reboot_example(chaos: Chaos, estate: Estate, vcsim: Vcsim) -> None:
    journal = chaos.run(
        EXAMPLES / "vsphere_vm_reboot.json", *chaos.var_file(), "--var", f"vm_name={VM}"
    )
    assert (journal["status"], journal["deviated"]) == ("completed", False)
    assert journal["run"][0]["output"]["changed"] is True
    assert asked(vcsim, "ResetVM_Task") == 1
    assert estate.power_state(VM) == "poweredOn"


def test_the_batch_example(chaos: Chaos, estate: Estate, vcsim: Vcsim) -> None:
    journal = chaos.run(
        EXAMPLES / "vsphere_vm_batch_shutdown.json",
        *chaos.var_file(),
        "--var",
        "vm_name=DC0_H0*",
    )
    assert (journal["status"], journal["deviated"]) == ("completed", False)
    assert journal["run"][0]["output"]["changed"] == 2
    assert asked(vcsim, "ShutdownGuest") == 2
    assert set(estate.power_states().values()) == {"poweredOn"}


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), f"a key twice among {[key for key, _ in pairs]}"
    return dict(pairs)


@pytest.mark.parametrize(
    "path", [each for each in EXPERIMENTS if each.suffix == ".json"], ids=lambda path: path.name
)
def test_every_example_is_valid(chaos: Chaos, path: Any) -> None:
    assert chaos("validate", str(path)) == 0, chaos.console
    written = json.loads(path.read_text(), object_pairs_hook=without_repetition)
    if path.name != "recover.json":  # after a crash there is no steady state to speak of
        assert written["steady-state-hypothesis"]["probes"]
    assert written["method"]
    actions = [activity for activity in written["method"] if activity["type"] == "action"]
    reads_only = all(action["provider"]["func"].startswith("export") for action in actions)
    assert bool(written.get("rollbacks")) != reads_only or path.name == "recover.json"


@pytest.mark.parametrize(
    "name", ["vsphere_vm_poweroff.json", "vsphere_vm_reboot.json", "vsphere_vm_batch_shutdown.json"]
)
def test_an_example_with_a_vm_that_is_not_there_stops_before_its_method(
    chaos: Chaos, vcsim: Vcsim, name: str
) -> None:
    journal = chaos.run(EXAMPLES / name, "--var", "vm_name=no-such-vm")
    assert journal["steady_states"]["before"]["steady_state_met"] is False
    assert journal["run"] == []
    assert not [m for m in vcsim.requests()["methods"] if m.startswith(("Power", "Reset"))]


def test_an_example_without_a_vm_name_says_so(chaos: Chaos, vcsim: Vcsim) -> None:
    chaos.run(EXAMPLES / "vsphere_vm_poweroff.json")
    assert "vm_name is empty: set VM_NAME, or --var vm_name=NAME" in chaos.console
    assert "ShutdownGuest" not in vcsim.requests()["methods"]


def test_the_password_is_nowhere(
    chaos: Chaos, vcsim: Vcsim, experiment: Experiment, estate: Estate
) -> None:
    secrets = {
        "vsphere": {
            "vsphere_username": {"type": "env", "key": "VSPHERE_USERNAME"},
            "vsphere_password": {"type": "env", "key": "VSPHERE_PASSWORD"},
        }
    }
    probe = activity("probe", "list_vms")
    probe["provider"]["secrets"] = ["vsphere"]
    made = experiment([probe, activity("action", "power_off", vm_name=VM)], secrets=secrets)
    chaos.run(made, "--verbose")
    vcsim.rules(rule("Login", "html"))
    console = chaos.console
    chaos.run(made, "--verbose")
    console += chaos.console
    vcsim.rules()
    chaos("--verbose", "discover", "--no-install", "chaosvm")
    written = console + chaos.everything_written()
    assert "DEBUG" in written
    assert vcsim.username in written or "list_vms" in written
    assert vcsim.password not in written


def test_a_password_in_the_configuration_is_refused_and_not_told(
    chaos: Chaos, vcsim: Vcsim, experiment: Experiment
) -> None:
    made = experiment(
        [activity("probe", "count_vms")],
        configuration={"vsphere_password": {"type": "env", "key": "VSPHERE_PASSWORD"}},
    )
    journal = chaos.run(made, "--verbose")
    assert journal["run"][0]["status"] == "failed"
    assert "move it to the secrets" in journal["run"][0]["exception"][-1]
    assert vcsim.password not in chaos.everything_written()
    assert vcsim.requests()["total"] == 0


@pytest.mark.parametrize("distribution", ["chaosvm", "chaostoolkit-vm"])
def test_discovery_by_either_name(chaos: Chaos, distribution: str) -> None:
    chaos("discover", "--no-install", distribution)
    found = json.loads((chaos.folder / "discovery.json").read_text())
    assert {activity["mod"] for activity in found["activities"]} >= {
        "chaosvm.vsphere.actions",
        "chaosvm.vsphere.probes",
    }
    assert len(found["system"]["vsphere"]["vms"]) == 4


def test_discovery_without_a_vcenter_says_so_in_one_line(chaos_without_settings: Chaos) -> None:
    chaos = chaos_without_settings
    chaos("discover", "--no-install", "chaosvm")
    found = json.loads((chaos.folder / "discovery.json").read_text())
    assert found["activities"]
    assert found["system"] is None
    told = [line for line in chaos.console.splitlines() if "VSPHERE_SERVER" in line]
    assert len(told) == 1
    assert "INFO" in told[0]


def test_settings_from_an_env_file(
    vcsim: Vcsim, chaos_without_settings: Chaos, experiment: Experiment
) -> None:
    chaos = chaos_without_settings
    settings = "".join(f"{key}={value}\n" for key, value in vcsim.environment().items())
    (chaos.folder / ".env").write_text(settings)
    journal = chaos.run(experiment([activity("probe", "count_vms")]), "--var-file", ".env")
    assert journal["run"][0]["output"] == 4, chaos.console


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_settings_from_a_var_file(
    vcsim: Vcsim, chaos_without_settings: Chaos, experiment: Experiment, ending: str
) -> None:
    chaos = chaos_without_settings
    configuration = {"server": vcsim.host, "port": vcsim.port, "ca_file": vcsim.ca_file}
    secrets = {"username": vcsim.username, "password": vcsim.password}
    given = {
        "configuration": {f"vsphere_{key}": value for key, value in configuration.items()},
        "secrets": {"vsphere": {f"vsphere_{key}": value for key, value in secrets.items()}},
    }
    # JSON is YAML as well.
    (chaos.folder / f"settings.{ending}").write_text(json.dumps(given))
    probe = activity("probe", "count_vms")
    probe["provider"]["secrets"] = ["vsphere"]
    made = experiment(
        [probe],
        configuration=dict.fromkeys(given["configuration"], "from the file"),
        secrets={"vsphere": dict.fromkeys(given["secrets"]["vsphere"], "from the file")},
    )
    journal = chaos.run(made, "--var-file", f"settings.{ending}")
    assert journal["run"][0]["output"] == 4, chaos.console


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interruption_during_a_wait_ends_soon_and_rollbacks_put_things_back(
    chaos: Chaos, vcsim: Vcsim, estate: Estate, experiment: Experiment, sent: signal.Signals
) -> None:
    vcsim.rules(rule("ShutdownGuest", "ignore", vm=VM))
    made = experiment(
        [activity("action", "batch_power_off", vms={"host": "DC0_H0"}, timeout=60)],
        rollbacks=[activity("action", "batch_power_on", vms={"host": "DC0_H0"})],
    )
    process = chaos.start(*chaos.command(made, "--rollback-strategy", "always"))
    eventually(lambda: estate.power_state("DC0_H0_VM1") == "poweredOff")
    process.send_signal(sent)
    # The rollbacks wait for the guest, which goes off only now.
    eventually(lambda: chaos.has_logged("waiting for the end of earlier requests"), seconds=45)
    estate.power_off(VM)
    chaos.finish(process)
    assert "was interrupted: sent to" in chaos.console
    assert asked(vcsim, "PowerOffVM_Task") == 0
    assert set(estate.power_states().values()) == {"poweredOn"}


def test_an_interruption_stops_what_has_not_been_sent(
    chaos: Chaos, vcsim: Vcsim, estate: Estate, experiment: Experiment
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "silent"))
    made = experiment(
        [activity("action", "batch_power_off", vms={"all": True}, parallel=1, graceful=False)]
    )
    process = chaos.start(*chaos.command(made))
    eventually(lambda: asked(vcsim, "PowerOffVM_Task") == 1)
    process.send_signal(signal.SIGINT)
    eventually(lambda: chaos.has_logged("was interrupted: sent to"))
    vcsim.drop_connections()
    chaos.finish(process)
    assert asked(vcsim, "PowerOffVM_Task") == 1
    assert set(estate.power_states().values()) == {"poweredOn"}


def test_a_continuous_hypothesis_and_a_background_action_share_the_connection(
    chaos: Chaos, vcsim: Vcsim, estate: Estate, experiment: Experiment
) -> None:
    vcsim.rules(rule("ShutdownGuest", "ignore", vm=VM))
    background = activity("action", "power_off", vm_name=VM) | {"background": True}
    made = experiment(
        [background, activity("action", "power_off", vm_name="DC0_H0_VM1", graceful=False)],
        hypothesis=[
            activity("probe", "all_vms_have_power_state", tolerance=True, vms={"cluster": "DC0_C0"})
        ],
    )
    often = ("--hypothesis-strategy", "continuously", "--hypothesis-frequency", "0.3")
    process = chaos.start(*chaos.command(made, *often))
    eventually(lambda: chaos.has_logged("Probe: all_vms_have_power_state", times=5))
    estate.power_off(VM)
    chaos.finish(process)
    journal = chaos.journal()
    assert journal["status"] == "completed"
    assert estate.power_state(VM) == "poweredOff"
    assert len(journal["steady_states"]["during"]) >= 3
    assert asked(vcsim, "Login") == 1


def test_a_session_that_expires_between_activities(
    chaos: Chaos, vcsim: Vcsim, experiment: Experiment
) -> None:
    pause = activity("probe", "count_vms") | {"pauses": {"after": 1}}
    made = experiment([pause, activity("action", "power_off", vm_name=VM)])
    process = chaos.start(*chaos.command(made))
    eventually(lambda: asked(vcsim, "RetrievePropertiesEx") > 0)
    vcsim.expire_sessions()
    assert chaos.finish(process) == 0
    assert [run["status"] for run in chaos.journal()["run"]] == ["succeeded", "succeeded"]


def test_a_vcenter_that_goes_silent_does_not_hold_up_the_end(
    chaos: Chaos, vcsim: Vcsim, experiment: Experiment
) -> None:
    vcsim.rules(rule("Logout", "silent"))
    start = time.monotonic()
    assert chaos.run(experiment([activity("probe", "count_vms")]))["status"] == "completed"
    assert time.monotonic() - start < 55


def test_a_failed_action_tells_why_in_the_journal(
    chaos: Chaos, vcsim: Vcsim, experiment: Experiment
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "fault", fault="NoPermission", vm=VM))
    made = experiment(
        [activity("action", "batch_power_off", vms={"host": "DC0_H0"}, graceful=False)]
    )
    (run,) = chaos.run(made)["run"]
    assert run["status"] == "failed"
    told = run["exception"][-1]
    assert f"failed for 1 of 2 VMs: '{VM}'" in told
    assert "lacks the privilege" in told
    assert "changed: 'DC0_H0_VM1'" in told
