"""Many VMs at once: by requests side by side, never more than so many under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.search import by_names
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline

__all__ = ["read_by_id", "read_by_name", "map_parallel"]

A = TypeVar("A")
T = TypeVar("T")

_MOST_AT_ONCE = 10


def map_parallel(
    ask: Callable[[A], T], things: Sequence[A], at_once: int = _MOST_AT_ONCE
) -> list[T]:
    """What is told of each. An error ends it: what is not asked by then never is."""
    if len(things) < 2 or at_once < 2:
        return [ask(thing) for thing in things]
    with ThreadPoolExecutor(min(len(things), at_once), thread_name_prefix="chaosvm-read") as pool:
        return list(pool.map(ask, things))


def read_by_name(
    client: OLVMClient,
    names: Sequence[str],
    items: Callable[[], XmlListParser[T]],
    deadline: Deadline,
    of: int | None = None,
) -> list[T] | None:
    """The VMs that the engine takes for these, out of ``of`` if that is known.

    None where the whole list is cheaper, or the only way. A VM may come twice.
    """
    searches = by_names(names)
    if searches is None or (len(searches) > 1 and of is not None and 2 * len(names) > of):
        return None

    def ask(search: str) -> list[T]:
        return client.items("vms", items, deadline, search=search)

    return list(chain.from_iterable(map_parallel(ask, searches)))


def read_by_id(
    client: OLVMClient,
    ids: Sequence[str],
    items: Callable[[], XmlListParser[T]],
    deadline: Deadline,
) -> list[T | None]:
    """Each of these VMs; None for one that does not exist."""
    return map_parallel(lambda vm_id: client.item(f"vms/{vm_id}", items, deadline), ids)
