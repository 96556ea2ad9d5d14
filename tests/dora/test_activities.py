"""Probes and actions as Chaos Toolkit calls them: with configuration and secrets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from chaosvm.dora import actions, discover, probes
from chaosvm.errors import (
    AmbiguousVM,
    ChaosVMError,
    ConnectionFailed,
    InvalidValue,
    NoSuchVM,
    PlatformError,
    ProtocolError,
    SelectionError,
)
from tests.dora.conftest import HOSTS, LOGIN, PASSWORD, USER, VMS, Dora, host, status, vm

ENV = "Arvig-Staging"
STAGING = ["Arvig-Staging", "EPB-Staging", "Midco-Staging"]

Run = Callable[..., Any]


@pytest.fixture
def run(dora: Dora) -> Run:
    def call(activity: Callable[..., Any], *args: Any, **arguments: Any) -> Any:
        result = activity(
            *args, configuration=dora.configuration(), secrets=dora.secrets, **arguments
        )
        json.dumps(result, allow_nan=False)
        return result

    return call


# Settings ----------------------------------------------------------------------


def test_activities_share_a_login(dora: Dora, run: Run) -> None:
    assert run(probes.count_vms, ENV) == 1
    assert run(probes.vm_power_state, ENV, "web-01") == "powered_on"
    assert dora.count(LOGIN) == 1


def test_everything_from_the_environment(dora: Dora, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {**dora.configuration(), **dora.secrets}.items():
        monkeypatch.setenv(key.upper(), str(value))
    assert probes.count_vms(ENV) == 1


@pytest.mark.parametrize("key", ["dora_password", "dora_username"])
def test_secrets_in_the_configuration_are_refused(dora: Dora, key: str) -> None:
    configuration = {**dora.configuration(), key: "geheim"}
    with pytest.raises(InvalidValue, match=key) as caught:
        probes.count_vms(ENV, configuration=configuration, secrets=dora.secrets)
    assert "geheim" not in str(caught.value)
    assert dora.requests == []


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"dora_hots": "x"}, "did you mean 'dora_host'"),
        ({"dora_api_port": 0}, "dora_api_port"),
        ({"dora_auth_port": "x"}, "dora_auth_port"),
        ({"dora_scheme": "ftp"}, "dora_scheme"),
        ({"dora_host": "http://dora"}, "dora_host"),
        ({"dora_host": None}, "not set: dora_host"),
        ({"dora_timeout": 0}, "dora_timeout"),
        ({"dora_ca_file": "/nowhere.pem"}, "dora_ca_file"),
        ({"dora_environments": {"Paytv": {"x": 1}}}, "dora_environments"),
    ],
)
def test_settings_that_cannot_be_used(dora: Dora, more: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidValue, match=text):
        probes.count_vms(ENV, configuration={**dora.configuration(), **more}, secrets=dora.secrets)
    assert dora.requests == []


def test_missing_secrets(dora: Dora) -> None:
    with pytest.raises(InvalidValue, match="not set: dora_username, dora_password"):
        probes.count_vms(ENV, configuration=dora.configuration())


def test_text_is_a_port_too(dora: Dora) -> None:
    configuration = {key: str(value) for key, value in dora.configuration().items()}
    assert probes.count_vms(ENV, configuration=configuration, secrets=dora.secrets) == 1


# Probes ------------------------------------------------------------------------


def test_list_environments_asks_nothing(dora: Dora, run: Run) -> None:
    found = run(probes.list_environments)
    assert len(found) == 13
    assert set(found[0]) == {
        "name",
        "group",
        "vcenter",
        "pattern_path",
        "vm_path",
        "host_filter",
        "vsphere",
    }
    assert dora.requests == []


def test_environment_inventory(run: Run) -> None:
    found = run(probes.environment_inventory, ENV)
    assert (found["environment"], found["group"]) == (ENV, "staging")
    assert found["coordinates"]["vcenter"] == ENV
    assert [each["name"] for each in found["vms"]] == ["web-01"]
    assert [each["name"] for each in found["hypervisors"]] == ["esx-1.example.com"]
    assert found["counts"]["vms"] == 1


def test_list_vms_and_vm_info(dora: Dora, run: Run) -> None:
    dora.vms = [vm("a", "vm-1"), vm("b", "vm-2", state="suspended")]
    assert [each["name"] for each in run(probes.list_vms, ENV)] == ["a", "b"]
    assert [each["id"] for each in run(probes.list_vms, ENV, {"name": "b"})] == ["vm-2"]
    assert run(probes.vm_info, ENV, "vm-2")["power_state"] == "suspended"
    assert run(probes.vm_has_power_state, ENV, "b", "suspended") is True
    assert run(probes.vm_has_power_state, ENV, "a", "suspended") is False
    with pytest.raises(InvalidValue, match="suspended"):
        run(probes.vm_has_power_state, ENV, "a", "suspend")


def test_vm_exists(dora: Dora, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "chaostoolkit")
    dora.vms = [vm("a", "vm-1"), vm("a", "vm-2"), vm("web-01", "vm-3")]
    assert run(probes.vm_exists, ENV, "wbe-01") is False
    assert "did you mean 'web-01'?" in caplog.messages[-1]
    assert run(probes.vm_exists, ENV, "a") is True
    assert run(probes.vm_exists, ENV, "vm-2") is True
    assert run(probes.vm_exists, ENV, "b") is False
    dora.vms = []
    assert run(probes.vm_exists, ENV, "a") is False


@pytest.mark.parametrize("answer", [status(404), status(200, b"<html>"), status(200, b"{}")])
def test_a_dora_that_cannot_be_asked_is_not_no_vm(dora: Dora, run: Run, answer: Any) -> None:
    dora.always[VMS] = answer
    for activity, arguments in [
        (probes.vm_exists, (ENV, "a")),
        (probes.count_vms, (ENV,)),
        (probes.list_vms, (ENV,)),
    ]:
        with pytest.raises(ProtocolError):
            run(activity, *arguments)


@pytest.mark.parametrize("name", ["", None, 3, "${vm}"])
def test_vm_exists_wants_a_name(dora: Dora, run: Run, name: Any) -> None:
    with pytest.raises(InvalidValue, match="vm_name"):
        run(probes.vm_exists, ENV, name)


def test_hypervisors_connected(dora: Dora, run: Run, logs: pytest.LogCaptureFixture) -> None:
    assert run(probes.hypervisors_connected, ENV) is True
    dora.hosts = [host("esx-1"), host("esx-2", connectionStatus="notResponding")]
    assert run(probes.hypervisors_connected, ENV) is False
    assert "esx-2 is notResponding" in logs.text
    dora.hosts = [host("esx-1"), host("esx-3", connectionStatus=None)]
    with pytest.raises(ProtocolError, match="esx-3"):
        run(probes.hypervisors_connected, ENV)
    dora.hosts = []
    with pytest.raises(NoSuchVM, match=ENV):
        run(probes.hypervisors_connected, ENV)
    dora.hosts = status(404)
    with pytest.raises(PlatformError):
        run(probes.hypervisors_connected, ENV)


def test_environment_summary(dora: Dora, run: Run) -> None:
    dora.of["EPB-Staging"] = {"vms": status(404)}
    dora.of["Midco-Staging"] = {"vms": [vm("a", "1"), vm("b", "2", state="poweredOff")]}
    found = run(probes.environment_summary, ["staging"])
    assert sorted(found["environments"]) == STAGING
    assert (found["failed"], found["vms"]) == (["EPB-Staging"], 3)
    assert "404" in found["environments"]["EPB-Staging"]["error"]
    assert found["environments"]["Midco-Staging"] == {
        "group": "staging",
        "counts": {
            "vms": 2,
            "hypervisors": 1,
            "hypervisors_connected": 1,
            "power_states": {"powered_off": 1, "powered_on": 1},
        },
    }


def test_environment_summary_of_all_and_of_none(dora: Dora, run: Run) -> None:
    assert len(run(probes.environment_summary)["environments"]) == 13
    dora.always[HOSTS] = status(404)
    with pytest.raises(ProtocolError, match="Paytv"):
        run(probes.environment_summary)


# validate_targets --------------------------------------------------------------


def test_targets_as_planned(dora: Dora, run: Run) -> None:
    dora.vms = [vm("a", "vm-1"), vm("b", "vm-2"), vm("c", "vm-3", state="poweredOff")]
    target = {"power_state": "powered_on", "host": "esx-1.example.com"}
    assert run(actions.validate_targets, ENV, {"names": ["b", "a"]}) == {
        "environment": ENV,
        "targets": [{"name": "b", "id": "vm-2", **target}, {"name": "a", "id": "vm-1", **target}],
        "seed": None,
    }
    found = run(actions.validate_targets, ENV, {"names": ["c"]}, power_state="powered_off")
    assert [each["id"] for each in found["targets"]] == ["vm-3"]


def test_a_sample_of_targets_can_be_drawn_again(dora: Dora, run: Run) -> None:
    dora.vms = [vm(f"web-{number:02}", f"vm-{number}") for number in range(50)]
    drawn = run(actions.validate_targets, ENV, {"name": "web-*", "count": 2})
    again = {"name": "web-*", "count": 2, "seed": drawn["seed"]}
    assert run(actions.validate_targets, ENV, again) == drawn
    assert len(drawn["targets"]) == 2


def test_targets_not_as_planned(dora: Dora, run: Run) -> None:
    dora.vms = [vm("a", "vm-1"), vm("a", "vm-2"), vm("c", "vm-3", state="poweredOff")]
    with pytest.raises(AmbiguousVM, match=r"vm-1.*vm-2"):
        run(actions.validate_targets, ENV, {"names": ["a"]})
    with pytest.raises(NoSuchVM, match=f"{ENV}.*'zz'"):
        run(actions.validate_targets, ENV, {"names": ["c", "zz"]})
    with pytest.raises(NoSuchVM):
        run(actions.validate_targets, ENV, {"name": "zz*"})
    with pytest.raises(SelectionError, match=r"1 of 3.*vm-3.*powered_off"):
        run(actions.validate_targets, ENV, {"all": True})
    for selection in ({}, None, {"count": 1}, {"tag": "x"}, "a"):
        with pytest.raises(InvalidValue):
            run(actions.validate_targets, ENV, selection)
    with pytest.raises(InvalidValue, match="power_state"):
        run(actions.validate_targets, ENV, {"names": ["c"]}, power_state="off")


# Power -------------------------------------------------------------------------


def test_power_without_a_vcenter_asks_nothing(dora: Dora, run: Run) -> None:
    for activity in (actions.power_on, actions.power_off, actions.reboot):
        with pytest.raises(InvalidValue, match="no vCenter configured"):
            activity(ENV, "web-01", configuration=dora.configuration(), secrets=dora.secrets)
    assert dora.requests == []


# export_inventory --------------------------------------------------------------


def test_export_json(
    dora: Dora, run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "chaostoolkit")
    dora.of["EPB-Staging"] = {"vms": [vm("wéb", "vm-1"), vm("b", "vm-2")]}
    path = tmp_path / "staging.json"
    found = run(actions.export_inventory, ["staging"], str(path))
    assert found == {
        "path": str(path),
        "format": "json",
        "environments": found["environments"],
        "vms": 4,
    }
    assert sorted(found["environments"]) == STAGING
    written = json.loads(path.read_text("utf-8"))["environments"]
    assert [each["environment"] for each in written] == found["environments"]
    (epb,) = [each for each in written if each["environment"] == "EPB-Staging"]
    assert [each["name"] for each in epb["vms"]] == ["b", "wéb"]
    assert list(tmp_path.iterdir()) == [path]
    assert caplog.messages[-1] == f"wrote {path}: 4 VM(s) of 3 environment(s)"


def test_export_csv(dora: Dora, run: Run, tmp_path: Path) -> None:
    dora.vms = [
        vm('a,"b"\nc', "vm-1", environment="theirs"),
        vm("=cmd()", "vm-2", os=None, path="@x", cpus=None),
    ]
    path = tmp_path / "staging.csv"
    assert run(actions.export_inventory, [ENV], str(path), format="csv")["vms"] == 2
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode())))
    first, second = sorted(rows, key=lambda row: row["id"])
    assert (first["name"], first["group"]) == ('a,"b"\nc', "staging")
    assert (first["power_state"], first["memory_mb"]) == ("powered_on", "8192")
    assert first["cpu_usage_percent"] == "12.5"
    assert (second["name"], second["path"]) == ("'=cmd()", "'@x")
    assert (second["guest_os"], second["cpu_count"]) == ("", "")
    assert [first["environment"], second["environment"]] == [ENV, ENV]


@pytest.mark.parametrize("form", ["json", "csv", "md", "html"])
def test_an_environment_that_fails_keeps_the_old_file(
    dora: Dora, run: Run, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "staging"
    dora.of["EPB-Staging"] = {"vms": status(404)}
    with pytest.raises(PlatformError, match=r"not written.*EPB-Staging"):
        run(actions.export_inventory, ["staging"], str(path), format=form)
    assert list(tmp_path.iterdir()) == []
    path.write_text("old")
    with pytest.raises(PlatformError, match=r"not written.*EPB-Staging"):
        run(actions.export_inventory, ["staging"], str(path), format=form)
    assert path.read_text() == "old"
    dora.of.clear()
    run(actions.export_inventory, ["staging"], str(path), format=form)
    assert "web-01" in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("form", ["json", "csv", "md", "html"])
def test_half_a_character_leaves_nothing_behind(
    dora: Dora, run: Run, tmp_path: Path, form: str
) -> None:
    """JSON can hold "\\ud800", which UTF-8 cannot."""
    dora.vms = [vm("web-\ud800", "vm-1")]
    path = tmp_path / "staging"
    path.write_text("old")
    try:
        run(actions.export_inventory, [ENV], str(path), format=form)
    except ChaosVMError:
        assert path.read_text() == "old"
    else:
        assert "vm-1" in path.read_text("utf-8")
    finally:
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("path", ["", None, 3, "nowhere/x.json", ".", "~nobody-of-this-name/x"])
def test_paths_that_cannot_be_written(
    dora: Dora, run: Run, tmp_path: Path, path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidValue, match="path"):
        run(actions.export_inventory, [ENV], path)
    assert dora.requests == []


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_names_that_no_file_can_have(dora: Dora, run: Run, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidValue):
        run(actions.export_inventory, [ENV], str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_other_arguments_of_an_export(dora: Dora, run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    with pytest.raises(InvalidValue, match="format"):
        run(actions.export_inventory, [ENV], path, format="xml")
    for environments in ([], None, ["stagin"], 3, "*", "All"):
        with pytest.raises(InvalidValue, match="environments"):
            run(actions.export_inventory, environments, path)
    assert dora.requests == []


# Discovery ---------------------------------------------------------------------


def test_discovery(dora: Dora, monkeypatch: pytest.MonkeyPatch) -> None:
    assert discover()["system"] is None
    for key, value in {**dora.configuration(), **dora.secrets}.items():
        monkeypatch.setenv(key.upper(), str(value))
    dora.of["Paytv"] = {"vms": status(404)}
    found = discover()
    names = {activity["name"] for activity in found["activities"]}
    assert {*actions.__all__, *probes.__all__} <= names
    by_name = {each["name"]: each for each in found["system"]["environments"]}
    assert by_name[ENV]["counts"]["vms"] == 1
    assert "404" in by_name["Paytv"]["error"]
    assert not any(secret in json.dumps(found) for secret in (PASSWORD, USER))


@pytest.mark.parametrize("module", [actions, probes], ids=["actions", "probes"])
def test_an_activity_belongs_to_the_module_that_exports_it(module: ModuleType) -> None:
    functions = [getattr(module, name) for name in module.__all__]
    assert {function.__module__ for function in functions} == {module.__name__}


def test_discovery_without_dora(monkeypatch: pytest.MonkeyPatch, dora: Dora) -> None:
    dora.always[LOGIN] = status(404)
    for key, value in {**dora.configuration(), **dora.secrets}.items():
        monkeypatch.setenv(key.upper(), str(value))
    assert "GetLoginToken" in discover()["system"]["error"]


def test_a_dora_that_is_away(dora: Dora) -> None:
    configuration = {**dora.configuration(), "dora_auth_port": 1, "dora_timeout": 0.3}
    with pytest.raises(ConnectionFailed):
        probes.vm_exists(ENV, "a", configuration=configuration, secrets=dora.secrets)
