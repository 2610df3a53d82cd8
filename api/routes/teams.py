"""Teams: list, create, change and delete."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy.orm import Session

from api import schemas
from api.auth import ActorDep, requires
from api.deps import NowDep, SessionDep, not_found, reject_unknown_parameters, write_session
from api.errors import Problem, bad_parameter
from core.roles import Role
from db.enums import TeamSource
from health.teams.definition import FIELDS, InvalidTeam, team_key
from health.teams.service import delete_team, get_team, owned_by_team, save_team, unowned, visible_teams

router = APIRouter(prefix="/api/teams", tags=["Teams"], dependencies=[Depends(reject_unknown_parameters)])
# Names of teams of GitHub may contain a slash.
TeamName = Annotated[str, Path(examples=["Payments"], description="Name of a team, without regard to case")]
_FORBIDDEN: dict[str, Any] = {
    "model": schemas.ProblemDocument,
    "description": "The request comes from a page of another site, or its key has a lower scope",
}
_UNKNOWN: dict[str, Any] = {"model": schemas.ProblemDocument, "description": "Unknown team"}
_DEFINED: dict[str, Any] = {
    "model": schemas.ProblemDocument,
    "description": "Only TEAMS_FILE or GitHub define the team",
}


@router.get("", operation_id="list_teams", response_model=schemas.Teams, summary="List teams")
def teams(session: SessionDep) -> schemas.Teams:
    """By name, with the fields of all sources, what they own, and the repositories that no team owns."""
    owned = owned_by_team(session)
    items = [schemas.TeamDocument.from_team(team, owned.get(team.key)) for team in visible_teams(session)]
    return schemas.Teams.from_teams(items, unowned(session))


@router.post(
    "",
    operation_id="add_team",
    dependencies=[requires(Role.ADMIN)],
    response_model=schemas.TeamDocument,
    status_code=201,
    summary="Add a team",
    responses={
        403: _FORBIDDEN,
        409: {"model": schemas.ProblemDocument, "description": "The dashboard defines a team of this name"},
    },
)
def add(request: Request, now: NowDep, actor: ActorDep, body: schemas.NewTeam) -> schemas.TeamDocument:
    """The team is stored as a team of the dashboard. If TEAMS_FILE or GitHub define a team of this name, the fields are
    combined."""
    with write_session(request) as session:
        team = get_team(session, body.name)
        if team is not None and TeamSource.DASHBOARD in team.defined_in:
            raise Problem(409, f"The team {team.name} exists: change it with PUT.")
        _save(session, body.name, body.fields(), now, actor)
        return _document(session, body.name)


@router.get(
    "/{name:path}",
    operation_id="get_team",
    response_model=schemas.TeamDocument,
    summary="Get a team",
    responses={404: _UNKNOWN},
)
def team(session: SessionDep, name: TeamName) -> schemas.TeamDocument:
    return _document(session, name)


@router.put(
    "/{name:path}",
    operation_id="change_team",
    dependencies=[requires(Role.ADMIN)],
    response_model=schemas.TeamDocument,
    summary="Change a team",
    responses={403: _FORBIDDEN, 404: _UNKNOWN},
)
def change(
    request: Request, now: NowDep, actor: ActorDep, name: TeamName, body: schemas.TeamFields
) -> schemas.TeamDocument:
    """Replaces the fields that the dashboard defines. A field that TEAMS_FILE sets is rejected unless it has the same
    value."""
    with write_session(request) as session:
        team = get_team(session, name)
        if team is None:
            raise not_found(f"team {name[:100]}")
        _save(session, team.name, body.fields(), now, actor)
        return _document(session, name)


@router.delete(
    "/{name:path}",
    operation_id="delete_team",
    dependencies=[requires(Role.ADMIN)],
    response_model=schemas.TeamDocument,
    summary="Delete a team",
    responses={403: _FORBIDDEN, 404: _UNKNOWN, 409: _DEFINED},
)
def delete(request: Request, now: NowDep, actor: ActorDep, name: TeamName) -> schemas.TeamDocument:
    """Deletes what the dashboard defines, and returns the team as it was. A team that TEAMS_FILE or GitHub define as
    well remains with their fields."""
    with write_session(request) as session:
        document = _document(session, name)
        try:
            delete_team(session, name, now, actor=actor)
        except InvalidTeam as error:
            message = str(error)
            raise Problem(409, f"{message[0].upper()}{message[1:]}.") from None
        return document


def _save(session: Session, name: str, fields: dict[str, Any], now: Any, actor: Any) -> None:
    try:
        save_team(session, name, fields, now, actor=actor)
    except InvalidTeam as error:
        key, _, message = str(error).partition(": ")
        known = key in FIELDS or key == "name"
        raise bad_parameter(key if known else "name", message if known else str(error)) from None


def _document(session: Session, name: str) -> schemas.TeamDocument:
    """Raises a 404 problem if there is no such team, or the caller may not see it."""
    key = team_key(name)
    team = next((team for team in visible_teams(session) if team.key == key), None)
    if team is None:
        raise not_found(f"team {name[:100]}")
    return schemas.TeamDocument.from_team(team, owned_by_team(session, [key]).get(key))
