"""Worlds from files: ready-made ones, one's own, and copies of one's own estate.

``load`` reads them all; ``docs/lab.md`` has the format.
"""

from __future__ import annotations

from chaosvm.lab.worlds.loading import Described, Source, load, ready_made

__all__ = ["Described", "Source", "load", "ready_made"]
