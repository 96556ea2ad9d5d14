"""The activities that Chaos Toolkit calls, each defined once for all platforms.

``actions``, ``batch_actions``, ``plans``, ``probes``, ``guest_probes``,
``recovery_probes`` and ``server_probes`` have the definitions.
:class:`Binding` turns them into a platform's own functions, with its :class:`Words`.
"""

from __future__ import annotations

from chaosvm.activities.binding import Binding
from chaosvm.activities.connections import shared_connection
from chaosvm.activities.discovery import discover_platform
from chaosvm.activities.words import Words

__all__ = ["Binding", "Words", "discover_platform", "shared_connection"]
