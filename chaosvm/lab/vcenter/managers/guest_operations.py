"""Guest operations: logins, processes and files of a guest whose VMware Tools are running."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.guest_state import GuestProcess, GuestState, GuestStates
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.serialization import data_object
from chaosvm.lab.vcenter.states import POWER_STATES, tools_running

__all__ = ["GuestFiles", "GuestOperations", "guest_operations"]

_g = vim.vm.guest


class _GuestManager(ManagedObject):
    def __init__(self, inventory: Inventory, states: GuestStates) -> None:
        super().__init__(f"guestOperations{self.kind.__name__.rpartition('.')[2]}")
        self._inventory = inventory
        self._states = states

    def _vm(self, call: Call) -> tuple[Machine, str]:
        """The VM and the guest's user. Raises SoapFault unless both are available.

        Every user with a password may log in.
        """
        vm = self._inventory.machines().get(call.get("vm")._moId)
        if vm is None:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=call.get("vm")))
        existing = POWER_STATES[vm.state]
        if existing != "poweredOn":
            fault = vim.fault.InvalidPowerState(requestedState="poweredOn", existingState=existing)
            raise SoapFault(fault, "The virtual machine is not powered on.")
        if not tools_running(vm):
            fault = vim.fault.GuestOperationsUnavailable()
            raise SoapFault(fault, "The guest operations agent could not be contacted.")
        auth = call.get("auth")
        user = getattr(auth, "username", None)
        if not user or not getattr(auth, "password", None):
            fault = vim.fault.InvalidGuestLogin()
            raise SoapFault(fault, "Failed to authenticate with the guest.")
        return vm, user


class AuthManager(_GuestManager):
    kind = _g.AuthManager

    @method("ValidateCredentialsInGuest")
    def validate(self, call: Call) -> None:
        self._vm(call)

    @method("AcquireCredentialsInGuest")
    def acquire(self, call: Call) -> Any:
        requested = call.get("requestedAuth")
        self._vm(replace(call, arguments={**call.arguments, "auth": requested}))
        return requested

    @method("ReleaseCredentialsInGuest")
    def release(self, call: Call) -> None:
        self._vm(call)


class ProcessManager(_GuestManager):
    kind = _g.ProcessManager

    @method("StartProgramInGuest")
    def start(self, call: Call) -> int:
        vm, user = self._vm(call)
        spec = call.get("spec")
        if not spec.programPath:
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="programPath"))
        if not self._states.has_program(vm, spec.programPath):
            raise _not_found(spec.programPath)
        return self._states.start(vm, user, spec.programPath, spec.arguments or "").pid

    @method("ListProcessesInGuest")
    def list(self, call: Call) -> list[Any]:
        vm, _ = self._vm(call)
        wanted = set(call.get("pids") or ())
        processes = self._states.list(vm)
        return [self._info(each) for each in processes if not wanted or each.pid in wanted]

    def _info(self, process: GuestProcess) -> Any:
        world = self._inventory.world
        info = _g.ProcessManager.ProcessInfo(
            name=process.name,
            pid=process.pid,
            owner=process.owner,
            cmdLine=process.command,
            startTime=world.date_of(process.started),
        )
        if process.ends is not None and process.ends <= world.now:
            info.endTime, info.exitCode = world.date_of(process.ends), process.exit_code
        return info

    @method("TerminateProcessInGuest")
    def terminate(self, call: Call) -> None:
        vm, _ = self._vm(call)
        pid = call.get("pid")
        if not self._states.terminate(vm, pid):
            fault = vim.fault.GuestProcessNotFound(pid=pid)
            raise SoapFault(fault, f"There is no process {pid} in the guest.")

    @method("ReadEnvironmentVariableInGuest")
    def read_environment(self, call: Call) -> Any:
        vm, user = self._vm(call)
        names = set(call.get("names") or ())
        variables = self._states.environment(vm, user)
        return [f"{key}={value}" for key, value in variables.items() if not names or key in names]


class FileManager(_GuestManager):
    kind = _g.FileManager

    def __init__(self, inventory: Inventory, states: GuestStates, files: GuestFiles) -> None:
        super().__init__(inventory, states)
        self._transfers = files

    def _files(self, call: Call) -> dict[str, bytes | None]:
        return self._states.of(self._vm(call)[0]).files

    @method("MakeDirectoryInGuest")
    def make_directory(self, call: Call) -> None:
        files, path = self._files(call), _plain(call.get("directoryPath"))
        if path in files:
            raise _exists(path)
        _require_parent(files, path, bool(call.get("createParentDirectories")))
        files[path] = None

    @method("CreateTemporaryFileInGuest")
    def make_file(self, call: Call) -> str:
        return self._make_temporary(call, b"")

    @method("CreateTemporaryDirectoryInGuest")
    def make_temporary_directory(self, call: Call) -> str:
        return self._make_temporary(call, None)

    def _make_temporary(self, call: Call, content: bytes | None) -> str:
        files = self._files(call)
        name = f"{call.get('prefix') or ''}{secrets.token_hex(3)}{call.get('suffix') or ''}"
        path = f"{_plain(call.get('directoryPath') or '/tmp').rstrip('/')}/{name}"
        files[path] = content
        return path

    @method("DeleteFileInGuest")
    def delete_file(self, call: Call) -> None:
        files, path = self._files(call), _plain(call.get("filePath"))
        if files.get(path) is None:
            raise _not_found(path)
        del files[path]

    @method("DeleteDirectoryInGuest")
    def delete_directory(self, call: Call) -> None:
        files, path = self._files(call), _plain(call.get("directoryPath"))
        if path not in files or files[path] is not None:
            raise _not_found(path)
        inside = [each for each in files if each.startswith(f"{path}/")]
        if inside and not call.get("recursive"):
            raise SoapFault(vim.fault.DirectoryNotEmpty(file=path), f"{path} is not empty.")
        for each in (path, *inside):
            del files[each]

    @method("MoveFileInGuest")
    def move_file(self, call: Call) -> None:
        self._move(call, call.get("srcFilePath"), call.get("dstFilePath"), call.get("overwrite"))

    @method("MoveDirectoryInGuest")
    def move_directory(self, call: Call) -> None:
        self._move(call, call.get("srcDirectoryPath"), call.get("dstDirectoryPath"), False)

    def _move(self, call: Call, source: str, target: str, overwrite: Any) -> None:
        files, source, target = self._files(call), _plain(source), _plain(target)
        if source not in files:
            raise _not_found(source)
        if target in files and not overwrite:
            raise _exists(target)
        for path in [each for each in files if each == source or each.startswith(f"{source}/")]:
            files[target + path[len(source) :]] = files.pop(path)

    @method("ChangeFileAttributesInGuest")
    def change_attributes(self, call: Call) -> None:
        """A file that does not exist is created, as by touch."""
        self._files(call).setdefault(_plain(call.get("guestFilePath")), b"")

    @method("ListFilesInGuest")
    def list(self, call: Call) -> Any:
        files, path = self._files(call), _plain(call.get("filePath"))
        if path not in files:
            raise _not_found(path)
        prefix = "/" if path == "/" else f"{path}/"
        names = [path] if files[path] is not None else _children(files, prefix)
        infos = [
            _g.FileManager.FileInfo(
                path=name,
                type="file" if content is not None else "directory",
                size=len(content or b""),
                attributes=self._attributes(),
            )
            for name in names
            for content in [files[path] if name == path else files[prefix + name]]
        ]
        start = call.get("index") or 0
        page = infos[start : start + (call.get("maxResults") or 50)]
        return _g.FileManager.ListFileInfo(
            files=page, remaining=max(0, len(infos) - start - len(page))
        )

    def _attributes(self) -> Any:
        now = self._inventory.world.date_of(self._inventory.world.now)
        return _g.FileManager.PosixFileAttributes(
            modificationTime=now, accessTime=now, ownerId=0, groupId=0, permissions=0o644
        )

    @method("InitiateFileTransferFromGuest")
    def transfer_from(self, call: Call) -> Any:
        state = self._states.of(self._vm(call)[0])
        path = _plain(call.get("guestFilePath"))
        content = state.files.get(path)
        if content is None:
            raise _not_found(path)
        return data_object(
            _g.FileManager.FileTransferInformation,
            attributes=self._attributes(),
            size=len(content),
            url=self._transfers.url(call, state, path),
        )

    @method("InitiateFileTransferToGuest")
    def transfer_to(self, call: Call) -> str:
        state = self._states.of(self._vm(call)[0])
        path = _plain(call.get("guestFilePath"))
        if path in state.files and not call.get("overwrite"):
            raise _exists(path)
        return self._transfers.url(call, state, path)


class GuestFiles:
    """The transfers that have been agreed on, by their token."""

    def __init__(self) -> None:
        self._targets: dict[str, tuple[GuestState, str]] = {}

    def url(self, call: Call, state: GuestState, path: str) -> str:
        token = secrets.token_hex(16)
        self._targets[token] = state, path
        return f"https://{call.host}/guestFile?token={token}"

    def read(self, token: str) -> bytes | None:
        if token not in self._targets:
            return None
        state, path = self._targets[token]
        return state.files.get(path)

    def write(self, token: str, content: bytes) -> bool:
        """False for an unknown token."""
        if token not in self._targets:
            return False
        state, path = self._targets[token]
        state.files[path] = content
        return True


class GuestOperations(ManagedObject):
    kind = _g.GuestOperationsManager

    def __init__(self, parts: Mapping[str, ManagedObject]) -> None:
        super().__init__("guestOperationsManager")
        self._parts = parts

    @managed_property
    def authManager(self, session: Any = None) -> Any:
        return self._parts["auth"].reference

    @managed_property
    def processManager(self, session: Any = None) -> Any:
        return self._parts["process"].reference

    @managed_property
    def fileManager(self, session: Any = None) -> Any:
        return self._parts["file"].reference


def guest_operations(
    inventory: Inventory,
) -> tuple[GuestOperations, list[ManagedObject], GuestFiles]:
    """The manager, those below it, and what files are being transferred."""
    states, files = GuestStates(inventory.world), GuestFiles()
    parts: dict[str, ManagedObject] = {
        "auth": AuthManager(inventory, states),
        "process": ProcessManager(inventory, states),
        "file": FileManager(inventory, states, files),
    }
    return GuestOperations(parts), list(parts.values()), files


def _plain(path: str | None) -> str:
    if not path:
        raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="filePath"))
    return path if path == "/" else path.rstrip("/")


def _children(files: Mapping[str, bytes | None], prefix: str) -> list[str]:
    inside = (path[len(prefix) :] for path in files if path.startswith(prefix))
    return sorted(name for name in inside if name and "/" not in name)


def _require_parent(files: dict[str, bytes | None], path: str, create: bool) -> None:
    parent = path.rpartition("/")[0] or "/"
    if parent in files:
        return
    if not create:
        raise _not_found(parent)
    _require_parent(files, parent, create)
    files[parent] = None


def _not_found(path: str) -> SoapFault:
    return SoapFault(vim.fault.FileNotFound(file=path), f"There is no file {path} in the guest.")


def _exists(path: str) -> SoapFault:
    return SoapFault(vim.fault.FileAlreadyExists(file=path), f"The file {path} exists.")
