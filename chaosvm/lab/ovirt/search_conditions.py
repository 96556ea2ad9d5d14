"""The conditions of a search, as SQL and as tests of rows.

A row is a cell for the object itself and one for each joined object; a cell is an object
and one of its tags. Source: the engine's classes SyntaxChecker,
BaseConditionFieldAutoCompleter and SqlInjectionChecker.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosvm.lab.ovirt.java_patterns import JavaPatternError, java_pattern
from chaosvm.lab.ovirt.search_fields import Entity, Field, Type, date, day_of, time_span
from chaosvm.lab.ovirt.search_sql import Refused, Statement
from chaosvm.lab.ovirt.search_syntax import Kind, Token
from chaosvm.lab.ovirt.search_text import escaped_text, like

__all__ = ["Conditions", "Row", "Test"]

Row = Sequence[tuple[Any, str | None]]
Test = Callable[[Row], bool]

_COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_NO_TAG = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class _Condition:
    sql: str
    test: Test


class Conditions:
    """Translates tokens to conditions."""

    def __init__(
        self,
        tokens: Sequence[Token],
        entity: Entity,
        entities: Mapping[str, Entity],
        statement: Statement,
        case_sensitive: bool,
    ) -> None:
        self._tokens = tokens
        self._entity = entity
        self._entities = entities
        self._statement = statement
        self._like = "LIKE" if case_sensitive else "ILIKE"
        self._case_sensitive = case_sensitive
        self.where = ""
        self.literals: list[str] = []  # values that must be UUIDs
        self.uses_tags = False

    def test(self) -> Test | None:
        """The test of all conditions; None if there are none."""
        parts: list[_Condition | str] = []
        for index, token in enumerate(self._tokens):
            if token.kind is Kind.CONNECTIVE:
                parts.append(token.body)
            elif token.kind is Kind.VALUE:
                parts.append(self._condition(index))
        joined = _join_adjacent(_join_or(_join_and(parts)))
        extra = ["not deleted"] if self._entity.name == "EVENT" else []
        texts = [*([joined.sql] if joined else []), *extra]
        self.where = " WHERE " + " AND ".join(texts) if texts else ""
        return joined.test if joined else None

    def _condition(self, index: int) -> _Condition:
        value, before = self._tokens[index].body, self._tokens[:index]
        escaped = escaped_text(value)
        if before[-1].kind is not Kind.RELATION:
            return self._free(self._entity, 0, "=", escaped)
        relation = before[-1].body
        if before[-2].kind is Kind.REFERENCE:
            entity, cell = self._joined(before[-2].body)
            return self._free(entity, cell, relation, escaped)
        if before[-3].kind is Kind.DOT:
            entity, cell = self._joined(before[-4].body)
            return self._compared(entity, cell, before[-2].body, relation, value, escaped)
        return self._compared(self._entity, 0, before[-2].body, relation, value, escaped)

    def _joined(self, name: str) -> tuple[Entity, int]:
        entity = self._entities.get(name) or self._entities[name.removesuffix("S")]
        if entity.name == self._entity.name:
            return entity, 0
        return entity, self._statement.joined.index(entity.name) + 1

    # Words without a field -----------------------------------------------------------

    def _free(self, entity: Entity, cell: int, relation: str, escaped: str) -> _Condition:
        pattern = escaped.replace("*", "%").replace("_", "\\_")
        value = f"'%{pattern.strip(chr(39))}%'" if pattern != "''" else pattern
        negative = relation == "!="
        operation = f" NOT {self._like}" if negative else self._like
        fields = [f for f in entity.fields.values() if f.free and f.type is Type.TEXT]
        fields.sort(key=lambda field: field.column)
        table = self._statement.table_of(entity, "", own=cell == 0)
        # From here on the engine uses the table with tags.
        self._statement.full = True
        self.uses_tags = self.uses_tags or any(field.of_tags for field in fields)
        texts = [f" {table}.{field.column} {operation} {value}" for field in fields]
        matches = like(value.strip("'"), self._case_sensitive)
        values = [_value_of(field, cell) for field in fields]

        def test(row: Row) -> bool:
            texts = (value(row) for value in values)
            return any(text is not None and matches(str(text)) != negative for text in texts)

        return _Condition(f" ( {' OR '.join(texts)} ) ", test)

    # Fields --------------------------------------------------------------------------

    def _compared(
        self, entity: Entity, cell: int, name: str, relation: str, value: str, escaped: str
    ) -> _Condition:
        field = entity.fields[name]
        table = self._statement.table_of(entity, name, own=cell == 0)
        self.uses_tags = self.uses_tags or field.of_tags
        read = _value_of(field, cell)
        if field.plain:
            return self._text(field, table, read, relation, escaped)
        if entity.name == "VM" and field.type is Type.DATE and date(value) is None:
            # The engine accepts words such as TODAY here, but fails to evaluate them.
            raise Refused("", 500)
        actual = _actual(field, value)
        literal = f"'{actual}'" if actual is not None else "'null'"
        if field.type is not Type.TEXT and field.choices is None:
            literal = escaped
        if literal.lower() in ("''", "'null'") and relation in ("=", "!="):
            negative = relation == "!="
            text = f"({table}.{field.column} {'IS NOT' if negative else 'IS'}  NULL)"
            return _Condition(text, lambda row: (read(row) is not None) == negative)
        if field.type is Type.UUID:
            self.literals.append(value)
        return _Condition(
            _text(table, field.column, relation, literal),
            _test(field, read, relation, value if actual is None else actual),
        )

    def _text(
        self, field: Field, table: str, read: Callable[[Row], Any], relation: str, escaped: str
    ) -> _Condition:
        value = escaped.replace("*", "%")
        negative = relation == "!="
        operation = f" NOT {self._like}" if negative else self._like
        if relation in ("=", "!="):
            value = value.replace("_", "\\_")
        if field.contains:
            value = f"'%{value.strip(chr(39))}%'"
        if field.of_tags and not negative:
            names = dict.fromkeys(self._tag_names(value))
            listed = ",".join(f"'{name}'" for name in names) or f"'{_NO_TAG}'"
            text = _text(table, field.column, "IN", f"({listed})")
            return _Condition(text, lambda row: read(row) in names)
        text = _text(table, field.column, operation, value)
        pattern = value.strip("'")
        if not negative and not re.search(r"[%\\_]", pattern.replace("\\_", "")):
            return _Condition(text, self._equals(field, read, pattern.replace("\\_", "_")))
        matches = like(pattern, self._case_sensitive)

        def test(row: Row) -> bool:
            actual = read(row)
            return negative if actual is None else matches(str(actual)) != negative

        return _Condition(text, test)

    def _equals(self, field: Field, read: Callable[[Row], Any], value: str) -> Test:
        fold = str if self._case_sensitive else str.lower
        return _Equals(field, read, frozenset((fold(value),)), fold)

    def _tag_names(self, value: str) -> list[str]:
        """The names of matching tags, each followed by all its descendants."""
        expression = value.strip("'").replace("%", "*")
        expression = f"^{expression}$".replace("*", ".*").replace("\\\\", "")
        tree = self._entity.tag_tree()
        try:
            matches = java_pattern(expression).search if tree else None
        except JavaPatternError as error:
            raise Refused(str(error)) from None
        names: list[str] = []

        def add_children(parent: str | None, inherited: bool) -> None:
            for name in tree.get(parent, ()):
                is_match = inherited or (matches is not None and matches(name) is not None)
                if is_match:
                    names.append(name)
                add_children(name, is_match)

        add_children(None, False)
        return names


@dataclass(frozen=True, slots=True)
class _Equals:
    """True if a field has one of these values. Constant time, however many there are."""

    field: Field
    read: Callable[[Row], Any]
    values: frozenset[str]
    fold: Callable[[str], str]

    def __call__(self, row: Row) -> bool:
        value = self.read(row)
        return value is not None and self.fold(str(value)) in self.values


def _value_of(field: Field, cell: int) -> Callable[[Row], Any]:
    if field.of_tags:
        return lambda row: row[cell][1]
    value = field.value
    if cell == 0:
        return lambda row: value(row[0][0])
    return lambda row: None if row[cell][0] is None else value(row[cell][0])


def _actual(field: Field, value: str) -> str | None:
    """The database value of a word."""
    if field.choices is not None:
        numbers = {word.upper(): number for word, number in field.choices.items()}
        return numbers.get(value.upper(), "")
    if field.nullable:
        return None if value.lower() == "null" else value
    return value


def _text(table: str, column: str, operation: str, value: str) -> str:
    if operation.strip() in ("NOT LIKE", "NOT ILIKE", "!="):
        return f" ({table}.{column} IS NULL OR {table}.{column} {operation} {value}) "
    return f" {table}.{column} {operation} {value} "


def _test(field: Field, read: Callable[[Row], Any], relation: str, value: str) -> Test:
    compare = _COMPARE[relation]
    convert: Callable[[Any], Any] = _folded if field.type is Type.UUID else str
    if field.type in (Type.INTEGER, Type.DECIMAL) or relation not in ("=", "!="):
        convert = _number
    if field.type is Type.SPAN:
        expected: Any = time_span(value)
    elif field.type is Type.DATE:
        return _day_test(read, relation, day_of(value).timestamp())
    else:
        expected = convert(value)

    def test(row: Row) -> bool:
        actual = read(row)
        if actual is None:
            return relation == "!="
        return bool(compare(convert(actual), expected))

    return test


def _day_test(read: Callable[[Row], Any], relation: str, begins: float) -> Test:
    """``=`` matches the whole day."""

    def test(row: Row) -> bool:
        value = read(row)
        if value is None:
            return False
        if relation == "=":
            return bool(begins <= value <= begins + 86400)
        return bool(_COMPARE[relation](value, begins))

    return test


def _number(value: Any) -> float:
    return float(value)


def _folded(value: Any) -> str:
    return str(value).lower()


# Joining: first by "and", then by "or", finally adjacent conditions. ----------------------


def _join_and(parts: Sequence[_Condition | str]) -> list[_Condition | str]:
    return _join(parts, "AND", all)


def _join_or(parts: Sequence[_Condition | str]) -> list[_Condition | str]:
    return _join(parts, "OR", any)


def _join(
    parts: Sequence[_Condition | str], word: str, holds: Callable[[Any], bool]
) -> list[_Condition | str]:
    out: list[Any] = []
    joining = False
    for part in parts:
        if part == word:
            joining = True
        elif joining:
            out[-1].append(part)
            joining = False
        else:
            out.append([part] if isinstance(part, _Condition) else part)
    return [_grouped(part, word, holds) if isinstance(part, list) else part for part in out]


def _grouped(group: list[_Condition], word: str, holds: Callable[[Any], bool]) -> _Condition:
    if len(group) == 1:
        return group[0]
    text = group[0].sql
    for part in group[1:]:
        text = f"( {text} {word} {part.sql} )"
    tests = [part.test for part in group]
    if word == "OR":
        tests = _merged(tests)
        if len(tests) == 1:
            return _Condition(text, tests[0])
    return _Condition(text, lambda row: holds(test(row) for test in tests))


def _merged(tests: Sequence[Test]) -> list[Test]:
    """Merge tests for equality of the same field, of which there may be hundreds."""
    equals: dict[int, _Equals] = {}
    others: list[Test] = []
    for test in tests:
        if isinstance(test, _Equals):
            merged = equals.get(id(test.field), test)
            equals[id(test.field)] = _Equals(
                test.field, test.read, merged.values | test.values, test.fold
            )
        else:
            others.append(test)
    return [*equals.values(), *others]


def _join_adjacent(parts: Sequence[_Condition | str]) -> _Condition | None:
    conditions = [part for part in parts if isinstance(part, _Condition)]
    if len(conditions) < 2:
        return conditions[0] if conditions else None
    tests = [part.test for part in conditions]
    text = " AND ".join(part.sql for part in conditions)
    return _Condition(text, lambda row: all(test(row) for test in tests))
