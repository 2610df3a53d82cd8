"""What keeps a service going whatever happens in one portion of its work."""

import logging
from collections.abc import Callable
from contextlib import nullcontext

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from collector.lease import Lapsed
from collector.work import Work
from db.engine import describe_failure
from db.telemetry.context import bound

log = logging.getLogger(__name__)


def guarded(work: Callable[[], object], engine: Engine, task: str, under_way: Work | None = None) -> Callable[[], None]:
    """Work that a service does again and again: what breaks it off is said in one line, and the next time comes. All
    lines of it carry the name of the task. With `under_way`, each time is a piece of work there."""

    def guard() -> None:
        with bound(task=task), under_way.piece(task) if under_way else nullcontext():
            try:
                work()
            except SQLAlchemyError as error:
                log.error("%s", describe_failure(engine, error))
            except Lapsed as error:
                log.warning("%s: %s; it runs again as planned", task, error)
            except Exception:
                log.exception("%s broke off; the next one starts as planned", task)

    return guard
