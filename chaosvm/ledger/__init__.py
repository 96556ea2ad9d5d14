"""What a run is about to change, on disk before it is changed, and how it ended.

``restore`` reads it to put the VMs back.
"""

from __future__ import annotations

from chaosvm.ledger.file import LedgerFile
from chaosvm.ledger.folder import FOLDER, prune_ledgers, unfinished_ledgers
from chaosvm.ledger.history import TARGET_STATES, Key, OperationRecord, VMRecord
from chaosvm.ledger.ledger import Ledger, block_run, ledger_for_run, ledgers_of_run

__all__ = [
    "FOLDER",
    "Key",
    "Ledger",
    "LedgerFile",
    "OperationRecord",
    "TARGET_STATES",
    "VMRecord",
    "block_run",
    "ledger_for_run",
    "ledgers_of_run",
    "prune_ledgers",
    "unfinished_ledgers",
]
