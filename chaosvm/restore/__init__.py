"""Restores the power states that VMs had before a run changed them.

Works after a run that ended, and from the ledger of one that was killed.
"""

from __future__ import annotations

from chaosvm.restore.recovery import restore_from, restore_on
from chaosvm.restore.results import as_dry_run, raise_if_failed
from chaosvm.restore.undo import restore

__all__ = ["as_dry_run", "raise_if_failed", "restore", "restore_from", "restore_on"]
