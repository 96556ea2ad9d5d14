"""Actions on VMs, over HTTP."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from functools import partial

from aiohttp import web

from chaosvm.lab.fault_injection import IGNORED
from chaosvm.lab.ovirt import answers
from chaosvm.lab.ovirt.actions import Wanted, carry_out
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.hrefs import href
from chaosvm.lab.ovirt.jobs import Job, Jobs
from chaosvm.lab.ovirt.markup import Node, node, text
from chaosvm.lab.ovirt.reading import Answer
from chaosvm.lab.ovirt.requests import action_options, unique_id
from chaosvm.lab.ovirt.vm_text import vm_links
from chaosvm.lab.ovirt.xml import document
from chaosvm.lab.simulation import Machine, Origin, State, User, World

__all__ = ["Acting"]

# Others answer with the action that failed.
_ANSWERED_BY_FAULTS = ("maintenance", "screenshot", "ticket")
_PLAIN = ("async", "force", "grace_period", "maintenance_enabled", "pause", "reason")


class Acting:
    def __init__(self, world: World, jobs: Jobs) -> None:
        self._world = world
        self._jobs = jobs

    def answer(self, action: str) -> Answer:
        async def answer(request: web.Request, user: User) -> web.Response:
            if "Content-Type" not in request.headers:
                raise Failure(415)
            vm_id = unique_id(request)
            options = await action_options(request, action)
            echoed = [text(name, options[name]) for name in _PLAIN if name in options]
            try:
                if not IGNORED.get():
                    await self._act(request, action, vm_id, user, options)
            except Failure as failure:
                if action in _ANSWERED_BY_FAULTS:
                    raise
                return answers.failed_action(request, failure, echoed)
            if action == "suspend":
                return self._pending(request, vm_id, echoed)
            return self._complete(request, action, vm_id, echoed)

        return answer

    async def _act(
        self,
        request: web.Request,
        action: str,
        vm_id: str,
        user: User,
        options: Mapping[str, str],
    ) -> None:
        """A stop is answered when the VM is down, and what a dead host is asked takes its time."""
        asked = Origin(user.name, answers.correlation_id(request), options.get("reason"))
        if self._host_is_dead(vm_id):
            await asyncio.sleep(self._world.durations.host_timeout)
        try:
            ends = carry_out(self._world, action, vm_id, Wanted(user, asked, options))
        except Failure as failure:
            if failure.when_off:
                await self._off(vm_id)
            raise
        if ends:
            await self._off(vm_id)

    def _host_is_dead(self, vm_id: str) -> bool:
        with self._world.present():
            vm = self._world.vm(vm_id) if self._world.has_vm(vm_id) else None
            if vm is None or vm.state is State.UNREACHABLE:
                return False
            host = self._world.host(vm.host_id)
            return host is not None and not host.answers

    async def _off(self, vm_id: str) -> None:
        """Until the VM is down, or what was begun has come to nothing."""
        off = asyncio.Event()
        loop = asyncio.get_running_loop()

        def heard(changed: Sequence[Machine]) -> None:
            if any(vm.id == vm_id and _is_over(vm) for vm in changed):
                loop.call_soon_threadsafe(off.set)

        unlisten = self._world.listen(heard)
        try:
            if self._world.has_vm(vm_id) and self._world.vm(vm_id).powering_off:
                await off.wait()
        finally:
            unlisten()

    def _complete(
        self, request: web.Request, action: str, vm_id: str, echoed: Sequence[Node]
    ) -> web.Response:
        with self._world.present():
            known = self._world.has_vm(vm_id)
            shown = vm_links(self._world.vm(vm_id)) if known else None
        job = _link_to(self._jobs.begin(f"{action.capitalize()} of VM {vm_id}"))
        children = [job, *echoed, text("status", "complete")]
        children.sort(key=lambda child: child.tag)
        return answers.answer(request, document(node("action", *children, shown)))

    def _pending(self, request: web.Request, vm_id: str, echoed: Sequence[Node]) -> web.Response:
        """A task of its own in the engine."""
        number = f"{uuid.uuid4()}%2C{uuid.uuid4()}"
        where = href("vms", vm_id, "suspend")
        job = _link_to(
            self._jobs.begin(f"Hibernating VM {vm_id}", partial(self._being_saved, vm_id))
        )
        others = [each for each in echoed if each.tag != "async"]
        children = [text("async", True), job, *others, text("status", "pending")]
        children.sort(key=lambda child: child.tag)
        shown = node(
            "action",
            node("link", href=href("vms", vm_id), rel="parent"),
            node("link", href=where, rel="replay"),
            *children,
            href=f"{where}/{number}",
            id=number,
        )
        return answers.answer(request, document(shown), 202)

    def _being_saved(self, vm_id: str) -> bool:
        """Is it still being suspended?"""
        with self._world.present():
            if not self._world.has_vm(vm_id):
                return False
            vm = self._world.vm(vm_id)
            return bool(vm.hibernating_until) or vm.state is State.SAVING


def _is_over(vm: Machine) -> bool:
    return vm.state is State.OFF or not vm.powering_off


def _link_to(job: Job) -> Node:
    return node("job", href=href("jobs", job.id), id=job.id)
