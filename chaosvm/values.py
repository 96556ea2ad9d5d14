"""Values as people write them, turned into typed ones, or refused by name.

Chaos Toolkit hands over what the experiment, a ``--var`` or an environment
variable held: numbers and booleans often arrive as strings, ``"false"`` is
truthy, and a ``${variable}`` that nobody defined arrives as it was typed. Each
function here takes the key to name in the error, and the value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from chaosvm.errors import InvalidValue

__all__ = [
    "boolean",
    "choice",
    "integer",
    "invalid",
    "mapping",
    "nearest",
    "number",
    "text",
    "text_list",
    "timeout_seconds",
]

E = TypeVar("E", bound=StrEnum)

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")


def invalid(key: str, value: Any, expected: str) -> InvalidValue:
    return InvalidValue(f"{key} is {value!r}, which cannot be used: expected {expected}")


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` where a known word is close, else nothing."""
    by_folded = {each.casefold(): each for each in known}
    close = get_close_matches(word.casefold(), by_folded, n=1)
    return f" (did you mean {by_folded[close[0]]!r}?)" if close else ""


def text(key: str, value: Any, expected: str = "a text that is not empty") -> str:
    if not isinstance(value, str) or not value.strip():
        raise invalid(key, value, expected)
    if _PLACEHOLDER.search(value):
        raise invalid(key, value, f"{expected}; the variable in it has no value")
    return value


def text_list(
    key: str, value: Any, expected: str = "a text, or a list of texts"
) -> tuple[str, ...]:
    """One text or a list of them, without repetitions, in the order given."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items:
        raise invalid(key, value, expected)
    return tuple(dict.fromkeys(text(key, item, expected) for item in items))


def boolean(key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise invalid(key, value, "true or false")


def number(key: str, value: Any, least: float, most: float, unit: str = "") -> float:
    expected = f"a number from {least:g} to {most:g}{unit and ' ' + unit}"
    try:
        result = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        result = math.nan
    if isinstance(value, bool) or not least <= result <= most:
        raise invalid(key, value, expected)
    return result


def integer(key: str, value: Any, least: int, most: int) -> int:
    expected = f"a whole number from {least} to {most}"
    try:
        result = int(value) if isinstance(value, int | str) else None
    except ValueError:
        result = None
    if result is None or isinstance(value, bool) or not least <= result <= most:
        raise invalid(key, value, expected)
    return result


def timeout_seconds(key: str, value: Any) -> float:
    """A time to wait: at least a tenth of a second, at most a day."""
    return number(key, value, 0.1, 86_400, "seconds")


def choice(key: str, value: Any, options: type[E]) -> E:
    words = [option.value for option in options]
    if isinstance(value, str) and value in words:
        return options(value)
    hint = nearest(value, words) if isinstance(value, str) else ""
    raise invalid(key, value, f"one of {', '.join(words)}{hint}")


def mapping(
    key: str, value: Any, known: dict[str, Callable[[str, Any], Any]], example: str
) -> dict[str, Any]:
    """A mapping with known keys only, each value converted."""
    if not isinstance(value, dict) or not value:
        raise invalid(key, value, f"a mapping such as {example}")
    for name in value:
        if name not in known:
            hint = nearest(str(name), known)
            raise InvalidValue(
                f"{key} has the unknown key {name!r}{hint}: known are {', '.join(known)}"
            )
    return {name: known[name](f"{key}.{name}", item) for name, item in value.items()}
