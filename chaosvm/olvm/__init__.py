"""oVirt and OLVM: power actions and probes on the VMs of an engine.

``actions`` and ``probes`` are for experiments, ``OLVMPlatform`` for Python.
The SDK (extra ``olvm``) is imported when it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chaoslib.types import Discovery

from chaosvm.activities import discover_platform, shared_connection
from chaosvm.errors import MissingExtra
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.settings import Safety, load

if TYPE_CHECKING:
    from chaosvm.olvm.platform import OLVMPlatform

__all__ = ["OLVMPlatform", "discover", "olvm"]


def olvm(
    configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None
) -> OLVMPlatform:
    """The engine that an activity is meant for, connected when first used and then shared.

    Raises InvalidValue for settings that cannot be used, and MissingExtra
    without the SDK.
    """
    settings = load(OLVMSettings, configuration, secrets)
    safety = Safety.of_activity(configuration, secrets)
    return shared_connection(_platform_class().from_settings, settings, safety)


def discover(discover_system: bool = True) -> Discovery:
    """OLVM's activities and, with OLVM_URL and its like set, the engine's inventory."""

    def describe() -> dict[str, Any]:
        return olvm(None, None).system()

    return discover_platform(__name__, OLVMSettings, describe, discover_system)


def _platform_class() -> type[OLVMPlatform]:
    try:
        import pycurl  # noqa: F401
    except ImportError:
        raise MissingExtra(
            "OLVM needs the oVirt SDK, which is not installed: pip install 'chaostoolkit-vm[olvm]'"
        ) from None
    from chaosvm.olvm.platform import OLVMPlatform

    return OLVMPlatform


def __getattr__(name: str) -> Any:
    if name == "OLVMPlatform":
        return _platform_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
