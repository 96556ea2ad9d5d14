"""The engine's search language, with its manners.

    name = web* and status != down or tag = prod sortby name asc page 2

What is known of it, from the engine's source: keywords are recognised letter
by letter, so that ``hostess`` begins with the field ``host`` and is an error;
``and`` binds before ``or``, and what stands side by side is joined last, by
and; a word without a field is looked for in all columns, but only one such
word is allowed; ``*`` is the only wildcard, also within quotes; a quote cannot
be escaped; ``'`` and ``;`` are illegal anywhere; a page number may follow a
direction of sorting, but not the field alone. And a search that is not
understood is answered by an empty list, not by an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

__all__ = ["Column", "NotUnderstood", "Search", "parse"]

Test = Callable[[Any], bool]

_ILLEGAL = "';"
_DEFAULT_PAGE_SIZE = 100
_SPECIAL = frozenset("*\\")
_AND, _OR = "AND", "OR"
_RELATIONS = ("!=", ">=", "<=", "=", ">", "<")


class NotUnderstood(ValueError):
    """The engine would answer this search with an empty list."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field that can be searched: what an item has there, none or several texts."""

    texts: Callable[[Any], Sequence[str]]
    # In a search without a field this column is looked at too.
    free: bool = True
    # The only values that mean something; the others are not understood.
    known: frozenset[str] | None = None
    relations: tuple[str, ...] = ("=", "!=")
    number: bool = False
    sort_key: Callable[[Any], Any] | None = None

    def order(self, item: Any) -> Any:
        if self.sort_key is not None:
            return self.sort_key(item)
        texts = self.texts(item)
        return texts[0].lower() if texts else ""


@dataclass(frozen=True, slots=True)
class Search:
    """A search that was understood."""

    test: Test
    sort_by: Column | None = None
    descending: bool = False
    page: int | None = None

    def of(self, items: Sequence[Any], most: int | None = None) -> list[Any]:
        found = [item for item in items if self.test(item)]
        if self.sort_by is not None:
            found.sort(key=self.sort_by.order, reverse=self.descending)
        if self.page is not None:
            size = most or _DEFAULT_PAGE_SIZE
            return found[(self.page - 1) * size : self.page * size]
        return found[:most]


def parse(text: str, columns: Mapping[str, Column], case_sensitive: bool = False) -> Search:
    """Read a search; ``columns`` are by their names in capitals. Raises NotUnderstood."""
    if any(character in text for character in _ILLEGAL):
        raise NotUnderstood("an illegal character")
    return _Parser(text, columns, case_sensitive).search()


