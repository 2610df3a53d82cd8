"""What the routes share: a session, and the contract's filters."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query, Request
from sqlalchemy.orm import Session

from api.errors import Problem, bad_parameter
from db.engine import session_scope
from db.metrics.scope import Scope
from db.metrics.window import Window, make_window
from db.queries.repositories import known_repositories
from db.vocabulary import Conclusion, Status

_LONGEST = 400
_MOST_VALUES = 50


def now() -> datetime:
    return datetime.now(UTC)


def session(request: Request) -> Iterator[Session]:
    with session_scope(request.app.state.engine) as opened:
        yield opened


SessionDep = Annotated[Session, Depends(session)]
NowDep = Annotated[datetime, Depends(now)]


@dataclass(frozen=True)
class Filter:
    scope: Scope
    window: Window


def only_known_parameters(request: Request) -> None:
    """A misspelt filter that is silently ignored would answer a question nobody asked."""
    route = request.scope["route"]
    known = {name for field in _parameters(route.dependant) for name in field}
    for name in request.query_params:
        if name not in known:
            raise bad_parameter(
                name[:80], f"there is no such parameter; known are {', '.join(sorted(known)) or 'none'}"
            )


def _parameters(dependant: object) -> Iterator[set[str]]:
    yield {field.alias for field in dependant.query_params}  # type: ignore[attr-defined]
    for inner in dependant.dependencies:  # type: ignore[attr-defined]
        yield from _parameters(inner)


def filters(  # noqa: PLR0913, PLR0917 - the contract's filters
    opened: SessionDep,
    moment: NowDep,
    repo: Annotated[list[str] | None, Query(description="owner/name; repeatable", examples=["acme/web-app"])] = None,
    workflow: Annotated[list[str] | None, Query(description="A workflow's name or id; repeatable")] = None,
    branch: Annotated[list[str] | None, Query(description="Repeatable")] = None,
    event: Annotated[list[str] | None, Query(description="push, pull_request, schedule, …; repeatable")] = None,
    actor: Annotated[list[str] | None, Query(description="A login; repeatable")] = None,
    conclusion: Annotated[list[str] | None, Query(description="success, failure, …; repeatable")] = None,
    status: Annotated[list[str] | None, Query(description="queued, in_progress, completed, …; repeatable")] = None,
    since: Annotated[str | None, Query(description="ISO 8601, or before now: 24h, 30d", examples=["7d"])] = None,
    until: Annotated[str | None, Query(description="ISO 8601, or before now: 24h, 30d")] = None,
) -> Filter:
    given = {
        "repo": repo, "workflow": workflow, "branch": branch, "event": event, "actor": actor,
        "conclusion": conclusion, "status": status,
    }  # fmt: skip
    values = {name: _checked(name, listed or []) for name, listed in given.items()}
    _known_words("conclusion", values["conclusion"], tuple(Conclusion))
    _known_words("status", values["status"], tuple(Status))
    scope = Scope(
        repos=_repositories(opened, values["repo"]),
        workflows=values["workflow"],
        branches=values["branch"],
        events=values["event"],
        actors=values["actor"],
        conclusions=values["conclusion"],
        statuses=values["status"],
    )
    return Filter(scope, window(since, until, moment))


def window(since: str | None, until: str | None, moment: datetime) -> Window:
    try:
        return make_window(since, until, moment)
    except ValueError as error:
        name = "until" if until and not since else "since"
        raise bad_parameter(name, str(error)) from None


FilterDep = Annotated[Filter, Depends(filters)]


def _checked(name: str, values: list[str]) -> tuple[str, ...]:
    if len(values) > _MOST_VALUES:
        raise bad_parameter(name, f"at most {_MOST_VALUES} values")
    for value in values:
        if not value or len(value) > _LONGEST or "\x00" in value or (not value.isprintable() and value.isascii()):
            raise bad_parameter(name, f"a value is empty, longer than {_LONGEST} characters or not printable")
        if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
            raise bad_parameter(name, "a value is not valid Unicode")
    return tuple(dict.fromkeys(values))


def _known_words(name: str, values: tuple[str, ...], known: tuple[str, ...]) -> None:
    for value in values:
        if value not in known:
            raise bad_parameter(name, f"{value[:40]!r} is not one of {', '.join(known)}")


def _repositories(opened: Session, names: tuple[str, ...]) -> tuple[str, ...]:
    """A repository that is not there is an error: an empty answer would read as "no runs"."""
    if not names:
        return ()
    known = {name.lower(): name for name in known_repositories(opened)}
    found = []
    for name in names:
        if name.lower() not in known:
            some = ", ".join(sorted(known.values())[:5]) or "none yet"
            raise bad_parameter("repo", f"{name[:100]!r} is not monitored; monitored are {some}")
        found.append(known[name.lower()])
    return tuple(found)


def known_scope(opened: Session, repos: list[str]) -> Scope:
    return Scope(repos=_repositories(opened, _checked("repo", repos)))


def not_found(what: str) -> Problem:
    return Problem(404, f"There is no {what}.")
