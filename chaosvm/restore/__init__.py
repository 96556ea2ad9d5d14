"""Restores the power states that VMs had before a run changed them.

Works after a run that ended, and from the ledger of one that was killed.
"""

from __future__ import annotations

from chaosvm.restore.recovery import restore_everywhere, restore_from, restore_on
from chaosvm.restore.results import as_dry_run, kept_if_interrupted, raise_if_failed
from chaosvm.restore.undo import records_to_restore, restore

__all__ = [
    "as_dry_run",
    "kept_if_interrupted",
    "raise_if_failed",
    "records_to_restore",
    "restore",
    "restore_everywhere",
    "restore_from",
    "restore_on",
]
