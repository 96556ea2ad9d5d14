"""What the engine does when it is asked to start, stop, shut down... a VM.

It decides by the VM's status, and is not always as one would think: a
shutdown of a VM that is not ``up`` is a hard stop, and a stop of a suspended VM
throws its memory away. Source: the recordings ``act-*-while-*``, ``act-INDEX*``,
``vm-*-unknown`` and ``events-*``; what is a guess says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.sso import own_id
from chaosvm.lab.ovirt.words import in_messages
from chaosvm.lab.simulation import EventKind, Machine, Origin, State, User, World

__all__ = ["ACTIONS", "Wanted", "carry_out"]

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
_MIGRATABLE = frozenset((State.RUNNING, State.BOOTING, State.REBOOTING, State.PAUSED))
# The cluster level from which on VMs can be reset.
_RESET_SINCE = (4, 6)
_NO_SUCH_VM = (
    "java.lang.NullPointerException: Cannot invoke "
    '"org.ovirt.engine.core.common.businessentities.VM.getStatus()" because the return value of '
    '"org.ovirt.engine.core.bll.RunVmCommand.getVm()" is null'
)
_NO_HOSTS = (
    "There are no hosts to use. Check that the cluster contains at least one host in Up state."
)
_NO_DISK = (
    "Cannot run VM without at least one bootable disk.\nAlternatives:\n"
    "- Create a disk for this VM, and rerun the VM.\n"
    "- Change the boot sequence using the Edit VM command (Boot Option Sub-Tab).\n"
    "- Use the 'Run Once' command to select a different boot option and rerun the VM."
)
_NETWORK = "Network error during communication with the Host."
_REFUSED_BY_HOST = "Could not connect to peer host"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request: of whom, why, and what it says."""

    user: User
    asked: Origin
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Doing:
    world: World
    vm: Machine
    asked: Origin
    options: Mapping[str, str]

    def refuse(self, detail: str, status: int = 409) -> Failure:
        return Failure(status, f"[{detail}]")

    def wrong_status(self, word: str) -> Failure:
        return self.refuse(
            f"Cannot {word} VM because the VM is in {in_messages(self.vm.state)} status."
        )

    @property
    def host_answers(self) -> bool:
        host = self.world.host(self.vm.host_id)
        return host is None or host.answers or not self.vm.state.on_a_host


def carry_out(world: World, action: str, vm_id: str, wanted: Wanted) -> bool:
    """Do it, or start to; raises Failure. True if its end is to be waited for."""
    with world.present():
        vm = world.vm(vm_id) if world.has_vm(vm_id) else None
        try:
            return _carried_out(world, action, vm, vm_id, wanted)
        except Failure as failure:
            if action == "start" and failure.status in (400, 409, 500):
                detail = failure.detail if vm else "[Cannot run VM. VM is not found.]"
                world.record(EventKind.START_REFUSED, vm, wanted.asked, vm_id=vm_id, detail=detail)
            elif action == "migrate" and vm is not None and failure.status == 409:
                world.record(EventKind.MIGRATION_REFUSED, vm, wanted.asked, detail=failure.detail)
            raise


def _carried_out(world: World, action: str, vm: Machine | None, vm_id: str, wanted: Wanted) -> bool:
    if vm is None:
        # A start looks at the VM before it looks for it.
        if action == "start":
            raise Failure(500, _NO_SUCH_VM)
        if action == "ticket":
            raise Failure(404, "Entity not found: GetVmByVmId")
        if action == "maintenance":
            raise _no_maintenance()
        if action == "detach":  # the engine's own slip
            raise Failure(400, "[Cannot ${action} ${type}. VM is not found.]")
        raise Failure(400, f"[Cannot {_SAYS.get(action, action)} VM. VM is not found.]")
    if not wanted.user.may(action, vm_id):
        raise Failure(403, "[User is not authorized to perform this action.]")
    doing = _Doing(world, vm, wanted.asked, wanted.options)
    _refuse_locked(doing, action)
    if vm.origin == "hosted_engine":  # a guess: no recording has such a VM
        raise doing.refuse(
            f"Cannot {_SAYS.get(action, action)} VM. It is not managed by the engine."
        )
    return bool(ACTIONS[action](doing))


