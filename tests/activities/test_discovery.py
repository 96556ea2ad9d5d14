"""What ``chaos discover`` shows, and what it needs to show it."""

from __future__ import annotations

import ast
import configparser
import importlib.abc
import inspect
import json
import pkgutil
import re
import runpy
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import DiscoveryFailed

import chaosvm

ROOT = Path(__file__).resolve().parents[2]
ACTIONS = {
    f"{prefix}{verb}"
    for prefix in ("", "batch_")
    for verb in ("power_on", "power_off", "reboot", "suspend")
} | {"outage", "restore_power_states"}
PROBES = {
    "vm_info",
    "list_vms",
    "count_vms",
    "vm_power_state",
    "vm_has_power_state",
    "all_vms_have_power_state",
    "inventory_summary",
    "alarms_triggered",
    "cluster_has_failover_capacity",
    "guest_heartbeat",
    "guest_ip_addresses",
    "guest_port_open",
    "guest_tools_running",
    "host_connection_state",
    "hosts_available",
    "recovery_seconds",
    "running_vms_at_least",
    "vm_events",
    "vm_host",
    "vm_moved_since",
    "vm_rebooted_since",
    "vm_restarted_by_ha",
    "vm_uptime_seconds",
    "wait_for_state",
    *(f"plan_{verb}" for verb in ("outage", "power_on", "power_off", "reboot", "suspend")),
}


def activities() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chaosvm.discover(discover_system=False)["activities"]
    return found


def named(activity: dict[str, Any]) -> str:
    return f"{activity['mod']}.{activity['name']}"


def test_the_activities_of_vsphere_are_those_of_the_design() -> None:
    found = [each for each in activities() if each["mod"].startswith("chaosvm.vsphere.")]
    assert {each["name"] for each in found if each["type"] == "action"} == ACTIONS
    assert {each["name"] for each in found if each["type"] == "probe"} == PROBES
    assert len(found) == len(ACTIONS) + len(PROBES)


def test_ovirt_has_no_probe_of_what_an_engine_does_not_tell() -> None:
    found = {each["name"] for each in activities() if each["mod"] == "chaosvm.olvm.probes"}
    assert PROBES - found == {
        "alarms_triggered",
        "cluster_has_failover_capacity",
        "guest_heartbeat",
    }


def test_actions_and_probes_are_in_their_modules() -> None:
    for activity in activities():
        assert activity["mod"].endswith(f".{activity['type']}s")


@pytest.mark.parametrize("activity", activities(), ids=named)
def test_every_argument_has_a_type_and_numbers_a_default(activity: dict[str, Any]) -> None:
    arguments = {argument["name"]: argument for argument in activity["arguments"]}
    assert {"configuration", "secrets"} <= arguments.keys()
    assert activity["return_type"] != "object"
    for argument in arguments.values():
        assert argument["type"] != "object"
        if argument["type"] in ("number", "integer"):
            assert argument["default"] >= 0


@pytest.mark.parametrize("activity", activities(), ids=named)
def test_every_docstring_has_a_snippet_that_calls_its_function(activity: dict[str, Any]) -> None:
    (snippet,) = re.findall(r"```json\n(.*?)```", activity["doc"], re.DOTALL)
    pasted = json.loads(snippet)
    provider = pasted["provider"]
    assert pasted["type"] == activity["type"]
    assert (provider["module"], provider["func"]) == (activity["mod"], activity["name"])
    known = {argument["name"] for argument in activity["arguments"]}
    assert provider.get("arguments", {}).keys() <= known


def test_activity_modules_keep_their_annotations() -> None:
    """With the future import, every type in them would be shown as "object"."""
    for path in ROOT.glob("chaosvm/*/*s.py"):
        if path.name in ("actions.py", "probes.py"):
            tree = ast.parse(path.read_text())
            imports = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
            assert "__future__" not in imports, path


def test_without_settings_there_is_no_request_and_no_system() -> None:
    assert chaosvm.discover()["system"] is None


def test_incomplete_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, logs: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VSPHERE_HOST", "vcenter.example.com")
    chaosvm.discover()
    assert "chaosvm.vsphere: the system is not discovered: not set: vsphere_server, " in logs.text
    assert "VSPHERE_HOST is set but not used: did you mean VSPHERE_SERVER?" in logs.text


def test_importing_and_discovering_needs_no_sdk() -> None:
    """In a process of its own, in which the SDKs cannot be imported."""
    program = """
import sys
for name in ("pyVmomi", "pyVim", "ovirtsdk4"):
    sys.modules[name] = None
import chaosvm
import chaosvm.vsphere.actions, chaosvm.vsphere.probes
found = chaosvm.discover()
print(len(found["activities"]))
try:
    chaosvm.vsphere.probes.count_vms(
        configuration={"vsphere_server": "vc"},
        secrets={"vsphere_username": "u", "vsphere_password": "p"},
    )
except Exception as error:
    print(type(error).__name__, error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    count, failure = ran.stdout.strip().splitlines()
    assert int(count) == len(activities())
    assert failure.startswith("MissingExtra")
    assert "chaostoolkit-vm[vsphere]" in failure


def test_importing_does_not_import_the_sdks() -> None:
    program = (
        "import sys, chaosvm, chaosvm.vsphere.actions, chaosvm.vsphere.probes;"
        "print([name for name in ('pyVmomi', 'ovirtsdk4') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.strip() == "[]"


def test_chaos_toolkits_documentation_can_be_built() -> None:
    """It imports every module, and writes each default of each exported function as JSON.

    See extensions-doc-builder/ext2md.py in chaostoolkit-documentation.
    """
    for module in pkgutil.walk_packages(chaosvm.__path__, "chaosvm."):
        if module.ispkg or module.name.endswith("__main__"):
            continue
        imported = import_module(module.name)
        exported = [getattr(imported, name) for name in getattr(imported, "__all__", [])]
        for function in filter(inspect.isfunction, exported):
            signature = inspect.signature(function)
            defaults = [each.default for each in signature.parameters.values()]
            json.dumps([each for each in defaults if each is not inspect.Parameter.empty])


def test_the_companion_pins_no_version() -> None:
    companion = configparser.ConfigParser()
    companion.read(ROOT / "companion" / "setup.cfg")
    assert companion["options"]["install_requires"].strip() == "chaostoolkit-vm"


def test_the_companion_alone_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Uninstalled(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            if name == "chaosvm":
                raise ModuleNotFoundError("No module named 'chaosvm'", name=name)

    monkeypatch.delitem(sys.modules, "chaosvm")
    monkeypatch.setattr(sys, "meta_path", [Uninstalled(), *sys.meta_path])
    companion = runpy.run_path(str(ROOT / "companion" / "chaosvm_discovery.py"))
    with pytest.raises(DiscoveryFailed, match="pip install chaostoolkit-vm"):
        companion["discover"]()


@pytest.mark.parametrize("activity", activities(), ids=lambda each: f"{each['mod']}.{each['name']}")
def test_every_argument_can_be_entered(activity: dict[str, Any]) -> None:
    """`chaos init` converts what is typed; of these types only, to what was meant."""
    implicit = ("configuration", "secrets")
    arguments = [each for each in activity["arguments"] if each["name"] not in implicit]
    assert {each["type"] for each in arguments} <= {"string", "integer", "number", "boolean"}
