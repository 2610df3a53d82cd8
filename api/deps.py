"""What the routes share: a session, and the contract's filters."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.dependencies.models import Dependant
from sqlalchemy.orm import Session

from api.errors import Problem, bad_parameter
from api.schema_guard import Gate
from db.definitions.scope import Scope, Window, make_window, parse_time
from db.engine import brief_write_scope
from db.enums import Conclusion, Status
from db.repositories.repository_queries import known_repositories
from db.runs.run_queries import list_runs
from health.completeness.service import COLLECTED

_LONGEST = 400
_MOST_VALUES = 50
_BEGINNING = datetime(2008, 1, 1, tzinfo=UTC)
# PostgreSQL takes no NUL, and no database takes half a surrogate pair.
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def now() -> datetime:
    return datetime.now(UTC)


def session(request: Request) -> Iterator[Session]:
    gate: Gate = request.app.state.gate
    gate.check()
    with request.app.state.reader.session() as opened:
        # What is known to be complete is read once for a request, however many figures depend on it.
        opened.info[COLLECTED] = None
        yield opened


# For a route that must not hold a session all the time, or answers without one.
open_session = contextmanager(session)
# Given back before the answer is sent: a slow reader of a long answer holds no connection. At most ten at once, so
# that a route which needs a second connection, to write, finds one in the pool.
SessionDep = Annotated[Session, Depends(session, scope="function", max_concurrency=10)]
NowDep = Annotated[datetime, Depends(now)]
RunId = Annotated[int, Path(examples=[7398123456])]
AttemptNumber = Annotated[int | None, Query(ge=1, lt=2**31, description="The latest one without it")]


@dataclass(frozen=True)
class Filter:
    scope: Scope
    window: Window


def only_known_parameters(request: Request) -> None:
    """A misspelt filter that is silently ignored would answer a question nobody asked."""
    known = dict(_parameters(request.scope["route"].dependant))
    for name in request.query_params:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise bad_parameter(_shown(name, 80), f"there is no such parameter; known are {listed}")
        if not known[name] and len(request.query_params.getlist(name)) > 1:
            raise bad_parameter(name, "is given more than once, and takes one value")


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """The names of a route's query parameters, and whether each may be repeated."""
    for field in dependant.query_params:
        yield field.alias, "list[" in str(field.field_info.annotation)
    for inner in dependant.dependencies:
        yield from _parameters(inner)


def sequences(
    opened: SessionDep,
    repo: Annotated[list[str] | None, Query(description="owner/name; repeatable", examples=["acme/web-app"])] = None,
    workflow: Annotated[list[str] | None, Query(description="A workflow's name or id; repeatable")] = None,
    branch: Annotated[list[str] | None, Query(description="Repeatable")] = None,
    event: Annotated[list[str] | None, Query(description="push, pull_request, schedule, …; repeatable")] = None,
    actor: Annotated[list[str] | None, Query(description="A login; repeatable")] = None,
) -> Scope:
    """The filters that leave failures and successes together, in their order."""
    given = {"repo": repo, "workflow": workflow, "branch": branch, "event": event, "actor": actor}
    values = {name: usable(name, listed or []) for name, listed in given.items()}
    return Scope(
        repos=_repositories(opened, values["repo"]),
        workflows=values["workflow"],
        branches=values["branch"],
        events=values["event"],
        actors=values["actor"],
    )


SequenceDep = Annotated[Scope, Depends(sequences)]


def filters(
    opened: SessionDep,
    moment: NowDep,
    scope: SequenceDep,
    conclusion: Annotated[list[str] | None, Query(description="success, failure, …; repeatable")] = None,
    status: Annotated[list[str] | None, Query(description="queued, in_progress, completed, …; repeatable")] = None,
    since: Annotated[str | None, Query(description="ISO 8601, or before now: 24h, 30d", examples=["7d"])] = None,
    until: Annotated[str | None, Query(description="ISO 8601, or before now: 24h, 30d")] = None,
) -> Filter:
    conclusions, statuses = usable("conclusion", conclusion or []), usable("status", status or [])
    _check_words(opened, moment, "conclusion", conclusions, tuple(Conclusion))
    _check_words(opened, moment, "status", statuses, tuple(Status))
    return Filter(replace(scope, conclusions=conclusions, statuses=statuses), window(since, until, moment))


