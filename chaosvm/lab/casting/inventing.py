"""Texts that fit a glob, so that a selection finds what was made for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

__all__ = ["literal", "series"]

_TOKEN = re.compile(r"\*|\?|\[!?\]?[^\]]*\]")
_ATTEMPTS = 2000


def series(glob: str) -> Iterator[str]:
    """Ever more texts that fit, such as web-01, web-02 for "web-*"; just one without wildcards."""
    if not _TOKEN.search(glob):
        yield glob
        return
    seen: set[str] = set()
    for number in range(1, _ATTEMPTS):
        text = _filled(glob, number)
        if text not in seen and fnmatchcase(text, glob):
            seen.add(text)
            yield text


def literal(glob: str) -> str | None:
    """The shortest text that fits, for what needs no number; None if none was found."""
    bare = glob.replace("*", "")
    candidates = (None if _TOKEN.search(bare) else bare, next(series(glob), None))
    return next((text for text in candidates if text and fnmatchcase(text, glob)), None)


def _filled(glob: str, number: int) -> str:
    """The number goes into the last star; in other places there is one character each."""
    stars = [found.start() for found in re.finditer(r"\*", glob)]
    inner = number

    def fill(found: re.Match[str]) -> str:
        nonlocal inner
        token = found[0]
        if token == "*":
            return f"{number:02}" if found.start() == stars[-1] else ""
        choices = "0123456789" if token == "?" else _set(token)
        inner, position = divmod(inner, len(choices)) if choices else (inner, 0)
        return choices[position] if choices else ""

    return _TOKEN.sub(fill, glob)


def _set(token: str) -> str:
    """The characters of [abc], and of [0-9] all of them."""
    inside = token[1:-1]
    if inside.startswith("!"):
        return "".join(c for c in "0123456789abcdefxyz" if fnmatchcase(c, token))
    return re.sub(r"(.)-(.)", lambda m: "".join(map(chr, range(ord(m[1]), ord(m[2]) + 1))), inside)
