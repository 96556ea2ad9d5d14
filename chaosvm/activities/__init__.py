"""The activities that Chaos Toolkit calls, each defined once for all platforms.

``actions``, ``batch_actions``, ``plans``, ``probes``, ``guest_probes``,
``recovery_probes`` and ``server_probes`` have the definitions.
:class:`Binding` turns them into a platform's own functions.
"""

from __future__ import annotations

from chaosvm.activities.binding import Binding
from chaosvm.activities.connections import shared_connection
from chaosvm.activities.discovery import discover_platform

__all__ = ["Binding", "discover_platform", "shared_connection"]
