"""The engine's search language, as far as it can be trusted.

A search that the engine does not understand answers an empty list, a quote
cannot be escaped, and a star is a wildcard even within quotes. So a word that
could mean anything but itself is not searched for: the whole list is read
instead, and filtered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote_plus

__all__ = ["by_names", "searchable"]

# Longer searches could be too long for a URL, which is counted as it is sent.
_MOST_WORDS = 100
_LONGEST_SEARCH = 6_000
# More of them would cost what the whole list does.
_MOST_SEARCHES = 10
_UNSAFE = frozenset("\"'*;\\%\n\r\t")


def searchable(word: str) -> bool:
    """Can the engine be asked for exactly this word?"""
    return bool(word) and word == word.strip() and not _UNSAFE.intersection(word)


def by_names(names: Sequence[str]) -> list[str] | None:
    """The few searches for the VMs of these names; None if none are safe, or too many."""
    if not names or len(names) > _MOST_WORDS * _MOST_SEARCHES:
        return None
    searches: list[list[str]] = []
    room = 0
    for name in names:
        condition = f'name="{name}"'
        length = len(quote_plus(f"{condition} or "))
        if not searchable(name) or length > _LONGEST_SEARCH:
            return None
        if length > room or len(searches[-1]) == _MOST_WORDS:
            searches.append([])
            room = _LONGEST_SEARCH
        searches[-1].append(condition)
        room -= length
    return [" or ".join(each) for each in searches] if len(searches) <= _MOST_SEARCHES else None
