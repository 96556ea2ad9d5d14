"""What the collectors of events and of tasks share: pages, and a cursor to read on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pyVmomi import vim

from chaosvm.lab.vcenter.interfaces import Session
from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, managed_property, method

__all__ = ["HistoryCollector"]

_PAGE_SIZE = 10
_MAX_PAGE_SIZE = 1000


class HistoryCollector(ManagedObject):
    """The entries of a filter: the latest page, and a cursor to page forwards and backwards."""

    kind = vim.HistoryCollector
    # The number of an entry, which grows with time, and the type of its pages.
    number: ClassVar[str]
    array: ClassVar[Any]

    def __init__(self, session: Session, spec: Any, find: Callable[[Any], list[Any]]) -> None:
        super().__init__(session.new_moid())
        self._session = session
        self._filter_spec = spec
        self._find = find
        self._page_size = _PAGE_SIZE
        self._last = 0  # the number of the last entry that was read
        self._first: int | None = None
        find(spec)  # raises for an invalid filter

    @managed_property
    def filter(self, session: Any = None) -> Any:
        return self._filter_spec

    @managed_property
    def latestPage(self, session: Any = None) -> Any:
        return self.array(self._newest_first()[: self._page_size])

    @method("SetCollectorPageSize")
    def set_page_size(self, call: Call) -> None:
        self._page_size = min(call.get("maxCount"), _MAX_PAGE_SIZE)

    @method("RewindCollector")
    def rewind(self, call: Call) -> None:
        self._last, self._first = 0, None

    @method("ResetCollector")
    def reset(self, call: Call) -> None:
        newest = self._newest_first()
        self._last = self._number(newest[0]) if newest else 0
        self._first = self._last + 1

    @method("DestroyCollector")
    def destroy(self, call: Call) -> None:
        self._session.remove(self.moid)

    def read_next(self, call: Call) -> list[Any]:
        """Oldest first."""
        oldest_first = reversed(self._newest_first())
        page = [each for each in oldest_first if self._number(each) > self._last]
        page = page[: self._limit(call)]
        if page:
            self._last = self._number(page[-1])
            self._first = self._first or self._number(page[0])
        return page

    def read_previous(self, call: Call) -> list[Any]:
        first = self._first
        entries = self._newest_first()
        page = [each for each in entries if first is None or self._number(each) < first]
        page = page[: self._limit(call)]
        if page:
            self._first = self._number(page[-1])
            self._last = max(self._last, self._number(page[0]))
        return page

    def _limit(self, call: Call) -> int:
        return min(call.get("maxCount") or self._page_size, _MAX_PAGE_SIZE)

    def _newest_first(self) -> list[Any]:
        return self._find(self._filter_spec)

    def _number(self, entry: Any) -> int:
        return int(getattr(entry, self.number))
