"""What keeps a service going whatever happens in one portion of its work."""

import logging
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db.engine import describe_failure

log = logging.getLogger(__name__)


def guarded(work: Callable[[], object], engine: Engine) -> Callable[[], None]:
    """Work that a service does again and again: what breaks it off is said in one line, and the next time comes."""

    def guard() -> None:
        try:
            work()
        except SQLAlchemyError as error:
            log.error("%s", describe_failure(engine, error))
        except Exception:
            log.exception("this broke off; the next one starts as planned")

    return guard
