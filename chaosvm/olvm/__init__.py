"""oVirt and OLVM: power actions and probes on the VMs of an engine.

``actions`` and ``probes`` are for experiments, ``OLVMPlatform`` for Python.
libcurl (extra ``olvm``) is imported on first use.
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
    """The engine for an activity, connected on first use and then shared.

    Raises InvalidValue for unusable settings, and MissingExtra without the
    extra ``olvm``.
    """
    settings = load(OLVMSettings, configuration, secrets)
    safety = Safety.of_activity(configuration, secrets)
    return shared_connection(_platform_class().from_settings, settings, safety)


def discover(discover_system: bool = True) -> Discovery:
    """OLVM's activities and, if OLVM_URL and the other variables are set, the inventory."""
    return discover_platform(
        __name__, OLVMSettings, lambda: olvm(None, None).system(), discover_system
    )


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
