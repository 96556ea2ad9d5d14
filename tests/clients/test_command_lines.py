"""Fence agents and libvirt's ESX driver, from Debian."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from chaosvm.lab import Lab
from chaosvm.lab.world_files import load
from tests.clients.servers import NotBuilt

# Arguments, exit code and what the output matches; one after the other.
FENCING = (
    ("--action=status", 0, "Status: ON"),
    ("--action=list", 0, "web-01"),
    ("--action=off", 0, "Powered OFF"),
    ("--action=status --quiet", 2, ""),
    ("--action=off --verbose", 0, "Already OFF"),
    ("--action=on", 0, "Powered ON"),
    ("--action=reboot", 0, "Rebooted"),
    ("--action=monitor", 0, ""),
)
VIRSH = (
    ("list --all", 0, "web-02 +running"),
    ("dominfo web-02", 0, "State: +running"),
    ("domid web-02", 0, "^1003"),
    ("domuuid web-02", 0, "^42"),
    ("destroy web-02", 0, "destroyed"),
    ("domstate web-02", 0, "shut off"),
    ("start web-02", 0, "started"),
    ("domstate web-02 --reason", 0, "running"),
    ("suspend web-02", 0, "suspended"),
    ("resume web-02", 0, "resumed"),
    ("reboot web-02", 0, "is being rebooted"),
    ("shutdown lb-01", 0, "is being shutdown"),
    ("nodeinfo", 0, "CPU model"),
    ("hostname", 0, "esx-01"),
    ("capabilities", 0, "vmware"),
    ("dumpxml app-01", 0, "<domain"),
    ("domifaddr app-01 --source agent", 0, "10.0.2.11"),
    ("snapshot-create-as app-01 before", 0, "created"),
    ("snapshot-list app-01", 0, "before"),
    ("snapshot-revert app-01 before", 0, "reverted"),
    ("snapshot-delete app-01 before", 0, "deleted"),
    ("pool-list", 0, "datastore1 +active"),
    ("pool-info datastore1", 0, "Capacity"),
    ("vol-list datastore1", 0, "web-02"),
    ("net-list", 0, "vSwitch0"),
)
CLIENTS = {"fence_vmware_rest": FENCING, "fence_rhevm": FENCING, "virsh": VIRSH}
EACH = [(client, arguments) for client, rows in CLIENTS.items() for arguments, *_ in rows]


@cache
def on_lab(client: str) -> dict[str, str]:
    """What went wrong with each call of a client, by its arguments."""
    if shutil.which(client) is None:
        raise NotBuilt(f"{client} is not installed: run make clients")
    with Lab(load("small")) as lab, ExitStack() as opened:
        command = _virsh(lab, opened) if client == "virsh" else _fence(client, lab)
        return {
            arguments: _problem([*command, *arguments.split()], code, expected)
            for arguments, code, expected in CLIENTS[client]
        }


def _fence(agent: str, lab: Lab) -> Sequence[str]:
    engine = agent == "fence_rhevm"
    return [
        agent,
        "--ip=127.0.0.1",
        f"--ipport={urlsplit(lab.olvm_url).port if engine else lab.vsphere_port}",
        f"--username={lab.username}",
        f"--password={lab.password}",
        "--ssl-insecure",
        "--plug=web-01",
        "--stonith-status-sleep=1",
        # Of each request, which by default has three seconds, and of each change of power.
        "--shell-timeout=120",
        "--power-timeout=120",
        *(["--disable-http-filter"] if engine else []),
    ]


def _virsh(lab: Lab, opened: ExitStack) -> Sequence[str]:
    """The driver takes a vCenter only as vpx://, with the way to one host."""
    directory = opened.enter_context(tempfile.TemporaryDirectory(prefix="virsh-"))
    login = Path(directory) / "auth.conf"
    login.write_text(
        f"[credentials-lab]\nusername={lab.username}\npassword={lab.password}\n"
        "[auth-esx-127.0.0.1]\ncredentials=lab\n"
    )
    uri = f"vpx://127.0.0.1:{lab.vsphere_port}/dc-1/prod/esx-01?no_verify=1"
    return ["env", f"LIBVIRT_AUTH_FILE={login}", "virsh", "--connect", uri]


def _problem(command: Sequence[str], code: int, expected: str) -> str:
    ended = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        env=os.environ,
    )
    if ended.returncode != code:
        return f"exit code {ended.returncode}: {ended.stdout[-500:]}"
    if not re.search(expected, ended.stdout, re.MULTILINE):
        return f"expected /{expected}/ in: {ended.stdout[-500:]}"
    return ""


@pytest.mark.parametrize(("client", "arguments"), EACH)
@pytest.mark.timeout(1800)
def test_call(client: str, arguments: str, judge: Any, clients_or_skip: Any) -> None:
    judge(client, arguments, clients_or_skip(lambda: on_lab(client))[arguments])
