"""Dora: one read-only inventory in front of many vCenters.

``actions`` and ``probes`` are for experiments, ``DoraClient`` for Python. The
HTTP client is imported on first use.
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
    """Return the shared client for an activity; it logs in with its first request.

    Raises InvalidValue for invalid settings.
    """
    load(Safety, configuration, secrets)  # raises for a misspelt chaosvm_* key
    return shared_connection(
        _client_class().from_settings, load(DoraSettings, configuration, secrets)
    )


def discover(discover_system: bool = True) -> Discovery:
    """Return the activities and, if Dora is configured by DORA_*, the environments with counts."""
    return discover_platform(__name__, DoraSettings, _system, discover_system)


def _system() -> dict[str, Any]:
    client = dora(None, None)
    results = client.inventories()
    return {
        "host": client.settings.host,
        "environments": [
            {**environment.to_json(), **_counts(results[environment.name])}
            for environment in client.catalogue.environments
        ],
    }


def _counts(result: Any) -> dict[str, Any]:
    if isinstance(result, ChaosVMError):
        return {"error": str(result)}
    return {"counts": result.counts()}


def _client_class() -> type[DoraClient]:
    from chaosvm.dora.client import DoraClient

    return DoraClient


def __getattr__(name: str) -> Any:
    if name == "DoraClient":
        return _client_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
