"""The engine's search: parsing, evaluation, and errors.

    name = web* and status != down or tag = prod sortby name asc page 2

The engine translates a search to SQL, and so does this, because faults quote it. ``and``
binds before ``or``, and adjacent conditions are joined last, by and. A word without a
field is searched in all columns. ``*`` is the only wildcard, even within quotes. The
response to an invalid search is an empty list. Source: the engine's classes
SyntaxChecker and SearchQuery, and the recordings ``search-*``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosvm.lab.ovirt.search_conditions import Conditions, Test
from chaosvm.lab.ovirt.search_fields import Entity, Field
from chaosvm.lab.ovirt.search_sql import Refused, Statement
from chaosvm.lab.ovirt.search_syntax import Kind, NotUnderstood, Token, tokenize

__all__ = ["NotUnderstood", "Refused", "Search", "parse"]

INT_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Search:
    """A valid search."""

    entity: Entity
    test: Test | None
    joined: Sequence[str]  # the names of joined collections
    tagged: bool  # whether conditions use tags
    sort_by: Field | None = None
    descending: bool = False
    page: int = 1

    def apply(self, items: Sequence[Any], limit: int | None = None) -> list[Any]:
        """The matches, sorted and limited; ``items`` are in the engine's default order."""
        matches = items if self.test is None else [item for item in items if self._matches(item)]
        if self.sort_by is not None:
            matches = sorted(matches, key=self.sort_by.sort_key, reverse=self.descending)
        size = INT_MAX if limit is None else limit
        return list(matches[(self.page - 1) * size : self.page * size])

    def _matches(self, item: Any) -> bool:
        test = self.test
        assert test is not None
        if not self.joined and not self.tagged:
            return test(((item, None),))
        return any(test(row) for row in self._rows(item))

    def _rows(self, item: Any) -> Any:
        """One row for each combination of tags and joined objects, as in the database."""
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
    limit: int | None = None,
    since: int = 0,
) -> Search:
    """Parse a search. Raises NotUnderstood, or Refused if the response is a fault."""
    tokens = tokenize(text, entity, entities)
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
        INT_MAX if limit is None else limit,
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
    """The page number; 1 if it is not a number."""
    for token in tokens:
        if token.kind is Kind.PAGE_VALUE and token.body.isdecimal():
            number = int(token.body)
            return number if number <= INT_MAX else 1
    return 1
