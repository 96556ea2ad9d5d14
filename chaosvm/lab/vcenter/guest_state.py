"""Processes and files in the guests of VMs, as far as clients have made them."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosvm.lab.simulation import Machine, World
from chaosvm.lab.vcenter.guest_programs import has_program

__all__ = ["GuestProcess", "GuestState", "GuestStates"]

_FIRST_PID = 2001
_SYSTEM_PROCESSES = ((1, "systemd", "/usr/lib/systemd/systemd"), (812, "vmtoolsd", "vmtoolsd"))
_KEPT_SECONDS = 300.0  # how long an ended process is listed (ProcessManager of the API)
_TERMINATED = 143
# 1> FILE and 2> FILE, with which clients read what a program has written.
_REDIRECTIONS = re.compile(r"([12])?>\s*(\S+?)(?=[\s']|$)")


@dataclass(slots=True)
class GuestProcess:
    pid: int
    name: str
    owner: str
    command: str
    started: float
    ends: float | None = None
    exit_code: int = 0


@dataclass(slots=True)
class GuestState:
    booted_at: float | None
    processes: dict[int, GuestProcess] = field(default_factory=dict)
    # Contents by path; None is a directory.
    files: dict[str, bytes | None] = field(default_factory=lambda: {"/": None, "/tmp": None})


class GuestStates:
    """The guests by VM. A boot ends all processes; files are kept."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.RLock()
        self._pids = itertools.count(_FIRST_PID)
        self._states: dict[str, GuestState] = {}

    def of(self, vm: Machine) -> GuestState:
        with self._lock:
            state = self._states.setdefault(vm.id, GuestState(vm.booted_at))
            if state.booted_at != vm.booted_at:
                state.booted_at, state.processes = vm.booted_at, {}
            return state

    def has_program(self, vm: Machine, path: str) -> bool:
        return self.of(vm).files.get(path) is not None or has_program(vm, path)

    def start(self, vm: Machine, owner: str, program: str, arguments: str) -> GuestProcess:
        state, now = self.of(vm), self._world.now
        command = f'"{program}" {arguments}'.rstrip()
        name = program.replace("\\", "/").rpartition("/")[2]
        process = GuestProcess(next(self._pids), name, owner, command, now)
        seconds = _seconds(name, arguments)
        process.ends = now + seconds
        output = _output(vm, name, arguments)
        for stream, path in _REDIRECTIONS.findall(arguments):
            state.files[path] = output.encode() if stream != "2" else b""
        state.processes[process.pid] = process
        self._act(vm, name, arguments)
        return process

    def _act(self, vm: Machine, name: str, arguments: str) -> None:
        """Carry out the programs that the simulation has a meaning for."""
        if name in ("reboot", "reboot.exe") or (
            name.startswith("shutdown") and " -r" in f" {arguments}"
        ):
            self._world.power.reboot(vm.id)
        elif name in ("poweroff", "halt") or name.startswith("shutdown"):
            self._world.power.shut_down(vm.id)

    def list(self, vm: Machine) -> list[GuestProcess]:
        now = self._world.now
        booted = vm.booted_at or now
        own = [
            each
            for each in self.of(vm).processes.values()
            if each.ends is None or now - each.ends < _KEPT_SECONDS
        ]
        system = [
            GuestProcess(pid, name, "root", line, booted) for pid, name, line in _SYSTEM_PROCESSES
        ]
        return [*system, *own]

    def terminate(self, vm: Machine, pid: int) -> bool:
        """False if no such process is running."""
        process, now = self.of(vm).processes.get(pid), self._world.now
        if process is None or (process.ends is not None and process.ends <= now):
            return False
        process.ends, process.exit_code = now, _TERMINATED
        return True

    def environment(self, vm: Machine, user: str) -> Mapping[str, str]:
        return {"HOME": f"/home/{user}", "PATH": "/usr/bin:/bin", "USER": user, "LANG": "C.UTF-8"}


def _seconds(name: str, arguments: str) -> float:
    """How long a program runs: only sleep takes time."""
    match = re.search(r"\bsleep\s+([\d.]+)", f"{name} {arguments}")
    return float(match[1]) if match else 0.0


def _output(vm: Machine, name: str, arguments: str) -> str:
    """What a program writes, for the few that scripts try first."""
    line = arguments if name in ("bash", "sh") else f"{name} {arguments}"
    words = re.sub(r"^-c\s+'?|[12]?>.*$|'", "", line).strip().split()
    program = words[0].rpartition("/")[2] if words else ""
    answers: dict[str, Any] = {
        "uname": "Linux",
        "hostname": vm.fqdn or vm.name,
        "echo": " ".join(words[1:]),
        "whoami": "root",
    }
    text = answers.get(program)
    return f"{text}\n" if text is not None else ""
