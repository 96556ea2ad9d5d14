"""Rehearsals: in one, this package knows no platform but those of a lab.

For what is chaosvm's there are two walls, each enough by itself. Where a platform is and how to log
in are settings that ``chaosvm.settings`` takes from :func:`environment` then,
whatever else is configured. And whatever is about to send a request asks
:func:`permit`, whoever gave it the address.

A rehearsal that was asked for and is not on, because it could not be set up or
is over, is *blocked*: then nothing at all may be connected to.

What others do in the same process is kept away by ``chaosvm.lab.network_block``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chaosvm.errors import NotInRehearsal
from chaosvm.runtime import rehearsal_request as asked

__all__ = [
    "CONTROL",
    "NOT_YET",
    "is_allowed",
    "is_requested",
    "begin",
    "block",
    "environment",
    "forget",
    "is_on",
    "require_allowed",
]

CONTROL = "chaosvm.lab.control"
NOT_YET = (
    "a rehearsal was asked for and has not begun; one that the experiment itself declares "
    "begins after the probes in its configuration"
)

_NOT_CALLED = (
    f"Chaos Toolkit has not called {CONTROL}. It passes over a control whose module it does not "
    "find or whose file it cannot read, and calls one that the experiment itself declares only "
    "after the probes in the configuration"
)

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Rehearsal:
    environment: Mapping[str, str] = field(default_factory=dict)
    addresses: frozenset[Address] = frozenset()
    blocked: str = ""


# For the whole process, as activities run in several threads.
_now: _Rehearsal | None = None


def block(why: str) -> None:
    """From now on, connect nowhere."""
    _set(_Rehearsal(blocked=why))


def begin(environment: Mapping[str, str], addresses: Iterable[Address]) -> None:
    """From now on, connect to these addresses only, and find them by this environment.

    Both are asked for, and neither is made from the other: an environment that
    leads astray does not open the way.
    """
    _set(_Rehearsal(environment=dict(environment), addresses=frozenset(addresses)))


def forget() -> None:
    """There is no rehearsal, and there was none: connect wherever the settings say."""
    _set(None)


def is_on() -> bool:
    return _now is not None and not _now.blocked


def is_requested() -> bool:
    """Is one on, or blocked?"""
    return _now is not None


def is_allowed(host: str, port: int) -> bool:
    """Is this an address of the lab?"""
    now = _now
    return now is not None and (host, port) in now.addresses


def environment() -> Mapping[str, str] | None:
    """The lab's environment variables; None outside of a rehearsal."""
    now = _current()
    return None if now is None else now.environment


def require_allowed(host: str, port: int | None) -> None:
    """Raises NotInRehearsal if nothing may be sent to this address now."""
    now = _current()
    if now is not None and (host, port) not in now.addresses:
        raise NotInRehearsal(
            f"{host}:{port} was not connected to: in a rehearsal only the lab's platforms are"
        )


def _current() -> _Rehearsal | None:
    """Raises NotInRehearsal if it is blocked."""
    # Probes in an experiment's configuration are run before any control is heard of, and
    # of a control that it cannot load Chaos Toolkit does not tell.
    if _now is None and (place := asked.where()):
        block(f"a rehearsal was asked for in {place} and has not begun: {_NOT_CALLED}")
    now = _now
    if now is not None and now.blocked:
        raise NotInRehearsal(f"nothing was connected to: {now.blocked}")
    return now


def _set(now: _Rehearsal | None) -> None:
    global _now
    _now = now
