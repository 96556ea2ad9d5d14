"""The examples are valid, and templates and copies are complete."""

from __future__ import annotations

import dataclasses
import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from chaoslib.experiment import ensure_experiment_is_valid
from chaoslib.loader import load_experiment

import chaosvm
from chaosvm.dora.environments import parse_environments
from chaosvm.examples import __main__ as copying
from chaosvm.platforms import PLATFORMS
from chaosvm.settings import Safety
from tests.examples import EXPERIMENTS, WITHOUT_VAULT

FOLDER = Path(copying.__file__).parent


@pytest.mark.parametrize("path", WITHOUT_VAULT, ids=lambda path: path.name)
def test_an_example_is_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VM_NAME", "TARGET_ENVIRONMENT", "LEDGER"):
        monkeypatch.setenv(name, "web-01")
    ensure_experiment_is_valid(load_experiment(str(path)))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_whatever_acts_can_be_undone_and_shows_what_it_did(path: Path) -> None:
    experiment = load_experiment(str(path))
    modules = {each["provider"].get("module") for each in experiment["method"]}
    if not modules & {"chaosvm.vsphere.actions", "chaosvm.olvm.actions"}:
        return
    controls = {each["provider"]["module"] for each in experiment["controls"]}
    wanted = {f"chaosvm.controls.{name}" for name in ("halt", "undo", "summary")}
    assert wanted <= controls
    assert experiment["runtime"]["rollbacks"]["strategy"] == "always"


def template_variables() -> dict[str, str]:
    text = (FOLDER / ".env.platforms.example").read_text("utf-8")
    return dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", text, re.MULTILINE))


def test_the_template_has_every_setting() -> None:
    """Except those that turn verification off, which nobody should copy."""
    settings = {
        f"{each.prefix}_{field}".upper()
        for each in (Safety, *(platform.load_settings() for platform in PLATFORMS))
        for field in (each.name for each in dataclasses.fields(each))
        if field != "insecure"
    }
    assert settings - template_variables().keys() == set()


def test_the_template_has_nothing_else() -> None:
    keys = {name.split("_")[0] for name in template_variables()}
    assert keys == {"VSPHERE", "OLVM", "DORA", "CHAOSVM", "VM", "TARGET"}


def test_the_template_has_no_quotes() -> None:
    """Chaos Toolkit takes them as part of the value."""
    assert not any('"' in value or "'" in value for value in template_variables().values())


def test_copies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "new" / "folder"
    assert copying.main([str(target)]) == 0
    copied = {path.name for path in target.iterdir()}
    assert copied >= {"recover.json", "rehearse.yaml", ".env.platforms.example", "SKILL.md"}
    assert not any(name.endswith(".py") for name in copied)
    assert (target / "recover.json").read_bytes() == (FOLDER / "recover.json").read_bytes()
    assert f"created  {target / 'recover.json'}" in capsys.readouterr().out


def test_an_edited_copy_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recover.json").write_text("mine")
    assert copying.main([str(tmp_path)]) == 0
    assert (tmp_path / "recover.json").read_text() == "mine"
    assert f"kept     {tmp_path / 'recover.json'}" in capsys.readouterr().out


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert copying.main([str(tmp_path / "file" / "folder")]) == 1
    assert "Not a directory" in capsys.readouterr().err


def test_the_environments_are_valid() -> None:
    registry = parse_environments(
        "dora_environments", str(FOLDER / "dora_environments.example.yaml")
    )
    assert dict(registry.find("EPB-Staging").vsphere or ())["credentials"] == "epb"
    assert registry.find("My-Lab").group == "lab"


@pytest.mark.parametrize("name", ["vars.yaml", "vars.json"])
def test_variables_of_a_file_are_declared(name: str) -> None:
    """Chaos Toolkit ignores those that are not."""
    given = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    declared = load_experiment(str(FOLDER / "declared_secrets.yaml"))
    assert given["configuration"].keys() == declared["configuration"].keys()
    assert given["secrets"]["vsphere"].keys() == declared["secrets"]["vsphere"].keys()


def test_the_skill_names_what_exists() -> None:
    text = (FOLDER / "SKILL.md").read_text("utf-8")
    written = {"discovery.json", "experiment.json", "journal.json"}
    named = set(re.findall(r"(?<![\w/*.])\.?\w[\w.]*\.(?:json|yaml|example)\b", text)) - written
    assert named >= {"recover.json", "rehearse.yaml", ".env.platforms.example"}
    assert [name for name in named if not (FOLDER / name).is_file()] == []
    for module in set(re.findall(r"chaosvm\.controls\.\w+", text)):
        import_module(module)
    activities = {each["name"] for each in chaosvm.discover(discover_system=False)["activities"]}
    assert set(re.findall(r"`((?:plan|count|recovery)_\w+)`", text)) <= activities
