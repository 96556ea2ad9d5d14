"""Options of a lab, shared by all protocol servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """See ``Lab`` for their meaning."""

    username: str
    password: str
    token_seconds: float | None = None
    dora_tls: bool = False
    dora_lag: float = 0.0
    dora_estates: Mapping[str, Mapping[str, Sequence[str]]] | None = None
    dora_bare: bool = False
    # That of the servers with TLS, which some of them offer to their clients.
    ca_certificate: str = ""
