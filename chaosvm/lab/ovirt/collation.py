"""The sort order of the engine's database, whose collation is en_US.UTF-8.

Letters and digits are compared first, without punctuation, accents and case; ties are
broken by accents, then by case (lower case first), then by punctuation. Source: the
recorded order of all VMs (``search-order-of-all``) and ISO 14651, on which glibc's
collations are based.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

__all__ = ["collation_key"]

# Ends each level, so that shorter strings come first.
_END = "\0"


@lru_cache(maxsize=65536)
def collation_key(text: str) -> str:
    """A sort key for a string. It is a string itself, which is fast to compare."""
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
