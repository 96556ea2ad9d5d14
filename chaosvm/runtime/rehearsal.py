"""Rehearsals: during one, this package connects only to the platforms of a lab.

Two mechanisms ensure it, each sufficient by itself. ``chaosvm.settings`` takes the
addresses and credentials of platforms from :func:`environment`, whatever else is
configured. And everything that sends requests calls :func:`require_allowed` first,
wherever the address comes from.

A rehearsal that was requested but is not on, because it could not be set up or has
ended, is *blocked*: then no connection is allowed at all.

``chaosvm.lab.network_block`` stops connections by other code in the same process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chaosvm.errors import NotInRehearsal
from chaosvm.runtime.rehearsal_request import find_declaration

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
    "a rehearsal was requested but has not begun; one that the experiment itself declares "
    "begins after the probes in its configuration"
)

_NOT_CALLED = (
    f"Chaos Toolkit has not called {CONTROL}. It ignores a control whose module or file it "
    "cannot load, and calls one that the experiment itself declares only after the probes in the "
    "configuration"
)

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Rehearsal:
    environment: Mapping[str, str] = field(default_factory=dict)
    addresses: frozenset[Address] = frozenset()
    # What the addresses of the lab's guests begin with.
    guests: tuple[str, ...] = ()
    blocked: str = ""

    def allows(self, host: str, port: int | None) -> bool:
        return (host, port) in self.addresses or host.startswith(self.guests)


# Of the whole process, as activities run in several threads.
_rehearsal: _Rehearsal | None = None


def block(reason: str) -> None:
    """Allow no connection from now on."""
    _set(_Rehearsal(blocked=reason))


def begin(
    environment: Mapping[str, str], addresses: Iterable[Address], guests: tuple[str, ...] = ()
) -> None:
    """Allow only these addresses from now on, and take settings from this environment.

    Neither is derived from the other, so a wrong environment allows no other address.
    ``guests`` is what the addresses of simulated guests begin with, on any port.
    """
    _set(_Rehearsal(dict(environment), frozenset(addresses), guests))


def forget() -> None:
    """Return to the state without any rehearsal: connect wherever the settings say."""
    _set(None)


def is_on() -> bool:
    return _rehearsal is not None and not _rehearsal.blocked


def is_requested() -> bool:
    """True if a rehearsal is on or blocked."""
    return _rehearsal is not None


def is_allowed(host: str, port: int) -> bool:
    """True if this is an address of the lab, or of one of its guests."""
    rehearsal = _rehearsal
    return rehearsal is not None and rehearsal.allows(host, port)


def environment() -> Mapping[str, str] | None:
    """Return the lab's environment variables; None outside of a rehearsal."""
    rehearsal = _current()
    return None if rehearsal is None else rehearsal.environment


def require_allowed(host: str, port: int | None) -> None:
    """Raise NotInRehearsal if nothing may be sent to this address now."""
    rehearsal = _current()
    if rehearsal is not None and not rehearsal.allows(host, port):
        raise NotInRehearsal(
            f"no connection to {host}:{port}: a rehearsal connects only to its simulated servers"
        )


def _current() -> _Rehearsal | None:
    """Return the rehearsal, if any; raises NotInRehearsal if it is blocked."""
    # Chaos Toolkit runs the probes in an experiment's configuration before it loads any
    # control, and does not report a control that it cannot load.
    if _rehearsal is None and (place := find_declaration()):
        block(f"a rehearsal was requested in {place} but has not begun: {_NOT_CALLED}")
    rehearsal = _rehearsal
    if rehearsal is not None and rehearsal.blocked:
        raise NotInRehearsal(f"no connection was made: {rehearsal.blocked}")
    return rehearsal


def _set(rehearsal: _Rehearsal | None) -> None:
    global _rehearsal
    _rehearsal = rehearsal
