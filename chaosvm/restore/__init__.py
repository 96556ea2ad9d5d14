"""Puts VMs back into the state they had before a run changed them.

After a run that ended, and after one that was killed.
"""

from __future__ import annotations

from chaosvm.restore.recovery import restore_everywhere, restore_from, restore_on
from chaosvm.restore.undo import as_dry_run, raise_if_failed, restore

__all__ = [
    "as_dry_run",
    "raise_if_failed",
    "restore",
    "restore_everywhere",
    "restore_from",
    "restore_on",
]
