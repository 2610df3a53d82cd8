"""Teams in the database: one row per source of a team, with the fields that the source sets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.audit import FILE, Actor, record
from db.enums import AuditAction, AuditSubject, TeamSource
from db.models import StoredTeam
from db.visibility import is_restricted, visible_patterns
from health.teams.definition import (
    MAX_TEAMS,
    InvalidTeam,
    Team,
    TeamDefinition,
    check_team,
    combine,
    split_workflow,
    team_key,
)


def list_teams(session: Session) -> list[Team]:
    """All teams, combined from their sources, by name. A restricted session has them without the patterns of hidden
    repositories."""
    rows = session.execute(select(StoredTeam.source, StoredTeam.name, StoredTeam.definition)).all()
    known = {source.value: source for source in TeamSource}
    teams = combine(
        (known[source], TeamDefinition(name, fields or {})) for source, name, fields in rows if source in known
    )
    return [_visible(session, team) for team in teams] if is_restricted(session) else teams


def get_team(session: Session, name: str) -> Team | None:
    """The team of this name, without regard to case."""
    query = select(StoredTeam.source, StoredTeam.name, StoredTeam.definition)
    rows = session.execute(query.where(StoredTeam.name_key == team_key(name))).all()
    known = {source.value: source for source in TeamSource}
    teams = combine(
        (known[source], TeamDefinition(stored, fields or {})) for source, stored, fields in rows if source in known
    )
    return _visible(session, teams[0]) if teams else None


def _visible(session: Session, team: Team) -> Team:
    """Without the patterns that match no visible repository."""
    repositories = visible_patterns(session, team.repositories) or ()
    workflows = (text for text in team.workflows if visible_patterns(session, split_workflow(text)[:1]))
    return replace(team, repositories=repositories, workflows=tuple(workflows))


def save_definition(session: Session, name: str, fields: Mapping[str, object], now: datetime, *, actor: Actor) -> Team:
    """Creates the team of the dashboard or replaces all its fields. Fields that TEAMS_FILE sets are left out where they
    have the same value. Raises InvalidTeam, also for a field that TEAMS_FILE sets to another value."""
    definition = check_team(name, fields)
    team = get_team(session, name)
    own = _without_fields_of_file(definition, _definition_of(session, definition.key, TeamSource.FILE))
    row = session.scalar(_of_source(TeamSource.DASHBOARD).where(StoredTeam.name_key == definition.key))
    if row is None:
        if team is None and len(list_teams(session)) >= MAX_TEAMS:
            raise InvalidTeam(f"there are {MAX_TEAMS:,} teams, which is the maximum; delete one first")
        before = None
        row = StoredTeam(
            name=own.name,
            name_key=own.key,
            source=TeamSource.DASHBOARD,
            definition=dict(own.fields),
            created_at=now,
            updated_at=now,
            updated_by=actor.name,
        )
        try:
            with session.begin_nested():
                session.add(row)
        except IntegrityError:
            raise InvalidTeam(f"name: the team {own.name} was created meanwhile; open it again") from None
    else:
        before = {"name": row.name, **row.definition}
        row.name, row.definition, row.updated_at, row.updated_by = own.name, dict(own.fields), now, actor.name
        session.flush()
    after = {"name": own.name, **own.fields}
    action = AuditAction.CREATED if before is None else AuditAction.CHANGED
    record(session, actor, action, AuditSubject.TEAM, own.key, own.name, now, before=before, after=after)
    combined = get_team(session, own.name)
    assert combined is not None  # noqa: S101 - stored above
    return combined


def _without_fields_of_file(definition: TeamDefinition, file: TeamDefinition | None) -> TeamDefinition:
    if file is None:
        return definition
    for name, value in definition.fields.items():
        if name in file.fields and value != file.fields[name]:
            raise InvalidTeam(f"{name}: TEAMS_FILE sets it for the team {file.name}; change it there")
    return TeamDefinition(
        definition.name, {name: value for name, value in definition.fields.items() if name not in file.fields}
    )


def delete_definition(session: Session, name: str, now: datetime, *, actor: Actor) -> bool:
    """Deletes what the dashboard defines of a team; false if there is no such team. A team that other sources define
    remains with their fields. Raises InvalidTeam where only other sources define it."""
    key = team_key(name)
    row = session.scalar(_of_source(TeamSource.DASHBOARD).where(StoredTeam.name_key == key))
    if row is None:
        team = get_team(session, name)
        if team is None:
            return False
        place = "TEAMS_FILE" if TeamSource.FILE in team.defined_in else "GitHub"
        raise InvalidTeam(f"the team {team.name} is defined in {place}; delete it there")
    before = {"name": row.name, **row.definition}
    session.delete(row)
    session.flush()
    record(session, actor, AuditAction.DELETED, AuditSubject.TEAM, key, before["name"], now, before=before)
    return True


def github_definitions(session: Session) -> list[TeamDefinition]:
    """The teams as GitHub defines them."""
    return [TeamDefinition(row.name, row.definition) for row in session.scalars(_of_source(TeamSource.GITHUB))]


def store_definitions(
    session: Session, source: TeamSource, definitions: Sequence[TeamDefinition], now: datetime, *, actor: Actor = FILE
) -> bool:
    """Replaces all teams of a source; returns whether anything differs."""
    stored = {row.name_key: row for row in session.scalars(_of_source(source))}
    wanted = {definition.key: definition for definition in definitions}
    changed = False
    for key, definition in wanted.items():
        after: dict[str, Any] = {"name": definition.name, **definition.fields}
        row = stored.get(key)
        if row is not None and {"name": row.name, **row.definition} == after:
            continue
        changed = True
        if row is None:
            before = None
            session.add(
                StoredTeam(
                    name=definition.name,
                    name_key=key,
                    source=source,
                    definition=dict(definition.fields),
                    created_at=now,
                    updated_at=now,
                    updated_by=None,
                )
            )
        else:
            before = {"name": row.name, **row.definition}
            row.name, row.definition, row.updated_at = definition.name, dict(definition.fields), now
        action = AuditAction.CREATED if before is None else AuditAction.CHANGED
        record(session, actor, action, AuditSubject.TEAM, key, definition.name, now, before=before, after=after)
    for key in stored.keys() - wanted.keys():
        changed = True
        before = {"name": stored[key].name, **stored[key].definition}
        record(session, actor, AuditAction.DELETED, AuditSubject.TEAM, key, before["name"], now, before=before)
    session.execute(
        delete(StoredTeam).where(StoredTeam.source == source, StoredTeam.name_key.in_(stored.keys() - wanted.keys()))
    )
    session.flush()
    return changed


def _definition_of(session: Session, key: str, source: TeamSource) -> TeamDefinition | None:
    row = session.scalar(_of_source(source).where(StoredTeam.name_key == key))
    return TeamDefinition(row.name, row.definition) if row else None


def _of_source(source: TeamSource) -> Any:
    return select(StoredTeam).where(StoredTeam.source == source).execution_options(populate_existing=True)
