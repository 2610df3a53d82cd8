"""Filters, pages and their Link headers, with GitHub's caps."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from demo.model import Repository, Run
from demo.world import World

if TYPE_CHECKING:
    from demo.chaos import Stale

Item = TypeVar("Item")
Times = tuple[datetime, datetime]
FILTERS = ("actor", "branch", "event", "status", "created", "head_sha", "check_suite_id")
FILTERED_CAP, UNFILTERED_CAP = 1_000, 40_000
_EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


class BadQuestion(Exception):
    """What GitHub answers with 422."""


def base_url(request: Request) -> str:
    """Of the API: on an own server it has a path."""
    return origin(request) + str(request.scope.get("base_path", ""))


def origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def page_of(request: Request) -> tuple[int, int]:
    """Page number from 1, and items a page; nonsense counts as the default."""
    page, size = (request.query_params.get(name, "") for name in ("page", "per_page"))
    number = int(page) if page.isascii() and page.isdigit() else 1
    wanted = int(size) if size.isascii() and size.isdigit() else 30
    return max(number, 1), min(wanted or 30, 100)


def cut(items: Iterable[Item], total: int, request: Request, path: str) -> tuple[list[Item], dict[str, str]]:
    """One page, and its Link header, which names the repository by its id."""
    page, size = page_of(request)
    chosen = list(islice(items, (page - 1) * size, page * size))
    last = max(math.ceil(total / size), 1)
    links: dict[str, int] = {"prev": page - 1} if page > 1 else {}
    links |= {"next": page + 1, "last": last} if page < last else {}
    links |= {"first": 1} if page > 1 else {}
    asked = {name: value for name, value in request.query_params.items() if name != "page"}
    urls = {rel: f"{base_url(request)}{path}?{urlencode({**asked, 'page': n})}" for rel, n in links.items()}
    written = ", ".join(f'<{url}>; rel="{rel}"' for rel, url in urls.items())
    return chosen, {"link": written} if written else {}


def is_filtered(request: Request) -> bool:
    return any(request.query_params.get(name) for name in FILTERS)


def choose(
    world: World, repo: Repository, request: Request, workflow: str | None, stale: "Stale | None" = None
) -> tuple[Iterable[Run], int]:
    """Runs that match, newest first, and the count that GitHub says. `stale`: what a search index shows of them."""
    asked = {name: request.query_params[name] for name in FILTERS if request.query_params.get(name)}
    page, size = page_of(request)
    if not asked and page * size > UNFILTERED_CAP:
        raise BadQuestion("In order to keep the API fast for everyone, pagination is limited for this resource.")
    if not asked and not workflow:
        return world.newest(repo), world.count(repo)
    since, until = _created(asked.pop("created", None))
    now = world.clock() - (stale.age if stale else timedelta(0))
    runs = world.newest(repo, since, min(until + _SECOND, now))
    found = (run for run in runs if run.created < until + _SECOND and _matches(run, asked, workflow, now))
    shown = filter(stale.shows, found) if stale else found
    listed: Sequence[Run] = list(islice(shown, FILTERED_CAP) if is_filtered(request) else shown)
    return listed, len(listed)


def _matches(run: Run, asked: dict[str, str], workflow: str | None, now: datetime) -> bool:
    if workflow and workflow not in (str(run.workflow.id), run.workflow.file):
        return False
    for name, wanted in asked.items():
        if name == "status":
            attempt = run.attempt_at(now)
            status = attempt.status(now)
            if wanted not in (status, attempt.conclusion if status == "completed" else None):
                return False
        elif wanted != _value(run, name):
            return False
    return True


def _value(run: Run, name: str) -> str | None:
    return {
        "branch": run.branch,
        "event": run.event,
        "actor": run.author,
        "head_sha": run.sha,
        "check_suite_id": str(run.id + 1),
    }[name]


def _created(value: str | None) -> Times:
    """Both ends belong to it, in whole seconds."""
    if not value:
        return _EVER
    low, dots, high = value.partition("..")
    if dots:
        return (_EVER[0] if low == "*" else _moment(low)), (_EVER[1] if high == "*" else _moment(high, end=True))
    for sign in (">=", "<=", ">", "<"):
        if value.startswith(sign):
            text, beyond = value.removeprefix(sign), _SECOND if len(sign) == 1 else timedelta(0)
            if sign[0] == ">":
                return _moment(text, end=bool(beyond)) + beyond, _EVER[1]
            return _EVER[0], _moment(text, end=not beyond) - beyond
    return _moment(value), _moment(value, end=True)


def _moment(text: str, *, end: bool = False) -> datetime:
    try:
        if len(text) == 10:
            day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
            return day + _DAY - _SECOND if end else day
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise BadQuestion(f"Validation Failed: created: {text!r} is not a date") from None
    # Only UTC is understood: an offset silently finds nothing.
    return moment.replace(tzinfo=UTC) if text.endswith("Z") else (_EVER[0] if end else _EVER[1])
