"""What is about to be changed, on disk before it is changed, and what became of it.

``restore`` puts back what a ledger names.
"""

from __future__ import annotations

from chaosvm.ledger.file import LedgerFile
from chaosvm.ledger.history import TARGET_STATES, Key, OperationRecord, VMRecord
from chaosvm.ledger.ledger import Ledger, block_run, ledger_for_run

__all__ = [
    "Key",
    "Ledger",
    "LedgerFile",
    "OperationRecord",
    "TARGET_STATES",
    "VMRecord",
    "block_run",
    "ledger_for_run",
]
