"""Dora: one read-only inventory in front of many vCenters.

``actions`` and ``probes`` are for experiments, ``DoraClient`` for Python. What
speaks to Dora is imported when it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chaoslib.types import Discovery

from chaosvm.activities import discover_platform, shared_connection
from chaosvm.dora.settings import DoraSettings
from chaosvm.errors import ChaosVMError
from chaosvm.settings import Safety, load

if TYPE_CHECKING:
    from chaosvm.dora.client import DoraClient

__all__ = ["DoraClient", "discover", "dora"]


def dora(configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None) -> DoraClient:
    """The Dora that an activity is meant for, asked for a login when first used, then shared.

    Raises InvalidValue for settings that cannot be used.
    """
    load(Safety, configuration, secrets)  # so that a key that is misspelt does not go unnoticed
    return shared_connection(
        _client_class().from_settings, load(DoraSettings, configuration, secrets)
    )


def discover(discover_system: bool = True) -> Discovery:
    """Dora's activities and, with DORA_HOST and its like set, the environments with counts."""
    return discover_platform(__name__, DoraSettings, _system, discover_system)


def _system() -> dict[str, Any]:
    client = dora(None, None)
    found = client.inventories()
    return {
        "host": client.settings.host,
        "environments": [
            {**environment.to_json(), **_counted(found[environment.name])}
            for environment in client.catalogue.environments
        ],
    }


def _counted(told: Any) -> dict[str, Any]:
    return {"error": str(told)} if isinstance(told, ChaosVMError) else {"counts": told.counts()}


def _client_class() -> type[DoraClient]:
    from chaosvm.dora.client import DoraClient

    return DoraClient


def __getattr__(name: str) -> Any:
    if name == "DoraClient":
        return _client_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
