"""Dora's address, credentials and environments."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from chaosvm.dora.environments import (
    EnvironmentRegistry,
    builtin_environments,
    parse_environments,
)
from chaosvm.settings import Settings, addresses, setting, values

__all__ = ["DoraSettings", "Scheme"]


class Scheme(StrEnum):
    HTTP = "http"
    HTTPS = "https"


def _scheme(key: str, value: Any) -> str:
    return values.choice(key, value, Scheme).value


def _in_path(key: str, value: Any) -> str:
    """Any character is allowed, as it is percent-encoded."""
    return values.secret(key, value, any_character=True)


@dataclass(frozen=True)
class DoraSettings(Settings):
    """See ``docs/settings.md``. ``timeout`` in seconds bounds a probe."""

    prefix: ClassVar[str] = "dora"
    essential: ClassVar[tuple[str, ...]] = ("host", "username", "password")

    host: str = setting(addresses.host_name, required=True)
    # Both are sent in the path of a URL, so both are secret.
    username: str = setting(_in_path, required=True, secret=True)
    password: str = setting(_in_path, required=True, secret=True)
    api_port: int = setting(addresses.port, 8000)
    auth_port: int = setting(addresses.port, 51051)
    scheme: str = setting(_scheme, "http")
    ca_file: str | None = setting(addresses.ca_file)
    timeout: float = setting(values.timeout_seconds, 20.0, rehearsed=True)
    environments: EnvironmentRegistry | None = setting(parse_environments, rehearsed=True)

    @property
    def addresses(self) -> frozenset[tuple[str, int]]:
        return frozenset({(self.host, self.api_port), (self.host, self.auth_port)})

    @property
    def catalogue(self) -> EnvironmentRegistry:
        return self.environments or builtin_environments()
