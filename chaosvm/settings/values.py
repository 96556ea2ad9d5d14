"""Values as people write them, turned into typed ones, or refused by name.

Chaos Toolkit hands over what the experiment, a ``--var`` or an environment
variable held: numbers and booleans often arrive as strings, ``"false"`` is
truthy, and a ``${variable}`` that nobody defined arrives as it was typed. Each
function here takes the key to name in the error, and the value.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from enum import StrEnum
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from chaosvm.errors import InvalidValue

__all__ = [
    "boolean",
    "choice",
    "integer",
    "invalid",
    "mapping",
    "suggestion",
    "number",
    "part",
    "path",
    "secret",
    "shown",
    "string",
    "string_list",
    "timeout_seconds",
]

E = TypeVar("E", bound=StrEnum)

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")
# Characters that XML cannot hold, half surrogate pairs among them: nothing has such a
# name, and neither a path nor a request to a server can be made of one.
_UNUSABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_WORD = 200


class _Shown(reprlib.Repr):
    """repr() that neither grows nor recurses without bounds, and never raises."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 8
        self.maxstring = self.maxother = self.maxlong = 500
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 50

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """In the order given."""
        if level <= 0:
            return "{...}"
        items = islice(x.items(), self.maxdict)
        told = [f"{self.repr1(k, level - 1)}: {self.repr1(v, level - 1)}" for k, v in items]
        return f"{{{', '.join([*told, *(['...'] if len(x) > self.maxdict else [])])}}}"

    def repr_int(self, x: int, level: int) -> str:
        try:
            return super().repr_int(x, level)
        except ValueError:
            return "a whole number of thousands of digits"


_shown = _Shown()


def shown(value: Any) -> str:
    """The value for a message, however large it is."""
    return _shown.repr(value)


def invalid(key: str, value: Any, expected: str) -> InvalidValue:
    return InvalidValue(f"{key} is {shown(value)}, which cannot be used: expected {expected}")


def suggestion(word: Any, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` where a known word is close, else nothing."""
    if not isinstance(word, str) or len(word) > _LONGEST_WORD:
        return ""
    by_folded = {each.casefold(): each for each in known}
    close = get_close_matches(word.casefold(), by_folded, n=1)
    return f" (did you mean {by_folded[close[0]]!r}?)" if close else ""


def string(key: str, value: Any, expected: str = "a string that is not empty") -> str:
    if not isinstance(value, str) or not value.strip():
        raise invalid(key, value, expected)
    if _PLACEHOLDER.search(value):
        raise invalid(key, value, f"{expected}; the variable in it has no value")
    if unusable := _UNUSABLE.search(value):
        raise invalid(key, value, f"{expected}, without the character {unusable[0]!a}")
    return value


# chaosvm.service still calls it by this name.
text = string


def secret(key: str, value: Any, any_character: bool = False) -> str:
    """A password or its like, as it is; the error does not show it."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidValue(f"{key} cannot be used: expected a string that is not empty")
    if not any_character and _UNUSABLE.search(value):
        raise InvalidValue(f"{key} cannot be used: it holds a character that cannot be sent")
    return value


def path(key: str, value: Any, expected: str) -> Path:
    """The path of a file, which need not exist; ``~`` is the home of a user."""
    given = string(key, str(value) if isinstance(value, Path) else value, expected)
    try:
        return Path(given).expanduser()
    except (RuntimeError, ValueError) as error:  # there is no such user
        raise invalid(key, value, f"{expected} ({error})") from None


def string_list(
    key: str, value: Any, expected: str = "a string, or a list of strings"
) -> tuple[str, ...]:
    """One string or a list of them, without repetitions, in the order given."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items:
        raise invalid(key, value, expected)
    return tuple(dict.fromkeys(string(key, item, expected) for item in items))


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


def part(percent: float, whole: int) -> int:
    """So many of the whole, rounded down: more than was agreed to is never taken.

    The percentage counts as it is written: 64.1 percent of 1,000 are 641, although
    1000 * 64.1 / 100 is a little less in floating point.
    """
    return int(whole * Fraction(repr(percent)) / 100)


def timeout_seconds(key: str, value: Any) -> float:
    """A time to wait: at least a tenth of a second, at most a day."""
    return number(key, value, 0.1, 86_400, "seconds")


def choice(key: str, value: Any, options: type[E]) -> E:
    words = [option.value for option in options]
    if isinstance(value, str) and value in words:
        return options(value)
    raise invalid(key, value, f"one of {', '.join(words)}{suggestion(value, words)}")


def mapping(
    key: str, value: Any, known: dict[str, Callable[[str, Any], Any]], example: str
) -> dict[str, Any]:
    """A mapping with known keys only, each value converted."""
    if not isinstance(value, dict) or not value:
        raise invalid(key, value, f"a mapping such as {example}")
    for name in value:
        if name not in known:
            raise InvalidValue(
                f"{key} has the unknown key {shown(name)}{suggestion(name, known)}: known are "
                f"{', '.join(known)}"
            )
    return {name: known[name](f"{key}.{name}", item) for name, item in value.items()}
