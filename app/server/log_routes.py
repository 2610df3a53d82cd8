"""The parts of a stored log that the viewer requests: outline, lines, search and text."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.data.connection import FailedOver
from app.data.outages import Unavailable
from app.logs import stored
from app.logs.ansi import Style
from app.logs.index import MAX_LINES, Line, Mark
from app.logs.stored import StoredLog

_MAX_LINES = 1_000
_MAX_SEARCH_LENGTH = 200
_MAX_MATCHES, _MAX_COUNTED = 10_000, 50_000
_MAX_ID = 2**63 - 1
_HEADERS = {"cache-control": "no-store"}
# Name to (default, minimum, maximum).
Parameters = Mapping[str, tuple[int, int, int]]
Part = Callable[[StoredLog, dict[str, int], str], Response]


class InvalidParameter(Exception):
    """The message names the parameter and what is allowed."""


def outline(log: StoredLog, numbers: dict[str, int], search_text: str) -> Response:
    """The number of lines, groups and marks: what the viewer needs before it shows lines."""
    index, errors, marks = log.index, log.index.errors, list(log.index.marks)
    if log.cause and all(mark.line != log.cause for mark in marks):
        # The cause of the failure is an error, even if the runner did not mark it as one.
        marks = sorted([*marks, Mark(log.cause, "error", log.row.error_line or "")], key=lambda mark: mark.line)
        errors += 1
    return _json({
        "name": log.row.name,
        "lines": min(index.lines, MAX_LINES),
        "left_out": max(index.lines - MAX_LINES, 0),
        "truncated": log.row.truncated,
        "cause": log.cause,
        "groups": index.groups,
        "errors": errors,
        "warnings": index.warnings,
        "marks": [[mark.line, mark.kind, mark.text] for mark in marks],
    })  # fmt: skip


def lines(log: StoredLog, numbers: dict[str, int], search_text: str) -> Response:
    """A window of lines. Each style is sent once; a segment refers to its style by the index in `styles`."""
    styles: dict[Style, int] = {}
    encoded = [_encode_line(line, styles) for line in log.index.window(numbers["from"], numbers["count"])]
    return _json({"from": numbers["from"], "lines": encoded, "styles": [_encode_style(style) for style in styles]})


def search(log: StoredLog, numbers: dict[str, int], search_text: str) -> Response:
    if not search_text or len(search_text) > _MAX_SEARCH_LENGTH:
        raise InvalidParameter(f"q: expected 1 to {_MAX_SEARCH_LENGTH} characters; got {len(search_text)}.")
    result = log.index.search(search_text, limit=_MAX_MATCHES, count_limit=_MAX_COUNTED)
    return _json({"count": result.count, "more": result.is_partial, "lines": result.lines})


def text(log: StoredLog, numbers: dict[str, int], search_text: str) -> Response:
    """The log as GitHub wrote it, or with plain=1 as plain text."""
    if numbers["plain"]:
        return PlainTextResponse("\n".join(log.index.plain_lines()), headers=_HEADERS)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", log.row.name).strip("-.")[:60] or "job"
    disposition = f'attachment; filename="{name}-{log.row.job_id}.log"'
    content = stored.load_text(numbers["run_id"], numbers["job_id"])
    return PlainTextResponse(content, headers=_HEADERS | {"content-disposition": disposition})


_PARTS: dict[str, tuple[Part, Parameters]] = {
    "outline": (outline, {}),
    "lines": (lines, {"from": (1, 1, _MAX_ID), "count": (200, 1, _MAX_LINES)}),
    "search": (search, {}),
    "text": (text, {"plain": (0, 0, 1)}),
}


def log_response(request: Request) -> Response:
    """Errors are one line in `detail`."""
    try:
        return _part_response(request.path_params, request.query_params)
    except InvalidParameter as error:
        return _json({"detail": str(error)}, 422)
    except stored.LogUnavailable as error:
        return _json({"detail": str(error)}, error.status)
    except FailedOver:
        return log_response(request)
    except Unavailable as error:
        return _json({"detail": str(error)}, 503)


def _part_response(path: Mapping[str, str], query: Mapping[str, str]) -> Response:
    if path["part"] not in _PARTS:
        raise stored.LogUnavailable(404, f"A log has no part of this name; expected one of {', '.join(_PARTS)}.")
    part, allowed = _PARTS[path["part"]]
    numbers = {name: _parse_integer(name, path[name], 0, _MAX_ID) for name in ("run_id", "job_id")}
    for name, (default, minimum, maximum) in allowed.items():
        numbers[name] = _parse_integer(name, query.get(name, str(default)), minimum, maximum)
    return part(stored.load_log(numbers["run_id"], numbers["job_id"]), numbers, query.get("q", ""))


def _parse_integer(name: str, value: str, minimum: int, maximum: int) -> int:
    is_number = value.isascii() and value.isdigit() and len(value) < 20
    if not is_number or not minimum <= int(value) <= maximum:
        raise InvalidParameter(f"{name}: expected a whole number from {minimum} to {maximum}; got {value[:40]!r}.")
    return int(value)


def _encode_line(line: Line, styles: dict[Style, int]) -> list[Any]:
    """[time, kind, text or [[text, style], …], number of omitted characters]"""
    segments = [[text, styles.setdefault(style, len(styles))] for text, style in line.segments]
    is_plain = len(line.segments) == 1 and line.segments[0][1] == Style()
    return [line.at, line.kind, line.segments[0][0] if is_plain else segments, line.omitted]


def _encode_style(style: Style) -> dict[str, Any]:
    """Colours as [on light, on dark]. Attributes that are not set are omitted."""
    text, background = style.colours()
    flags = ("bold", "dim", "italic", "underline", "strike")
    encoded: dict[str, Any] = {name: 1 for name in flags if getattr(style, name)}
    return encoded | ({"text": text} if text else {}) | ({"ground": background} if background else {})


def _json(content: dict[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(content, status, _HEADERS)
