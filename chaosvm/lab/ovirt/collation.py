"""The order of the engine's database, whose collation is en_US.UTF-8.

First letters and digits count, without regard to punctuation, accents and case;
what is the same there is told apart by accents, then by case (small letters
first), then by punctuation. Source: the recorded order of all VMs
(``search-order-of-all``) and ISO 14651, on which glibc's collations are built.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

__all__ = ["Key", "collation_key"]

Key = tuple[object, ...]


@lru_cache(maxsize=65536)
def collation_key(text: str) -> Key:
    """What texts are to be sorted by."""
    bases: list[tuple[int, str]] = []
    accents: list[str] = []
    cases: list[bool] = []
    signs: list[tuple[int, str]] = []
    for position, character in enumerate(text):
        decomposed = unicodedata.normalize("NFKD", character)
        base = decomposed[0].lower()
        if not base.isalnum():
            signs.append((position, base))
            continue
        bases.append((0 if base.isdigit() else 1, base))
        accents.append(decomposed[1:])
        cases.append(character != character.lower())
    return tuple(bases), tuple(accents), tuple(cases), tuple(signs), text
