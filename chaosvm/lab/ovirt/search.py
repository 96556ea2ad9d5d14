"""The engine's search: what a text finds, and what is wrong with it.

    name = web* and status != down or tag = prod sortby name asc page 2

The engine makes SQL of it, and so does this, for the faults that quote it; what
it finds is what that SQL would find in the engine's database. ``and`` binds
before ``or``, and what stands side by side is joined last, by and; a word
without a field is looked for in all columns; ``*`` is the only wildcard, also
within quotes. A search that is not understood is answered by an empty list.
Source: the engine's classes SyntaxChecker and SearchQuery, and the recordings
``search-*``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosvm.lab.ovirt.search_conditions import Conditions, Test
from chaosvm.lab.ovirt.search_fields import Entity, Field
from chaosvm.lab.ovirt.search_sql import Refused, Statement
from chaosvm.lab.ovirt.search_syntax import Kind, NotUnderstood, Token, read

__all__ = ["NotUnderstood", "Refused", "Search", "parse"]

INT_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Search:
    """A search that was understood."""

    entity: Entity
    test: Test | None
    joined: Sequence[str]  # the objects looked at together with each item
    tagged: bool  # whether tags matter
    sort_by: Field | None = None
    descending: bool = False
    page: int = 1

    def of(self, items: Sequence[Any], most: int | None = None) -> list[Any]:
        """Those that it finds, in order; ``items`` are in the engine's own order."""
        found = items if self.test is None else [item for item in items if self._fits(item)]
        if self.sort_by is not None:
            found = sorted(found, key=self.sort_by.sort_key, reverse=self.descending)
        size = INT_MAX if most is None else most
        return list(found[(self.page - 1) * size : self.page * size])

    def _fits(self, item: Any) -> bool:
        test = self.test
        assert test is not None
        if not self.joined and not self.tagged:
            return test(((item, None),))
        return any(test(row) for row in self._rows(item))

    def _rows(self, item: Any) -> Any:
        """One for each tag and each thing that is joined, as in the database."""
        cells = [self._cells(self.entity, [item])]
        for name in self.joined:
            join = self.entity.joins.get(name)
            if join is None:
                cells.append([(None, None)])
            else:
                cells.append(self._cells(join.entity(), join.items(item)))
        return itertools.product(*cells)

    @staticmethod
    def _cells(entity: Entity, items: Sequence[Any]) -> list[tuple[Any, str | None]]:
        cells = [(item, tag) for item in items for tag in entity.tags(item) or (None,)]
        return cells or [(None, None)]


def parse(
    text: str,
    entity: Entity,
    entities: Mapping[str, Entity],
    *,
    case_sensitive: bool = False,
    most: int | None = None,
    since: int = 0,
) -> Search:
    """Read a search. Raises NotUnderstood, and Refused for what the engine answers by a fault."""
    tokens = read(text, entity, entities)
    statement = Statement(entity, entity.prefix + text)
    for token in tokens:
        if token.kind is Kind.REFERENCE:
            statement.join(token.body)
    conditions = Conditions(tokens, entity, entities, statement, case_sensitive)
    test = conditions.test()
    sort_by, descending = _sorting(tokens, entity)
    page = _page(tokens)
    statement.finish(
        conditions.where,
        sort_by.sort_column or sort_by.column if sort_by else None,
        descending,
        page,
        INT_MAX if most is None else most,
        since,
    )
    statement.check(conditions.literals)
    return Search(
        entity,
        test,
        statement.joined,
        conditions.uses_tags,
        sort_by,
        descending,
        page,
    )


def _sorting(tokens: Sequence[Token], entity: Entity) -> tuple[Field | None, bool]:
    names = [token.body for token in tokens if token.kind is Kind.SORT_FIELD]
    directions = [token.body for token in tokens if token.kind is Kind.SORT_DIRECTION]
    return entity.fields[names[0]] if names else None, directions == ["DESC"]


def _page(tokens: Sequence[Token]) -> int:
    """The first, if what stands there is no number after all."""
    for token in tokens:
        if token.kind is Kind.PAGE_VALUE and token.body.isdecimal():
            number = int(token.body)
            return number if number <= INT_MAX else 1
    return 1
