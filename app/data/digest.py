"""Weekly digests: the preview for the Digest page, and sending by administrators."""

from datetime import date

from app import session
from app.data.alerts import alert_overview
from app.data.caching import cache_data
from app.data.connection import read_session, utc_now, write_session
from app.data.outages import serve_stale
from app.settings import AccessSettings
from core.roles import Role
from health.digest.content import WeeklyDigest
from health.digest.schedule import DigestSettings
from health.digest.service import preview, read_settings, send_now


@serve_stale
@cache_data(ttl=60, max_entries=32)
def load_digest(team: str | None, week: date | None, version: int) -> WeeklyDigest:
    """The digest of a team, or of all teams, for the week that begins on this Monday; by default for the last full one.
    Raises UnknownTeam, Unavailable."""
    with read_session() as database:
        return preview(database, team, utc_now(), week=week)


@serve_stale
@cache_data(ttl=10, max_entries=1)
def digest_settings() -> DigestSettings | None:
    """When digests are sent; null if none is."""
    with read_session() as database:
        return read_settings(database)


def send_digest(digest: WeeklyDigest) -> list[str]:
    """Writes the digest to the outbox; returns the names of the channels. Raises NoChannel, ActionRefused,
    Unavailable."""
    actor, configured = session.current_actor(), alert_overview().channels or []
    with write_session(Role.ADMIN) as database:
        return send_now(database, digest, utc_now(), AccessSettings.load().app_url, configured=configured, actor=actor)
