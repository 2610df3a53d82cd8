"""Dependencies of routes: database sessions, the clock, and validated filter parameters."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.dependencies.models import Dependant
from sqlalchemy.orm import Session

from api.errors import Problem, bad_parameter
from api.schema_guard import SchemaGuard
from api.visibility import Visibilities
from core.numbers import MAX_INT32, MAX_INT64
from core.text import CONTROL_CHARACTERS
from db.definitions.scope import Scope, Window, make_window, parse_time
from db.engine import interactive_write_scope
from db.enums import Conclusion, Outcome, Status
from db.replica import ReplicaRouter
from db.repositories.repository_queries import known_repositories
from db.runs.run_queries import list_runs
from health.teams.definition import NO_TEAM, team_key
from health.teams.service import narrow, visible_teams

_MAX_VALUE_LENGTH = 400
_MAX_VALUES = 50
# The known teams that the message about an unknown one lists.
_MAX_LISTED_TEAMS = 20
_EARLIEST = datetime(2008, 1, 1, tzinfo=UTC)


def now(request: Request) -> datetime:
    moment: datetime = request.app.state.clock()
    return moment


def get_session(request: Request) -> Iterator[Session]:
    """A read-only transaction on the replica or the primary database, which has only the repositories that the caller
    may see. Raises DatabaseUnavailable or NotMigrated."""
    schema_guard: SchemaGuard = request.app.state.schema_guard
    schema_guard.check()
    reader: ReplicaRouter = request.app.state.reader
    visibilities: Visibilities = request.app.state.visibilities
    with reader.session() as opened:
        visibilities.restrict_to_caller(opened, request.scope)
        yield opened


# For routes that need a session only for a part of the request.
open_session = contextmanager(get_session)
# The session is closed before the response is sent, so that a slow client holds no connection. At most ten at once, so
# that a route which needs a second connection, to write, finds one in the pool.
SessionDep = Annotated[Session, Depends(get_session, scope="function", max_concurrency=10)]
NowDep = Annotated[datetime, Depends(now)]
RunId = Annotated[int, Path(examples=[7398123456])]
AttemptNumber = Annotated[
    int | None, Query(ge=1, lt=MAX_INT32 + 1, description="Number of an attempt; default: the latest")
]


@dataclass(frozen=True)
class Filter:
    scope: Scope
    window: Window


def reject_unknown_parameters(request: Request) -> None:
    """Raises a 422 problem for an unknown or wrongly repeated parameter: ignoring a misspelled filter would return
    wrong results."""
    known = dict(_parameters(request.scope["route"].dependant))
    for name in request.query_params:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise bad_parameter(_truncate(name, 80), f"unknown parameter; expected one of {names}")
        if not known[name] and len(request.query_params.getlist(name)) > 1:
            raise bad_parameter(name, "is repeated, but accepts one value")


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Names of the query parameters of a route, each with whether it can be repeated."""
    for field in dependant.query_params:
        yield field.alias, "list[" in str(field.field_info.annotation)
    for inner in dependant.dependencies:
        yield from _parameters(inner)


def team_params(
    session: SessionDep,
    team: Annotated[
        list[str] | None,
        Query(
            description="Name of a team, in any case: what it owns; `none`: what no team owns; repeatable",
            examples=["Payments"],
        ),
    ] = None,
) -> tuple[str, ...]:
    """The keys of the teams. Raises a 422 problem for an unknown team: an empty result would mean that it has no
    runs."""
    return team_keys(session, "team", parse_list("team", team or []))


def team_keys(session: Session, parameter: str, values: Sequence[str]) -> tuple[str, ...]:
    """The keys of teams by their names. Raises a 422 problem with the known names for one that does not exist."""
    if not values:
        return ()
    names = {known.key: known.name for known in visible_teams(session)}
    for value in values:
        if team_key(value) not in (*names, NO_TEAM):
            some = ", ".join(sorted(names.values(), key=str.casefold)[:_MAX_LISTED_TEAMS]) or "none yet"
            raise bad_parameter(parameter, f"there is no team {_truncate(value, 100)!r}; known are {some}")
    return tuple(dict.fromkeys(team_key(value) for value in values))


TeamsDep = Annotated[tuple[str, ...], Depends(team_params)]


def scope_params(
    session: SessionDep,
    teams: TeamsDep,
    repo: Annotated[list[str] | None, Query(description="owner/name; repeatable", examples=["acme/web-app"])] = None,
    workflow: Annotated[list[str] | None, Query(description="Name or id of a workflow; repeatable")] = None,
    branch: Annotated[list[str] | None, Query(description="Name of a branch; repeatable")] = None,
    event: Annotated[list[str] | None, Query(description="push, pull_request, schedule, …; repeatable")] = None,
    actor: Annotated[list[str] | None, Query(description="Login of a user; repeatable")] = None,
) -> Scope:
    """Filters that do not separate successes from failures."""
    parameters = {"repo": repo, "workflow": workflow, "branch": branch, "event": event, "actor": actor}
    values = {name: parse_list(name, items or []) for name, items in parameters.items()}
    scope = Scope(
        repos=_repositories(session, values["repo"]),
        workflows=values["workflow"],
        branches=values["branch"],
        events=values["event"],
        actors=values["actor"],
    )
    return narrow(session, scope, teams) if teams else scope


ScopeDep = Annotated[Scope, Depends(scope_params)]


