"""Two programs that write at the same moment."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.models import Base


@contextmanager
def another_adds(engine: Engine, *rows: Base) -> Iterator[None]:
    """Another program has added these rows and commits a moment later: who adds them too has to wait for it."""
    with Session(engine) as session:
        session.add_all(rows)
        session.flush()
        timer = threading.Timer(0.3, session.commit)
        timer.start()
        try:
            yield
        finally:
            timer.join()


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
