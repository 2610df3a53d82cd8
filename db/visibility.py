"""Restricts a session to the repositories that its user may see.

The restriction is applied where SQLAlchemy renders a table, which every statement passes: ORM and Core, aliases,
subqueries, common table expressions and INSERT … SELECT. A restricted session has a dialect of its own, whose compiler
renders `runs` as `(SELECT * FROM runs WHERE repository_id IN visible) AS runs`; both databases merge such a subquery
into the statement. Unrestricted sessions have the engine's dialect. Compiled statements are cached by dialect, so that
the two never share one, and the ids are bound when a statement is executed.

Statements that the compiler cannot restrict, such as textual SQL over these tables, raise VisibilityError."""

import copy
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from fnmatch import fnmatchcase
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Boolean, ColumnElement, Connection, Dialect, bindparam, event, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import DDLCompiler, SQLCompiler
from sqlalchemy.sql.expression import TableClause
from sqlalchemy.types import NullType

from db.models import Base, Notification, Repository

# The ids of the visible repositories; None: all repositories.
Visibility = frozenset[int] | None

_INFO_KEY = "visibility"
_RESTRICTION_KEY, _NAMES_KEY = "visibility condition", "visible names"
# Up to this number of visible repositories, an index on repository_id is the fastest way to their rows.
_FEW = 8
# Not a repository: roll-ups of all repositories together.
_TOTALS = 0


class VisibilityError(RuntimeError):
    """A statement cannot be restricted to the visible repositories. This is a defect of the program."""


class _Form(Enum):
    """How the condition is written: with the visible ids, or with the hidden ones where these are fewer."""

    FEW = 0
    VISIBLE = 1
    HIDDEN = 2


class _Unbound:
    """The value of the parameter until the statement is executed. No driver accepts it."""


def _id_columns() -> dict[str, str]:
    """The column with the id of the repository, by table."""
    columns = {table.name: "repository_id" for table in Base.metadata.sorted_tables if "repository_id" in table.c}
    return {**columns, Repository.__tablename__: "id"}


_ID_COLUMNS = _id_columns()
# A notification is about an alert, which is about a repository.
_NOTIFICATIONS = Notification.__tablename__
_RESTRICTED_TABLES = frozenset({*_ID_COLUMNS, _NOTIFICATIONS})
_WORD = re.compile(r"[a-z_]+")
_VISIBLE_IDS = bindparam("visible_ids", _Unbound(), NullType())


def restrict(session: Session, visibility: Visibility) -> None:
    """Restricts all later statements of the session to the repositories with these ids; None restricts nothing.
    Rows without a repository are hidden in tables that have a repository_id. Objects that the session has loaded are
    removed from it. Raises VisibilityError if the session is restricted to other repositories already."""
    current = visibility_of(session)
    if visibility is None and current is None:
        return
    if current is not None and current != visibility:
        raise VisibilityError("The session is restricted already.")
    session.flush()
    session.expunge_all()
    connection = session.connection()
    if current is None and visibility is not None:
        session.info[_INFO_KEY] = visibility
        known = frozenset(connection.scalars(select(Repository.id))) if len(visibility) > _FEW else frozenset()
        session.info[_RESTRICTION_KEY] = _form(visibility, known)
    _restrict_connection(connection, *session.info[_RESTRICTION_KEY])


def visibility_of(session: Session) -> Visibility:
    """The ids of the repositories to which the session is restricted; None for all."""
    visibility: Visibility = session.info.get(_INFO_KEY)
    return visibility


def is_restricted(session: Session) -> bool:
    """Whether the session has only a part of the repositories: sums over all repositories must not be read."""
    return session.info.get(_INFO_KEY) is not None


def visible_names(session: Session) -> frozenset[str]:
    """The full names of the repositories that the session reads, in lower case, read once for a session."""
    names: frozenset[str] | None = session.info.get(_NAMES_KEY)
    if names is None:
        names = frozenset(name.lower() for name in session.scalars(select(Repository.full_name)))
        session.info[_NAMES_KEY] = names
    return names