def window(since: str | None, until: str | None, moment: datetime) -> Window:
    since, until = _with_plus(since), _with_plus(until)
    for name, value in (("since", since), ("until", until)):
        try:
            parse_time(value or "0m", moment)
        except ValueError as error:
            raise bad_parameter(name, str(error)) from None
    try:
        return make_window(since, until, moment)
    except ValueError as error:
        raise bad_parameter("since", str(error)) from None


def _with_plus(value: str | None) -> str | None:
    """In a URL a bare + is a space: 08:00:00+02:00 arrives as 08:00:00 02:00."""
    return re.sub(r"(:\d\d(?:\.\d+)?) (?=\d\d:?\d\d$)", r"\1+", value) if value else value


FilterDep = Annotated[Filter, Depends(filters)]


def usable(name: str, values: list[str]) -> tuple[str, ...]:
    """Without repetitions; a value that no database takes is a 422."""
    if len(values) > _MOST_VALUES:
        raise bad_parameter(name, f"at most {_MOST_VALUES} values")
    for value in values:
        if not value or len(value) > _LONGEST or _CONTROL.search(value):
            raise bad_parameter(name, f"a value is empty, longer than {_LONGEST} characters or not printable")
    return tuple(dict.fromkeys(values))


def _check_words(opened: Session, moment: datetime, name: str, values: tuple[str, ...], known: tuple[str, ...]) -> None:
    """A word that GitHub invented later is fine where a run has it; anything else is a slip of the pen."""
    ever = Window(_BEGINNING, moment + timedelta(days=1))
    for value in values:
        if value not in known:
            scope = Scope(conclusions=(value,)) if name == "conclusion" else Scope(statuses=(value,))
            if not list_runs(opened, scope, ever, limit=1).items:
                raise bad_parameter(name, f"{_shown(value, 40)!r} is not one of {', '.join(known)}")


def _repositories(opened: Session, names: tuple[str, ...]) -> tuple[str, ...]:
    """A repository that is not there is an error: an empty answer would read as "no runs"."""
    if not names:
        return ()
    known = {name.lower(): name for name in known_repositories(opened)}
    found = []
    for name in names:
        if name.lower() not in known:
            some = ", ".join(sorted(known.values())[:5]) or "none yet"
            raise bad_parameter("repo", f"{_shown(name, 100)!r} is not monitored; known are {some}")
        found.append(known[name.lower()])
    return tuple(found)


TextQuery = Annotated[
    str,
    Query(
        max_length=200,
        description="In title, branch, actor or run number; seven or more hexadecimal digits are the start of a sha",
        examples=["fix cart"],
    ),
]


def plain_text(name: str, value: str) -> str:
    if _CONTROL.search(value):
        raise bad_parameter(name, "the text holds characters that cannot be searched for")
    return value


def known_scope(opened: Session, repos: list[str]) -> Scope:
    return Scope(repos=_repositories(opened, usable("repo", repos)))


@contextmanager
def writing(request: Request) -> Iterator[Session]:
    """One transaction on the primary database, for what a person changes."""
    gate: Gate = request.app.state.gate
    gate.check()
    with brief_write_scope(request.app.state.reader.primary) as opened:
        yield opened
    request.app.state.reader.wrote()


def known_id(value: int) -> int:
    """No database knows a number beyond 64 bits; there is nothing under it."""
    return value if 0 <= value < 2**63 else 0


def not_found(what: str) -> Problem:
    return Problem(404, f"There is no {what}.")


def _shown(value: str, longest: int) -> str:
    return value if len(value) <= longest else value[: longest - 1] + "…"
