"""Validation of what people write: typed values, or an error that names the key.

Chaos Toolkit passes on what the experiment, a ``--var`` or an environment
variable holds: numbers and booleans often arrive as strings, ``"false"`` is
truthy, and an undefined ``${variable}`` arrives as it was typed. Each function
here takes the key to name in the error, and the value.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from chaosvm.errors import InvalidValue
from chaosvm.runtime.documents import in_quotes

__all__ = [
    "boolean",
    "choice",
    "closest",
    "integer",
    "invalid",
    "mapping",
    "number",
    "part",
    "path",
    "secret",
    "shown",
    "similar",
    "string",
    "string_list",
    "suggestion",
    "timeout_seconds",
    "vm_name",
]

E = TypeVar("E", bound=StrEnum)

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")
# Characters that XML cannot hold, unpaired surrogates among them: no name has one, and
# neither a path nor a request can contain one.
_UNUSABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_WORD = 200
# Other words for power states.
_SYNONYMS = {
    **dict.fromkeys(("on", "up", "running", "started"), "powered_on"),
    **dict.fromkeys(("off", "down", "stopped", "halted", "shut_off"), "powered_off"),
}


class _Shown(reprlib.Repr):
    """repr() of bounded length and depth that never raises."""

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
        pairs = [f"{self.repr1(k, level - 1)}: {self.repr1(v, level - 1)}" for k, v in items]
        return f"{{{', '.join([*pairs, *(['...'] if len(x) > self.maxdict else [])])}}}"

    def repr_int(self, x: int, level: int) -> str:
        try:
            return super().repr_int(x, level)
        except ValueError:
            return "a whole number with thousands of digits"


_shown = _Shown()


def shown(value: Any) -> str:
    """The value for a message, cut short if it is large."""
    return _shown.repr(value)


def invalid(key: str, value: Any, expected: str) -> InvalidValue:
    has_hint = "quotes" in expected or "did you mean" in expected
    if isinstance(value, str) and in_quotes(value.strip()) and not has_hint:
        expected = f"{expected}; remove the quotes around it"
    return InvalidValue(f"{key} is {shown(value)}: expected {expected}")


def closest(
    word: Any, known: Iterable[str], synonyms: Mapping[str, str] | None = None
) -> str | None:
    """The known word that this one is a synonym or a misspelling of, if any."""
    if not isinstance(word, str) or len(word) > _LONGEST_WORD:
        return None
    by_folded = {each.casefold(): each for each in known}
    folded = word.casefold()
    synonym = (synonyms or {}).get(folded)
    if synonym in by_folded:
        return by_folded[synonym]
    return next(iter(similar(word, by_folded.values(), 1)), None)


def similar(word: Any, known: Iterable[str], most: int, at_least: float = 0.6) -> list[str]:
    """The known words that this one may be a misspelling of, the closest first."""
    if not isinstance(word, str) or len(word) > _LONGEST_WORD:
        return []
    by_folded = {each.casefold(): each for each in known}
    matches = get_close_matches(word.casefold(), by_folded, most, at_least)
    return [by_folded[each] for each in matches]


def suggestion(word: Any, known: Iterable[str], synonyms: Mapping[str, str] | None = None) -> str:
    """`` (did you mean 'x'?)`` where a known word is close, else an empty string."""
    close = closest(word, known, synonyms)
    return "" if close is None else f" (did you mean {close!r}?)"


def string(key: str, value: Any, expected: str = "a non-empty string") -> str:
    if isinstance(value, str) and not value.strip():
        raise InvalidValue(f"{key} is empty: {_remedy(key, expected)}")
    if not isinstance(value, str):
        raise invalid(key, value, expected)
    if _PLACEHOLDER.search(value):
        raise invalid(key, value, f"{expected}; the variable in it is not set")
    if unusable := _UNUSABLE.search(value):
        raise invalid(key, value, f"{expected}, without the character {unusable[0]!a}")
    return value


def vm_name(value: Any) -> str:
    return string("vm_name", value, "one VM's name or id; activities with `vms` take several")


def _remedy(key: str, expected: str) -> str:
    """What to do about an empty string: most come from a variable that is not set."""
    if key == "vm_name":  # all the examples take it from a variable
        return "set VM_NAME, or --var vm_name=NAME"
    return f"expected {expected}; if it comes from a variable, set the variable"


def secret(key: str, value: Any, any_character: bool = False) -> str:
    """A password or the like, unchanged; the error does not show it."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidValue(f"{key} cannot be used: expected a non-empty string")
    if not any_character and _UNUSABLE.search(value):
        raise InvalidValue(f"{key} cannot be used: it contains a character that cannot be sent")
    return value


def path(key: str, value: Any, expected: str) -> Path:
    """The path of a file, which need not exist; ``~`` is a home directory."""
    name = string(key, str(value) if isinstance(value, Path) else value, expected)
    try:
        return Path(name).expanduser()
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
    """A percentage of the whole, rounded down, so that a limit is never exceeded.

    Exact for the percentage as it is written: 64.1 percent of 1,000 is 641,
    although 1000 * 64.1 / 100 is a little less in floating point.
    """
    return int(whole * Fraction(repr(percent)) / 100)


def timeout_seconds(key: str, value: Any) -> float:
    """A timeout: from a tenth of a second to a day."""
    return number(key, value, 0.1, 86_400, "seconds")


def choice(key: str, value: Any, options: type[E]) -> E:
    words = [option.value for option in options]
    if isinstance(value, str) and value in words:
        return options(value)
    raise invalid(key, value, f"one of {', '.join(words)}{suggestion(value, words, _SYNONYMS)}")


def mapping(
    key: str, value: Any, known: dict[str, Callable[[str, Any], Any]], example: str
) -> dict[str, Any]:
    """A mapping with only known keys, each value converted."""
    if not isinstance(value, dict) or not value:
        raise invalid(key, value, f"a mapping such as {example}")
    for name in value:
        if name not in known:
            raise InvalidValue(
                f"{key} has the unknown key {shown(name)}{suggestion(name, known)}: known are "
                f"{', '.join(known)}"
            )
    return {name: known[name](f"{key}.{name}", item) for name, item in value.items()}
