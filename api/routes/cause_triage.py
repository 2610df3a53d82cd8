"""Known failure causes: marks with a ticket, an owner, a comment and an end."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from api import schemas
from api.auth import ActorDep, requires
from api.deps import NowDep, reject_unknown_parameters, write_session
from api.errors import Problem, bad_parameter
from core.roles import Role
from health.insights.causes.triage import (
    InvalidTriage,
    Triage,
    current_fingerprint,
    get_triage,
    remove_triage,
    set_triage,
    validate_triage,
)

router = APIRouter(
    prefix="/api/insights/failures/{fingerprint}/triage",
    tags=["Insights"],
    dependencies=[Depends(reject_unknown_parameters)],
)
Fingerprint = Annotated[
    str, Path(max_length=64, description="Fingerprint of the cause", examples=["8c5e0f1b7a3d9e428c5e0f1b"])
]
_FORBIDDEN: dict[str, Any] = {
    "model": schemas.ProblemDocument,
    "description": "The request comes from a page of another site, or its key has a lower scope",
}


@router.put(
    "",
    operation_id="set_triage",
    dependencies=[requires(Role.EDITOR)],
    response_model=schemas.StoredTriage,
    summary="Mark a cause as known",
    responses={
        403: _FORBIDDEN,
        404: {"model": schemas.ProblemDocument, "description": "No stored job has this cause"},
    },
)
def put(
    request: Request, now: NowDep, actor: ActorDep, fingerprint: Fingerprint, body: schemas.TriageBody
) -> schemas.StoredTriage:
    """Replaces an earlier mark. A fingerprint of an old link marks the current cause. Alerts, the attention list and
    the lists of causes name the ticket and the owner, until `until`."""
    try:
        mark = validate_triage(Triage(body.ticket, body.owner, body.comment, _utc(body.until)), now)
    except InvalidTriage as error:
        raise bad_parameter(error.field, str(error)) from None
    with write_session(request) as session:
        current = set_triage(session, fingerprint, mark, now, by=body.author, actor=actor)
        stored = get_triage(session, current, now) if current else None
        if current is None or stored is None:
            raise Problem(404, "No stored job has this cause.")
        answer = schemas.StoredTriage.from_triage(stored, current)
    request.app.state.cache.clear()
    return answer


@router.delete(
    "",
    operation_id="remove_triage",
    dependencies=[requires(Role.EDITOR)],
    response_model=schemas.StoredTriage,
    summary="Remove the mark of a known cause",
    responses={
        403: _FORBIDDEN,
        404: {"model": schemas.ProblemDocument, "description": "The cause is not marked"},
    },
)
def delete(request: Request, now: NowDep, actor: ActorDep, fingerprint: Fingerprint) -> schemas.StoredTriage:
    """Returns the removed mark, which may have ended before."""
    with write_session(request) as session:
        current = current_fingerprint(session, fingerprint) or fingerprint
        removed = get_triage(session, current, None)
        if removed is None or not remove_triage(session, fingerprint, now, actor=actor):
            raise Problem(404, "This cause is not marked as known.")
        answer = schemas.StoredTriage.from_triage(removed, current)
    request.app.state.cache.clear()
    return answer


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise bad_parameter("until", "expected a time after now and within 10 years, or none") from None
