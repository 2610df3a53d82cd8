"""Filters, pages and their Link headers, with GitHub's caps."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from demo.model import Run

FILTERS = ("actor", "branch", "event", "status", "created", "head_sha", "check_suite_id")
FILTERED_CAP, UNFILTERED_CAP = 1_000, 40_000


class BadQuestion(Exception):
    """What GitHub answers with 422."""


def page_of(request: Request) -> tuple[int, int]:
    """Page number from 1, and items a page."""
    try:
        page = max(int(request.query_params.get("page", 1)), 1)
        size = int(request.query_params.get("per_page", 30))
    except ValueError:
        return 1, 30
    return page, min(max(size, 1), 100)


def cut(items: Iterable[Any], total: int, request: Request, path: str) -> tuple[list[Any], dict[str, str]]:
    """One page, and its Link header (which names the repository by its id, as GitHub does)."""
    page, size = page_of(request)
    chosen = list(islice(items, (page - 1) * size, page * size))
    last = max(math.ceil(total / size), 1)
    links: dict[str, int] = {}
    if page < last:
        links |= {"next": page + 1, "last": last}
    if page > 1:
        links |= {"prev": page - 1, "first": 1}
    base = str(request.base_url).rstrip("/")
    asked = {name: value for name, value in request.query_params.items() if name != "page"}
    written = [f'<{base}{path}?{urlencode({**asked, "page": number})}>; rel="{rel}"' for rel, number in links.items()]
    return chosen, {"Link": ", ".join(written)} if written else {}


def choose(runs: Iterable[Run], request: Request, now: datetime) -> tuple[list[Run], int]:
    """Runs that match the filters, and the count that GitHub would say."""
    asked = {name: request.query_params[name] for name in FILTERS if request.query_params.get(name)}
    page, size = page_of(request)
    if not asked:
        if page * size > UNFILTERED_CAP:
            raise BadQuestion("In order to keep the API fast, only the first 40000 results are available.")
        listed = list(runs)
        return listed, len(listed)
    span = _created(asked.get("created"))
    found = [run for run in runs if _matches(run, asked, span, now)][:FILTERED_CAP]
    return found, len(found)


def _matches(run: Run, asked: dict[str, str], span: tuple[datetime, datetime] | None, now: datetime) -> bool:
    attempt = run.attempt_at(now)
    status = attempt.status(now)
    conclusion = attempt.conclusion if status == "completed" else None
    return (
        asked.get("branch", run.branch) == run.branch
        and asked.get("event", run.event) == run.event
        and asked.get("actor", run.author) == run.author
        and asked.get("head_sha", run.sha) == run.sha
        and asked.get("status", status) in (status, conclusion)
        and (span is None or span[0] <= run.created.replace(microsecond=0) <= span[1])
    )


def _created(value: str | None) -> tuple[datetime, datetime] | None:
    if not value:
        return None
    first, last = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    if ".." in value:
        low, _, high = value.partition("..")
        return (first if low == "*" else _moment(low)), (last if high == "*" else _moment(high, end=True))
    if value.startswith(">="):
        return _moment(value[2:]), last
    if value.startswith("<="):
        return first, _moment(value[2:], end=True)
    return _moment(value), _moment(value, end=True)


def _moment(text: str, *, end: bool = False) -> datetime:
    try:
        if len(text) == 10:
            day = datetime.fromisoformat(text).replace(tzinfo=UTC)
            return day + timedelta(days=1, seconds=-1) if end else day
        # Only UTC is understood: an offset silently finds nothing.
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        if "+" in text:
            return datetime(1970, 1, 1, tzinfo=UTC)
        raise BadQuestion(f"created: {text} is not a date") from None
