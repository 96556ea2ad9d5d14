"""Settings: the address of the vCenter, and how to log in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaosvm.settings import Settings, addresses, setting, values

__all__ = ["VSphereSettings"]


@dataclass(frozen=True)
class VSphereSettings(Settings):
    """See ``docs/settings.md``. ``timeout`` in seconds limits a probe, and each single request."""

    prefix: ClassVar[str] = "vsphere"
    essential: ClassVar[tuple[str, ...]] = ("server", "username", "password")

    server: str = setting(addresses.host_name, required=True)
    username: str = setting(values.string, required=True)
    password: str = setting(values.secret, required=True, secret=True)
    port: int = setting(addresses.port, 443)
    ca_file: str | None = setting(addresses.ca_file)
    insecure: bool = setting(values.boolean, False)
    timeout: float = setting(values.timeout_seconds, 60.0, rehearsed=True)

    @property
    def addresses(self) -> frozenset[tuple[str, int]]:
        return frozenset({(self.server, self.port)})
