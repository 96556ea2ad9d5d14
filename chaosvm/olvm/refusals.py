"""Decides what a refused action means, from the HTTP status and the state of the VM.

The texts of faults depend on the engine's version and language, so they are
hints at most. The engine answers 409 if its own checks fail, so nothing was
done. 400 may also mean that it failed half way, as with a host that died.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from chaosvm.backend import CommandHandle, PowerCommand
from chaosvm.errors import (
    AnswerLost,
    Busy,
    CommandFailed,
    InWrongState,
    NotSupported,
    PerhapsBusy,
    PlatformError,
    VMGone,
)
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.faults import ActionRefused
from chaosvm.olvm.inventory import power_state, read_status
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline
from chaosvm.vm import VM, PowerState

__all__ = ["is_repeatable", "refusal_error"]

_RUNNING = ("up", "powering_up", "wait_for_launch", "reboot_in_progress", "migrating")
# The engine accepts a command in these states, so a conflict is a lock or a final refusal.
_ALLOWED = {
    PowerCommand.POWER_ON: ("down", "suspended", "paused"),
    PowerCommand.POWER_OFF: (*_RUNNING, "powering_down", "paused", "not_responding", "suspended"),
    PowerCommand.SHUTDOWN_GUEST: (*_RUNNING, "paused", "not_responding", "suspended"),
    PowerCommand.REBOOT_GUEST: ("up", "powering_up"),
    PowerCommand.RESET: _RUNNING,
    PowerCommand.SUSPEND: ("up",),
}
_REACHED = {
    PowerCommand.POWER_ON: "up",
    PowerCommand.POWER_OFF: "down",
    PowerCommand.SHUTDOWN_GUEST: "down",
    PowerCommand.SUSPEND: "suspended",
}
# Words from the five recorded texts of locks, all in English.
_LOCKED = re.compile(r"try again|in progress|currently|locked|is performing|hibernating", re.I)
# Words of a start that failed on the way to its host.
_NETWORK = re.compile(r"network|connect", re.I)
# The lowest cluster level with a reset.
_RESET_SINCE = (4, 6)


def is_repeatable(command: PowerCommand) -> bool:
    """False also for a shutdown: the engine turns a second one into a hard stop."""
    return command.is_repeatable and command is not PowerCommand.SHUTDOWN_GUEST


def refusal_error(
    client: OLVMClient,
    vm: VM,
    command: PowerCommand,
    refused: ActionRefused,
    handle: CommandHandle,
    deadline: Deadline,
) -> CommandFailed:
    """Read the VM's state and return the exception for a refused action."""
    try:
        status = read_status(client, vm.id, deadline)
    except PlatformError as error:
        if refused.status == 409:
            return Busy(f"the engine says: {refused}")
        return _unknown(command, refused, handle, f"the VM could not be read ({error})")
    if status is None:
        return VMGone("the VM no longer exists")
    if refused.status == 409:
        return _conflict(command, status, refused)
    if status == _REACHED.get(command):
        return InWrongState(f"the VM is {status}", power_state(status))
    if command is PowerCommand.RESET:
        reset_error = _reset_error(client, vm, status, refused, deadline)
        if reset_error is not None:
            return reset_error
    if refused.status == 404 or (command is PowerCommand.POWER_ON and _is_definite(refused)):
        return CommandFailed(str(refused))
    return _unknown(command, refused, handle, f"the VM is {status}")


def _conflict(command: PowerCommand, status: str, refused: ActionRefused) -> CommandFailed:
    """The exception for a 409: nothing was done."""
    state = power_state(status)
    message = f"the VM is {status}, and the engine says: {refused}"
    if status == _REACHED.get(command):
        return InWrongState(f"the VM is {status}", state)
    if status in _ALLOWED[command]:
        return Busy(message) if _LOCKED.search(refused.words) else PerhapsBusy(message)
    interrupts = command in (PowerCommand.POWER_OFF, PowerCommand.RESET)
    if state is PowerState.TRANSITIONING and interrupts:
        return Busy(message)
    return InWrongState(message, state)


def _reset_error(
    client: OLVMClient, vm: VM, status: str, refused: ActionRefused, deadline: Deadline
) -> CommandFailed | None:
    """Explains a refused reset; None if its meaning is unclear.

    NotSupported if the engine or the VM's cluster is too old for a reset.
    """
    if status not in _RUNNING:
        return InWrongState(f"the VM is {status}", power_state(status))
    if refused.status == 404:
        return NotSupported("this engine does not support reset")
    if refused.status != 400:
        return None
    try:
        cluster = f"clusters/{vm.metadata.get('cluster_id')}"
        level = client.read_one(cluster, _level_parser, deadline)
    except PlatformError:
        return None
    return NotSupported(str(refused)) if level is not None and level < _RESET_SINCE else None


def _is_definite(refused: ActionRefused) -> bool:
    """True if the text is a reason against the start, not a failure on the way to a host."""
    return refused.status == 400 and bool(refused.words) and not _NETWORK.search(refused.words)


def _unknown(
    command: PowerCommand, refused: ActionRefused, handle: CommandHandle, vm_state: str
) -> AnswerLost:
    message = f"the engine does not say whether it was done ({refused}); {vm_state}"
    return AnswerLost(message, handle, is_repeatable(command))


def _level_parser() -> XmlListParser[tuple[int, int]]:
    return XmlListParser("clusters", "cluster", _level)


def _level(cluster: Element) -> tuple[int, int]:
    return int(cluster.findtext("version/major") or 0), int(cluster.findtext("version/minor") or 0)
