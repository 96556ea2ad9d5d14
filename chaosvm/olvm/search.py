"""Builds queries in the safe part of the engine's search language.

The engine returns an empty list for a query that it does not understand, a
quote cannot be escaped, and a star is a wildcard even within quotes. So queries
are simple by construction: letters, digits, ``-``, ``_`` and ``.`` in quotes,
with a star in place of anything else. Callers filter the results: a query may
match too many VMs, but never too few.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from urllib.parse import quote_plus

__all__ = ["TagPattern", "by_names", "by_tag", "narrowing", "searchable"]

# Keeps queries, percent-encoded, within the length of a URL.
_MAX_CONDITIONS = 100
_MAX_LENGTH = 6_000
# More would take as long as the whole list.
_MAX_SEARCHES = 10

_PLAIN = re.compile(r"[A-Za-z0-9_-]")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.-]+")
_SET = re.compile(r"\[!?\]?[^\]]*\]")
# From the keys of a selection to the fields of the search.
_FIELDS = {
    "name": "name",
    "tag": "tag",
    "cluster": "cluster",
    "datacenter": "datacenter",
    "host": "host",
    "power_state": "status",
}
# At most one condition on each of these: the engine finds nothing for two hosts.
_ONCE = frozenset(("host", "tag"))
# The engine caches a query for a day with the tags that matched at first, so that it
# misses tags created since. It does not cache a query with a star.
_UNCACHED = "name=*"
# The power states that are exactly one status of the engine.
_STATUSES = {"powered_on": "up", "powered_off": "down", "suspended": "suspended"}


def searchable(name: str) -> bool:
    """True if a query can match exactly this name; so can every name that oVirt allows."""
    return bool(name) and all(letter.isalnum() or letter in "-_." for letter in name)


def by_names(names: Sequence[str]) -> list[str] | None:
    """A few queries that match these VMs; None if one would not be safe, or there are too many."""
    if not names or len(names) > _MAX_CONDITIONS * _MAX_SEARCHES:
        return None
    searches: list[list[str]] = []
    remaining = 0
    for name in names:
        condition = f'name="{name}"'
        if not searchable(name):
            return None
        length = len(quote_plus(f"{condition} or "))
        if length > _MAX_LENGTH:
            return None
        if length > remaining or len(searches[-1]) == _MAX_CONDITIONS:
            searches.append([])
            remaining = _MAX_LENGTH
        searches[-1].append(condition)
        remaining -= length
    return [" or ".join(each) for each in searches] if len(searches) <= _MAX_SEARCHES else None


# Tags ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TagPattern:
    """A Java regular expression for a tag's name: plain characters and dots only."""

    text: str

    @classmethod
    def of(cls, name: str) -> TagPattern | None:
        """A pattern with a dot for each character that is not plain; None if that is not safe."""
        if not name or not name.isprintable():
            return None
        return cls("".join(letter if _PLAIN.match(letter) else "." for letter in name))

    def may_match(self, name: str) -> bool:
        """True if the engine may match a tag of this name."""
        return re.fullmatch(self.text, name, re.DOTALL | re.IGNORECASE) is not None

    def ignoring_case(self) -> TagPattern:
        """The engine matches case otherwise. Ignores the case of ASCII letters only."""
        return TagPattern(f"(?i){self.text}")


def by_tag(pattern: TagPattern) -> str:
    return f'tag="{pattern.text}" and {_UNCACHED}'


# Several fields --------------------------------------------------------------------------


def narrowing(criteria: Mapping[str, Sequence[str]]) -> str | None:
    """A query for the VMs that match every key by one of its globs, and perhaps for others.

    None if a query would not exclude anything.
    """
    fields = {
        key: conditions
        for key, globs in criteria.items()
        if (conditions := _conditions(key, globs))
    }
    for key in _ONCE & fields.keys():
        if any(len(conditions) > 1 for conditions in fields.values()):
            del fields[key]
    while prod(len(conditions) for conditions in fields.values()) > _MAX_CONDITIONS:
        del fields[max(fields, key=lambda key: len(fields[key]))]
    if not fields:
        return None
    # "and" binds tighter than "or", and the language has no parentheses.
    alternatives = (" and ".join(each) for each in product(*fields.values()))
    search = " or ".join(dict.fromkeys(alternatives))
    if "tag" in fields and "*" not in search:
        search = f"{search} and {_UNCACHED}"
    return search if len(quote_plus(search)) <= _MAX_LENGTH else None


def _conditions(key: str, globs: Sequence[str]) -> tuple[str, ...]:
    """One condition for each glob; empty if one of the globs could match anything."""
    field = _FIELDS.get(key)
    if field is None:
        return ()
    if key == "power_state":
        statuses = [_STATUSES.get(state) for state in globs]
        return () if None in statuses else tuple(f"status={status}" for status in statuses)
    patterns = [_pattern(glob) for glob in globs]
    return () if None in patterns else tuple(f'{field}="{pattern}"' for pattern in patterns)


def _pattern(glob: str) -> str | None:
    """The glob with a star in place of what is not plain; None if it would match anything."""
    pattern = _NOT_PLAIN.sub("*", _SET.sub("*", glob))
    return pattern if pattern.strip("*") else None
