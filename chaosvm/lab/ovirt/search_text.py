"""Values of searches: quoting for SQL, and the database's LIKE.

Source: the engine's class SqlInjectionChecker, and the documentation of PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from chaosvm.lab.ovirt.search_syntax import NotUnderstood

__all__ = ["escaped_text", "like"]


def escaped_text(value: str) -> str:
    """Quote a value for SQL. LIKE's wildcards are escaped."""
    if not any(special in value for special in "\\%"):
        return f"'{value}'"
    if value.endswith("\\"):
        raise NotUnderstood("a backslash at the end")
    out, before, after = [], " ", " "
    for number, character in enumerate(value, 1):
        if character == "%":
            out.append("%" if number > 1 and before == "\\" else "\\%")
        elif character == "\\":
            single = (number > 1 and before == "\\") or after in "%\\"
            out.append("\\" if single else "\\\\")
        else:
            out.append(character)
        before = character
        after = value[number + 1] if number < len(value) - 1 else " "
    return f"'{''.join(out)}'"


def like(pattern: str, case_sensitive: bool) -> Callable[[str], bool]:
    """A matcher for a pattern of SQL's LIKE, with ``%``, ``_`` and backslash."""
    out, escaped = [], False
    for character in pattern:
        if escaped or character not in "%_\\":
            out.append(re.escape(character))
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            out.append(".*" if character == "%" else ".")
    flags = re.DOTALL if case_sensitive else re.DOTALL | re.IGNORECASE
    matches = re.compile("".join(out), flags).fullmatch
    return lambda text: matches(text) is not None
