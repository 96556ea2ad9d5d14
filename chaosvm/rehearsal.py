"""Rehearsals: in one, this package knows no platform but those of a lab.

There are two walls, each enough by itself. Where a platform is and how to log
in are settings that ``chaosvm.settings`` takes from :func:`environment` then,
whatever else is configured. And whatever is about to send a request asks
:func:`permit`, whoever gave it the address.

A rehearsal that was asked for and is not on, because it could not be set up or
is over, is *blocked*: then nothing at all may be connected to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chaosvm.errors import NotInRehearsal

__all__ = ["begin", "block", "environment", "forget", "is_on", "permit"]

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


def environment() -> Mapping[str, str] | None:
    """The lab's environment variables; None outside of a rehearsal."""
    now = _now
    if now is None:
        return None
    _refuse_if_blocked(now)
    return now.environment


def permit(host: str, port: int | None) -> None:
    """Raises NotInRehearsal if nothing may be sent to this address now."""
    now = _now
    if now is None:
        return
    _refuse_if_blocked(now)
    if (host, port) not in now.addresses:
        raise NotInRehearsal(
            f"{host}:{port} was not connected to: in a rehearsal only the lab's platforms are"
        )


def _refuse_if_blocked(now: _Rehearsal) -> None:
    if now.blocked:
        raise NotInRehearsal(f"nothing was connected to: {now.blocked}")


def _set(now: _Rehearsal | None) -> None:
    global _now
    _now = now
