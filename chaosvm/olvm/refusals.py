"""What it means that the engine refused an action: told by its status and by the VM.

The texts of faults depend on the version and the language of an engine, so they
are a hint at most. What the engine was asked to check first it refuses with 409;
400 also comes when it went ahead and failed half way, as with a host that died.
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

__all__ = ["may_be_repeated", "why_refused"]

_RUNNING = ("up", "powering_up", "wait_for_launch", "reboot_in_progress", "migrating")
# In these the engine accepts the step, so that a conflict is a lock, or for good.
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
# From the texts of the five locks that were recorded, all of them in English.
_LOCKED = re.compile(r"try again|in progress|currently|locked|is performing|hibernating", re.I)
# As a start says that it was begun and did not get through.
_NETWORK = re.compile(r"network|connect", re.I)
# The level of a cluster from which on its VMs can be reset.
_RESET_SINCE = (4, 6)


def may_be_repeated(step: PowerCommand) -> bool:
    """A second shutdown is a hard stop to an engine that is still on the first."""
    return step.is_repeatable and step is not PowerCommand.SHUTDOWN_GUEST


def why_refused(
    client: OLVMClient,
    vm: VM,
    step: PowerCommand,
    refused: ActionRefused,
    ticket: CommandHandle,
    deadline: Deadline,
) -> CommandFailed:
    """The error that a refusal stands for, once the VM has been looked at."""
    try:
        status = read_status(client, vm.id, deadline)
    except PlatformError as error:
        if refused.status == 409:
            return Busy(f"the engine says: {refused}")
        return _unknown(step, refused, ticket, f"the VM could not be looked at ({error})")
    if status is None:
        return VMGone("the VM does not exist any more")
    if refused.status == 409:
        return _conflict(step, status, refused)
    if status == _REACHED.get(step):
        return InWrongState(f"the VM is {status}", power_state(status))
    if step is PowerCommand.RESET and (why := _no_reset(client, vm, status, refused, deadline)):
        return why
    if refused.status == 404 or (step is PowerCommand.POWER_ON and _is_definite(refused)):
        return CommandFailed(str(refused))
    return _unknown(step, refused, ticket, f"the VM is {status}")


def _conflict(step: PowerCommand, status: str, refused: ActionRefused) -> CommandFailed:
    """409: nothing was done."""
    state = power_state(status)
    told = f"the VM is {status}, and the engine says: {refused}"
    if status == _REACHED.get(step):
        return InWrongState(f"the VM is {status}", state)
    if status in _ALLOWED[step]:
        return Busy(told) if _LOCKED.search(refused.words) else PerhapsBusy(told)
    if state is PowerState.TRANSITIONING and step in (PowerCommand.POWER_OFF, PowerCommand.RESET):
        return Busy(told)
    return InWrongState(told, state)


def _no_reset(
    client: OLVMClient, vm: VM, status: str, refused: ActionRefused, deadline: Deadline
) -> CommandFailed | None:
    """Where a running VM cannot be reset because its cluster is too old for that."""
    if status not in _RUNNING:
        return InWrongState(f"the VM is {status}", power_state(status))
    if refused.status == 404:
        return NotSupported("this engine knows no reset")
    if refused.status != 400:
        return None
    try:
        cluster = f"clusters/{vm.metadata.get('cluster_id')}"
        level = client.item(cluster, _levels, deadline)
    except PlatformError:
        return None
    return NotSupported(str(refused)) if level is not None and level < _RESET_SINCE else None


def _is_definite(refused: ActionRefused) -> bool:
    """Is it a reason not to start a VM? Not what begins with a host and breaks off."""
    return refused.status == 400 and bool(refused.words) and not _NETWORK.search(refused.words)


def _unknown(
    step: PowerCommand, refused: ActionRefused, ticket: CommandHandle, seen: str
) -> AnswerLost:
    told = f"the engine does not say whether it was done ({refused}); {seen}"
    return AnswerLost(told, ticket, may_be_repeated(step))


def _levels() -> XmlListParser[tuple[int, int]]:
    return XmlListParser("clusters", "cluster", _level)


def _level(cluster: Element) -> tuple[int, int]:
    return int(cluster.findtext("version/major") or 0), int(cluster.findtext("version/minor") or 0)
