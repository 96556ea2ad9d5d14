"""The SQL of a search, which only appears in faults.

Source: the engine's class SyntaxChecker, the messages of PostgreSQL, and the
recordings ``search-id-malformed`` and ``search-page-0``. It covers the database errors
that a search can cause: an invalid UUID, a page before the first, a missing table or
column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from chaosvm.lab.ovirt.search_fields import Entity

__all__ = ["Refused", "Statement"]

_ID = re.compile(r"\{?([0-9a-f]{4}-?){7}[0-9a-f]{4}\}?", re.IGNORECASE)


class Refused(ValueError):
    """A search that the engine refuses with a fault, with the text before it is lowered."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status

    @property
    def detail(self) -> str:
        """The detail of the fault: lower case, with spaces for underscores."""
        return str(self).lower().replace("_", " ")


class Statement:
    """The SQL statement. Complete after :meth:`finish`."""

    def __init__(self, entity: Entity, text: str) -> None:
        self._entity = entity
        self._text = text
        self.joined: list[str] = []
        self.full = "tag" in text
        self._sql = ""
        self._page = 1
        self._sort_column: str | None = None

    def join(self, name: str) -> None:
        singular = name.removesuffix("S") if name not in self._entity.joins else name
        if singular not in self.joined and singular != self._entity.name:
            self.joined.append(singular)
            lowered = self._text.lower()
            # Quirks of the engine, which examines the text of the search.
            with_host = lowered.startswith("vm") and "cluster" in lowered and singular == "HOST"
            with_template = lowered.startswith("event") and "template" in lowered
            if singular in ("DATACENTER", "STORAGE") or with_host or with_template:
                self.full = True

    def table_of(self, entity: Entity, field: str, own: bool) -> str:
        """The table of a field of the searched collection (own) or of a joined one."""
        if own and field and field != "TAG" and not self.full:
            return entity.table
        return entity.full_table

    def finish(
        self,
        where: str,
        sort_column: str | None,
        descending: bool,
        page: int,
        limit: int,
        since: int,
    ) -> None:
        entity = self._entity
        self._page, self._sort_column = page, sort_column
        by_default = f" ORDER BY {entity.default_sort}"
        direction = "DESC NULLS LAST" if descending else "ASC NULLS FIRST"
        order = by_default if sort_column is None else f" ORDER BY {sort_column} {direction}"
        if entity.default_sort not in order:
            order += f",{entity.default_sort}"
        table = entity.full_table if self.full else entity.table
        source = "".join(f" {part} " for part in (table, *map(self._joined, self.joined)))
        distinct = "distinct" if self.full or entity.distinct else ""
        column = entity.key if self.full else "*"
        inner = f"SELECT {distinct} {table}.{column} FROM {source} {where}"
        if self.full:
            inner = f"SELECT * FROM {entity.table} WHERE ( {entity.key} IN ({inner})"
        else:
            inner = f"({inner}"
        if since > 0:
            inner = f"{inner} and  {entity.key} >  {since}"
        if "LEFT OUTER JOIN" in inner and "distinct" not in inner:
            inner = inner.replace("SELECT ", "SELECT  distinct ", 1)
        offset = (page - 1) * limit + 1
        self._sql = f"SELECT * FROM ({inner}) {order}) as T1 OFFSET ({offset} -1) LIMIT {limit}"
        self._since, self._where, self._offset = since, where, offset

    def _joined(self, name: str) -> str:
        join = self._entity.joins.get(name)
        table = self._entity.full_table if self.full else self._entity.table
        if join is None:  # a collection that is not simulated
            return f" LEFT OUTER JOIN {name.lower()} ON {table}.{self._entity.key}"
        other = join.entity().full_table
        return f" LEFT OUTER JOIN {other} ON {table}.{join.own_column}={other}.{join.column} "

    def check(self, ids: Sequence[str]) -> None:
        """Raises Refused if the database would report an error."""
        if self._since > 0 and self._where and self._entity.name != "EVENT":
            # Ignored without a condition: then the engine uses a cached list.
            hint = (
                "\n  Hint: No operator matches the given name and argument types. "
                "You might need to add explicit type casts."
            )
            error = f"operator does not exist: uuid > integer{hint}"
            raise self._grammar(error, f">  {self._since}")
        full = f"{self._entity.full_table}.tag_name"
        if not self.full and full in self._sql and self._entity.table != self._entity.full_table:
            missing = f'missing FROM-clause entry for table "{self._entity.full_table}"'
            raise self._grammar(missing, full)
        for literal in ids:
            if not _ID.fullmatch(literal):
                raise self._wrong_id(literal)
        if self._sort_column == "tag_name":
            raise self._grammar('column "tag_name" does not exist', "ORDER BY tag_name", 9)
        if self._offset < 1:
            raise self._data("ERROR: OFFSET must not be negative")

    def _wrong_id(self, literal: str) -> Refused:
        position = self._sql.index(f"'{literal}'") + 1
        message = f'ERROR: invalid input syntax for type uuid: "{literal}"\n  Position: {position}'
        return self._data(message)

    def _data(self, message: str) -> Refused:
        nested = f"nested exception is org.postgresql.util.PSQLException: {message}"
        return Refused(f"StatementCallback; SQL [{self._sql}]; {message}; {nested}")

    def _grammar(self, error: str, at: str, further: int = 0) -> Refused:
        position = self._sql.index(at) + 1 + further
        message = f"ERROR: {error}\n  Position: {position}"
        nested = f"nested exception is org.postgresql.util.PSQLException: {message}"
        return Refused(f"StatementCallback; bad SQL grammar [{self._sql}]; {nested}")
