"""What every log line says of the work in which it is written. Follows a request into the threads that answer it.

One record, one line: readable in development, a JSON object in production. Text from outside can neither break a
line nor forge one: what is not printable is written as an escape.

Where log lines go: to standard error, those of libraries too, in the form that BACKEND_ENV asks for.
"""

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

from core.text import make_redactor

# Names of the fields beside the message, in their order; docs/monitoring.md says what each means.
FIELDS = (
    "request_id", "delivery_id", "event", "outcome", "task", "repository", "run_id", "job_id", "alert_ids", "channel",
    "method", "path", "status", "seconds",
)  # fmt: skip
_fields: ContextVar[dict[str, Any] | None] = ContextVar("log_fields", default=None)


@contextmanager
def log_context(**fields: Any) -> Iterator[None]:
    """Lines written inside carry these fields, beside those of the blocks around."""
    token = _fields.set({**(_fields.get() or {}), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def bind(**fields: Any) -> None:
    """From here on the innermost block's lines carry these, too; the one that ends it as well. Nothing outside of
    any."""
    found = _fields.get()
    if found is not None:
        found.update(fields)


def current_fields() -> dict[str, Any]:
    return _fields.get() or {}


Redact = Callable[[str], str]
_MAX_MESSAGE, _MAX_TRACE = 8_000, 32_000
# Control characters, line and paragraph separators, what turns the direction of text, halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")
# In development these alone stand beside the message, which names the others itself.
_PLAIN_FIELDS = ("request_id", "delivery_id")


class JsonFormatter(logging.Formatter):
    def __init__(self, service: str, redact: Redact) -> None:
        super().__init__()
        self._service, self._redact = service, redact

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": _truncate(self._redact(_message(record)), _MAX_MESSAGE),
        }
        line |= {name: self._plain(value) for name, value in fields_of(record).items()}
        if trace := _trace(self, record):
            line["exception"] = _truncate(self._redact(trace), _MAX_TRACE)
        return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(line, ensure_ascii=False))

    def _plain(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, list | tuple | set | frozenset):
            return [self._plain(each) for each in value]
        return _truncate(self._redact(str(value)), _MAX_MESSAGE)


class PlainFormatter(logging.Formatter):
    """The lines of a trace are indented, so that none of them looks like a record."""

    def __init__(self, redact: Redact) -> None:
        super().__init__("%(asctime)s %(levelname)-7s ", datefmt="%H:%M:%S")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        record.asctime = self.formatTime(record, self.datefmt)
        message, found = _message(record), fields_of(record)
        message += "".join(f", {name} {found[name]}" for name in _PLAIN_FIELDS if name in found)
        lines = [self.formatMessage(record) + _escaped(_truncate(self._redact(message), _MAX_MESSAGE))]
        trace = _truncate(self._redact(_trace(self, record)), _MAX_TRACE)
        return "\n".join(lines + [f"    {_escaped(each)}" for each in trace.split("\n") if each])


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Those of the work around, and those that the record was given by `extra`."""
    around = current_fields()
    found = {name: getattr(record, name, around.get(name)) for name in FIELDS}
    return {name: value for name, value in found.items() if value is not None}


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # a line that is badly made is a line nevertheless
        return f"{record.msg} (cannot be filled in: {type(error).__name__})"


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(number, f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}")


def _truncate(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else f"{text[:max_length]}… ({len(text) - max_length} more characters)"


PROD = "prod"
# Their own handlers are taken away; below a warning they tell of every request, migration and poll.
_LIBRARY_LEVELS = {
    "uvicorn": "WARNING", "uvicorn.access": "WARNING", "uvicorn.error": "WARNING", "uvicorn.asgi": "WARNING",
    "alembic": "WARNING", "urllib3": "WARNING", "sqlalchemy": "WARNING", "websockets": "WARNING",
    # A poll that falls due while a long first pass runs is skipped; that is no news.
    "apscheduler": "ERROR",
}  # fmt: skip


def formatter(service: str, backend_env: str, secrets: Iterable[str] = ()) -> logging.Formatter:
    redact = make_redactor(secrets)
    return JsonFormatter(service, redact) if backend_env == PROD else PlainFormatter(redact)


def logging_config(service: str, backend_env: str, secrets: Iterable[str] = ()) -> dict[str, Any]:
    """In the shape of logging.config.dictConfig, which uvicorn takes. `service` is collector, api or app."""
    made = formatter(service, backend_env, secrets)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": lambda: made}},
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
    """Warnings, and errors that nobody caught, as lines like all others."""
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    logging.getLogger("uncaught").critical("this ended the program or a thread", exc_info=(kind, error, trace))
