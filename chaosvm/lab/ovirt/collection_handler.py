"""HTTP requests to collections: listing, reading, adding, updating, removing and actions.

Source: the recordings ``tag-*``, ``network-*`` and ``host-*``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from chaosvm.lab.fault_injection import IGNORED
from chaosvm.lab.ovirt import answers
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import read_body, value
from chaosvm.lab.ovirt.collection import Call, Collection
from chaosvm.lab.ovirt.documents import document, documents
from chaosvm.lab.ovirt.follow import Follower
from chaosvm.lab.ovirt.hrefs import API, filled
from chaosvm.lab.ovirt.jobs import Jobs
from chaosvm.lab.ovirt.markup import Node, node, text
from chaosvm.lab.ovirt.queries import NOT_ALLOWED, Queries, is_restricted
from chaosvm.lab.ovirt.requests import id_names, matrix_parameters, parameter
from chaosvm.lab.simulation import Origin, Role, User, World

__all__ = ["CollectionHandler"]

_NOT_AUTHORIZED = "[User is not authorized to perform this action.]"
_ECHOED = ("async", "fence_type", "force", "reason", "succeeded")


class CollectionHandler:
    """Serves the collections other than the list of VMs."""

    def __init__(
        self, world: World, queries: Queries, jobs: Jobs, collections: Mapping[str, Collection]
    ) -> None:
        self._world = world
        self._queries = queries
        self._jobs = jobs
        self._collections = collections
        self._follower = Follower(self._collections)

    async def list(self, collection: Collection, request: web.Request, user: User) -> web.Response:
        call = self._call(collection, request, user)
        restricted = is_restricted(request, user)
        if restricted and collection.restricted:
            raise Failure(400, NOT_ALLOWED)
        items = collection.items(call)
        if restricted and collection.entity == "EVENT":
            items = [event for event in items if event.vm_id in user.vm_ids]
        matches = self._queries.matches(request, collection.entity or collection.root, items)
        links = parameter(request, "follow")
        described = collection.listed or collection.described
        nodes = [self._linked(collection, call, described(call, item), links) for item in matches]
        return answers.answer(request, documents(nodes, collection.root))

    async def one(self, collection: Collection, request: web.Request, user: User) -> web.Response:
        call = self._call(collection, request, user)
        item = self._item(collection, call, request)
        shown = collection.described(call, item)
        shown = self._linked(collection, call, shown, parameter(request, "follow"))
        return answers.answer(request, document(shown))

    async def add(self, collection: Collection, request: web.Request, user: User) -> web.Response:
        call = self._writing(collection, request, user)
        body = await read_body(request, collection.singular)
        assert collection.add is not None
        added = collection.add(call, body)
        shown = (collection.added or collection.described)(call, added)
        path = f"{API}/v4{call.path}/{collection.id_of(added)}"
        location = {"Location": f"{request.scheme}://{request.host}{path}"}
        headers = location if collection.add_status == 201 else {}
        return answers.answer(request, document(shown), collection.add_status, headers)

    async def update(
        self, collection: Collection, request: web.Request, user: User
    ) -> web.Response:
        call = self._writing(collection, request, user)
        item = self._item(collection, call, request)
        body = await read_body(request, collection.singular)
        assert collection.update is not None
        updated = collection.update(call, item, body)
        return answers.answer(request, document(collection.described(call, updated)))

    async def remove(
        self, collection: Collection, request: web.Request, user: User
    ) -> web.Response:
        call = self._writing(collection, request, user)
        item = self._item(collection, call, request)
        assert collection.remove is not None
        collection.remove(call, item)
        job = call.job(f"Removing {collection.singular}") if collection.removes_by_job else None
        return answers.answer(request, document(node("action", job, text("status", "complete"))))

    async def act(
        self, collection: Collection, action: str, request: web.Request, user: User
    ) -> web.Response:
        call = self._writing(collection, request, user)
        body = await read_body(request, "action")
        echoed = [text(tag, value(body, tag)) for tag in _ECHOED if value(body, tag) is not None]
        try:
            item = self._item(collection, call, request, action)
            shown = None if IGNORED.get() else collection.actions[action](call, item, body)
        except Failure as failure:
            if failure.reason != answers.FAILED:
                raise
            return answers.failed_action(request, failure, echoed)
        if action in collection.pending:
            path = f"{call.path}/{collection.id_of(item)}"
            return answers.pending_action(request, path, action, [*echoed, *(shown or ())])
        tags = {part.tag for part in shown or ()}
        parts = [*(part for part in echoed if part.tag not in tags), *(shown or ())]
        if not any(part.tag == "status" for part in parts):
            parts.append(text("status", "complete"))
        parts.sort(key=lambda part: part.tag)
        return answers.answer(request, document(node("action", *parts)))

    # ---------------------------------------------------------------------------------

    def _call(self, collection: Collection, request: web.Request, user: User) -> Call:
        ids = tuple(request.match_info[name] for name in id_names(collection.depth))
        self._require_parent(collection, user, ids)
        return Call(
            world=self._world,
            user=user,
            origin=Origin(user.name, answers.correlation_id(request)),
            jobs=self._jobs,
            path=filled(f"{API}/{collection.path}", ids),
            parents=ids,
            parameters={**matrix_parameters(request), **request.query},
        )

    def _writing(self, collection: Collection, request: web.Request, user: User) -> Call:
        if user.role is not Role.ADMIN:
            raise Failure(403, _NOT_AUTHORIZED)
        return self._call(collection, request, user)

    def _require_parent(self, collection: Collection, user: User, ids: tuple[str, ...]) -> None:
        """Raise a 404 if the object above does not exist; VMs' collections are empty then."""
        above, _, _ = collection.path.rpartition("/{id}/")
        parent = self._collections.get(above)
        if parent is None or above == "vms":
            return
        path, parents = filled(f"{API}/{above}", ids), ids[:-1]
        origin = Origin(user.name)
        call = Call(
            world=self._world, user=user, origin=origin, jobs=self._jobs, path=path, parents=parents
        )
        if parent.item(call, ids[-1]) is None:
            raise Failure(404)

    def _item(
        self, collection: Collection, call: Call, request: web.Request, action: str = ""
    ) -> Any:
        name = id_names(collection.depth + 1)[-1]
        wanted = request.match_info[name]
        item = collection.item(call, wanted)
        if item is None and action and collection.missing_in is not None:
            raise collection.missing_in(action)
        if item is None:
            raise collection.missing(wanted)
        return item

    def _linked(self, collection: Collection, call: Call, shown: Node, links: str | None) -> Node:
        return self._follower.follow(call, collection, shown, links) if links else shown
