"""Reads many VMs by concurrent requests, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.search import by_names
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline

__all__ = ["map_parallel", "read_by_id", "read_by_name"]

A = TypeVar("A")
T = TypeVar("T")

_MAX_CONCURRENT = 10


def map_parallel(
    function: Callable[[A], T], arguments: Sequence[A], concurrency: int = _MAX_CONCURRENT
) -> list[T]:
    """Like map, in threads. The first error cancels the calls that have not begun."""
    if len(arguments) < 2 or concurrency < 2:
        return [function(argument) for argument in arguments]
    workers = min(len(arguments), concurrency)
    with ThreadPoolExecutor(workers, thread_name_prefix="chaosvm-read") as pool:
        return list(pool.map(function, arguments))


def read_by_name(
    client: OLVMClient,
    names: Sequence[str],
    new_parser: Callable[[], XmlListParser[T]],
    deadline: Deadline,
    total: int | None = None,
    **query: str,
) -> list[T] | None:
    """Search for VMs by name; ``total`` is how many VMs the engine has, if known.

    None if reading the whole list is cheaper, or a search is not safe. A VM may
    be returned twice, and VMs with similar names too.
    """
    searches = by_names(names)
    if searches is None or (len(searches) > 1 and total is not None and 2 * len(names) > total):
        return None

    def run(search: str) -> list[T]:
        return client.read_list("vms", new_parser, deadline, search=search, **query)

    return list(chain.from_iterable(map_parallel(run, searches)))


def read_by_id(
    client: OLVMClient,
    ids: Sequence[str],
    new_parser: Callable[[], XmlListParser[T]],
    deadline: Deadline,
) -> list[T | None]:
    """Read each VM by a request of its own; None for one that does not exist."""
    return map_parallel(lambda vm_id: client.read_one(f"vms/{vm_id}", new_parser, deadline), ids)
