"""What the conditions of a search mean, for each row of the engine's database.

A row is a cell for the thing itself and one for each object joined with it; a
cell is an item and one of its tags. Source: the engine's classes SyntaxChecker,
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
        self.literals: list[str] = []  # that have to be ids
        self.uses_tags = False

    def test(self) -> Test | None:
        """All conditions in one; None if there are none."""
        parts: list[_Condition | str] = []
        for index, token in enumerate(self._tokens):
            if token.kind is Kind.CONNECTIVE:
                parts.append(token.body)
            elif token.kind is Kind.VALUE:
                parts.append(self._condition(index))
        joined = _side_by_side(_either(_together(parts)))
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

    # Text anywhere -------------------------------------------------------------------

    def _free(self, entity: Entity, cell: int, relation: str, escaped: str) -> _Condition:
        pattern = escaped.replace("*", "%").replace("_", "\\_")
        value = f"'%{pattern.strip(chr(39))}%'" if pattern != "''" else pattern
        negative = relation == "!="
        operation = f" NOT {self._like}" if negative else self._like
        fields = [f for f in entity.fields.values() if f.free and f.type is Type.TEXT]
        fields.sort(key=lambda field: field.column)
        table = self._statement.table_of(entity, "", own=cell == 0)
        # On such a search the engine looks into the table with the tags, from then on.
        self._statement.full = True
        self.uses_tags = self.uses_tags or any(field.of_tags for field in fields)
        texts = [f" {table}.{field.column} {operation} {value}" for field in fields]
        fits = like(value.strip("'"), self._case_sensitive)
        values = [_value_of(field, cell) for field in fields]

        def test(row: Row) -> bool:
            found = (value(row) for value in values)
            return any(text is not None and fits(str(text)) != negative for text in found)

        return _Condition(f" ( {' OR '.join(texts)} ) ", test)

    # A field -------------------------------------------------------------------------

    def _compared(
        self, entity: Entity, cell: int, name: str, relation: str, value: str, escaped: str
    ) -> _Condition:
        field = entity.fields[name]
        table = self._statement.table_of(entity, name, own=cell == 0)
        self.uses_tags = self.uses_tags or field.of_tags
        shown = _value_of(field, cell)
        if field.plain:
            return self._text(field, table, shown, relation, escaped)
        if entity.name == "VM" and field.type is Type.DATE and date(value) is None:
            # The engine's VMs only know dates, though it takes words for them: an error.
            raise Refused("", 500)
        actual = _actual(field, value)
        literal = f"'{actual}'" if actual is not None else "'null'"
        if field.type is not Type.TEXT and field.choices is None:
            literal = escaped
        if literal.lower() in ("''", "'null'") and relation in ("=", "!="):
            negative = relation == "!="
            text = f"({table}.{field.column} {'IS NOT' if negative else 'IS'}  NULL)"
            return _Condition(text, lambda row: (shown(row) is not None) == negative)
        if field.type is Type.UUID:
            self.literals.append(value)
        return _Condition(
            _text(table, field.column, relation, literal),
            _test(field, shown, relation, value if actual is None else actual),
        )

    def _text(
        self, field: Field, table: str, shown: Callable[[Row], Any], relation: str, escaped: str
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
            return _Condition(text, lambda row: shown(row) in names)
        text = _text(table, field.column, operation, value)
        pattern = value.strip("'")
        if not negative and not re.search(r"[%\\_]", pattern.replace("\\_", "")):
            return _Condition(text, self._equals(field, shown, pattern.replace("\\_", "_")))
        fits = like(pattern, self._case_sensitive)
        if negative:
            return _Condition(
                text, lambda row: (found := shown(row)) is None or not fits(str(found))
            )
        return _Condition(text, lambda row: (found := shown(row)) is not None and fits(str(found)))

    def _equals(self, field: Field, shown: Callable[[Row], Any], value: str) -> Test:
        folded = _same if self._case_sensitive else str.lower
        return _Equals(field, shown, frozenset((folded(value),)), folded)

    def _tag_names(self, value: str) -> list[str]:
        """Of the tags that fit, each followed by all below it."""
        expression = value.strip("'").replace("%", "*")
        expression = f"^{expression}$".replace("*", ".*").replace("\\\\", "")
        tree = self._entity.tag_tree()
        try:
            fits = java_pattern(expression).search if tree else None
        except JavaPatternError as error:
            raise Refused(str(error)) from None
        found: list[str] = []

        def look(above: str | None, inside: bool) -> None:
            for name in tree.get(above, ()):
                fit = inside or (fits is not None and fits(name) is not None)
                if fit:
                    found.append(name)
                look(name, fit)

        look(None, False)
        return found


@dataclass(frozen=True, slots=True)
class _Equals:
    """Is a field one of these values? Hundreds of them cost as much as one."""

    field: Field
    shown: Callable[[Row], Any]
    values: frozenset[str]
    folded: Callable[[str], str]

    def __call__(self, row: Row) -> bool:
        value = self.shown(row)
        return value is not None and self.folded(str(value)) in self.values


def _value_of(field: Field, cell: int) -> Callable[[Row], Any]:
    if field.of_tags:
        return lambda row: row[cell][1]
    value = field.value
    if cell == 0:
        return lambda row: value(row[0][0])
    return lambda row: None if row[cell][0] is None else value(row[cell][0])


def _actual(field: Field, value: str) -> str | None:
    """What stands in the database for a word."""
    if field.choices is not None:
        known = {word.upper(): number for word, number in field.choices.items()}
        return known.get(value.upper(), "")
    if field.nullable:
        return None if value.lower() == "null" else value
    return value


def _text(table: str, column: str, operation: str, value: str) -> str:
    if operation.strip() in ("NOT LIKE", "NOT ILIKE", "!="):
        return f" ({table}.{column} IS NULL OR {table}.{column} {operation} {value}) "
    return f" {table}.{column} {operation} {value} "


def _test(field: Field, shown: Callable[[Row], Any], relation: str, wanted: str) -> Test:
    compare = _COMPARE[relation]
    convert: Callable[[Any], Any] = _folded if field.type is Type.UUID else str
    if field.type in (Type.INTEGER, Type.DECIMAL) or relation not in ("=", "!="):
        convert = _number
    if field.type is Type.SPAN:
        given: Any = time_span(wanted)
    elif field.type is Type.DATE:
        return _day_test(shown, relation, day_of(wanted).timestamp())
    else:
        given = convert(wanted)

    def test(row: Row) -> bool:
        value = shown(row)
        if value is None:
            return relation == "!="
        return bool(compare(convert(value), given))

    return test


def _day_test(shown: Callable[[Row], Any], relation: str, begins: float) -> Test:
    """``=`` is that whole day."""

    def test(row: Row) -> bool:
        value = shown(row)
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


def _same(value: str) -> str:
    return value


# How they are joined: first by "and", then by "or", at last what stands side by side. ----


def _together(parts: Sequence[_Condition | str]) -> list[_Condition | str]:
    return _pairs(parts, "AND", all)


def _either(parts: Sequence[_Condition | str]) -> list[_Condition | str]:
    return _pairs(parts, "OR", any)


def _pairs(
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
    """One test for all values that a field may equal: there may be hundreds."""
    equals: dict[int, _Equals] = {}
    others: list[Test] = []
    for test in tests:
        if isinstance(test, _Equals):
            known = equals.get(id(test.field), test)
            equals[id(test.field)] = _Equals(
                test.field, test.shown, known.values | test.values, test.folded
            )
        else:
            others.append(test)
    return [*equals.values(), *others]


def _side_by_side(parts: Sequence[_Condition | str]) -> _Condition | None:
    conditions = [part for part in parts if isinstance(part, _Condition)]
    if len(conditions) < 2:
        return conditions[0] if conditions else None
    tests = [part.test for part in conditions]
    text = " AND ".join(part.sql for part in conditions)
    return _Condition(text, lambda row: all(test(row) for test in tests))
