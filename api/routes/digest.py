"""Weekly digests: preview, and sending at once."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.orm import Session

from api import schemas
from api.auth import ActorDep, requires
from api.deps import NowDep, SessionDep, reject_unknown_parameters, write_session
from api.errors import Problem, bad_parameter
from api.settings import ApiSettings
from core.roles import Role
from health.alerts.channels.registry import CHANNEL_SETTINGS, configured_channels
from health.digest.content import WeeklyDigest
from health.digest.service import NoChannel, UnknownTeam, preview, send_now
from health.teams.service import visible_teams

router = APIRouter(prefix="/api/digest", tags=["Teams"], dependencies=[Depends(reject_unknown_parameters)])
TeamName = Annotated[
    str | None, Query(max_length=100, description="Name of a team; default: all teams", examples=["Payments"])
]
Week = Annotated[date | None, Query(description="The Monday of the week; default: the last full week")]
_FORBIDDEN: dict[str, Any] = {
    "model": schemas.ProblemDocument,
    "description": "The request comes from a page of another site, or its key has a lower scope",
}


@router.get("", operation_id="get_digest", response_model=schemas.Digest, summary="Preview a weekly digest")
def digest(session: SessionDep, now: NowDep, team: TeamName = None, week: Week = None) -> schemas.Digest:
    """The digest as it would be sent. Its tasks are those of now, its figures those of the week. Weeks begin in the
    time zone of the digests."""
    return schemas.Digest.from_digest(_preview(session, team, week, now))


@router.post(
    "/send",
    operation_id="send_digest",
    dependencies=[requires(Role.ADMIN)],
    response_model=schemas.DigestSent,
    status_code=202,
    summary="Send a weekly digest now",
    responses={403: _FORBIDDEN, 409: {"model": schemas.ProblemDocument, "description": "No channel is configured"}},
)
def send(
    request: Request, session: SessionDep, now: NowDep, actor: ActorDep, team: TeamName = None, week: Week = None
) -> schemas.DigestSent:
    """Writes the digest to the outbox, from which the collector sends it. The digest of the schedule is sent all the
    same."""
    settings: ApiSettings = request.app.state.settings
    content = _preview(session, team, week, now)
    configured = list(configured_channels(settings))
    try:
        with write_session(request) as writing:
            channels = send_now(writing, content, now, settings.app_url, configured=configured, actor=actor)
    except NoChannel:
        raise Problem(
            409, f"No channel is configured; give the team a channel in TEAMS_FILE or set {CHANNEL_SETTINGS}."
        ) from None
    return schemas.DigestSent(channels=channels)


def _preview(session: Session, team: str | None, week: date | None, now: datetime) -> WeeklyDigest:
    if week is not None and (week.weekday() != 0 or not 2008 <= week.year <= 2100):
        raise bad_parameter("week", "expected a Monday from 2008 to 2100, such as 2026-11-16")
    try:
        return preview(session, team, now, week=week)
    except UnknownTeam:
        known = ", ".join(item.name for item in visible_teams(session)[:5]) or "none yet"
        raise bad_parameter("team", f"there is no such team; known are {known}") from None
