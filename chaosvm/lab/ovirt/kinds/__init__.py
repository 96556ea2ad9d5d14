"""The kinds of objects that only the engine has, as tables.

Their elements, defaults, faults and events are recorded from a real engine.
"""

from __future__ import annotations

from collections.abc import Sequence

from chaosvm.lab.ovirt.kinds.access import ACCESS
from chaosvm.lab.ovirt.kinds.compute import COMPUTE
from chaosvm.lab.ovirt.kinds.network import NETWORK
from chaosvm.lab.ovirt.kinds.storage import STORAGE
from chaosvm.lab.ovirt.registry import Kind

__all__ = ["KINDS"]

KINDS: Sequence[Kind] = (*NETWORK, *STORAGE, *COMPUTE, *ACCESS)
