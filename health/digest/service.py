"""Weekly digests: previews, sending at once, and sending each digest of a week exactly once."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.audit import Actor, record
from db.definitions.scope import Scope
from db.engine import session_scope, write_scope
from db.enums import AuditAction, AuditSubject
from db.models import Digest, NotificationChannel, StoredSetting
from db.sql import insert_ignore
from health.alerts.storage.outbox import enqueue
from health.alerts.storage.outbox_plan import DIGEST
from health.digest.content import WeeklyDigest, weekly_digest
from health.digest.message import digest_message
from health.digest.schedule import (
    DigestSettings,
    InvalidDigestSettings,
    due_week,
    latest_week,
    parse_settings,
    week_window,
)
from health.teams.definition import Team, team_key
from health.teams.service import get_team, list_teams, narrow, visible_teams

SETTING = "digest"
# These open incidents, for which a summary is no reason.
_INCIDENT_KINDS = ("pagerduty", "opsgenie")


class UnknownTeam(ValueError):
    """There is no team of this name."""


class NoChannel(ValueError):
    """No channel takes the digest."""


@dataclass(frozen=True)
class PlannedDigest:
    """A digest that is due: that of a team, null for all teams, and the names of its channels."""

    team: Team | None
    week: date
    channels: tuple[str, ...]

    @property
    def key(self) -> str:
        return self.team.key if self.team else ""


def read_settings(session: Session) -> DigestSettings | None:
    """The time of the digests; null if no digest is configured, which is the default."""
    stored = session.get(StoredSetting, SETTING)
    if stored is None:
        return None
    try:
        return parse_settings(stored.value)
    except InvalidDigestSettings:
        # TEAMS_FILE is checked when it is read: the value is from another version.
        return None


def preview(session: Session, team: str | None, now: datetime, *, week: date | None = None) -> WeeklyDigest:
    """The digest of a team, or of all teams, for the week that begins on this Monday; by default for the last full one.
    Raises UnknownTeam."""
    settings = read_settings(session) or DigestSettings()
    stored = next((item for item in visible_teams(session) if item.key == team_key(team)), None) if team else None
    if team and stored is None:
        raise UnknownTeam(team)
    return _digest(session, stored, week or latest_week(settings.zone, now), settings, now)


def _digest(session: Session, team: Team | None, week: date, settings: DigestSettings, now: datetime) -> WeeklyDigest:
    scope = narrow(session, Scope(), [team.key]) if team else Scope()
    window = week_window(week, settings.zone)
    return weekly_digest(session, scope, window, now, team=team.name if team else None, week=week)


def channels_of(session: Session, team: Team | None, settings: DigestSettings, configured: Sequence[str]) -> list[str]:
    """The channels of a digest: those of the team except for incident services; without one those of the digest of all
    teams, then `configured`, the channels of the environment variables."""
    query = select(NotificationChannel.name).where(NotificationChannel.kind.in_(_INCIDENT_KINDS))
    incidents = set(session.scalars(query))
    own = [item.channel for item in team.channels if item.channel not in incidents] if team else []
    return list(dict.fromkeys(own)) or list(settings.all) or list(configured)


def send_now(
    session: Session,
    digest: WeeklyDigest,
    now: datetime,
    app_url: str,
    *,
    configured: Sequence[str],
    actor: Actor,
) -> list[str]:
    """Writes the digest to the outbox, also if it was sent before; returns the names of the channels. Raises
    NoChannel."""
    team = get_team(session, digest.team) if digest.team else None
    channels = channels_of(session, team, read_settings(session) or DigestSettings(), configured)
    if not channels:
        raise NoChannel("No channel is configured.")
    message = digest_message(digest, app_url).to_dict()
    enqueue(session, None, DIGEST, dict.fromkeys(channels, message), now)
    name = digest.team or "all teams"
    after = {"week": digest.week.isoformat(), "channels": channels}
    record(session, actor, AuditAction.SENT, AuditSubject.DIGEST, team.key if team else "", name, now, after=after)
    return channels


def send_due(engine: Engine, now: datetime, app_url: str, *, configured: Sequence[str]) -> int:
    """Writes the digests that are due to the outbox, each exactly once whatever restarts; returns how many."""
    with session_scope(engine) as session:
        settings = read_settings(session)
        planned = list(_planned(session, settings, now, configured)) if settings else []
    sent = 0
    for item in planned:
        if settings is None:
            break
        # The figures are read without a lock; the row of the digest and its messages are written together.
        with session_scope(engine) as session:
            digest = _digest(session, item.team, item.week, settings, now)
        message = digest_message(digest, app_url).to_dict()
        row = {"team_key": item.key, "week": item.week, "channels": list(item.channels), "created_at": now}
        with write_scope(engine) as session:
            if insert_ignore(session, Digest, [row]):
                enqueue(session, None, DIGEST, dict.fromkeys(item.channels, message), now)
                sent += 1
    return sent


def _planned(
    session: Session, settings: DigestSettings, now: datetime, configured: Sequence[str]
) -> Iterator[PlannedDigest]:
    week = due_week(settings, now)
    if week is None:
        return
    written: Collection[str] = set(session.scalars(select(Digest.team_key).where(Digest.week == week)))
    teams: list[Team | None] = [team for team in list_teams(session) if team.digest]
    teams += [None] if settings.all else []
    for team in teams:
        channels = channels_of(session, team, settings, configured)
        item = PlannedDigest(team, week, tuple(channels))
        if channels and item.key not in written:
            yield item
