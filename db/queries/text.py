"""Texts that hold other texts, whatever the case of their letters."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from db.engine import UNICODE_LOWER

_ESCAPE = "/"


def contains_text(column: Any, words: str) -> ColumnElement[bool]:
    """True where the column's text holds the words, letters of all scripts compared without their case. SQLite's own
    comparison knows the case of ASCII only: for other words it calls Python for each row, which takes longer."""
    if words.isascii():
        found: ColumnElement[bool] = column.icontains(words, autoescape=True)
        return found
    escaped = "".join(f"{_ESCAPE}{each}" if each in f"%_{_ESCAPE}" else each for each in words)
    return _Like(column, literal(f"%{escaped}%"))


class _Like(FunctionElement[bool]):
    """Of a text and a pattern."""

    type = Boolean()
    inherit_cache = True


@compiles(_Like)
def _usual(element: _Like, compiler: Any, **more: Any) -> str:
    text, pattern = (compiler.process(each, **more) for each in element.clauses)
    return f"({text} ILIKE {pattern} ESCAPE '{_ESCAPE}')"


@compiles(_Like, "sqlite")
def _on_sqlite(element: _Like, compiler: Any, **more: Any) -> str:
    text, pattern = (f"{UNICODE_LOWER}({compiler.process(each, **more)})" for each in element.clauses)
    return f"({text} LIKE {pattern} ESCAPE '{_ESCAPE}')"
