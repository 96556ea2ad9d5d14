"""VMware vSphere: power actions and probes on the VMs of a vCenter.

``actions`` and ``probes`` are for experiments, ``VSpherePlatform`` for Python.
The SDK (extra ``vsphere``) is imported when it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chaoslib.types import Discovery

from chaosvm.activities import discover_platform, shared_connection
from chaosvm.errors import MissingExtra
from chaosvm.settings import Safety, load
from chaosvm.vsphere.settings import VSphereSettings

if TYPE_CHECKING:
    from chaosvm.vsphere.platform import VSpherePlatform

__all__ = ["VSpherePlatform", "discover", "vsphere"]


def vsphere(
    configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None
) -> VSpherePlatform:
    """The vCenter of an activity; it connects on first use and is shared by the run.

    Raises InvalidValue for invalid settings, and MissingExtra without pyvmomi.
    """
    settings = load(VSphereSettings, configuration, secrets)
    safety = Safety.of_activity(configuration, secrets)
    return shared_connection(_platform_class().from_settings, settings, safety)


def discover(discover_system: bool = True) -> Discovery:
    """vSphere's activities, and the vCenter's inventory if VSPHERE_SERVER and so on are set."""
    return discover_platform(
        __name__, VSphereSettings, lambda: vsphere(None, None).system(), discover_system
    )


def _platform_class() -> type[VSpherePlatform]:
    try:
        import pyVmomi  # noqa: F401
    except ImportError:
        raise MissingExtra(
            "vSphere needs pyvmomi, which is not installed: pip install 'chaostoolkit-vm[vsphere]'"
        ) from None
    from chaosvm.vsphere.platform import VSpherePlatform

    return VSpherePlatform


def __getattr__(name: str) -> Any:
    if name == "VSpherePlatform":
        return _platform_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
