"""World files: ready-made worlds, your own, and copies of an exported inventory.

``load`` reads all of them; ``docs/lab.md`` describes the format.
"""

from __future__ import annotations

from chaosvm.lab.world_files.loading import Described, Source, load, ready_made

__all__ = ["Described", "Source", "load", "ready_made"]
