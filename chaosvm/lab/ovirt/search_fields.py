"""Definitions of searchable collections: fields, accepted values, joins.

Source: the engine's classes BaseConditionFieldAutoCompleter,
EnumValueAutoCompleter, BitValueAutoCompleter, NullableStringAutoCompleter and
SearchObjectAutoCompleter.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from chaosvm.lab.ovirt.collation import collation_key

__all__ = [
    "NUMERIC",
    "ORDERED",
    "STRING",
    "TIMED",
    "Entity",
    "Field",
    "Join",
    "Type",
    "Value",
    "bits",
    "choices",
    "date",
    "day_of",
    "time_span",
]

Value = str | int | float | None
# Reads a field's value from an object.
Values = Callable[[Any], Value]

STRING = ("=", "!=")
NUMERIC = ("<", ">", "<=", ">=", "=", "!=")
ORDERED = ("<", ">")
TIMED = (">", "<", "=")

_INT_MAX = 2**31 - 1
_DATE_FORMATS = (
    "%b %d, %Y", "%b %d, %Y, %I:%M:%S %p", "%A, %B %d, %Y", "%B %d, %Y", "%m/%d/%y",
    "%m/%d/%y, %I:%M %p",
)  # fmt: skip
_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


class Type(Enum):
    """The type of a column, which decides how values are compared."""

    TEXT = auto()
    INTEGER = auto()
    DECIMAL = auto()
    UUID = auto()
    SPAN = auto()
    DATE = auto()
    # Compared as is, without wildcards.
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """A search field. ``relations`` is None if it cannot be compared."""

    column: str
    value: Values
    type: Type = Type.TEXT
    relations: tuple[str, ...] | None = STRING
    # Accepted words, in upper case, and their database values.
    choices: Mapping[str, str] | None = None
    exact_choices: bool = False
    # Nullable text, which accepts anything, without wildcards.
    nullable: bool = False
    # Words without a field are searched in this column too.
    free: bool = True
    of_tags: bool = False
    contains: bool = False
    sort_column: str | None = None

    @property
    def plain(self) -> bool:
        """True for text that is compared by patterns."""
        return self.type is Type.TEXT and self.choices is None and not self.nullable

    def accepts(self, value: str) -> bool:
        if self.choices is not None:
            if self.exact_choices:
                return value.strip() in self.choices
            return value.upper() in self.choices
        match self.type:
            case Type.INTEGER:
                return re.fullmatch(r"[+-]?\d+", value) is not None and abs(int(value)) <= _INT_MAX
            case Type.DECIMAL:
                return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value) is not None
            case Type.SPAN:
                return time_span(value) is not None
            case Type.DATE:
                return is_date(value)
        return True

    def sort_key(self, item: Any) -> Any:
        """Sorts None first, like ``NULLS FIRST``."""
        value = self.value(item)
        if value is None:
            return (0,)
        return (1, collation_key(value) if isinstance(value, str) else value)


@dataclass(frozen=True, slots=True)
class Join:
    """Other objects that are joined with each object."""

    entity: Callable[[], Entity]
    own_column: str
    column: str
    items: Callable[[Any], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Entity:
    """A collection that can be searched or joined."""

    name: str
    fields: Mapping[str, Field]
    table: str
    full_table: str  # with one row for each tag
    key: str
    default_sort: str
    distinct: bool = False
    prefix: str = ""
    references: frozenset[str] = frozenset()
    joins: Mapping[str, Join] = field(default_factory=dict)
    tags: Callable[[Any], Sequence[str]] = lambda item: ()
    # Child tags by parent, which is None at the top.
    tag_tree: Callable[[], Mapping[str | None, Sequence[str]]] = dict
    # Fields that are only recognized if they are complete.
    hidden: frozenset[str] = frozenset()

    @property
    def completed(self) -> tuple[str, ...]:
        return tuple(name for name in self.fields if name not in self.hidden)


def choices(*names: str, first: int = 0, **numbered: int) -> Mapping[str, str]:
    """An enumeration of the engine, numbered in order or explicitly."""
    counted = {name.upper(): str(number) for number, name in enumerate(names, first)}
    return counted | {name.upper(): str(number) for name, number in numbered.items()}


def bits() -> Mapping[str, str]:
    return {"TRUE": "1", "FALSE": "0"}


def time_span(text: str) -> float | None:
    """Parse ``days.hours:minutes[:seconds]``, ``hours:minutes`` or a number of days.

    Returns seconds. A minus may be anywhere, and negative spans are 0. Source: the engine's
    class TimeSpan.
    """
    sign = -1 if "-" in text else 1
    cleaned = text.strip().replace("-", "").strip()
    if cleaned.isascii() and cleaned.isdigit():
        return max(0.0, sign * int(cleaned) * 86400.0)
    with_days = re.fullmatch(r"(\d+)[.:](\d\d):(\d\d)(?::(\d\d)(?:[.:]\d\d)?)?", cleaned)
    without = re.fullmatch(r"(\d\d):(\d\d)(?::(\d\d)(?:[.:]\d\d)?)?", cleaned)
    if with_days is not None:
        days, hours, minutes, seconds = with_days.groups()
    elif without is not None:
        hours, minutes, seconds = without.groups()
        days = "0"
    else:
        return None
    total = ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds or 0)
    return max(0.0, float(sign * total))


def is_date(text: str) -> bool:
    return text.upper() in (*_DAYS, "TODAY", "YESTERDAY") or date(text) is not None


def date(text: str) -> dt.datetime | None:
    """Parse a date as Java does in the American locale."""
    for each in _DATE_FORMATS:
        try:
            return dt.datetime.strptime(text, each).replace(tzinfo=dt.UTC)
        except ValueError:
            continue
    return None


def day_of(text: str) -> dt.datetime:
    """The start of a day, from a date or a word; weekdays are in the past."""
    parsed = date(text)
    if parsed is not None:
        return parsed
    now = dt.datetime.now(dt.UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    word = text.upper()
    if word == "YESTERDAY":
        return today - dt.timedelta(days=1)
    if word in _DAYS:
        back = (today.weekday() - _DAYS.index(word)) % 7
        return today - dt.timedelta(days=back if back >= 2 else 0)
    return today
