"""HTTP requests for actions on VMs."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from functools import partial

from aiohttp import web

from chaosvm.lab.fault_injection import IGNORED
from chaosvm.lab.ovirt import answers
from chaosvm.lab.ovirt.actions import ActionRequest, run_action
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.documents import document
from chaosvm.lab.ovirt.hrefs import href
from chaosvm.lab.ovirt.jobs import Job, Jobs
from chaosvm.lab.ovirt.markup import Node, node, text
from chaosvm.lab.ovirt.read_handler import AuthenticatedHandler
from chaosvm.lab.ovirt.requests import action_options, unique_id
from chaosvm.lab.ovirt.vm_text import vm_links
from chaosvm.lab.simulation import Machine, Origin, State, User, World

__all__ = ["ActionHandler"]

# Failures of these are plain faults, those of others an action with status failed.
_FAILING_WITH_FAULT = ("maintenance", "screenshot", "ticket")
_ECHOED_OPTIONS = ("async", "force", "grace_period", "maintenance_enabled", "pause", "reason")

# Descriptions of jobs, as in the engine's ExecutionMessages.properties.
_JOBS = {
    "start": "Launching",
    "stop": "Stopping",
    "shutdown": "Shutting down",
    "suspend": "Performing Hibernate action on",
    "migrate": "Migrating",
    "cancelmigration": "Canceling migration of",
    "reboot": "Rebooting",  # this and the next are guesses
    "reset": "Resetting",
}


class ActionHandler:
    """Runs actions, and responds as the engine does."""

    def __init__(self, world: World, jobs: Jobs) -> None:
        self._world = world
        self._jobs = jobs

    def handler(self, action: str) -> AuthenticatedHandler:
        async def handle(request: web.Request, user: User) -> web.Response:
            if "Content-Type" not in request.headers:
                raise Failure(415)
            vm_id = unique_id(request)
            options = await action_options(request, action)
            echoed = [text(name, options[name]) for name in _ECHOED_OPTIONS if name in options]
            if "host" in options:
                echoed.append(node("host", id=options["host"]))
            try:
                if not IGNORED.get():
                    await self._run(request, action, vm_id, user, options)
            except Failure as failure:
                if action in _FAILING_WITH_FAULT:
                    raise
                return answers.failed_action(request, failure, echoed)
            if action == "suspend":
                return self._pending(request, vm_id, echoed)
            return self._complete(request, action, vm_id, echoed)

        return handle

    async def _run(
        self,
        request: web.Request,
        action: str,
        vm_id: str,
        user: User,
        options: Mapping[str, str],
    ) -> None:
        """A stop returns when the VM is down; requests to a lost host end with a timeout."""
        origin = Origin(user.name, answers.correlation_id(request), options.get("reason"))
        if self._host_is_lost(vm_id):
            await asyncio.sleep(self._world.durations.host_timeout)
        try:
            waits = run_action(self._world, action, vm_id, ActionRequest(user, origin, options))
        except Failure as failure:
            if failure.when_off:
                await self._wait_until_off(vm_id)
            raise
        if waits:
            await self._wait_until_off(vm_id)

    def _host_is_lost(self, vm_id: str) -> bool:
        with self._world.present():
            vm = self._world.vm(vm_id) if self._world.has_vm(vm_id) else None
            if vm is None or vm.state is State.UNREACHABLE:
                return False
            host = self._world.host(vm.host_id)
            return host is not None and not host.answers

    async def _wait_until_off(self, vm_id: str) -> None:
        """Wait until the VM is down, or its stop was cancelled."""
        off = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_changed(changed: Sequence[Machine]) -> None:
            if any(vm.id == vm_id and _stop_ended(vm) for vm in changed):
                loop.call_soon_threadsafe(off.set)

        stop_listening = self._world.listen(on_changed)
        try:
            if self._world.has_vm(vm_id) and self._world.vm(vm_id).powering_off:
                await off.wait()
        finally:
            stop_listening()

    def _complete(
        self, request: web.Request, action: str, vm_id: str, echoed: Sequence[Node]
    ) -> web.Response:
        with self._world.present():
            vm = vm_links(self._world.vm(vm_id)) if self._world.has_vm(vm_id) else None
        job = _link_to(self._jobs.begin(self._job_text(action, vm_id)))
        children = [job, *echoed, text("status", "complete")]
        children.sort(key=lambda child: child.tag)
        return answers.answer(request, document(node("action", *children, vm)))

    def _pending(self, request: web.Request, vm_id: str, echoed: Sequence[Node]) -> web.Response:
        """The engine suspends in an asynchronous task."""
        task_id = f"{uuid.uuid4()}%2C{uuid.uuid4()}"
        path = href("vms", vm_id, "suspend")
        job = _link_to(
            self._jobs.begin(self._job_text("suspend", vm_id), partial(self._is_suspending, vm_id))
        )
        others = [each for each in echoed if each.tag != "async"]
        children = [text("async", True), job, *others, text("status", "pending")]
        children.sort(key=lambda child: child.tag)
        pending = node(
            "action",
            node("link", href=href("vms", vm_id), rel="parent"),
            node("link", href=path, rel="replay"),
            *children,
            href=f"{path}/{task_id}",
            id=task_id,
        )
        return answers.answer(request, document(pending), 202)

    def _job_text(self, action: str, vm_id: str) -> str:
        with self._world.present():
            name = self._world.vm(vm_id).name if self._world.has_vm(vm_id) else vm_id
        return f"{_JOBS.get(action, action.capitalize() + ' of')} VM {name}"

    def _is_suspending(self, vm_id: str) -> bool:
        with self._world.present():
            if not self._world.has_vm(vm_id):
                return False
            vm = self._world.vm(vm_id)
            return bool(vm.hibernating_until) or vm.state is State.SAVING


def _stop_ended(vm: Machine) -> bool:
    return vm.state is State.OFF or not vm.powering_off


def _link_to(job: Job) -> Node:
    return node("job", href=href("jobs", job.id), id=job.id)
