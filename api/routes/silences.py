"""Silences, which suppress the notifications of matching alerts."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from api import schemas
from api.auth import ActorDep, requires
from api.deps import NowDep, SessionDep, TeamsDep, not_found, reject_unknown_parameters, validate_id, write_session
from api.errors import Problem, bad_parameter
from core.roles import Role
from db.enums import SilenceState
from health.alerts.rules.rules import InvalidRule, check_patterns
from health.alerts.rules.targets import Patterns, Silence
from health.alerts.storage.silences import MAX_SPAN, add_silence, end_silence, get_silence, list_silences
from health.alerts.storage.stored_rules import get_rule
from health.teams.owners import owned_targets

router = APIRouter(prefix="/api/alerts/silences", tags=["Alerts"], dependencies=[Depends(reject_unknown_parameters)])
_FORBIDDEN: dict[str, Any] = {
    "model": schemas.ProblemDocument,
    "description": "The request comes from a page of another site, or its key has a lower scope",
}


@router.get("", operation_id="list_silences", response_model=schemas.Silences, summary="List silences")
def silences(
    session: SessionDep,
    now: NowDep,
    teams: TeamsDep,
    state: Annotated[list[SilenceState] | None, Query(description="Default: active and pending; repeatable")] = None,
) -> schemas.Silences:
    """At most 500, the latest end first. With `team`: those that match a repository or workflow of the team."""
    states = state or [SilenceState.ACTIVE, SilenceState.PENDING]
    rows = list_silences(session, not_ended_at=None if SilenceState.ENDED in states else now)
    if teams:
        targets = owned_targets(session, teams)
        rows = [row for row in rows if row.matches_any(targets)]
    return schemas.Silences(items=[schemas.Silence.from_silence(row, now) for row in rows if row.state(now) in states])


@router.post(
    "",
    operation_id="add_silence",
    dependencies=[requires(Role.EDITOR)],
    response_model=schemas.Silence,
    status_code=201,
    summary="Add a silence",
    responses={403: _FORBIDDEN},
)
def add(request: Request, now: NowDep, actor: ActorDep, body: schemas.SilenceBody) -> schemas.Silence:
    """Matching alerts still open and resolve, and have the state `silenced`. An alert that still fires when the silence
    ends is notified then."""
    scope, (starts_at, ends_at) = _scope(body), _span(body, now)
    with write_session(request) as session:
        if body.rule_id is not None and get_rule(session, validate_id(body.rule_id)) is None:
            raise bad_parameter("rule_id", f"there is no rule {body.rule_id}")
        silence_id = add_silence(
            session,
            scope,
            body.rule_id,
            starts_at,
            ends_at,
            comment=body.comment,
            author=body.author,
            now=now,
            actor=actor,
        )
        return _silence_response(get_silence(session, silence_id), silence_id, now)


@router.delete(
    "/{silence_id}",
    operation_id="end_silence",
    dependencies=[requires(Role.EDITOR)],
    response_model=schemas.Silence,
    summary="End a silence",
    responses={
        403: _FORBIDDEN,
        404: {"model": schemas.ProblemDocument, "description": "Unknown silence"},
        409: {"model": schemas.ProblemDocument, "description": "The silence has already ended"},
    },
)
def end(
    request: Request, now: NowDep, actor: ActorDep, silence_id: Annotated[int, Path(examples=[4])]
) -> schemas.Silence:
    with write_session(request) as session:
        ended = end_silence(session, validate_id(silence_id), now, actor=actor)
        silence = _silence_response(get_silence(session, validate_id(silence_id)), silence_id, now)
        if not ended:
            raise Problem(409, f"Silence {silence_id} has already ended.")
        return silence


def _scope(body: schemas.SilenceBody) -> Patterns:
    scope = Patterns(tuple(body.repos), tuple(body.workflows), tuple(body.branches))
    if scope == Patterns() and body.rule_id is None:
        raise bad_parameter(
            "repos", "expected at least one of repos, workflows, branches and rule_id; * matches everything"
        )
    for field in ("repos", "workflows", "branches"):
        try:
            check_patterns(field, getattr(scope, field))
        except InvalidRule as error:
            raise bad_parameter(field, str(error)) from None
    return scope


def _span(body: schemas.SilenceBody, now: datetime) -> tuple[datetime, datetime]:
    if (body.ends_at is None) == (body.duration_seconds is None):
        raise bad_parameter("ends_at", "expected either ends_at or duration_seconds")
    try:
        starts_at = _utc(body.starts_at) if body.starts_at else now
        ends_at = _utc(body.ends_at) if body.ends_at else starts_at + timedelta(seconds=body.duration_seconds or 0)
    except (OverflowError, ValueError):
        raise bad_parameter("duration_seconds", "expected a length of at most 366 days") from None
    if not max(starts_at, now) < ends_at <= now + MAX_SPAN:
        name = "ends_at" if body.ends_at else "duration_seconds"
        raise bad_parameter(name, "it must end after its start and after now, and within 366 days")
    return starts_at, ends_at


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _silence_response(row: Silence | None, silence_id: int, now: datetime) -> schemas.Silence:
    """Raises a 404 problem if `row` is null."""
    if row is None:
        raise not_found(f"silence {silence_id}")
    return schemas.Silence.from_silence(row, now)
