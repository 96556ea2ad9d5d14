"""The engine's search language, as far as it can be trusted.

A search that the engine does not understand answers an empty list, a quote
cannot be escaped, and a star is a wildcard even within quotes. So only what is
simple by construction is sent: letters, digits, ``-``, ``_`` and ``.`` in quotes,
with a star for anything else where it may stand. What is found is filtered once
more by whoever asked, so a search may find too much, and never too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from urllib.parse import quote_plus

__all__ = ["TagPattern", "alternatives", "by_names", "by_tag", "narrowing", "searchable"]

# Longer searches could be too long for a URL, which is counted as it is sent.
_MOST_WORDS = 100
_LONGEST_SEARCH = 6_000
# More of them would cost what the whole list does.
_MOST_SEARCHES = 10

_PLAIN = re.compile(r"[A-Za-z0-9_-]")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.-]+")
_SET = re.compile(r"\[!?\]?[^\]]*\]")
# The fields of the engine's search for the keys of a selection.
_FIELDS = {
    "name": "name",
    "tag": "tag",
    "cluster": "cluster",
    "datacenter": "datacenter",
    "host": "host",
    "power_state": "status",
}
# A search may have one of these: of one for two hosts the engine finds nothing.
_ONCE = frozenset(("host", "tag"))
# The engine keeps a search for a day by its text, with the names of the tags that fitted
# then, so that a tag made since is not found. Not so a text with a star in it.
_FRESH = "name=*"
# The power states that are one status of the engine's, by its word for it.
_STATUSES = {"powered_on": "up", "powered_off": "down", "suspended": "suspended"}


def searchable(word: str) -> bool:
    """Can the engine be asked for exactly this name? Those that VMs can have are."""
    return bool(word) and all(letter.isalnum() or letter in "-_." for letter in word)


def alternatives(conditions: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(conditions))


def by_names(names: Sequence[str]) -> list[str] | None:
    """The few searches for the VMs of these names; None if none are safe, or too many."""
    if not names or len(names) > _MOST_WORDS * _MOST_SEARCHES:
        return None
    searches: list[list[str]] = []
    room = 0
    for name in names:
        condition = f'name="{name}"'
        if not searchable(name):
            return None
        length = len(quote_plus(f"{condition} or "))
        if length > _LONGEST_SEARCH:
            return None
        if length > room or len(searches[-1]) == _MOST_WORDS:
            searches.append([])
            room = _LONGEST_SEARCH
        searches[-1].append(condition)
        room -= length
    return [" or ".join(each) for each in searches] if len(searches) <= _MOST_SEARCHES else None


# Tags ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TagPattern:
    """What to search for to find a tag: a Java regular expression, made of characters and dots."""

    text: str

    @classmethod
    def of(cls, name: str) -> TagPattern | None:
        """With a dot, which fits any character, for each that is not plain.

        None where not even that would do.
        """
        if not name or not name.isprintable():
            return None
        return cls("".join(letter if _PLAIN.match(letter) else "." for letter in name))

    def may_fit(self, name: str) -> bool:
        """Could the engine take a tag of this name for it? Rather yes than no."""
        return re.fullmatch(self.text, name, re.DOTALL | re.IGNORECASE) is not None

    def in_any_case(self) -> TagPattern:
        """As the engine takes it, for plain letters."""
        return TagPattern(f"(?i){self.text}")


def by_tag(pattern: TagPattern) -> str:
    return f'tag="{pattern.text}" and {_FRESH}'


# Many fields ----------------------------------------------------------------------------


def narrowing(criteria: Mapping[str, Sequence[str]]) -> str | None:
    """A search that finds all VMs that fit these globs, and perhaps others.

    All keys have to hold, and of each one of its globs. None where none of them
    would leave anything out.
    """
    fields = {
        key: conditions
        for key, globs in criteria.items()
        if (conditions := _conditions(key, globs))
    }
    for key in _ONCE & fields.keys():
        if _is_many(fields):
            del fields[key]
    while _is_too_many(fields):
        del fields[max(fields, key=lambda key: len(fields[key]))]
    if not fields:
        return None
    # "and" binds before "or", and there are no brackets.
    search = alternatives(" and ".join(each) for each in product(*fields.values()))
    if "tag" in fields and "*" not in search:
        search = f"{search} and {_FRESH}"
    return search if len(quote_plus(search)) <= _LONGEST_SEARCH else None


def _is_many(fields: Mapping[str, Sequence[str]]) -> bool:
    return any(len(conditions) > 1 for conditions in fields.values())


def _is_too_many(fields: Mapping[str, Sequence[str]]) -> bool:
    combined = 1
    for conditions in fields.values():
        combined *= len(conditions)
    return combined > _MOST_WORDS


def _conditions(key: str, globs: Sequence[str]) -> tuple[str, ...]:
    """One for each of the globs; none where one of them could be anything."""
    field = _FIELDS.get(key)
    if field is None:
        return ()
    if key == "power_state":
        statuses = [_STATUSES.get(state) for state in globs]
        return () if None in statuses else tuple(f"status={status}" for status in statuses)
    patterns = [_pattern(glob) for glob in globs]
    return () if None in patterns else tuple(f'{field}="{pattern}"' for pattern in patterns)


def _pattern(glob: str) -> str | None:
    """With a star for whatever is not plain: it fits all that the glob does."""
    pattern = _NOT_PLAIN.sub("*", _SET.sub("*", glob))
    return pattern if pattern.strip("*") else None
