"""What the engine does when it is asked to start, stop, shut down... a VM.

It decides by the VM's status, and is not always as one would think: a
shutdown of a VM that is not ``up`` is a hard stop, and a stop of a suspended VM
throws its memory away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chaosvm.lab.ovirt.words import in_messages
from chaosvm.lab.world import Asked, EventKind, Machine, NoSuchThing, State, World

__all__ = ["ACTIONS", "Refusal", "carry_out"]


class Refusal(Exception):
    """The engine says no: an HTTP status, and a sentence for the user."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


# Where there is a process of the VM that can be told to go. Paused and not
# responding VMs can be stopped as well, but not reset.
_RUNNING = frozenset(
    (
        State.RUNNING,
        State.BOOTING,
        State.LAUNCHING,
        State.SHUTTING_DOWN,
        State.REBOOTING,
        State.MIGRATING,
    )
)
_STOPPABLE = _RUNNING | {State.PAUSED, State.NOT_RESPONDING, State.SUSPENDED}
_STARTABLE = frozenset((State.OFF, State.SUSPENDED, State.PAUSED))
_REBOOTABLE = frozenset((State.RUNNING, State.BOOTING))
# The cluster level from which on VMs can be reset.
_RESET_SINCE = (4, 6)


def carry_out(world: World, action: str, vm_id: str, asked: Asked) -> None:
    """Do it, or start to; raises Refusal."""
    with world.present():
        try:
            vm = world.vm(vm_id)
        except NoSuchThing:
            raise Refusal(400, f"Cannot {_says(action)} VM. VM does not exist.") from None
        if vm.busy_until > world.now:
            raise Refusal(
                409,
                f"Cannot {_says(action)} VM. Related operation is currently in progress. "
                "Please try again later.",
            )
        if vm.origin == "hosted_engine":
            raise Refusal(409, f"Cannot {_says(action)} VM. It is not managed by the engine.")
        ACTIONS[action](world, vm, asked)


def _start(world: World, vm: Machine, asked: Asked) -> None:
    if vm.state not in _STARTABLE:
        raise _wrong_status("run", vm)
    world.power.start(vm.id, asked)


def _stop(world: World, vm: Machine, asked: Asked) -> None:
    if _has_something_to_stop(world, vm, asked, "stop"):
        world.power.cut(vm.id, asked)


def _shutdown(world: World, vm: Machine, asked: Asked) -> None:
    if not _has_something_to_stop(world, vm, asked, "shutdown"):
        return
    if vm.state is State.RUNNING and vm.guest.reachable:
        world.power.shut_down(vm.id, asked)
    else:
        world.power.cut(vm.id, asked, EventKind.POWERED_OFF_INSTEAD_OF_SHUTDOWN)


def _has_something_to_stop(world: World, vm: Machine, asked: Asked, word: str) -> bool:
    """False for one that is down: it is skipped, and that is a success."""
    if vm.state is State.OFF:
        world.record(EventKind.ALREADY_OFF, vm, asked)
        return False
    if vm.state in (State.SAVING, State.RESTORING):
        raise Refusal(409, f"Cannot {word} VM. VM is saving or restoring its state.")
    if vm.state not in _STOPPABLE:
        raise Refusal(409, f"Cannot {word} VM. VM is not running.")
    return True


def _reboot(world: World, vm: Machine, asked: Asked) -> None:
    if vm.state not in _REBOOTABLE:
        raise _wrong_status("restart", vm)
    world.power.reboot(vm.id, asked)


def _reset(world: World, vm: Machine, asked: Asked) -> None:
    cluster = world.cluster(vm.cluster_id)
    if cluster is not None and cluster.version < _RESET_SINCE:
        raise Refusal(400, "Cannot reset VM. It is not supported in this cluster level.")
    if vm.state not in _RUNNING or vm.state is State.LAUNCHING:
        raise _wrong_status("reset", vm)
    world.power.reset(vm.id, asked)


def _suspend(world: World, vm: Machine, asked: Asked) -> None:
    if vm.state is not State.RUNNING:
        raise _wrong_status("suspend", vm)
    if vm.stateless:
        raise Refusal(409, "Cannot suspend VM. A stateless VM cannot be suspended.")
    if vm.pool_id:
        raise Refusal(409, "Cannot suspend VM. A VM of a pool cannot be suspended.")
    world.power.suspend(vm.id, asked)


def _wrong_status(word: str, vm: Machine) -> Refusal:
    status = in_messages(vm.state)
    return Refusal(409, f"Cannot {word} VM because the VM is in {status} status.")


def _says(action: str) -> str:
    return {"start": "run", "reboot": "restart"}.get(action, action)


ACTIONS: Mapping[str, Callable[[World, Machine, Asked], None]] = {
    "start": _start,
    "stop": _stop,
    "shutdown": _shutdown,
    "reboot": _reboot,
    "reset": _reset,
    "suspend": _suspend,
}
