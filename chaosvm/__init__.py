"""Chaos Toolkit extension for virtual machines on VMware vSphere and oVirt."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from typing import Any

from chaoslib.types import Discovery

__all__ = ["__version__", "discover"]

__version__ = "0.1.0"

logger = logging.getLogger("chaostoolkit")


def discover(discover_system: bool = True) -> Discovery:
    """Activities of every platform and, where the environment names a server, what it holds.

    Called by ``chaos discover chaosvm``. A platform that is not configured, or
    cannot be reached, does not keep the others from being discovered.
    """
    from chaoslib.discovery.discover import initialize_discovery_result

    logger.info("Discovering capabilities from chaostoolkit-vm")
    discovery = initialize_discovery_result("chaostoolkit-vm", __version__, "vm")
    systems: dict[str, Any] = {}
    for platform in _platforms():
        found = platform.discover(discover_system)
        discovery["activities"].extend(found["activities"])
        if found["system"] is not None:
            systems[platform.__name__.rsplit(".", 1)[-1]] = found["system"]
    discovery["system"] = systems or None
    return discovery


def _platforms() -> list[Any]:
    """The subpackages that have a discover() of their own."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]
    packages = [importlib.import_module(f"{__name__}.{name}") for name in sorted(names)]
    return [package for package in packages if hasattr(package, "discover")]