def visible_patterns(session: Session, patterns: Sequence[str]) -> tuple[str, ...] | None:
    """The patterns of names of repositories that a restricted session may read: those that match a visible repository.
    None if there are patterns and none of them does, so that what they belong to is hidden. A pattern that matches no
    repository could name a hidden one."""
    if not patterns or not is_restricted(session):
        return tuple(patterns)
    names = visible_names(session)
    visible = tuple(pattern for pattern in patterns if any(fnmatchcase(name, str(pattern).lower()) for name in names))
    return visible or None


def visibility_key(visibility: Visibility) -> str:
    """Identifies the visible repositories in the keys of caches; empty for all."""
    if visibility is None:
        return ""
    return hashlib.sha256(",".join(map(str, sorted(visibility))).encode()).hexdigest()[:32]


def _form(visibility: frozenset[int], known: frozenset[int]) -> tuple[_Form, str]:
    """The shorter form of the condition, and its ids as a JSON array."""
    hidden = known - visibility
    if len(visibility) > _FEW and len(hidden) < len(visibility):
        return _Form.HIDDEN, json.dumps([_TOTALS, *sorted(hidden)])
    return (_Form.FEW if len(visibility) <= _FEW else _Form.VISIBLE), json.dumps(sorted(visibility))


@event.listens_for(Session, "after_begin")
def _restrict_transaction(session: Session, _transaction: Any, connection: Connection) -> None:
    restriction = session.info.get(_RESTRICTION_KEY)
    if restriction is not None:
        _restrict_connection(connection, *restriction)


def _restrict_connection(connection: Connection, form: _Form, ids: str) -> None:
    """Gives the connection, which serves one session, a restricted dialect; that of the engine is not changed."""
    if issubclass(connection.dialect.statement_compiler, _RestrictingCompiler):
        return
    value = f"{{{ids[1:-1]}}}" if connection.dialect.name == "postgresql" else ids

    def bind(
        used: Connection, _cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
    ) -> tuple[str, Any]:
        compiled = context.compiled
        if compiled is None:
            _check_text(statement)
        elif not isinstance(compiled, DDLCompiler | used.dialect.statement_compiler):
            raise VisibilityError("The statement was compiled for a session that is not restricted.")
        return statement, [_bind(row, value) for row in parameters] if executemany else _bind(parameters, value)

    connection.dialect = _restricted_dialect(connection.dialect, form)
    event.listen(connection, "before_cursor_execute", bind, retval=True)


def _bind(parameters: Any, value: str) -> Any:
    """The parameters of one row, a mapping or a sequence, with the ids in place of `_Unbound`."""
    if isinstance(parameters, Mapping):
        return {name: value if isinstance(entry, _Unbound) else entry for name, entry in parameters.items()}
    return tuple(value if isinstance(entry, _Unbound) else entry for entry in parameters or ())


_dialects: WeakKeyDictionary[Dialect, dict[_Form, Dialect]] = WeakKeyDictionary()


def _restricted_dialect(dialect: Dialect, form: _Form) -> Dialect:
    """A copy of the dialect of an engine: one for each form, so that all its statements are compiled once."""
    by_form = _dialects.setdefault(dialect, {})
    if form not in by_form:
        restricted = copy.copy(dialect)
        kind: Any = type(dialect)
        restricted.__class__ = _restricting_class(kind, form)
        by_form[form] = restricted
    return by_form[form]


@cache
def _restricting_class(dialect: type[Any], form: _Form) -> Any:
    bases = (_RestrictingCompiler, dialect.statement_compiler)
    compiler = type(f"Restricting{form.name}Compiler", bases, {"form": form})
    # SQLAlchemy does not inherit that statements may be cached.
    attributes = {"statement_compiler": compiler, "supports_statement_cache": True}
    return type(f"Restricted{form.name}{dialect.__name__}", (dialect,), attributes)


def _check_text(sql: str) -> None:
    tables = _RESTRICTED_TABLES.intersection(_WORD.findall(sql.lower()))
    if tables:
        raise VisibilityError(f"Textual SQL over {', '.join(sorted(tables))} cannot be restricted.")


