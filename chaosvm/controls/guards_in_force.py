"""The guards of a run, in words: each limit, and how much of it the run used."""

from collections.abc import Mapping, Sequence
from typing import Any

from chaosvm.guards import GuardResult, counter_for
from chaosvm.ledger import Ledger
from chaosvm.observe.timeline import Guard
from chaosvm.settings import Safety

__all__ = ["guards_in_force"]


def guards_in_force(safety: Safety, ledgers: Sequence[Ledger]) -> list[Guard]:
    """All guards, including those that are not set."""
    results: dict[tuple[str, str], GuardResult] = {}
    for ledger in ledgers:
        results.update(counter_for(ledger).results)
    changed = sum(len(ledger.history.changed_vms(ledger.run)) for ledger in ledgers)
    return [
        Guard(
            name="chaosvm_max_vms",
            limit=None if safety.max_vms is None else str(safety.max_vms),
            used=str(changed),
        ),
        *_limits("chaosvm_max_percent", _percents(safety), results),
        *_limits("chaosvm_min_running", _min_running(safety), results),
        Guard(name="chaosvm_protect", limit=", ".join(safety.protect) or None),
        Guard(name="chaosvm_protect_tag", limit=", ".join(safety.protect_tag) or None),
    ]


def _percents(safety: Safety) -> str | None:
    if safety.max_percent is None:
        return None
    shares = {
        "the inventory": safety.max_percent.inventory,
        "each cluster": safety.max_percent.cluster,
        "each host": safety.max_percent.host,
    }
    return ", ".join(
        f"{share:g} % of {what}" for what, share in shares.items() if share is not None
    )


def _min_running(safety: Safety) -> str | None:
    return None if safety.min_running is None else str(safety.min_running)


def _limits(name: str, limit: str | None, results: Mapping[tuple[str, str], Any]) -> list[Guard]:
    """One for each scope that was checked, or the limit alone."""
    checked = [result for (key, _), result in results.items() if key == name]
    if limit is None or not checked:
        return [Guard(name=name, limit=limit)]
    return [
        Guard(name=name, limit=f"{result.limit} of {result.scope}", used=_used(result))
        for result in checked
    ]


def _used(result: GuardResult) -> str:
    of = "" if result.of is None else f" of {result.of}"
    return f"{result.would_be}{of}"
