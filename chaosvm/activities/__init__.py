"""The activities that Chaos Toolkit calls, each defined once for all platforms.

``actions``, ``plans`` and ``probes`` hold the definitions; :class:`Binding` makes a
platform's own functions of them, which the platform's modules export.
"""

from __future__ import annotations

from chaosvm.activities.binding import Binding
from chaosvm.activities.connections import shared_connection
from chaosvm.activities.discovery import discover_platform

__all__ = ["Binding", "discover_platform", "shared_connection"]
