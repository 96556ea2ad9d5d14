"""The operations that activities and Python code call, on any platform.

A service has a backend, guards and a ledger.
"""

from __future__ import annotations

from chaosvm.service.service import VMService
from chaosvm.service.system import system_description

__all__ = ["VMService", "system_description"]
