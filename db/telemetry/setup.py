"""Where log lines go: to standard error, those of libraries too, in the form that BACKEND_ENV asks for."""

import logging
import logging.config
import sys
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from db.telemetry.lines import JsonLines, PlainLines
from db.telemetry.redaction import redaction

PROD = "prod"
# Their own handlers are taken away; below a warning they tell of every request, migration and poll.
_QUIET = {
    "uvicorn": "WARNING", "uvicorn.access": "WARNING", "uvicorn.error": "WARNING", "uvicorn.asgi": "WARNING",
    "alembic": "WARNING", "urllib3": "WARNING", "sqlalchemy": "WARNING", "websockets": "WARNING",
    # A poll that falls due while a long first pass runs is skipped; that is no news.
    "apscheduler": "ERROR",
}  # fmt: skip


def formatter(service: str, backend_env: str, secrets: Iterable[str] = ()) -> logging.Formatter:
    redact = redaction(secrets)
    return JsonLines(service, redact) if backend_env == PROD else PlainLines(redact)


def logging_config(service: str, backend_env: str, secrets: Iterable[str] = ()) -> dict[str, Any]:
    """In the shape of logging.config.dictConfig, which uvicorn takes. `service` is collector, api or app."""
    made = formatter(service, backend_env, secrets)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": lambda: made}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
        "root": {"level": "INFO", "handlers": ["stderr"]},
        "loggers": {name: {"level": level, "handlers": [], "propagate": True} for name, level in _QUIET.items()},
    }


def set_up(service: str, backend_env: str, secrets: Iterable[str] = ()) -> None:
    logging.config.dictConfig(logging_config(service, backend_env, secrets))
    if backend_env == PROD:
        tell_everything()


def tell_everything() -> None:
    """Warnings, and errors that nobody caught, as lines like all others."""
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    logging.getLogger("uncaught").critical("this ended the program or a thread", exc_info=(kind, error, trace))