class _IsVisible(ColumnElement[bool]):
    """The condition on the rows of a table that an UPDATE or DELETE changes."""

    __visit_name__ = "is_visible"
    inherit_cache = False
    type = Boolean()

    def __init__(self, table: str) -> None:
        self.table = table


class _RestrictingCompiler(SQLCompiler):
    """Renders each restricted table of a statement as a subquery of its visible rows."""

    form: _Form

    def visit_table(self, table: Any, *positional: Any, **options: Any) -> str:
        base: Any = super()
        rendered: str = base.visit_table(table, *positional, **options)
        if options.get("iscrud") or not options.get("asfrom") or table.name not in _RESTRICTED_TABLES:
            return rendered
        name = self.preparer.quote(table.name)
        if table.schema or not rendered.startswith(name) or options.get("fromhints"):
            raise VisibilityError(f"{rendered} cannot be restricted.")
        alias = rendered[len(name) :]
        enclosing = options.get("enclosing_alias")
        if not alias and not (enclosing is not None and isinstance(enclosing.element, TableClause)):
            alias = f" AS {name}"
        return f"(SELECT * FROM {name} WHERE {self._condition(table.name)}){alias}"  # noqa: S608

    def visit_is_visible(self, element: _IsVisible, **_: Any) -> str:
        return self._condition(element.table)

    def visit_update(self, update_stmt: Any, *positional: Any, **options: Any) -> str:
        base: Any = super()
        return str(base.visit_update(_restrict_change(update_stmt), *positional, **options))

    def visit_delete(self, delete_stmt: Any, *positional: Any, **options: Any) -> str:
        base: Any = super()
        return str(base.visit_delete(_restrict_change(delete_stmt), *positional, **options))

    def visit_textclause(self, textclause: Any, *positional: Any, **options: Any) -> str:
        _check_text(textclause.text)
        base: Any = super()
        return str(base.visit_textclause(textclause, *positional, **options))

    def visit_column(self, column: Any, *positional: Any, **options: Any) -> str:
        if column.is_literal:
            _check_text(column.name)
        base: Any = super()
        return str(base.visit_column(column, *positional, **options))

    def _condition(self, table: str) -> str:
        if table != _NOTIFICATIONS:
            return self._is_visible(table)
        alerts = f"SELECT alerts.id FROM alerts WHERE {self._is_visible('alerts')}"  # noqa: S608
        # One message can be about several alerts.
        others = _OTHER_ALERTS[self.dialect.name]
        about_hidden = f"SELECT 1 FROM {others} NOT IN ({alerts})"  # noqa: S608
        return f"deliveries.alert_id IN ({alerts}) AND NOT EXISTS ({about_hidden})"

    def _is_visible(self, table: str) -> str:
        """The condition on a row of a table with the id of a repository. The sign keeps SQLite from using an index on
        this column, which it would read once for each of many repositories."""
        column, ids = f"{self.preparer.quote(table)}.{_ID_COLUMNS[table]}", self.process(_VISIBLE_IDS)
        if self.dialect.name == "postgresql":
            operator = "<> ALL" if self.form is _Form.HIDDEN else "= ANY"
            return f"{column} {operator} (CAST({ids} AS BIGINT[]))"
        operator = "NOT IN" if self.form is _Form.HIDDEN else "IN"
        sign = "" if self.form is _Form.FEW else "+"
        return f"{sign}{column} {operator} (SELECT value FROM json_each({ids}))"  # noqa: S608


# The other alerts of a notification, compared with the operator that follows.
_OTHER_ALERTS = {
    "sqlite": "json_each(deliveries.alert_ids) AS other WHERE other.value",
    "postgresql": "jsonb_array_elements(CASE jsonb_typeof(deliveries.alert_ids) WHEN 'array'"
    " THEN deliveries.alert_ids ELSE '[]' END) AS other WHERE CAST(other.value AS BIGINT)",
}


def _restrict_change(statement: Any) -> Any:
    """An UPDATE or DELETE that changes visible rows only."""
    if statement.table.name not in _RESTRICTED_TABLES:
        return statement
    return statement.where(_IsVisible(statement.table.name))
