"""Logins, processes and files in a guest."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from pyVmomi import vim

from chaosvm.lab import Guest, Lab, State, World
from tests.lab.vcenter.conftest import machine
from tests.moments import eventually

AUTH = vim.vm.guest.NamePasswordAuthentication(
    username="root", password="x", interactiveSession=False
)

WINDOWS = "Microsoft Windows Server 2022 (64-bit)"


@pytest.fixture
def manager(content: Any) -> Any:
    return content.guestOperationsManager


def started(manager: Any, vm: Any, program: str, arguments: str = "") -> int:
    spec = vim.vm.guest.ProcessManager.ProgramSpec(programPath=program, arguments=arguments)
    pid = manager.processManager.StartProgramInGuest(vm=vm, auth=AUTH, spec=spec)
    assert isinstance(pid, int)
    return pid


def test_who_may_log_in(manager: Any, content: Any, vm: Any, world: World) -> None:
    manager.authManager.ValidateCredentialsInGuest(vm=vm, auth=AUTH)
    nobody = vim.vm.guest.NamePasswordAuthentication(
        username="root", password="", interactiveSession=False
    )
    world.add_vm("off", State.OFF)
    world.add_vm("without", guest=Guest.without_agent())
    for name, auth, fault in (
        ("web", nobody, vim.fault.InvalidGuestLogin),
        ("off", AUTH, vim.fault.InvalidPowerState),
        ("without", AUTH, vim.fault.GuestOperationsUnavailable),
    ):
        with pytest.raises(fault):
            manager.authManager.ValidateCredentialsInGuest(vm=machine(content, name), auth=auth)


def test_processes_start_end_and_are_terminated(manager: Any, vm: Any) -> None:
    processes = manager.processManager
    short = started(manager, vm, "/bin/true")
    long = started(manager, vm, "/bin/sleep", "600")
    listed = processes.ListProcessesInGuest(vm=vm, auth=AUTH, pids=[short, long])
    assert [(each.exitCode, each.name) for each in listed] == [(0, "true"), (None, "sleep")]
    processes.TerminateProcessInGuest(vm=vm, auth=AUTH, pid=long)
    (ended,) = processes.ListProcessesInGuest(vm=vm, auth=AUTH, pids=[long])
    assert ended.endTime is not None
    with pytest.raises(vim.fault.GuestProcessNotFound):
        processes.TerminateProcessInGuest(vm=vm, auth=AUTH, pid=long)


@pytest.mark.parametrize(
    ("os", "program"),
    [
        ("other_linux", "/sbin/shutdwon"),
        ("other_linux", "shutdown"),
        ("other_linux", "/opt/shop/start.sh"),
        ("other_linux", "C:\\Windows\\System32\\shutdown.exe"),
        (WINDOWS, "/sbin/shutdown"),
        (WINDOWS, "C:\\Windows\\System32\\shutdwon.exe"),
    ],
)
def test_a_program_that_a_guest_does_not_have(
    manager: Any, vm: Any, world: World, os: str, program: str
) -> None:
    """FileNotFound, as StartProgramInGuest has in the API reference."""
    world.change("web", os=os)
    with pytest.raises(vim.fault.FileNotFound) as refused:
        started(manager, vm, program)
    assert refused.value.file == program


def test_programs_that_a_guest_has(manager: Any, vm: Any, world: World) -> None:
    world.change("web", guest=Guest(programs=("/opt/shop/stop.sh",)))
    path = manager.fileManager.CreateTemporaryFileInGuest(vm, AUTH, "", ".sh", "/tmp")
    for program in ("/usr/bin/bash", "/opt/shop/stop.sh", path):
        assert started(manager, vm, program) > 0
    world.change("web", os=WINDOWS)
    for program in ("cmd.exe", "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"):
        assert started(manager, vm, program) > 0


@pytest.mark.parametrize(
    ("program", "arguments", "state"),
    [
        ("/sbin/shutdown", "-h now", State.OFF),
        ("C:\\Windows\\System32\\shutdown.exe", "/s", State.OFF),
        ("/sbin/reboot", "", State.RUNNING),
    ],
)
def test_a_guest_is_stopped_from_within(
    manager: Any, vm: Any, world: World, program: str, arguments: str, state: State
) -> None:
    if program.startswith("C:"):
        world.change("web", os=WINDOWS)
    boots = world.vm("web").boots
    started(manager, vm, program, arguments)
    eventually(lambda: world.vm("web").state is state and not world.vm("web").booting_again)
    eventually(lambda: state is State.OFF or world.vm("web").boots > boots)


def test_files(manager: Any, vm: Any, lab: Lab) -> None:
    files = manager.fileManager
    files.MakeDirectoryInGuest(vm, AUTH, "/tmp/a/b", True)
    with pytest.raises(vim.fault.FileAlreadyExists):
        files.MakeDirectoryInGuest(vm, AUTH, "/tmp/a/b", True)
    path = files.CreateTemporaryFileInGuest(vm, AUTH, "pre-", ".txt", "/tmp/a")
    attributes = vim.vm.guest.FileManager.PosixFileAttributes()
    url = files.InitiateFileTransferToGuest(vm, AUTH, path, attributes, 5, True)
    requests.put(url, b"hello", verify=lab.ca_file, timeout=60).raise_for_status()
    listed = files.ListFilesInGuest(vm, AUTH, "/tmp/a").files
    assert {(each.path, each.size) for each in listed} == {("b", 0), (path.split("/")[-1], 5)}
    info = files.InitiateFileTransferFromGuest(vm, AUTH, path)
    assert requests.get(info.url, verify=lab.ca_file, timeout=60).text == "hello"
    files.MoveFileInGuest(vm, AUTH, path, "/tmp/moved", False)
    with pytest.raises(vim.fault.FileNotFound):
        files.DeleteFileInGuest(vm, AUTH, path)
    with pytest.raises(vim.fault.DirectoryNotEmpty):
        files.DeleteDirectoryInGuest(vm, AUTH, "/tmp/a", False)
    files.DeleteDirectoryInGuest(vm, AUTH, "/tmp/a", True)
