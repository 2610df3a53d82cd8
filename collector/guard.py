"""What keeps a service going whatever happens in one portion of its work."""

import logging
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db.engine import describe_failure
from db.telemetry.context import bound

log = logging.getLogger(__name__)


def guarded(work: Callable[[], object], engine: Engine, task: str) -> Callable[[], None]:
    """Work that a service does again and again: what breaks it off is said in one line, and the next time comes. All
    lines of it carry the name of the task."""

    def guard() -> None:
        with bound(task=task):
            try:
                work()
            except SQLAlchemyError as error:
                log.error("%s", describe_failure(engine, error))
            except Exception:
                log.exception("%s broke off; the next one starts as planned", task)

    return guard