def _refuse_locked(doing: _Doing, action: str) -> None:
    vm, says = doing.vm, _SAYS.get(action, action)
    if vm.hibernating_until and action in ("start", "suspend", "migrate"):
        raise doing.refuse(f"Cannot {says} VM. VM is hibernating.")
    if vm.state is State.MIGRATING and action in ("start", "suspend", "migrate"):
        raise doing.refuse(f"Cannot {says} VM. VM {vm.name} is being migrated.")
    if vm.busy_until <= doing.world.now:
        return
    if vm.snapshot_busy:
        if action == "start":
            raise doing.refuse(
                f"Cannot {says} VM. The VM is performing an operation on a Snapshot. Please wait "
                "for the operation to finish, and try again."
            )
        return
    raise doing.refuse(
        f"Cannot {says} VM. Related operation is currently in progress. Please try again later."
    )


def _start(doing: _Doing) -> None:
    vm, world = doing.vm, doing.world
    if vm.state is State.DISKS_LOCKED:
        raise doing.refuse("Cannot run VM: VM is locked. Please try again in a few minutes.")
    if vm.state not in _STARTABLE:
        raise doing.wrong_status("run")
    if vm.state is not State.PAUSED:
        if not vm.bootable:
            raise doing.refuse(_NO_DISK)
        if not world.usable_hosts(vm):
            raise doing.refuse(_NO_HOSTS, 400)
    paused = doing.options.get("pause") == "true"
    world.power.start(vm.id, doing.asked, paused=paused, waits_for_launch=True)


def _stop(doing: _Doing) -> bool:
    if not _has_something_to_stop(doing, "stop"):
        return False
    if not doing.host_answers:
        # The engine has no words for it: an empty list.
        doing.world.record(EventKind.POWER_OFF_FAILED, doing.vm, doing.asked)
        raise doing.refuse("", 400)
    doing.world.power.power_off(doing.vm.id, doing.asked, shown=None)
    return True


def _shutdown(doing: _Doing) -> bool:
    vm, world = doing.vm, doing.world
    if not _has_something_to_stop(doing, "shutdown"):
        return False
    _ask_the_host(doing, EventKind.SHUTDOWN_NOT_SENT)
    if vm.state is State.RUNNING and vm.guest.reachable:
        world.power.shut_down(vm.id, doing.asked)
        return False
    # A command of the engine's own, whose event does not carry the request's id.
    own = replace(doing.asked, correlation_id=own_id())
    world.power.power_off(vm.id, own, EventKind.POWERED_OFF_INSTEAD_OF_SHUTDOWN, shown=None)
    return True


def _has_something_to_stop(doing: _Doing, word: str) -> bool:
    """False for one that is down: it is skipped, and that is a success."""
    vm = doing.vm
    if vm.state is State.OFF:
        doing.world.record(EventKind.ALREADY_OFF, vm, doing.asked, detail=word.capitalize())
        return False
    if vm.state in (State.SAVING, State.RESTORING):
        raise doing.refuse(
            f"Cannot {word} VM. VM is in saving/restoring state.\n"
            "-Please try again when the VM is either up or down."
        )
    if vm.state not in _STOPPABLE:
        raise doing.refuse(f"Cannot {word} VM. VM is not running.")
    return True


def _ask_the_host(doing: _Doing, told_as: EventKind) -> None:
    """Refused by a host that is dead, or that does not want to."""
    if doing.host_answers and not doing.vm.host_refuses:
        return
    doing.world.record(told_as, doing.vm, doing.asked)
    raise doing.refuse(_REFUSED_BY_HOST if doing.host_answers else _NETWORK, 400)


def _reboot(doing: _Doing) -> None:
    if doing.vm.state not in _REBOOTABLE:
        raise doing.wrong_status("restart")
    _ask_the_host(doing, EventKind.REBOOT_NOT_SENT)
    doing.world.power.reboot(doing.vm.id, doing.asked)


