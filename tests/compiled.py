"""Statements are compiled once per process instead of once per engine: every test has engines of its own, and compiling
takes a quarter of the time of a test with a database."""

from typing import Any

from sqlalchemy import Dialect, Engine
from sqlalchemy.util import LRUCache

_STATEMENTS = 5_000
_caches: dict[type[Dialect], LRUCache[Any, Any]] = {}


def share() -> None:
    """Gives all engines of a dialect one cache. Its keys contain the dialect, so dialects of one class are equal: all
    databases of the tests are of one version."""
    init = Engine.__init__

    def shared(self: Engine, pool: Any, dialect: Dialect, *arguments: Any, **more: Any) -> None:
        init(self, pool, dialect, *arguments, **more)
        kind = type(dialect)
        kind.__hash__ = _hash  # type: ignore[method-assign]
        kind.__eq__ = _equal  # type: ignore[method-assign]
        self._compiled_cache = _caches.setdefault(kind, LRUCache(_STATEMENTS))

    Engine.__init__ = shared  # type: ignore[method-assign]


def _hash(dialect: Dialect) -> int:
    return hash(type(dialect))


def _equal(dialect: Dialect, other: object) -> bool:
    return type(dialect) is type(other)
