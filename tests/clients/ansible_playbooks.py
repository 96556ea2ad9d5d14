"""Runs the playbooks of ansible/ against a lab, and tells what became of each task."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import yaml

from chaosvm.lab import Guest, Lab
from chaosvm.lab.world_files import load
from tests.clients.servers import BUILD, NotBuilt

__all__ = ["run", "tasks"]

_PLAYBOOKS = Path(__file__).parent / "ansible"
_WITHIN = 1800
_GUESTS = {
    # vmware_guest_powerstate reads the address twice after RebootGuest, each time with a request
    # of its own, and fails if the address goes in between, on any vCenter. This guest keeps it.
    "lb-01": Guest.slow(3600),
    # It looks every 15 seconds whether a guest is off after ShutdownGuest.
    "web-02": Guest.obeys(0),
}


def tasks(playbook: str) -> list[str]:
    (play,) = yaml.safe_load((_PLAYBOOKS / f"{playbook}.yaml").read_text(encoding="utf-8"))
    return [task["name"] for task in play["tasks"]]


def run(playbook: str) -> dict[str, str]:
    """What went wrong with each task, by its name; empty if nothing did."""
    if not (BUILD / "ansible_collections").is_dir():
        raise NotBuilt("Ansible's collections are missing: run make clients")
    small = load("small")
    for name, guest in _GUESTS.items():
        small.world.change(name, guest=guest)
    with tempfile.TemporaryDirectory(prefix="ansible-") as directory, Lab(small) as lab:
        environment = os.environ | lab.environment() | _settings(Path(directory), lab.ca_file)
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "ansible",
                "playbook",
                "--inventory=localhost,",
                "--connection=local",
                f"--extra-vars=ansible_python_interpreter={sys.executable}",
                _PLAYBOOKS / f"{playbook}.yaml",
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_WITHIN,
        )
        results = list(Path(directory).glob("*.xml"))
        assert results, ended.stdout[-5000:]
        return _problems(results[0])


def _settings(home: Path, ca_file: str) -> Mapping[str, str]:
    return {
        "ANSIBLE_CALLBACKS_ENABLED": "junit",
        "ANSIBLE_COLLECTIONS_PATH": str(BUILD),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_PIPELINING": "true",
        "JUNIT_OUTPUT_DIR": str(home),
        "JUNIT_FAIL_ON_IGNORE": "true",
        "JUNIT_INCLUDE_SETUP_TASKS_IN_REPORT": "true",
        # How Python's ssl and requests, in modules, know the lab's CA.
        "SSL_CERT_FILE": ca_file,
        "REQUESTS_CA_BUNDLE": ca_file,
    }


def _problems(report: Path) -> dict[str, str]:
    """The callback names a test "[host] play: task arguments"."""
    results = list(ElementTree.parse(report).getroot().iter("testcase"))
    names = tasks({"vSphere": "vsphere", "oVirt": "ovirt"}[_play(results[0])])
    assert len(results) == len(names), f"{len(results)} results of {len(names)} tasks"
    return {name: _problem(case) for name, case in zip(names, results, strict=True)}


def _play(case: ElementTree.Element) -> str:
    return case.get("name", "").removeprefix("[localhost] ").partition(":")[0]


def _problem(case: ElementTree.Element) -> str:
    for kind in ("failure", "error", "skipped"):
        found = case.find(kind)
        if found is not None:
            return f"{found.get('message') or ''} {found.text or ''}".strip() or kind
    return ""


def main() -> None:
    for playbook in sys.argv[1:] or ("vsphere", "ovirt"):
        results = run(playbook)
        for name, problem in results.items():
            if problem:
                print(f"FAIL {playbook}: {name}\n     {' '.join(problem.split())[:400]}")
        print(f"{playbook}: {sum(not each for each in results.values())} of {len(results)} passed")


if __name__ == "__main__":
    main()
