"""Filters, pages and Link headers of lists, with GitHub's limits."""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from demo.github.extension import SearchIndex
from demo.world.model import Repository, Run
from demo.world.world import World

Item = TypeVar("Item")
Interval = tuple[datetime, datetime]
FILTERS = ("actor", "branch", "event", "status", "created", "head_sha", "check_suite_id")
# GitHub returns at most so many runs of a list with and without a filter.
FILTERED_CAP, UNFILTERED_CAP = 1_000, 40_000
_ALL_TIME = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


class ValidationError(Exception):
    """Invalid parameters, which GitHub rejects with 422."""


def origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def base_url(request: Request) -> str:
    """Return the URL of the API. A GitHub Enterprise Server serves it under a path, the ASGI root_path."""
    return origin(request) + str(request.scope.get("root_path", ""))


def page_of(request: Request) -> tuple[int, int]:
    """Return the page number from 1 and the page size. GitHub replaces invalid values by the defaults."""
    page, size = (request.query_params.get(name, "") for name in ("page", "per_page"))
    number = int(page) if page.isascii() and page.isdigit() else 1
    per_page = int(size) if size.isascii() and size.isdigit() else 30
    return max(number, 1), min(per_page or 30, 100)


def paginate(items: Iterable[Item], total: int, request: Request, path: str) -> tuple[list[Item], dict[str, str]]:
    """Return one page and its Link header. `path` names repositories by id, as GitHub's links do."""
    page, size = page_of(request)
    items_of_page = list(islice(items, (page - 1) * size, page * size))
    last = max(math.ceil(total / size), 1)
    links: dict[str, int] = {"prev": page - 1} if page > 1 else {}
    links |= {"next": page + 1, "last": last} if page < last else {}
    links |= {"first": 1} if page > 1 else {}
    parameters = {name: value for name, value in request.query_params.items() if name != "page"}
    urls = {rel: f"{base_url(request)}{path}?{urlencode({**parameters, 'page': n})}" for rel, n in links.items()}
    link = ", ".join(f'<{url}>; rel="{rel}"' for rel, url in urls.items())
    return items_of_page, {"link": link} if link else {}


def select_runs(
    world: World, repo: Repository, request: Request, workflow: str | None, search_index: Callable[[], SearchIndex]
) -> tuple[Iterable[Run], int, datetime]:
    """Return the matching runs, newest first, the total count, and the time whose state the list shows.

    `search_index` is called for lists with a filter only. Raises ValidationError."""
    filters = {name: request.query_params[name] for name in FILTERS if request.query_params.get(name)}
    index = search_index() if filters else SearchIndex()
    page, size = page_of(request)
    if not filters and page * size > UNFILTERED_CAP:
        raise ValidationError("In order to keep the API fast for everyone, pagination is limited for this resource.")
    if not filters and not workflow:
        return world.newest(repo), world.count(repo), world.clock()
    filtered = bool(filters)
    since, until = _created_interval(filters.pop("created", None))
    now = world.clock() - index.age
    runs = world.newest(repo, since, min(until + _SECOND, now))
    matching = (run for run in runs if run.created < until + _SECOND and _matches(run, filters, workflow, now))
    indexed = filter(index.includes, matching) if index.includes else matching
    selected: Sequence[Run] = list(islice(indexed, FILTERED_CAP) if filtered else indexed)
    return selected, len(selected), now


def _matches(run: Run, filters: dict[str, str], workflow: str | None, now: datetime) -> bool:
    if workflow and workflow not in (str(run.workflow.id), run.workflow.file):
        return False
    for name, value in filters.items():
        if name == "status":
            attempt = run.attempt_at(now)
            status = attempt.status(now)
            if value not in (status, attempt.conclusion if status == "completed" else None):
                return False
        elif value != _field(run, name):
            return False
    return True


def _field(run: Run, name: str) -> str | None:
    return {
        "branch": run.branch,
        "event": run.event,
        "actor": run.author,
        "head_sha": run.sha,
        "check_suite_id": str(run.id + 1),
    }[name]


def _created_interval(value: str | None) -> Interval:
    """Return the first and the last second of a `created` filter, both inclusive."""
    if not value:
        return _ALL_TIME
    low, dots, high = value.partition("..")
    if dots:
        return (_ALL_TIME[0] if low == "*" else _moment(low)), (
            _ALL_TIME[1] if high == "*" else _moment(high, end=True)
        )
    for sign in (">=", "<=", ">", "<"):
        if value.startswith(sign):
            text, exclusive = value.removeprefix(sign), _SECOND if len(sign) == 1 else timedelta(0)
            if sign[0] == ">":
                return _moment(text, end=bool(exclusive)) + exclusive, _ALL_TIME[1]
            return _ALL_TIME[0], _moment(text, end=not exclusive) - exclusive
    return _moment(value), _moment(value, end=True)


def _moment(text: str, *, end: bool = False) -> datetime:
    """Parse a date or a time. A date stands for its first second, or with `end` for its last."""
    try:
        if len(text) == 10:
            day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
            return day + _DAY - _SECOND if end else day
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise ValidationError(f"Validation Failed: created: {text!r} is not a date") from None
    # GitHub understands UTC ("Z") only: with another offset the filter matches nothing and reports no error.
    return moment.replace(tzinfo=UTC) if text.endswith("Z") else (_ALL_TIME[0] if end else _ALL_TIME[1])
