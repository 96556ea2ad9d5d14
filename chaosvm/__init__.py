"""Chaos Toolkit extension for virtual machines on VMware vSphere and oVirt."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from chaoslib.types import Discovery

from chaosvm.platforms import PLATFORMS

__all__ = ["__version__", "discover"]

__version__ = "0.1.0"

logger = logging.getLogger("chaostoolkit")


def discover(discover_system: bool = True) -> Discovery:
    """Discover the activities of every platform, and the system where a server is configured.

    Called by ``chaos discover chaosvm``. A platform that is not configured, or
    cannot be reached, does not prevent the discovery of the others.
    """
    from chaoslib.discovery.discover import discover_actions, initialize_discovery_result

    logger.info("Discovering capabilities from chaostoolkit-vm")
    discovery = initialize_discovery_result("chaostoolkit-vm", __version__, "vm")
    discovery["activities"].extend(discover_actions("chaosvm.actions"))
    systems: dict[str, Any] = {}
    for platform in PLATFORMS:
        capabilities = import_module(platform.package).discover(discover_system)
        discovery["activities"].extend(capabilities["activities"])
        if capabilities["system"] is not None:
            systems[platform.name] = capabilities["system"]
    discovery["system"] = systems or None
    return discovery
