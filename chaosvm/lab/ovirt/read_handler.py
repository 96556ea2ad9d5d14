"""Reads of the API's root and of VMs, whose lists can be long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from chaosvm.lab.ovirt import answers, representations
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.collation import collation_key
from chaosvm.lab.ovirt.collection import Call, Collection
from chaosvm.lab.ovirt.documents import Document, document, documents, written
from chaosvm.lab.ovirt.follow import Follower
from chaosvm.lab.ovirt.hrefs import API
from chaosvm.lab.ovirt.jobs import Jobs
from chaosvm.lab.ovirt.queries import Queries, is_restricted
from chaosvm.lab.ovirt.recorded_constants import API_LINKS
from chaosvm.lab.ovirt.requests import parameter, unique_id
from chaosvm.lab.ovirt.vm_pages import VmPages
from chaosvm.lab.ovirt.vm_text import vm_text
from chaosvm.lab.simulation import Machine, NotFound, Origin, User, World

__all__ = ["AuthenticatedHandler", "ReadHandler"]

# Handles a request of an authenticated user.
AuthenticatedHandler = Callable[[web.Request, User], Awaitable[web.Response]]

# Longer lists are written in another thread, so that other requests are served.
_LONG_LIST = 200


class ReadHandler:
    """Serves the root and VMs."""

    def __init__(
        self,
        world: World,
        queries: Queries,
        pages: VmPages,
        jobs: Jobs,
        collections: Mapping[str, Collection],
    ) -> None:
        self._world = world
        self._queries = queries
        self._pages = pages
        self._jobs = jobs
        self._vms = collections["vms"]
        self._follower = Follower(collections)

    async def root(self, request: web.Request, user: User) -> web.Response:
        if request.method == "HEAD":
            return answers.nothing(request, 200)
        base = f"{request.scheme}://{request.host}{API}"
        links = ",".join(f"<{base}/{name}>; rel={name}" for name in sorted(API_LINKS.split()))
        root = document(representations.api_root(self._world, user.name))
        return answers.answer(request, root, headers={"Link": links})

    async def vms(self, request: web.Request, user: User) -> web.Response:
        restricted = is_restricted(request, user)
        vms = [vm for vm in self._world.vms if not restricted or vm.id in user.vm_ids]
        vms.sort(key=lambda vm: collation_key(vm.name))
        matches = self._queries.matches(request, "VM", vms)
        followed = parameter(request, "follow")
        if followed:
            return answers.answer(request, self._follow(matches, followed, user, restricted))
        if restricted:
            return answers.answer(request, self._pages.restricted(matches))
        if len(matches) < _LONG_LIST:
            return answers.answer(request, self._pages.many(matches))
        return await asyncio.to_thread(lambda: answers.answer(request, self._pages.many(matches)))

    async def vm(self, request: web.Request, user: User) -> web.Response:
        vm = self._find_vm(request, user)
        if vm is None:
            raise Failure(404)
        followed = parameter(request, "follow")
        restricted = not user.sees_all
        if followed:
            text = self._followed(vm, followed, user, 0, restricted)
            return answers.answer(request, written(text))
        all_content = parameter(request, "all_content") or request.headers.get("All-Content")
        if (all_content or "").lower() == "true":
            assert self._vms.added is not None
            shown = self._vms.added(self._call(user), vm)
            return answers.answer(request, document(shown))
        return answers.answer(request, self._pages.one(vm, restricted=restricted))

    def _follow(self, vms: Sequence[Machine], links: str, user: User, restricted: bool) -> Document:
        """VMs with followed links. One link without a target fails the request."""
        if not vms:
            return documents((), "vms")
        inner = "".join(self._followed(vm, links, user, 1, restricted) for vm in vms)
        return written(f"<vms>\n{inner}</vms>\n")

    def _followed(self, vm: Machine, links: str, user: User, depth: int, restricted: bool) -> str:
        call = self._call(user)
        shown = self._vms.described(call, vm)
        parts = self._follower.parts(call, self._vms, shown, links)
        followed = {name: part.written(depth + 1) for name, part in parts.items()}
        return vm_text(self._world, vm, depth, followed, restricted)

    def _call(self, user: User) -> Call:
        return Call(
            world=self._world,
            user=user,
            origin=Origin(user.name),
            jobs=self._jobs,
            path=f"{API}/vms",
            parents=(),
        )

    def _find_vm(self, request: web.Request, user: User) -> Machine | None:
        try:
            vm = self._world.vm(unique_id(request))
        except NotFound:
            return None
        return vm if user.sees(vm.id) else None
