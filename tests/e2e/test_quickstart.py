"""The quickstart, as `make quickstart` runs it once everything is installed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.children import heeding_signals
from tests.e2e.conftest import ROOT

WITHOUT_OVIRT = (
    "import sys; sys.modules['ovirtsdk4'] = None\n"
    "from examples.quickstart import main; sys.exit(main())"
)


def started(folder: Path, *how: str, **settings: str) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        **settings,
    }
    return subprocess.Popen(
        heeding_signals([sys.executable, *(how or ("-m", "examples.quickstart"))]),
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left_in(folder: Path) -> list[Path]:
    """Not counting the marks that pip's or coverage's hooks may leave at home."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def table(console: str) -> list[tuple[str, ...]]:
    lines = re.findall(
        r"^  (vsphere|olvm) +(\w+) +(\S+) +(\w+) +(\w+) +(\w+) +[\d.]+$", console, re.M
    )
    return [tuple(line) for line in lines]


def test_one_vm_of_each_tier_goes_and_comes_back(tmp_path: Path) -> None:
    process = started(tmp_path)
    console, _ = process.communicate(timeout=110)
    assert process.returncode == 0, console
    assert "The experiment: completed" in console
    off_web, off_app, on_web, on_app = table(console)
    assert (off_web[0], off_web[1], off_web[3:]) == (
        "vsphere",
        "power_off",
        ("powered_on", "powered_off", "guest"),
    )
    assert off_web[2].startswith("web-")
    assert off_app[:2] == ("olvm", "power_off")
    assert off_app[2].startswith("app-")
    assert [line[:3] for line in (on_web, on_app)] == [
        ("vsphere", "restore", off_web[2]),
        ("olvm", "restore", off_app[2]),
    ]
    assert "state in the lab: web-01 " in console
    kept = re.search(r"Look at the report: (\S+/build/quickstart\.html)$", console, re.M)
    assert kept is not None
    assert off_web[2] in Path(kept[1]).read_text("utf-8")
    assert left_in(tmp_path) == []


def test_without_the_sdk_of_ovirt_its_half_is_left_out(tmp_path: Path) -> None:
    process = started(tmp_path, "-c", WITHOUT_OVIRT)
    console, _ = process.communicate(timeout=110)
    assert process.returncode == 0, console
    assert "the OLVM half of the experiment is left out" in console
    assert [line[:2] for line in table(console)] == [
        ("vsphere", "power_off"),
        ("vsphere", "restore"),
    ]
    assert "app-01" not in console


def test_the_users_own_platforms_and_proxies_are_left_alone(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    process = started(
        tmp_path,
        VSPHERE_SERVER="vcenter.invalid",
        VSPHERE_INSECURE="true",
        OLVM_URL="https://engine.invalid/ovirt-engine/api",
        HTTPS_PROXY=nowhere,
        https_proxy=nowhere,
    )
    console, _ = process.communicate(timeout=110)
    assert process.returncode == 0, console
    assert ".invalid" not in console


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_nothing_behind(
    sent: signal.Signals, code: int, tmp_path: Path
) -> None:
    process = started(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("$ chaos run"):
            break
    process.send_signal(sent)
    console, _ = process.communicate(timeout=110)
    assert process.returncode == code, console
    assert left_in(tmp_path) == []
