"""Strings that match a glob."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

__all__ = ["shortest_match", "matching_names"]

_WILDCARD = re.compile(r"\*|\?|\[!?\]?[^\]]*\]")
_MAX_ATTEMPTS = 2000


def matching_names(glob: str) -> Iterator[str]:
    """Yield matches, such as web-01 and web-02 for "web-*"; only one without wildcards."""
    if not _WILDCARD.search(glob):
        yield glob
        return
    seen: set[str] = set()
    for number in range(1, _MAX_ATTEMPTS):
        text = _fill(glob, number)
        if text not in seen and fnmatchcase(text, glob):
            seen.add(text)
            yield text


def shortest_match(glob: str) -> str | None:
    """A short match without a number if there is one; None if no match is found."""
    without_stars = glob.replace("*", "")
    if _WILDCARD.search(without_stars):
        without_stars = ""
    candidates = (without_stars, next(matching_names(glob), None))
    return next((text for text in candidates if text and fnmatchcase(text, glob)), None)


def _fill(glob: str, number: int) -> str:
    """Put the number in place of the last star, and one character for every other wildcard."""
    stars = [match.start() for match in re.finditer(r"\*", glob)]
    remainder = number

    def fill(match: re.Match[str]) -> str:
        nonlocal remainder
        token = match[0]
        if token == "*":
            return f"{number:02}" if match.start() == stars[-1] else ""
        characters = "0123456789" if token == "?" else _set_characters(token)
        remainder, position = divmod(remainder, len(characters)) if characters else (remainder, 0)
        return characters[position] if characters else ""

    return _WILDCARD.sub(fill, glob)


def _set_characters(token: str) -> str:
    """The characters that a set such as [abc] or [0-9] matches."""
    content = token[1:-1]
    if content.startswith("!"):
        return "".join(c for c in "0123456789abcdefxyz" if fnmatchcase(c, token))
    return re.sub(r"(.)-(.)", lambda m: "".join(map(chr, range(ord(m[1]), ord(m[2]) + 1))), content)
