"""Starts programs so that signals reach them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["heeding_signals"]

# Whoever runs the tests may ignore a signal, as `nohup` and shells do for what they
# start in the background, and a child would inherit that. Not by preexec_fn, which
# is not safe in a process with threads.
_DEFAULTS = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def heeding_signals(command: Sequence[str]) -> list[str]:
    """The same command, begun with the default handling of signals; the first word is a path."""
    return [sys.executable, "-I", "-S", "-c", _DEFAULTS, *command]