@dataclass
class _Parser:
    """Walks over the text as the engine does: from one keyword or value to the next."""

    text: str
    columns: Mapping[str, Column]
    case_sensitive: bool
    at: int = 0
    tests: list[Test | str] = field(default_factory=list)
    free_text_seen: bool = False

    def search(self) -> Search:
        sort_by, descending, page = None, False, None
        while self._skip_spaces():
            keyword = self._keyword()
            if keyword in (_AND, _OR):
                self._connect(keyword)
            elif keyword == "SORTBY":
                sort_by, descending = self._sorting()
            elif keyword == "PAGE":
                page = self._page()
            elif sort_by is not None:
                raise NotUnderstood("something after the sorting")
            elif keyword is not None:
                self.tests.append(self._condition(self.columns[keyword]))
            else:
                self.tests.append(self._free_text())
        return Search(_joined(self.tests), sort_by, descending, page)

    # Pieces ----------------------------------------------------------------------

    def _skip_spaces(self) -> bool:
        """False at the end."""
        while self.at < len(self.text) and self.text[self.at] == " ":
            self.at += 1
        return self.at < len(self.text)

    def _keyword(self) -> str | None:
        """The shortest keyword that stands here, whatever follows it."""
        rest = self.text[self.at :].upper()
        for word in self._keywords():
            if rest.startswith(word):
                self.at += len(word)
                return word
        return None

    def _keywords(self) -> list[str]:
        words = [*self.columns, "SORTBY", "PAGE"]
        if self._after_value():
            words += [_AND, _OR]
        return sorted(words, key=lambda word: ("." not in word, len(word)))

    def _after_value(self) -> bool:
        return bool(self.tests) and not isinstance(self.tests[-1], str)

    def _connect(self, keyword: str) -> None:
        if not self._skip_spaces():
            raise NotUnderstood("nothing after the connective")
        self.tests.append(keyword)

    def _condition(self, column: Column) -> Test:
        self._skip_spaces()
        relation = next((r for r in _RELATIONS if self.text.startswith(r, self.at)), None)
        if relation not in column.relations:
            raise NotUnderstood("no relation after the field")
        self.at += len(relation)
        return self._test(column, relation, self._value())

    def _free_text(self) -> Test:
        if self.free_text_seen:
            raise NotUnderstood("more than one word without a field")
        self.free_text_seen = True
        rest = self.text[self.at :].upper()
        if self._after_value() and any(word.startswith(rest) for word in self._keywords()):
            raise NotUnderstood("a keyword that is not complete")
        value = self._value()
        tests = [self._test(c, "=", f"*{value}*") for c in self.columns.values() if c.free]
        return lambda item: any(test(item) for test in tests)

    def _value(self) -> str:
        if not self._skip_spaces():
            raise NotUnderstood("no value")
        if self.text[self.at] == '"':
            end = self.text.find('"', self.at + 1)
            if end < 0:
                raise NotUnderstood("a quote that does not end")
            value, self.at = self.text[self.at + 1 : end], end + 1
            return value
        value = self.text[self.at :].partition(" ")[0]
        if '"' in value:
            raise NotUnderstood("a quote within a word")
        self.at += len(value)
        return value

    def _sorting(self) -> tuple[Column, bool]:
        self._skip_spaces()
        keyword = self._keyword()
        if keyword is None or keyword not in self.columns:
            raise NotUnderstood("no field to sort by")
        self._skip_spaces()
        rest = self.text[self.at :].upper()
        for direction in ("ASC", "DESC"):
            if rest.startswith(direction):
                self.at += len(direction)
                return self.columns[keyword], direction == "DESC"
        if rest:
            raise NotUnderstood("a page needs a direction before it")
        return self.columns[keyword], False

    def _page(self) -> int:
        digits = self.text[self.at :].strip()
        self.at = len(self.text)
        if not digits.isdecimal() or int(digits) < 1:
            raise NotUnderstood("not the number of a page")
        return int(digits)

    # What they mean ----------------------------------------------------------------

    def _test(self, column: Column, relation: str, value: str) -> Test:
        if column.known is not None and value.lower() not in column.known:
            raise NotUnderstood("a value that the field cannot have")
        if column.number:
            return _number_test(column, relation, value)
        if relation == "=" and not _SPECIAL.intersection(value):
            return _Equals(column, frozenset([self._folded(value)]), self._folded)
        # A backslash escapes what follows; with nothing after it, nothing fits.
        fits = _pattern(value, self.case_sensitive)
        if relation == "!=":
            return lambda item: not any(map(fits, column.texts(item)))
        return lambda item: any(map(fits, column.texts(item)))

    def _folded(self, text: str) -> str:
        return text if self.case_sensitive else text.lower()


@dataclass(frozen=True, slots=True)
class _Equals:
    """Is one of an item's texts one of these values?"""

    column: Column
    values: frozenset[str]
    folded: Callable[[str], str]

    def __call__(self, item: Any) -> bool:
        return any(self.folded(text) in self.values for text in self.column.texts(item))


def _pattern(value: str, case_sensitive: bool) -> Callable[[str], bool]:
    if value.endswith("\\"):
        return lambda text: False
    expression = ".*".join(re.escape(part) for part in value.split("*"))
    flags = re.DOTALL if case_sensitive else re.DOTALL | re.IGNORECASE
    matches = re.compile(expression, flags).fullmatch
    return lambda text: matches(text) is not None


def _number_test(column: Column, relation: str, value: str) -> Test:
    try:
        number = float(value)
    except ValueError:
        raise NotUnderstood("not a number") from None
    return partial(_compares, column, relation, number)


def _compares(column: Column, relation: str, number: float, item: Any) -> bool:
    for text in column.texts(item):
        has = float(text)
        if {"=": has == number, "!=": has != number, ">": has > number}.get(relation):
            return True
        if {"<": has < number, ">=": has >= number, "<=": has <= number}.get(relation):
            return True
    return False


def _joined(tests: Sequence[Test | str]) -> Test:
    """First what ``and`` joins, then what ``or`` joins, then what only stands side by side."""
    groups: list[list[list[Test]]] = []  # all of: any of: all of
    connective: str | None = None
    for test in tests:
        if isinstance(test, str):
            connective = test
        elif connective == _AND:
            groups[-1][-1].append(test)
            connective = None
        elif connective == _OR:
            groups[-1].append([test])
            connective = None
        else:
            groups.append([[test]])

    merged = [_merged(either) for either in groups]

    def all_hold(item: Any) -> bool:
        return all(
            any(all(test(item) for test in together) for together in either) for either in merged
        )

    return all_hold


def _merged(either: list[list[Test]]) -> list[list[Test]]:
    """The same with one test for all values that a column may equal: they may be hundreds."""
    equals: dict[int, _Equals] = {}
    others: list[list[Test]] = []
    for together in either:
        if len(together) == 1 and isinstance(test := together[0], _Equals):
            known = equals.get(id(test.column), test)
            equals[id(test.column)] = replace(known, values=known.values | test.values)
        else:
            others.append(together)
    merged: list[Test] = [*equals.values()]
    return [*([test] for test in merged), *others]
