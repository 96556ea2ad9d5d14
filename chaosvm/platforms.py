"""The registry of platforms: each is a folder and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

__all__ = ["PLATFORMS", "Platform", "platform_title"]


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform's name, and where its settings and its connection are.

    Both are import strings, ``module:name``, so that nothing is imported before
    it is used. ``acts`` is false for an inventory whose VMs belong to another
    platform: the ledger has no entries for it. ``title`` is its name in sentences.
    """

    name: str
    title: str
    settings: str
    connection: str
    acts: bool = True

    @property
    def package(self) -> str:
        return self.settings.partition(":")[0].rpartition(".")[0]

    def load_settings(self) -> type[Any]:
        """Import the class of its settings."""
        kind: type[Any] = resolve_name(self.settings)
        return kind

    def connect(
        self, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None
    ) -> Any:
        """Return its shared connection; raises InvalidValue for invalid settings."""
        return resolve_name(self.connection)(configuration, secrets)


PLATFORMS = (
    Platform(
        "vsphere", "vSphere", "chaosvm.vsphere.settings:VSphereSettings", "chaosvm.vsphere:vsphere"
    ),
    Platform("olvm", "OLVM", "chaosvm.olvm.settings:OLVMSettings", "chaosvm.olvm:olvm"),
    Platform("dora", "Dora", "chaosvm.dora.settings:DoraSettings", "chaosvm.dora:dora", acts=False),
)


def platform_title(name: str) -> str:
    """The platform's name in sentences; the name itself if there is no such platform."""
    return next((each.title for each in PLATFORMS if each.name == name), name)
