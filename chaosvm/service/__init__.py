"""The operations that activities and Python code call, on any platform.

A service has a backend, guards and a ledger.
"""

from __future__ import annotations

from chaosvm.service.service import VMService

__all__ = ["VMService"]
