"""What it means that the engine refused an action: told by its status and by the VM.

The texts of faults depend on the version and the language of an engine, so they
are a hint at most. What the engine was asked to check first it refuses with 409;
400 also comes when it went ahead and failed half way, as with a host that died.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from chaosvm.deadline import Deadline
from chaosvm.errors import (
    Busy,
    InWrongState,
    NoAnswer,
    NotSupported,
    PerhapsBusy,
    PlatformError,
    StepFailed,
    VMGone,
)
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.faults import ActionRefused
from chaosvm.olvm.inventory import power_state, read_status
from chaosvm.olvm.items import Items
from chaosvm.platform import Step, Ticket
from chaosvm.vm import VM, PowerState

__all__ = ["may_be_repeated", "why_refused"]

_RUNNING = ("up", "powering_up", "wait_for_launch", "reboot_in_progress", "migrating")
# In these the engine accepts the step, so that a conflict is a lock, or for good.
_ALLOWED = {
    Step.POWER_ON: ("down", "suspended", "paused"),
    Step.POWER_OFF: (*_RUNNING, "powering_down", "paused", "not_responding", "suspended"),
    Step.SHUTDOWN_GUEST: (*_RUNNING, "paused", "not_responding", "suspended"),
    Step.REBOOT_GUEST: ("up", "powering_up"),
    Step.RESET: _RUNNING,
    Step.SUSPEND: ("up",),
}
_REACHED = {
    Step.POWER_ON: "up",
    Step.POWER_OFF: "down",
    Step.SHUTDOWN_GUEST: "down",
    Step.SUSPEND: "suspended",
}
# From the texts of the five locks that were recorded, all of them in English.
_LOCKED = re.compile(r"try again|in progress|currently|locked|is performing|hibernating", re.I)
# As a start says that it was begun and did not get through.
_NETWORK = re.compile(r"network|connect", re.I)
# The level of a cluster from which on its VMs can be reset.
_RESET_SINCE = (4, 6)


def may_be_repeated(step: Step) -> bool:
    """A second shutdown is a hard stop to an engine that is still on the first."""
    return step.repeatable and step is not Step.SHUTDOWN_GUEST


def why_refused(
    client: OLVMClient,
    vm: VM,
    step: Step,
    refused: ActionRefused,
    ticket: Ticket,
    deadline: Deadline,
) -> StepFailed:
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
    if step is Step.RESET and (why := _no_reset(client, vm, status, refused, deadline)):
        return why
    if refused.status == 404 or (step is Step.POWER_ON and _is_definite(refused)):
        return StepFailed(str(refused))
    return _unknown(step, refused, ticket, f"the VM is {status}")


def _conflict(step: Step, status: str, refused: ActionRefused) -> StepFailed:
    """409: nothing was done."""
    state = power_state(status)
    told = f"the VM is {status}, and the engine says: {refused}"
    if status == _REACHED.get(step):
        return InWrongState(f"the VM is {status}", state)
    if status in _ALLOWED[step]:
        return Busy(told) if _LOCKED.search(refused.words) else PerhapsBusy(told)
    if state is PowerState.TRANSITIONING and step in (Step.POWER_OFF, Step.RESET):
        return Busy(told)
    return InWrongState(told, state)


def _no_reset(
    client: OLVMClient, vm: VM, status: str, refused: ActionRefused, deadline: Deadline
) -> StepFailed | None:
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


def _unknown(step: Step, refused: ActionRefused, ticket: Ticket, seen: str) -> NoAnswer:
    told = f"the engine does not say whether it was done ({refused}); {seen}"
    return NoAnswer(told, ticket, may_be_repeated(step))


def _levels() -> Items[tuple[int, int]]:
    return Items("clusters", "cluster", _level)


def _level(cluster: Element) -> tuple[int, int]:
    return int(cluster.findtext("version/major") or 0), int(cluster.findtext("version/minor") or 0)
