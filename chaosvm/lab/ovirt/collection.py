"""What the API's collections have in common: where they are, what they hold, what they allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.hrefs import href
from chaosvm.lab.ovirt.jobs import Jobs
from chaosvm.lab.ovirt.markup import Node, node, node_id
from chaosvm.lab.simulation import EventKind, Machine, Note, Origin, User, World

__all__ = ["Action", "Call", "Collection", "empty", "nodes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One user's request to a collection."""

    world: World
    user: User
    origin: Origin
    # The path of the collection, and the ids in it.
    path: str
    parents: tuple[str, ...]
    jobs: Jobs
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def parent(self) -> str:
        return self.parents[-1]

    def job(self, description: str) -> Node:
        """A link to a new job, which is already done."""
        begun = self.jobs.begin(description)
        return node("job", href=href("jobs", begun.id), id=begun.id)

    def note(self, code: int, text: str, vm: Machine | None = None, **fields: Any) -> None:
        """Record an event that only the engine has."""
        severity = fields.pop("severity", "normal")
        note = Note(code, severity, text.replace("{user}", f"{self.user.name}-authz"))
        self.world.record(EventKind.NOTED, vm, self.origin, note=note, **fields)


# Carries out an action on an object, and returns what is shown besides the status.
Action = Callable[[Call, Any, Element], Sequence[Node] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A collection at a path such as ``clusters/{id}/affinitygroups``.

    ``add``, ``update`` and ``remove`` are None where the engine, or the lab, does not have them.
    """

    path: str
    root: str
    items: Callable[[Call], Sequence[Any]]
    described: Callable[[Call, Any], Node]
    # The name of one object's element; by default that of the root in the singular.
    element: str = ""
    id_of: Callable[[Any], str] = lambda item: str(item.id)
    # Finds one object faster than by going through all.
    find: Callable[[Call, str], Any | None] | None = None
    # Its name in searches, if it is searchable.
    entity: str = ""
    add: Callable[[Call, Element], Any] | None = None
    update: Callable[[Call, Any, Element], Any] | None = None
    remove: Callable[[Call, Any], None] | None = None
    actions: Mapping[str, Action] = field(default_factory=dict)
    # Actions that are still running when they are answered.
    pending: frozenset[str] = frozenset()
    add_status: int = 201
    # Removing returns a job.
    removes_by_job: bool = False
    # Users with user roles are refused.
    restricted: bool = False
    # Links of its objects that can be followed, but lead nowhere.
    plain_links: frozenset[str] = frozenset()
    # The response about an id that is not in it, and to an action on one.
    missing: Callable[[str], Failure] = lambda item_id: Failure(404)
    missing_in: Callable[[str], Failure] | None = None
    # How objects are shown in the list, if not as by themselves.
    listed: Callable[[Call, Any], Node] | None = None
    # How a new object is shown, if not as later.
    added: Callable[[Call, Any], Node] | None = None

    @property
    def singular(self) -> str:
        return self.element or self.root.removesuffix("s")

    @property
    def depth(self) -> int:
        """How many ids are in its path."""
        return self.path.count("{id}")

    def item(self, call: Call, item_id: str) -> Any | None:
        """The object with an id; None if there is none."""
        if self.find is not None:
            return self.find(call, item_id)
        return next((each for each in self.items(call) if self.id_of(each) == item_id), None)


def nodes(
    path: str, root: str, items: Callable[[Call], Sequence[Node]], **options: Any
) -> Collection:
    """A collection whose objects are only read, as they are shown."""
    return Collection(
        path=path,
        root=root,
        items=items,
        described=lambda call, item: item,
        id_of=node_id,
        **options,
    )


def empty(path: str, root: str) -> Collection:
    """A collection that every engine has, and that is empty in the lab."""
    return nodes(path, root, lambda call: ())
