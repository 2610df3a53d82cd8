"""Logging to standard error, including that of libraries: one line per record.

The line is plain text in development and a JSON object in production (BACKEND_ENV). Characters that are not printable
are escaped, so that untrusted text can neither break a line nor forge one. Context fields, such as a request id, follow
the work into the threads that Starlette and AnyIO start for it."""

import json
import logging
import logging.config
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from core.formatting import iso_timestamp
from core.text import DIRECTION_MARKS, SURROGATES, ZERO_WIDTH, make_redactor

# Fields beside the message, in the order of output; docs/monitoring.md documents them.
FIELDS = (
    "request_id",
    "delivery_id",
    "event",
    "outcome",
    "task",
    "repository",
    "run_id",
    "job_id",
    "alert_ids",
    "channel",
    "method",
    "path",
    "status",
    "seconds",
)
_fields: ContextVar[dict[str, Any] | None] = ContextVar("log_fields", default=None)


@contextmanager
def log_context(**fields: Any) -> Iterator[None]:
    """Adds fields to all lines that are logged within the block; nested blocks combine."""
    token = _fields.set({**(_fields.get() or {}), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def bind(**fields: Any) -> None:
    """Adds fields to the innermost `log_context` block, until its end. Does nothing outside of a block."""
    current = _fields.get()
    if current is not None:
        current.update(fields)


def current_fields() -> dict[str, Any]:
    return _fields.get() or {}


Redact = Callable[[str], str]
_MAX_MESSAGE, _MAX_TRACE = 8_000, 32_000
# Control characters, line and paragraph separators, joiners, and all other invisible characters.
_UNPRINTABLE = re.compile(
    f"[\x00-\x1f\x7f-\x9f\u200c\u200d\u2028\u2029\u2065{DIRECTION_MARKS}{ZERO_WIDTH}{SURROGATES}]"
)
# The plain format appends only these; the other fields repeat what the message says.
_PLAIN_FIELDS = ("request_id", "delivery_id")


class JsonFormatter(logging.Formatter):
    def __init__(self, service: str, redact: Redact) -> None:
        super().__init__()
        self._service, self._redact = service, redact

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": iso_timestamp(datetime.fromtimestamp(record.created, UTC), timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": _truncate(self._redact(_message(record)), _MAX_MESSAGE),
        }
        line |= {name: self._json_value(value) for name, value in fields_of(record).items()}
        if trace := _trace(self, record):
            line["exception"] = _truncate(self._redact(trace), _MAX_TRACE)
        return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(line, ensure_ascii=False))

    def _json_value(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, list | tuple | set | frozenset):
            return [self._json_value(item) for item in value]
        return _truncate(self._redact(str(value)), _MAX_MESSAGE)


class PlainFormatter(logging.Formatter):
    """Indents the lines of a traceback, so that none of them looks like a record."""

    def __init__(self, redact: Redact) -> None:
        super().__init__("%(asctime)s %(levelname)-7s ", datefmt="%H:%M:%S")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        record.asctime = self.formatTime(record, self.datefmt)
        message, fields = _message(record), fields_of(record)
        message += "".join(f", {name} {fields[name]}" for name in _PLAIN_FIELDS if name in fields)
        lines = [self.formatMessage(record) + _escaped(_truncate(self._redact(message), _MAX_MESSAGE))]
        trace = _truncate(self._redact(_trace(self, record)), _MAX_TRACE)
        return "\n".join(lines + [f"    {_escaped(line)}" for line in trace.split("\n") if line])


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Fields of the record's `extra` argument and of the surrounding `log_context` blocks."""
    context = current_fields()
    values = {name: getattr(record, name, context.get(name)) for name in FIELDS}
    return {name: value for name, value in values.items() if value is not None}


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # a faulty log call must not lose its line
        return f"{record.msg} (cannot be formatted: {type(error).__name__})"


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(number, f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}")


def _truncate(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else f"{text[:max_length]}… ({len(text) - max_length} more characters)"


PROD = "prod"
# Their handlers are removed. Below WARNING they log every request, migration and poll.
_LIBRARY_LEVELS = {
    "uvicorn": "WARNING",
    "uvicorn.access": "WARNING",
    "uvicorn.error": "WARNING",
    "uvicorn.asgi": "WARNING",
    "alembic": "WARNING",
    "urllib3": "WARNING",
    "sqlalchemy": "WARNING",
    "websockets": "WARNING",
    # It warns of every poll that is skipped because the previous one still runs, which is normal during a backfill.
    "apscheduler": "ERROR",
}


def formatter(service: str, backend_env: str, secrets: Iterable[str] = ()) -> logging.Formatter:
    redact = make_redactor(secrets)
    return JsonFormatter(service, redact) if backend_env == PROD else PlainFormatter(redact)


def logging_config(service: str, backend_env: str, secrets: Iterable[str] = ()) -> dict[str, Any]:
    """Configuration for logging.config.dictConfig, which uvicorn accepts. `service` is collector, api or app."""
    line_formatter = formatter(service, backend_env, secrets)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": lambda: line_formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
        "root": {"level": "INFO", "handlers": ["stderr"]},
        "loggers": {
            name: {"level": level, "handlers": [], "propagate": True} for name, level in _LIBRARY_LEVELS.items()
        },
    }


def configure_logging(service: str, backend_env: str, secrets: Iterable[str] = ()) -> None:
    logging.config.dictConfig(logging_config(service, backend_env, secrets))
    if backend_env == PROD:
        capture_warnings_and_errors()


def capture_warnings_and_errors() -> None:
    """Logs Python warnings and uncaught exceptions of all threads."""
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    logging.getLogger("uncaught").critical(
        "an uncaught exception ended the program or a thread", exc_info=(kind, error, trace)
    )
