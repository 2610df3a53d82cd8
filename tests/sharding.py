"""What a sharded database (Citus) refuses, checked in every statement that the tests run, on whatever database."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, Table, event
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, ColumnElement
from sqlalchemy.sql.selectable import Alias, FromClause, Join, Select

from db.engine import DISTRIBUTED_TABLES, SHARD_KEY

_checked: set[str] = set()
# A distributed table where a FROM clause may have it; a column of one has a dot behind the name of its table.
_PLACE = re.compile(rf"(?:\bFROM|\bJOIN|,)[\s(]+(?:{'|'.join(DISTRIBUTED_TABLES)})\b(?!\.)", re.IGNORECASE)


class BrokenRule(AssertionError):
    """A statement that Citus would refuse."""


def watch() -> None:
    """Has each statement of every engine checked once."""
    if not event.contains(Engine, "before_cursor_execute", _check):
        event.listen(Engine, "before_cursor_execute", _check)


def _check(_connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    if statement in _checked:
        return
    _checked.add(statement)
    if len(_PLACE.findall(statement)) < 2:
        return  # Finding the FROM clauses of a statement takes longer than most statements.
    compiled = getattr(context, "compiled", None)
    element = compiled.statement if compiled is not None else None
    if element is not None:
        for problem in problems(element):
            raise BrokenRule(f"{problem} in:\n{statement}")


def problems(statement: Any) -> Iterator[str]:
    """Joins of distributed tables that do not name the shard key of both: Citus would have to move their rows."""
    for part in visitors.iterate(statement):
        if isinstance(part, Select):
            yield from _unjoined(part)


def _unjoined(query: Select[Any]) -> Iterator[str]:
    starts = query.get_final_froms()
    conditions = [query.whereclause, *(on for start in starts for on in _conditions(start))]
    own = {_place(each): _name(each) for start in starts for each in _leaves(start)}
    tables = {place: name for place, name in own.items() if name in DISTRIBUTED_TABLES}
    if len(tables) < 2:
        return
    joined = _Groups()
    for left, right in _equalities(conditions):
        joined.add(*(_end(side, tables) for side in (left, right)))
    first, *others = tables
    for other in others:
        if not joined.together(first, other):
            yield f"{tables[first]} and {tables[other]} are joined without {SHARD_KEY}"


class _Groups:
    """Which tables have the same value of the shard key, directly or by way of another table or a value."""

    def __init__(self) -> None:
        self._groups: dict[str, set[str]] = {}

    def add(self, left: str, right: str) -> None:
        whole = self._groups.get(left, {left}) | self._groups.get(right, {right})
        for member in whole:
            self._groups[member] = whole

    def together(self, left: str, right: str) -> bool:
        return right in self._groups.get(left, {left})


def _end(side: Any, tables: Mapping[str, Any]) -> str:
    """The place of a table of the query whose shard key it is, or else its own text: a value or another column."""
    table = getattr(side, "table", None)
    if table is not None and getattr(side, "key", None) == SHARD_KEY and _place(table) in tables:
        return _place(table)
    value = getattr(side, "value", None)
    return f"value {value!r}" if value is not None else f"text {side}"


def _equalities(conditions: list[ColumnElement[Any] | None]) -> Iterator[tuple[Any, Any]]:
    for condition in conditions:
        if condition is None:
            continue
        for part in visitors.iterate(condition, {"column_collections": False}):
            if isinstance(part, BinaryExpression) and part.operator is operators.eq:
                sides = part.left, part.right
                if any(getattr(side, "key", None) == SHARD_KEY for side in sides):
                    yield sides


def _leaves(start: FromClause) -> Iterator[FromClause]:
    if isinstance(start, Join):
        yield from _leaves(start.left)
        yield from _leaves(start.right)
    else:
        yield start


def _conditions(start: FromClause) -> Iterator[ColumnElement[Any]]:
    if isinstance(start, Join):
        yield from _conditions(start.left)
        yield from _conditions(start.right)
        yield start.onclause  # type: ignore[misc]


def _place(table: Any) -> str:
    """Of a table in a statement: its name, or that of its alias."""
    return str(getattr(table, "name", id(table)))


def _name(table: FromClause) -> str | None:
    """Of the table that stands there, also under another name."""
    while isinstance(table, Alias):
        table = table.element
    return table.name if isinstance(table, Table) else None
