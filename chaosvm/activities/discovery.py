"""Discovery, the same for every platform."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from chaoslib.discovery.discover import (
    discover_actions,
    discover_probes,
    initialize_discovery_result,
)
from chaoslib.types import Discovery

import chaosvm
from chaosvm.errors import ChaosVMError
from chaosvm.settings import Settings
from chaosvm.settings.loading import configured

__all__ = ["discover_platform"]

logger = logging.getLogger("chaostoolkit")


def discover_platform(
    package: str,
    settings: type[Settings],
    describe: Callable[[], dict[str, Any]],
    discover_system: bool,
) -> Discovery:
    """The activities of the package and, if the platform is configured, its description.

    If ``describe`` fails, discovery still succeeds, with the reason in ``system``,
    under ``error``.
    """
    discovery = initialize_discovery_result("chaostoolkit-vm", chaosvm.__version__, package)
    discovery["activities"].extend(discover_actions(f"{package}.actions"))
    discovery["activities"].extend(discover_probes(f"{package}.probes"))
    if discover_system:
        discovery["system"] = _system(package, settings, describe)
    return discovery


def _system(
    package: str, settings: type[Settings], describe: Callable[[], dict[str, Any]]
) -> dict[str, Any] | None:
    if not configured(settings):
        variables = ", ".join(f"{settings.prefix}_{name}".upper() for name in settings.essential)
        logger.info(
            f"{package}: only activities are discovered; for the inventory, set {variables}"
        )
        return None
    try:
        system = describe()
    except ChaosVMError as error:
        logger.warning(f"{package}: the system is not discovered: {error}")
        return {"error": str(error)}
    if counts := system.get("counts"):
        logger.info(f"{package}: discovered {counts['vms']} VM(s), {counts['hosts']} host(s)")
    return system
