"""Restores a whole run: finds the servers it changed VMs on, and connects to them.

``undo.py`` restores one server. A server without changed VMs is never connected to, so an
experiment on one platform needs no settings for the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chaosvm.backend import Backend
from chaosvm.errors import ChaosVMError
from chaosvm.ledger import Key, Ledger, ledger_for_run, unfinished_ledgers
from chaosvm.listing import listed
from chaosvm.outcome import Batch, Outcome, summary_text
from chaosvm.platforms import PLATFORMS, Platform
from chaosvm.restore.results import (
    RESTORE,
    as_dry_run,
    error_text,
    kept_if_interrupted,
    not_restored,
    raise_if_failed,
)
from chaosvm.restore.undo import records_to_restore, restore
from chaosvm.runtime import Deadline
from chaosvm.settings import Safety, values

__all__ = ["restore_everywhere", "restore_from", "restore_on"]

logger = logging.getLogger("chaostoolkit")

Connect = Callable[[], Backend]

_MIN_TIME = 0.1  # seconds
_MAX_NAMED = 5  # ledgers in an error


def restore_on(
    platform: str,
    connect: Connect,
    configuration: Mapping[str, Any] | None,
    secrets: Mapping[str, Any] | None,
    timeout: float,
    parallel: int,
    force: bool,
    ledger: str,
) -> Batch:
    """Undo what this run, or the runs of the given ledger, changed on one platform."""
    safety = Safety.of_activity(configuration, secrets)
    return _restore({platform: connect}, safety, timeout, parallel, force, ledger)


def restore_everywhere(
    configuration: Mapping[str, Any] | None,
    secrets: Mapping[str, Any] | None,
    timeout: float,
    parallel: int,
    force: bool,
    ledger: str,
) -> Batch:
    """The same on every platform that the ledger names."""

    def connection(platform: Platform) -> Connect:
        return lambda: platform.connect(configuration, secrets).backend

    connections = {each.name: connection(each) for each in PLATFORMS if each.acts}
    safety = Safety.of_activity(configuration, secrets)
    return _restore(connections, safety, timeout, parallel, force, ledger)


def _restore(
    connections: Mapping[str, Connect],
    safety: Safety,
    timeout: float,
    parallel: int,
    force: bool,
    ledger: str,
) -> Batch:
    deadline = Deadline(values.timeout_seconds("timeout", timeout))
    width = values.integer("parallel", parallel, 1, Backend.max_parallel)
    forced = values.boolean("force", force)
    source = _resume(ledger) if ledger != "" else ledger_for_run(safety.ledger, safety.ledger_days)
    outcomes: list[Outcome] = []
    records = {each: records_to_restore(source, each) for each in connections}
    platforms = [each for each in connections if records[each]]
    with kept_if_interrupted([each for found in records.values() for each in found]) as so_far:
        for number, platform in enumerate(platforms):
            share = deadline.share(len(platforms) - number)
            connect, dry = connections[platform], safety.dry_run
            outcomes += restore_from(
                source, platform, connect, share, width, forced, dry, so_far=so_far
            )
    if not platforms:
        # A run has no ledger until it changes something.
        where = f"in {source.path}" if source.path.exists() else "because nothing was changed"
        logger.info(f"nothing to restore on {' and '.join(connections)} {where}")
    batch = raise_if_failed([*outcomes, *_on_unknown_platforms(source, connections)])
    return as_dry_run(batch) if safety.dry_run else batch


def restore_from(
    ledger: Ledger,
    platform: str,
    connect: Connect | None,
    deadline: Deadline,
    parallel: int,
    force: bool,
    dry_run: bool = False,
    so_far: dict[Key, Outcome] | None = None,
) -> list[Outcome]:
    """Restore the VMs of a platform on all its servers; returns one outcome for each.

    ``so_far`` gets the outcomes, also if the call is interrupted.

    Uses the run's own connection to a server, or else ``connect`` if that leads to the same
    server. Each server gets its share of the time, so that a dead one does not keep the others
    from being restored.
    """
    records = records_to_restore(ledger, platform)
    outcomes: list[Outcome] = []
    servers = list(dict.fromkeys(record.server for record in records))
    for number, server in enumerate(servers):
        seconds = max(deadline.share(len(servers) - number).remaining, _MIN_TIME)
        share = Deadline(seconds, deadline.clock)
        try:
            backend = _backend(ledger, platform, server, connect)
            outcomes += restore(backend, ledger, share, parallel, force, dry_run, so_far)
        except Exception as error:  # noqa: BLE001  # the other servers are restored all the same
            why = f"was not restored: {error_text(error)}"
            outcomes += [not_restored(record, why) for record in records if record.server == server]
    if outcomes and not dry_run:
        _log(outcomes)
        logger.info(summary_text(RESTORE, outcomes, deadline.elapsed))
    return outcomes


def _backend(ledger: Ledger, platform: str, server: str, connect: Connect | None) -> Backend:
    connected = ledger.backend(platform, server)
    if connected is not None:
        return connected
    if connect is None:
        raise ChaosVMError(f"this run has no connection to {server}")
    backend = connect()
    if backend.address != server:
        raise ChaosVMError(
            f"it is on {server}, but the settings lead to {backend.address}: restore it with the "
            f"settings for {server}, under this same name"
        )
    return backend


def _log(outcomes: Sequence[Outcome]) -> None:
    """What needs attention; a summary line has the rest."""
    for outcome in outcomes:
        if outcome.failed:
            logger.error(f"{RESTORE}: {outcome} {outcome.error}")
        elif outcome.changed:
            logger.debug(f"{RESTORE}: {outcome} is {outcome.after} again")
        elif outcome.detail == f"is {outcome.after} already":
            logger.debug(f"{RESTORE}: {outcome} {outcome.detail}")
        else:
            logger.info(f"{RESTORE}: {outcome} {outcome.detail}")


def _on_unknown_platforms(ledger: Ledger, requested: Iterable[str]) -> list[Outcome]:
    """A failure for each VM on a platform that is not registered, so that none is overlooked."""
    known = {*requested, *(registered.name for registered in PLATFORMS)}
    return [
        not_restored(
            record,
            f"was not restored: it is on a platform {record.platform!r}, which is not supported",
        )
        for record in ledger.vm_records()
        if record.platform not in known
    ]


def _resume(ledger: str) -> Ledger:
    expected = "the path of a ledger"
    path = values.path("ledger", ledger, expected)
    try:
        folder, exists, absolute = path.is_dir(), path.is_file(), path.absolute()
    except OSError as error:  # the name is too long, or the working directory is gone
        raise values.invalid("ledger", ledger, f"{expected} ({error.strerror})") from None
    if not exists:
        reason = _candidates(path) if folder else "there is no such file"
        raise values.invalid("ledger", ledger, f"{expected} ({reason})")
    return Ledger.resumed(absolute)


def _candidates(folder: Path) -> str:
    """The ledgers to choose from, the newest first."""
    unfinished, unreadable = unfinished_ledgers(folder)
    others = f"; unreadable: {listed(unreadable, _MAX_NAMED)}" if unreadable else ""
    if not unfinished:
        return f"this is a folder, and no ledger in it has anything to restore{others}"
    found = listed(unfinished, _MAX_NAMED)
    return f"this is a folder; ledgers in it with something to restore: {found}{others}"
