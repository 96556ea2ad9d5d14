"""Undoing a whole run: which servers it touched, and the connections to them.

``undo.py`` does it on one server. Here it is found out where there is something
to undo at all, so that an experiment that touched one platform needs no
settings for the other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaosvm.backend import Backend
from chaosvm.errors import ChaosVMError
from chaosvm.ledger import Ledger, ledger_for_run
from chaosvm.outcome import Batch, Outcome
from chaosvm.platforms import PLATFORMS
from chaosvm.restore.undo import (
    as_dry_run,
    error_text,
    not_restored,
    raise_if_failed,
    records_to_restore,
    restore,
)
from chaosvm.runtime import Deadline
from chaosvm.settings import Safety, values

__all__ = ["restore_from", "restore_on"]

logger = logging.getLogger("chaostoolkit")

Connect = Callable[[], Backend]

_LEAST_TIME = 0.1  # seconds


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
    """Undo what this run, or the runs of the ledger that is named, changed on one platform."""
    seconds = values.timeout_seconds("timeout", timeout)
    width = values.integer("parallel", parallel, 1, Backend.max_parallel)
    forced = values.boolean("force", force)
    safety = Safety.of_activity(configuration, secrets)
    source = _resumed(ledger) if ledger != "" else ledger_for_run(safety.ledger)
    deadline, dry = Deadline(seconds), safety.dry_run
    outcomes = restore_from(source, platform, connect, deadline, width, forced, dry)
    batch = raise_if_failed([*outcomes, *_on_unknown_platforms(source, platform)])
    return as_dry_run(batch) if dry else batch


def restore_from(
    ledger: Ledger,
    platform: str,
    connect: Connect | None,
    deadline: Deadline,
    parallel: int,
    force: bool,
    dry_run: bool = False,
) -> list[Outcome]:
    """One outcome for each VM that the ledger has of a platform, whatever its server.

    A server is reached as the run itself reached it or, where ``connect`` leads
    to it, by that. Each server has its share of the time, so that one that is
    dead does not keep the others from being restored.
    """
    wanted = records_to_restore(ledger, platform)
    if not wanted:
        logger.info(f"{platform}: there is nothing to restore according to {ledger.path}")
        return []
    outcomes: list[Outcome] = []
    servers = list(dict.fromkeys(record.server for record in wanted))
    for number, server in enumerate(servers):
        there = [record for record in wanted if record.server == server]
        seconds = max(deadline.share(len(servers) - number).remaining, _LEAST_TIME)
        share = Deadline(seconds, deadline.clock)
        try:
            reached = _reach(ledger, platform, server, connect)
            outcomes += restore(reached, ledger, share, parallel, force, dry_run)
        except Exception as error:  # noqa: BLE001  # the other servers are restored all the same
            why = f"was not restored: {error_text(error)}"
            outcomes += [not_restored(record, why) for record in there]
    if not dry_run:
        _tell(outcomes)
    return outcomes


def _reach(ledger: Ledger, platform: str, server: str, connect: Connect | None) -> Backend:
    known = ledger.platform(platform, server)
    if known is not None:
        return known
    if connect is None:
        raise ChaosVMError(f"this run has no connection to {server}")
    made = connect()
    if made.address != server:
        raise ChaosVMError(
            f"it is on {server}, and the settings lead to {made.address}: restore it with the "
            "settings of that server, named as it was then"
        )
    return made


def _tell(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.failed:
            logger.error(f"restore: {outcome} {outcome.error}")
        elif outcome.changed:
            logger.info(f"restore: {outcome} is {outcome.after} again")
        else:
            logger.info(f"restore: {outcome} {outcome.detail}")


def _on_unknown_platforms(ledger: Ledger, platform: str) -> list[Outcome]:
    """What no version of this action can put back: a failure, so that it is not overlooked."""
    known = {platform, *(each.name for each in PLATFORMS)}
    return [
        not_restored(
            record,
            f"was not restored: it is on a platform {record.platform!r}, which is not known",
        )
        for record in ledger.vm_records()
        if record.platform not in known
    ]


def _resumed(ledger: str) -> Ledger:
    expected = "the path of a ledger, as a run wrote it"
    path = values.path("ledger", ledger, expected)
    try:
        found, path = path.is_file(), path.absolute()
    except OSError as error:  # it is too long, or the working directory is gone
        raise values.invalid("ledger", ledger, f"{expected} ({error.strerror})") from None
    if not found:
        raise values.invalid("ledger", ledger, f"{expected} (there is no such file)")
    return Ledger.resumed(path)