def _reset(doing: _Doing) -> None:
    cluster = doing.world.cluster(doing.vm.cluster_id)
    if cluster is not None and cluster.version < _RESET_SINCE:
        # A guess: the recorded clusters can.
        raise doing.refuse("Cannot reset VM. It is not supported in this cluster level.", 400)
    if doing.vm.state not in _RUNNING or doing.vm.state is State.LAUNCHING:
        raise doing.wrong_status("reset")
    if doing.vm.powering_off:
        # It met a stop (act-reset-while-powering-down of the first series).
        doing.world.record(EventKind.RESET_NOT_SENT, doing.vm, doing.asked)
        raise Failure(400, "[Desktop does not exist]", when_off=True)
    _ask_the_host(doing, EventKind.RESET_NOT_SENT)
    doing.world.power.reset(doing.vm.id, doing.asked)


def _suspend(doing: _Doing) -> None:
    vm = doing.vm
    if vm.state is State.LAUNCHING:
        raise doing.wrong_status("hibernate")
    if vm.state is not State.RUNNING:
        raise doing.refuse("Cannot hibernate VM. VM is not up.")
    if vm.stateless:
        raise doing.refuse("Cannot suspend VM, VM is stateless.")
    if vm.pool_id:  # a guess
        raise doing.refuse("Cannot suspend VM, VM belongs to a VM-Pool.")
    doing.world.power.suspend(vm.id, doing.asked, only_if_running=True)


def _migrate(doing: _Doing) -> None:
    vm, world = doing.vm, doing.world
    if vm.state not in _MIGRATABLE:
        raise doing.refuse("Cannot migrate VM. VM is not running.")
    if not any(host.id != vm.host_id for host in world.usable_hosts(vm)):
        host = world.host(vm.host_id)
        why = (
            f"The host {host.name if host else ''} did not satisfy internal filter Migration "
            "because it currently hosts the VM.."
        )
        raise doing.refuse(
            "Cannot migrate VM. There is no host that satisfies current scheduling constraints. "
            f"See below for details:, {why}, {why}"
        )
    world.power.migrate(vm.id, doing.asked)


def _ticket(doing: _Doing) -> None:
    status = in_messages(doing.vm.state)
    raise doing.refuse(f"Cannot set Virtual Machine Ticket because the VM is in {status} status.")


def _cancel_migration(doing: _Doing) -> None:
    raise doing.refuse("Cannot cancel migration for non migrating VM.")


def _detach(doing: _Doing) -> None:
    raise doing.refuse("User is not authorized to perform this action.", 403)


def _log_on(doing: _Doing) -> None:
    raise doing.refuse("", 400)


def _maintenance(doing: _Doing) -> None:
    raise _no_maintenance()


def _no_maintenance() -> Failure:
    return Failure(
        400,
        "Parameter 'maintenance_enabled' is mandatory but was not provided.",
        "Input validation failed.",
    )


def _needs_running(word: str) -> Callable[[_Doing], None]:
    """Only refused here: what it does for a VM that runs is not modelled."""

    def refused(doing: _Doing) -> None:
        raise doing.wrong_status(word)

    return refused


_SAYS = {
    "start": "run",
    "reboot": "restart",
    "suspend": "hibernate",
    "logon": "log on",
    "freezefilesystems": "freeze",
    "cancelmigration": "cancel migration",
}

ACTIONS: Mapping[str, Callable[[_Doing], bool | None]] = {
    "start": _start,
    "stop": _stop,
    "shutdown": _shutdown,
    "reboot": _reboot,
    "reset": _reset,
    "suspend": _suspend,
    "migrate": _migrate,
    "cancelmigration": _cancel_migration,
    "detach": _detach,
    "logon": _log_on,
    "maintenance": _maintenance,
    "freezefilesystems": _needs_running("freeze"),
    "screenshot": _needs_running("screenshot"),
    "ticket": _ticket,
}
