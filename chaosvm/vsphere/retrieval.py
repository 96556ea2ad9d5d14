"""Properties of many managed objects in one request, read by the fastest way that works."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from sys import intern
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.runtime.unpacking import MOST_ITEMS, too_large
from chaosvm.vsphere.properties import ObjectProperties, normalize
from chaosvm.vsphere.response_parser import NotUnderstood, ResponseParser, read_page

__all__ = ["by_pyvmomi", "retrieve"]

_collector = vmodl.query.PropertyCollector
_METHODS = (_collector.RetrievePropertiesEx, _collector.ContinueRetrievePropertiesEx)
_FIRST, _NEXT = (method.info for method in _METHODS)


def retrieve(content: Any, spec: Any) -> dict[str, ObjectProperties]:
    """What the property collector tells for this specification, by moid.

    Raises NotAuthenticated when the session is dead, and the server's other
    faults.
    """
    collector = content.propertyCollector
    if not collector._stub.streaming:
        return by_pyvmomi(collector, spec)
    try:
        return _streamed(collector, spec)
    except NotUnderstood as error:
        told = by_pyvmomi(collector, spec)
        # What pyvmomi cannot read either, or finds nothing in, tells nothing about the next.
        if told:
            collector._stub.pause_streaming(str(error))
        return told


def _options() -> Any:
    return _collector.RetrieveOptions()


def _streamed(collector: Any, spec: Any) -> dict[str, ObjectProperties]:
    told: dict[str, ObjectProperties] = {}
    page = _page(collector, _FIRST, [[spec], _options()])
    while True:
        if page.unauthenticated:
            # With a dead session the server answers 200 and an empty inventory.
            raise vim.fault.NotAuthenticated()
        told |= {each.moid: each for each in page.objects}
        _refuse_too_many(told)
        if not page.token:
            return told
        page = _page(collector, _NEXT, [page.token])


def _page(collector: Any, method: Any, arguments: list[Any]) -> ResponseParser:
    def read(pieces: Iterator[bytes]) -> ResponseParser:
        return read_page(pieces, method.wsdlName)

    page: ResponseParser = collector._stub.stream(collector, method, arguments, read)
    return page


def by_pyvmomi(collector: Any, spec: Any) -> dict[str, ObjectProperties]:
    """The same by pyvmomi's own reader, which takes many times as long."""
    told: dict[str, ObjectProperties] = {}
    page = collector.RetrievePropertiesEx([spec], _options())
    while page is not None:
        for each in page.objects or ():
            _refuse_dead_session(each)
            item = _plain(each)
            told[item.moid] = item
        _refuse_too_many(told)
        page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None
    return told


def _refuse_too_many(told: Sized) -> None:
    """Each page is bounded, and there is always one more."""
    if len(told) > MOST_ITEMS:
        raise too_large("the vCenter", f"{MOST_ITEMS:,} objects")


def _refuse_dead_session(told: Any) -> None:
    for missing in told.missingSet or ():
        if isinstance(missing.fault, vim.fault.NotAuthenticated):
            raise missing.fault


def _plain(told: Any) -> ObjectProperties:
    kind = type(told.obj).__name__.rsplit(".", 1)[-1]
    properties = {
        intern(str(item.name)): normalize(item.name, getattr(item, "val", None))
        for item in told.propSet or ()
    }
    return ObjectProperties(kind, told.obj._GetMoId(), properties)
