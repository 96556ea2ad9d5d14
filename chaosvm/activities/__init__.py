"""The activities that Chaos Toolkit calls, each defined once for all platforms.

``actions`` and ``probes`` hold the definitions; :class:`Binding` makes a
platform's own functions of them, which the platform's modules export.
"""

from __future__ import annotations

from chaosvm.activities.binding import Binding

__all__ = ["Binding"]
