"""Two programs that write at the same moment."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.models import Base


@contextmanager
def another(engine: Engine, writes: Callable[[Session], object]) -> Iterator[None]:
    """Another program has written this and commits a moment later: who writes the same has to wait for it."""
    with Session(engine.execution_options(writes=True)) as session:
        writes(session)
        session.flush()
        timer = threading.Timer(0.3, session.commit)
        timer.start()
        try:
            yield
        finally:
            timer.join()


def another_adds(engine: Engine, *rows: Base) -> AbstractContextManager[None]:
    return another(engine, lambda session: session.add_all(rows))


def at_once(*work: Callable[[], Any]) -> list[Exception]:
    """Runs all of them at the same time; returns what they raised."""
    gate, errors = threading.Barrier(len(work)), list[Exception]()

    def go(one: Callable[[], Any]) -> None:
        gate.wait()
        try:
            one()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=go, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
