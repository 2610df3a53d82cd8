"""A stored log in windows of lines, for the viewer: its outline, lines, lines that hold a text, and all of it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app import data
from app.logs import stored
from app.logs.ansi import Style
from app.logs.index import MOST_LINES, Line, Mark
from app.logs.stored import StoredLog

_MOST_COUNT = 1_000
_LONGEST_SEARCH = 200
_MOST_FOUND, _MOST_COUNTED = 10_000, 50_000
_BIGGEST = 2**63 - 1
_HEADERS = {"cache-control": "no-store"}
# A number's default, least and most.
Parameters = Mapping[str, tuple[int, int, int]]
Part = Callable[[StoredLog, dict[str, int], str], Response]


class Refused(Exception):
    """A parameter that cannot be used; the message names it and what is allowed."""


def outline(log: StoredLog, numbers: dict[str, int], wanted: str) -> Response:
    """What the viewer needs to know before any line: how many there are, what folds, and where errors are."""
    index, errors, marks = log.index, log.index.errors, list(log.index.marks)
    if log.cause and all(each.line != log.cause for each in marks):
        # What the failure is told with is an error, whether the runner marked it or not.
        marks = sorted([*marks, Mark(log.cause, "error", log.row.error_line or "")], key=lambda each: each.line)
        errors += 1
    return _json({
        "name": log.row.name,
        "lines": min(index.lines, MOST_LINES),
        "left_out": max(index.lines - MOST_LINES, 0),
        "truncated": log.row.truncated,
        "cause": log.cause,
        "groups": index.groups,
        "errors": errors,
        "warnings": index.warnings,
        "marks": [[each.line, each.kind, each.text] for each in marks],
    })  # fmt: skip


def lines(log: StoredLog, numbers: dict[str, int], wanted: str) -> Response:
    """Styles stand beside the lines, once each: a piece of text names its style by its place there."""
    styles: dict[Style, int] = {}
    found = [_line(each, styles) for each in log.index.window(numbers["from"], numbers["count"])]
    return _json({"from": numbers["from"], "lines": found, "styles": [_style(each) for each in styles]})


def search(log: StoredLog, numbers: dict[str, int], wanted: str) -> Response:
    if not wanted or len(wanted) > _LONGEST_SEARCH:
        raise Refused(f"q: from 1 to {_LONGEST_SEARCH} characters are looked for; got {len(wanted)}.")
    found = log.index.search(wanted, most=_MOST_FOUND, counted=_MOST_COUNTED)
    return _json({"count": found.count, "more": found.more, "lines": found.lines})


def text(log: StoredLog, numbers: dict[str, int], wanted: str) -> Response:
    """As GitHub wrote it, or with plain=1 as it is read."""
    if numbers["plain"]:
        return PlainTextResponse("\n".join(log.index.plain()), headers=_HEADERS)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", log.row.name).strip("-.")[:60] or "job"
    disposition = f'attachment; filename="{name}-{log.row.job_id}.log"'
    content = stored.text(numbers["run_id"], numbers["job_id"])
    return PlainTextResponse(content, headers=_HEADERS | {"content-disposition": disposition})


_PARTS: dict[str, tuple[Part, Parameters]] = {
    "outline": (outline, {}),
    "lines": (lines, {"from": (1, 1, _BIGGEST), "count": (200, 1, _MOST_COUNT)}),
    "search": (search, {}),
    "text": (text, {"plain": (0, 0, 1)}),
}


def answer(request: Request) -> Response:
    """What is wrong becomes one line and its status."""
    try:
        return _answer(request.path_params, request.query_params)
    except Refused as error:
        return _json({"detail": str(error)}, 422)
    except stored.NoLog as error:
        return _json({"detail": str(error)}, error.status)
    except data.Moved:
        return answer(request)
    except data.Unavailable as error:
        return _json({"detail": str(error)}, 503)


def _answer(path: Mapping[str, str], query: Mapping[str, str]) -> Response:
    if path["part"] not in _PARTS:
        raise stored.NoLog(404, f"A log has no part of this name; it has {', '.join(_PARTS)}.")
    part, allowed = _PARTS[path["part"]]
    numbers = {name: _number(name, path[name], 0, _BIGGEST) for name in ("run_id", "job_id")}
    for name, (default, least, most) in allowed.items():
        numbers[name] = _number(name, query.get(name, str(default)), least, most)
    return part(stored.find(numbers["run_id"], numbers["job_id"]), numbers, query.get("q", ""))


def _number(name: str, given: str, least: int, most: int) -> int:
    usable = given.isascii() and given.isdigit() and len(given) < 20
    if not usable or not least <= int(given) <= most:
        raise Refused(f"{name}: a whole number from {least} to {most} is wanted; got {given[:40]!r}.")
    return int(given)


def _line(line: Line, styles: dict[Style, int]) -> list[Any]:
    """[time, kind, text or [[piece, style], …], characters left out]"""
    pieces = [[text, styles.setdefault(style, len(styles))] for text, style in line.pieces]
    plain = len(line.pieces) == 1 and line.pieces[0][1] == Style()
    return [line.at, line.kind, line.pieces[0][0] if plain else pieces, line.cut]


def _style(style: Style) -> dict[str, Any]:
    """Colours as [on light, on dark]; what does not hold is left out."""
    text, ground = style.colours()
    flags = ("bold", "dim", "italic", "underline", "strike")
    found: dict[str, Any] = {name: 1 for name in flags if getattr(style, name)}
    return found | ({"text": text} if text else {}) | ({"ground": ground} if ground else {})


def _json(content: dict[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(content, status, _HEADERS)
