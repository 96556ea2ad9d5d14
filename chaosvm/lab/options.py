"""What a lab is asked to be like: each face takes what concerns it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """See ``Lab`` for what they mean."""

    username: str
    password: str
    real_size: bool = False
    token_seconds: float | None = None