def filter_params(
    session: SessionDep,
    moment: NowDep,
    scope: ScopeDep,
    conclusion: Annotated[list[str] | None, Query(description="success, failure, …; repeatable")] = None,
    status: Annotated[list[str] | None, Query(description="queued, in_progress, completed, …; repeatable")] = None,
    outcome: Annotated[
        list[Outcome] | None, Query(description="Class of the conclusion, as counted in `runs`; repeatable")
    ] = None,
    runner: Annotated[
        list[str] | None,
        Query(description="Labels of a job, separated by a comma and a blank; repeatable", examples=["ubuntu-latest"]),
    ] = None,
    since: Annotated[
        str | None, Query(description="Start: ISO 8601, or relative to now: 24h, 30d", examples=["7d"])
    ] = None,
    until: Annotated[str | None, Query(description="End: ISO 8601, or relative to now: 24h, 30d")] = None,
) -> Filter:
    conclusions, statuses = parse_list("conclusion", conclusion or []), parse_list("status", status or [])
    _check_enum_values(session, moment, "conclusion", conclusions, tuple(Conclusion))
    _check_enum_values(session, moment, "status", statuses, tuple(Status))
    narrowed = replace(
        scope,
        conclusions=conclusions,
        statuses=statuses,
        outcomes=parse_list("outcome", list(outcome or [])),
        runners=parse_list("runner", runner or []),
    )
    return Filter(narrowed, window(since, until, moment))


def window(since: str | None, until: str | None, moment: datetime) -> Window:
    """The window of `since` and `until`, relative to `moment`. Raises a 422 problem that names the invalid one."""
    since, until = _restore_plus(since), _restore_plus(until)
    for name, value in (("since", since), ("until", until)):
        try:
            parse_time(value or "0m", moment)
        except ValueError as error:
            raise bad_parameter(name, str(error)) from None
    try:
        return make_window(since, until, moment)
    except ValueError as error:
        raise bad_parameter("since", str(error)) from None


def _restore_plus(value: str | None) -> str | None:
    """Restores the sign of an offset that was not percent-encoded: 08:00:00+02:00 arrives as 08:00:00 02:00."""
    return re.sub(r"(:\d\d(?:\.\d+)?) (?=\d\d:?\d\d$)", r"\1+", value) if value else value


FilterDep = Annotated[Filter, Depends(filter_params)]


def parse_list(name: str, values: list[str]) -> tuple[str, ...]:
    """The values without duplicates. Raises a 422 problem for values that are empty, too long or not printable."""
    if len(values) > _MAX_VALUES:
        raise bad_parameter(name, f"at most {_MAX_VALUES} values")
    for value in values:
        if not value or len(value) > _MAX_VALUE_LENGTH or CONTROL_CHARACTERS.search(value):
            raise bad_parameter(name, f"a value is empty, longer than {_MAX_VALUE_LENGTH} characters or not printable")
    return tuple(dict.fromkeys(values))


def _check_enum_values(
    session: Session, moment: datetime, name: str, values: tuple[str, ...], allowed: tuple[str, ...]
) -> None:
    """Raises a 422 problem for a value that is neither known nor stored for any run: GitHub may add values."""
    all_time = Window(_EARLIEST, moment + timedelta(days=1))
    for value in values:
        if value not in allowed:
            scope = Scope(conclusions=(value,)) if name == "conclusion" else Scope(statuses=(value,))
            if not list_runs(session, scope, all_time, limit=1).items:
                raise bad_parameter(name, f"{_truncate(value, 40)!r} is not one of {', '.join(allowed)}")


def _repositories(session: Session, names: tuple[str, ...]) -> tuple[str, ...]:
    """The stored spelling of the names. Raises a 422 problem for an unknown repository: an empty result would mean that
    it has no runs."""
    if not names:
        return ()
    known = {name.lower(): name for name in known_repositories(session)}
    for name in names:
        if name.lower() not in known:
            some = ", ".join(sorted(known.values())[:5]) or "none yet"
            raise bad_parameter("repo", f"{_truncate(name, 100)!r} is not monitored; known are {some}")
    return tuple(known[name.lower()] for name in names)


TextQuery = Annotated[
    str,
    Query(
        max_length=200,
        description="Searches title, branch, actor and run number; seven or more hexadecimal digits match the start of "
        "a commit SHA",
        examples=["fix cart"],
    ),
]


def validate_text(name: str, value: str) -> str:
    if CONTROL_CHARACTERS.search(value):
        raise bad_parameter(name, "the text contains characters that cannot be searched for")
    return value


def repo_scope(session: Session, repos: list[str], teams: tuple[str, ...] = ()) -> Scope:
    """The repositories of a request, limited to what the teams own where it names some."""
    scope = Scope(repos=_repositories(session, parse_list("repo", repos)))
    return narrow(session, scope, teams) if teams else scope


@contextmanager
def write_session(request: Request) -> Iterator[Session]:
    """A transaction on the primary database, for changes that a user makes to repositories that the user may see."""
    schema_guard: SchemaGuard = request.app.state.schema_guard
    schema_guard.check()
    reader: ReplicaRouter = request.app.state.reader
    visibilities: Visibilities = request.app.state.visibilities
    with interactive_write_scope(reader.primary) as opened:
        visibilities.restrict_to_caller(opened, request.scope)
        yield opened
    reader.record_write()


def validate_id(value: int) -> int:
    """The id, or 0 for a number that no id column can have: no row has the id 0."""
    return value if 0 <= value <= MAX_INT64 else 0


def not_found(resource: str) -> Problem:
    return Problem(404, f"There is no {resource}.")


def _truncate(value: str, max_length: int) -> str:
    return value if len(value) <= max_length else value[: max_length - 1] + "…"
