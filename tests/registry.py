"""The registered platforms that the lab simulates, by name."""

from __future__ import annotations

from chaosvm.lab.lab import is_simulated
from chaosvm.platforms import PLATFORMS

__all__ = ["ACTING", "SIMULATED"]

SIMULATED = tuple(each.name for each in PLATFORMS if is_simulated(each.name))
# Those whose own VMs they power on and off.
ACTING = tuple(each.name for each in PLATFORMS if each.acts and each.name in SIMULATED)
