"""Which VMs: filters, names and samples, applied to an inventory.

Nothing here talks to a platform.
"""

from __future__ import annotations

from chaosvm.selection.argument import VMSelection, parse_text
from chaosvm.selection.names import NameMatcher, VMIndex, find_one, folded, spellings
from chaosvm.selection.result import (
    ImmutableCheck,
    ProtectionCheck,
    SelectionResult,
    blocked_reasons,
    refused_error,
)
from chaosvm.selection.selection import Selection

__all__ = [
    "ImmutableCheck",
    "NameMatcher",
    "ProtectionCheck",
    "Selection",
    "SelectionResult",
    "VMIndex",
    "VMSelection",
    "blocked_reasons",
    "find_one",
    "folded",
    "parse_text",
    "refused_error",
    "spellings",
]
