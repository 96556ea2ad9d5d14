"""Actions on VMs: which are accepted in which state, and what they do.

Some of it is unexpected: a shutdown of a VM that is not ``up`` is a hard stop, and a stop
of a suspended VM discards its memory. Source: the recordings ``act-*-while-*``,
``act-INDEX*``, ``vm-*-unknown`` and ``events-*``. Guesses are marked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.sso import own_id
from chaosvm.lab.ovirt.statuses_and_events import message_status
from chaosvm.lab.simulation import EventKind, Machine, Origin, State, User, World

__all__ = ["ACTIONS", "ActionRequest", "is_making_a_snapshot", "run_action"]

# The VM has a process. Paused and not responding VMs can be stopped, but not reset.
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
class ActionRequest:
    """Who requests an action, why, and with which options."""

    user: User
    origin: Origin
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Context:
    world: World
    vm: Machine
    origin: Origin
    options: Mapping[str, str]

    def refuse(self, detail: str, status: int = 409) -> Failure:
        return Failure(status, f"[{detail}]")

    def wrong_state(self, word: str) -> Failure:
        return self.refuse(
            f"Cannot {word} VM because the VM is in {message_status(self.vm.state)} status."
        )

    @property
    def host_answers(self) -> bool:
        host = self.world.host(self.vm.host_id)
        return host is None or host.answers or not self.vm.state.on_a_host


def run_action(world: World, action: str, vm_id: str, request: ActionRequest) -> bool:
    """Begin an action. True if the response waits for its end. Raises Failure."""
    with world.present():
        vm = world.vm(vm_id) if world.has_vm(vm_id) else None
        try:
            return _run(world, action, vm, vm_id, request)
        except Failure as failure:
            if action == "start" and failure.status in (400, 409, 500):
                detail = failure.detail if vm else "[Cannot run VM. VM is not found.]"
                world.record(
                    EventKind.START_REFUSED, vm, request.origin, vm_id=vm_id, detail=detail
                )
            elif action == "migrate" and vm is not None and failure.status in (400, 409):
                world.record(EventKind.MIGRATION_REFUSED, vm, request.origin, detail=failure.detail)
            raise


def _run(world: World, action: str, vm: Machine | None, vm_id: str, request: ActionRequest) -> bool:
    if vm is None:
        # A start uses the VM before it checks that it exists.
        if action == "start":
            raise Failure(500, _NO_SUCH_VM)
        if action == "ticket":
            raise Failure(404, "Entity not found: GetVmByVmId")
        if action == "maintenance":
            raise _no_maintenance()
        if action == "detach":  # a bug of the engine
            raise Failure(400, "[Cannot ${action} ${type}. VM is not found.]")
        raise Failure(400, f"[Cannot {_VERBS.get(action, action)} VM. VM is not found.]")
    if not request.user.may(action, vm_id):
        raise Failure(403, "[User is not authorized to perform this action.]")
    context = _Context(world, vm, request.origin, request.options)
    _refuse_locked(context, action)
    if vm.origin == "hosted_engine":  # a guess: no recording has such a VM
        raise context.refuse(
            f"Cannot {_VERBS.get(action, action)} VM. It is not managed by the engine."
        )
    return bool(ACTIONS[action](context))


def _refuse_locked(context: _Context, action: str) -> None:
    vm, verb = context.vm, _VERBS.get(action, action)
    if vm.hibernating_until and action in ("start", "suspend", "migrate"):
        raise context.refuse(f"Cannot {verb} VM. VM is hibernating.")
    if vm.state is State.MIGRATING and action in ("start", "suspend", "migrate"):
        raise context.refuse(f"Cannot {verb} VM. VM {vm.name} is being migrated.")
    if vm.busy_until <= context.world.now:
        return
    if vm.snapshot_busy:
        if action == "start" and vm.state is State.DISKS_LOCKED:
            raise context.refuse("Cannot run VM: VM is locked. Please try again in a few minutes.")
        if action == "start" and is_making_a_snapshot(context.world, vm):
            raise context.refuse(
                f"Cannot {verb} VM. Snapshot is currently being created for VM {vm.name}."
            )
        if action == "start":
            raise context.refuse(
                f"Cannot {verb} VM. The VM is performing an operation on a Snapshot. Please wait "
                "for the operation to finish, and try again."
            )
        return
    raise context.refuse(
        f"Cannot {verb} VM. Related operation is currently in progress. Please try again later."
    )


def is_making_a_snapshot(world: World, vm: Machine) -> bool:
    """True if a snapshot is being made, not removed or restored."""
    made = vm.snapshots[-1].created_at + world.durations.snapshot if vm.snapshots else 0.0
    return vm.snapshot_busy and abs(made - vm.busy_until) < 1e-6


def _start(context: _Context) -> None:
    vm, world = context.vm, context.world
    # In the order of RunVmValidator.canRunVm, which checks less of VMs that have run before.
    if vm.state not in (State.PAUSED, State.SUSPENDED) and not vm.bootable:
        raise context.refuse(_NO_DISK)
    if vm.state is State.DISKS_LOCKED:
        raise context.refuse("Cannot run VM: VM is locked. Please try again in a few minutes.")
    if vm.state not in _STARTABLE:
        raise context.wrong_state("run")
    if vm.state is not State.PAUSED and not world.usable_hosts(vm):
        raise context.refuse(_NO_HOSTS, 400)
    paused = context.options.get("pause") == "true"
    world.power.start(vm.id, context.origin, paused=paused, waits_for_launch=True)


def _stop(context: _Context) -> bool:
    if not _needs_stop(context, "stop"):
        return False
    if not context.host_answers:
        # The engine returns an empty list of messages.
        context.world.record(EventKind.POWER_OFF_FAILED, context.vm, context.origin)
        raise context.refuse("", 400)
    context.world.power.power_off(context.vm.id, context.origin, shown=None)
    return True


def _shutdown(context: _Context) -> bool:
    vm, world = context.vm, context.world
    if not _needs_stop(context, "shutdown"):
        return False
    _raise_unless_host_accepts(context, EventKind.SHUTDOWN_NOT_SENT)
    if vm.state is State.RUNNING and vm.guest.reachable:
        world.power.shut_down(vm.id, context.origin)
        return False
    # An internal command of the engine, whose event has a correlation id of its own.
    internal = replace(context.origin, correlation_id=own_id())
    world.power.power_off(vm.id, internal, EventKind.POWERED_OFF_INSTEAD_OF_SHUTDOWN, shown=None)
    return True


def _needs_stop(context: _Context, word: str) -> bool:
    """False if the VM is down: the engine skips it and reports success."""
    vm = context.vm
    if vm.state is State.OFF:
        context.world.record(EventKind.ALREADY_OFF, vm, context.origin, detail=word.capitalize())
        return False
    if vm.state in (State.SAVING, State.RESTORING):
        raise context.refuse(
            f"Cannot {word} VM. VM is in saving/restoring state.\n"
            "-Please try again when the VM is either up or down."
        )
    if vm.state not in _STOPPABLE:
        raise context.refuse(f"Cannot {word} VM. VM is not running.")
    return True


def _raise_unless_host_accepts(context: _Context, kind: EventKind) -> None:
    """Record a failure and raise it if the host is lost or refuses."""
    if context.host_answers and not context.vm.host_refuses:
        return
    context.world.record(kind, context.vm, context.origin)
    raise context.refuse(_REFUSED_BY_HOST if context.host_answers else _NETWORK, 400)


def _reboot(context: _Context) -> None:
    if context.vm.state not in _REBOOTABLE:
        raise context.wrong_state("restart")
    _raise_unless_host_accepts(context, EventKind.REBOOT_NOT_SENT)
    context.world.power.reboot(context.vm.id, context.origin)


def _reset(context: _Context) -> None:
    cluster = context.world.cluster(context.vm.cluster_id)
    if cluster is not None and cluster.version < _RESET_SINCE:
        # A guess: the recorded clusters support it.
        raise context.refuse("Cannot reset VM. It is not supported in this cluster level.", 400)
    if context.vm.state not in _RUNNING or context.vm.state is State.LAUNCHING:
        raise context.wrong_state("reset")
    if context.vm.powering_off:
        # During a stop (act-reset-while-powering-down of the first series).
        context.world.record(EventKind.RESET_NOT_SENT, context.vm, context.origin)
        raise Failure(400, "[Desktop does not exist]", when_off=True)
    _raise_unless_host_accepts(context, EventKind.RESET_NOT_SENT)
    context.world.power.reset(context.vm.id, context.origin)


def _suspend(context: _Context) -> None:
    vm = context.vm
    if vm.state is State.LAUNCHING:
        raise context.wrong_state("hibernate")
    if vm.state is not State.RUNNING:
        raise context.refuse("Cannot hibernate VM. VM is not up.")
    if vm.stateless:
        raise context.refuse("Cannot suspend VM, VM is stateless.")
    if vm.pool_id:  # a guess
        raise context.refuse("Cannot suspend VM, VM belongs to a VM-Pool.")
    context.world.power.suspend(vm.id, context.origin, only_if_running=True)


def _migrate(context: _Context) -> None:
    vm, world = context.vm, context.world
    if vm.state not in _MIGRATABLE:
        raise context.refuse("Cannot migrate VM. VM is not running.")
    target = _wanted_host(context) if "host" in context.options else None
    if target is None and not any(host.id != vm.host_id for host in world.usable_hosts(vm)):
        host = world.host(vm.host_id)
        reason = (
            f"The host {host.name if host else ''} did not satisfy internal filter Migration "
            "because it currently hosts the VM.."
        )
        raise context.refuse(
            "Cannot migrate VM. There is no host that satisfies current scheduling constraints. "
            f"See below for details:, {reason}, {reason}"
        )
    world.power.migrate(vm.id, context.origin, target)


def _wanted_host(context: _Context) -> str:
    """The destination that a request names. Raises Failure."""
    wanted, vm = context.options["host"], context.vm
    host = next((each for each in context.world.hosts if wanted in (each.id, each.name)), None)
    if host is None:
        raise context.refuse("Cannot migrate VM. Invalid Host Id.", 400)
    if host.id == vm.host_id or host not in context.world.usable_hosts(vm):
        raise context.refuse(_NO_HOSTS, 400)
    return host.id


def _ticket(context: _Context) -> None:
    status = message_status(context.vm.state)
    raise context.refuse(f"Cannot set Virtual Machine Ticket because the VM is in {status} status.")


def _cancel_migration(context: _Context) -> None:
    raise context.refuse("Cannot cancel migration for non migrating VM.")


def _detach(context: _Context) -> None:
    raise context.refuse("User is not authorized to perform this action.", 403)


def _log_on(context: _Context) -> None:
    raise context.refuse("", 400)


def _maintenance(context: _Context) -> None:
    raise _no_maintenance()


def _no_maintenance() -> Failure:
    return Failure(
        400,
        "Parameter 'maintenance_enabled' is mandatory but was not provided.",
        "Input validation failed.",
    )


def _needs_running(word: str) -> Callable[[_Context], None]:
    """Always refused: its effect on a running VM is not simulated."""

    def refuse(context: _Context) -> None:
        if context.vm.state is State.RUNNING:
            raise context.refuse(f"Cannot {word} VM. The lab does not model it.")
        raise context.wrong_state(word)

    return refuse


_VERBS = {
    "start": "run",
    "reboot": "restart",
    "suspend": "hibernate",
    "logon": "log on",
    "freezefilesystems": "freeze",
    "cancelmigration": "cancel migration",
}

ACTIONS: Mapping[str, Callable[[_Context], bool | None]] = {
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
