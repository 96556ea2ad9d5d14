"""The engine's search language, as far as it can be trusted.

A search that the engine does not understand answers an empty list, a quote
cannot be escaped, and a star is a wildcard even within quotes. So a word that
could mean anything but itself is not searched for: the whole list is read
instead, and filtered here.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["by_names", "searchable"]

# Longer searches could be too long for a URL.
_MOST_WORDS = 100
_LONGEST_SEARCH = 4_000
_UNSAFE = frozenset("\"'*;\\%\n\r\t")


def searchable(word: str) -> bool:
    """Can the engine be asked for exactly this word?"""
    return bool(word) and word == word.strip() and not _UNSAFE.intersection(word)


def by_names(names: Sequence[str]) -> str | None:
    """A search for the VMs of these names; None if there is none that is safe."""
    if not names or len(names) > _MOST_WORDS or not all(searchable(name) for name in names):
        return None
    search = " or ".join(f'name="{name}"' for name in names)
    return search if len(search) <= _LONGEST_SEARCH else None
