"""One record, one line: readable in development, a JSON object in production. Text from outside can neither break a
line nor forge one: what is not printable is written as an escape."""

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from db.telemetry.context import FIELDS, current

Redact = Callable[[str], str]
_LONGEST, _LONGEST_TRACE = 8_000, 32_000
# Control characters, line and paragraph separators, what turns the direction of text, halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")
# In development these alone stand beside the message, which names the others itself.
_SHOWN = ("request_id", "delivery_id")


class JsonLines(logging.Formatter):
    def __init__(self, service: str, redact: Redact) -> None:
        super().__init__()
        self._service, self._redact = service, redact

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": _cut(self._redact(_message(record)), _LONGEST),
        }
        line |= {name: self._plain(value) for name, value in fields_of(record).items()}
        if trace := _trace(self, record):
            line["exception"] = _cut(self._redact(trace), _LONGEST_TRACE)
        return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(line, ensure_ascii=False))

    def _plain(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, list | tuple | set | frozenset):
            return [self._plain(each) for each in value]
        return _cut(self._redact(str(value)), _LONGEST)


class PlainLines(logging.Formatter):
    """The lines of a trace are indented, so that none of them looks like a record."""

    def __init__(self, redact: Redact) -> None:
        super().__init__("%(asctime)s %(levelname)-7s ", datefmt="%H:%M:%S")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        record.asctime = self.formatTime(record, self.datefmt)
        message, found = _message(record), fields_of(record)
        message += "".join(f", {name} {found[name]}" for name in _SHOWN if name in found)
        lines = [self.formatMessage(record) + _escaped(_cut(self._redact(message), _LONGEST))]
        trace = _cut(self._redact(_trace(self, record)), _LONGEST_TRACE)
        return "\n".join(lines + [f"    {_escaped(each)}" for each in trace.split("\n") if each])


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Those of the work around, and those that the record was given by `extra`."""
    around = current()
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


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text) - longest} more characters)"
