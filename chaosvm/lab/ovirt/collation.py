"""The order of the engine's database, whose collation is en_US.UTF-8.

First letters and digits count, without regard to punctuation, accents and case;
what is the same there is told apart by accents, then by case (small letters
first), then by punctuation. Source: the recorded order of all VMs
(``search-order-of-all``) and ISO 14651, on which glibc's collations are built.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

__all__ = ["collation_key"]

# Ends each level, so that what is shorter comes first.
_END = "\0"


@lru_cache(maxsize=65536)
def collation_key(text: str) -> str:
    """What texts are to be sorted by: one text, as thousands are sorted for each list."""
    bases, accents, cases, signs = [], [], [], []
    for position, character in enumerate(text):
        decomposed = unicodedata.normalize("NFKD", character)
        base = decomposed[0].lower()
        if not base.isalnum():
            signs.append(f"{position:04}{base}")
            continue
        bases.append(base)
        accents.append(f"{decomposed[1:]}\1")
        cases.append("0" if character == character.lower() else "1")
    return _END.join("".join(level) for level in (bases, accents, cases, signs, [text]))
