"""The work that a database does, counted: unlike times, counts are the same on every machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event

# Instructions of SQLite's virtual machine between two calls of the handler.
_INSTRUCTIONS = 100


@dataclass
class Effort:
    """`texts`: the statements, in order. `steps`: hundreds of instructions of SQLite's virtual machine, which grow with
    the rows that are read; 0 on PostgreSQL."""

    texts: list[str] = field(default_factory=list)
    steps: int = 0

    @property
    def statements(self) -> int:
        return len(self.texts)


@contextmanager
def effort() -> Iterator[Effort]:
    """Counts the statements of all engines of this process."""
    counted, handled = Effort(), dict[int, Any]()

    def count_steps() -> int:
        counted.steps += 1
        return 0

    def before(connection: Any, _cursor: Any, statement: str, *_: object) -> None:
        counted.texts.append(statement)
        raw = connection.connection.driver_connection
        if connection.dialect.name == "sqlite" and id(raw) not in handled:
            handled[id(raw)] = raw
            raw.set_progress_handler(count_steps, _INSTRUCTIONS)

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield counted
    finally:
        event.remove(Engine, "before_cursor_execute", before)
        for raw in handled.values():
            raw.set_progress_handler(None, 0)
