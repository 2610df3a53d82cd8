"""The state of the collection, which every page shows, and the end of every window."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import streamlit as st
from sqlalchemy.orm import Session

from app.data.caching import cache_data
from app.data.connection import FailedOver, read_session, reader, utc_now
from app.data.outages import current_outage, serve_stale
from core.formatting import format_time
from db.collection.heartbeat_detail import HeartbeatDetail
from db.enums import Liveness
from db.migrate import check_revision
from db.repositories.repository_queries import (
    HeartbeatRow,
    RepositoryRow,
    TargetRow,
    heartbeat,
    list_repositories,
    list_targets,
)
from db.runs import run_queries
from health.completeness.collector_status import CatchUpCount, count_catching_up, liveness, stall_message


@dataclass(frozen=True)
class CollectionStatus:
    """The state of the collection.

    `stale`: a line if figures may be out of date, else null. `summary`: the collector's state in a few words, null if
    there is nothing to report, with its colour `tone`, a name of the theme. `catching_up`: the number of repositories
    whose history or jobs are not complete yet. `poll_seconds`: the time between polls, null if it is not reported.
    """

    version: int
    demo: bool
    syncing: str | None
    progress: tuple[int, int] | None
    synced_at: datetime | None
    stale: str | None
    liveness: Liveness
    summary: str | None
    tone: str
    catching_up: CatchUpCount
    repositories: list[RepositoryRow]
    has_runs: bool
    poll_seconds: float | None

    @property
    def caveat(self) -> str | None:
        """Why an empty result does not mean that everything is fine, in a sentence; null if it does."""
        if self.stale or not self.catching_up.repositories:
            return self.stale
        count, total = self.catching_up.repositories, self.catching_up.total
        if total == 1:
            return "The repository is still catching up."
        return f"{count:,} of {total:,} repositories {'is' if count == 1 else 'are'} still catching up."


_window_ends: dict[int, datetime] = {}


def window_end(version: int) -> datetime:
    """The end of every window. It is constant while no new data is stored, so that figures do not flicker and browser
    sessions share cached results; it is also constant during an outage, when pages show the last results."""
    if current_outage() is None or version not in _window_ends:
        moment = _window_end(version)
        _window_ends.clear()
        _window_ends[version] = moment
    return _window_ends[version]


@st.cache_data(ttl=300, max_entries=8, show_spinner=False)
def _window_end(version: int) -> datetime:
    return utc_now().replace(second=0, microsecond=0) + timedelta(minutes=1)


@serve_stale
@cache_data(ttl=2, max_entries=1)
def load_status() -> CollectionStatus:
    """Raises Unavailable where the schema is not that of this version, and FailedOver if the replica has fallen behind
    what this process has read before."""
    with read_session() as session:
        _require_schema(session)
        beat = heartbeat(session)
        version = beat.data_version if beat else 0
        is_stale_read = reader().is_stale_read(session, version)
        repositories = list_repositories(session)
        targets = list_targets(session)
        has_runs = run_queries.has_runs(session)
        catching_up = count_catching_up(session, beat)
    if is_stale_read:
        raise FailedOver("The replica of the database fell behind; reload the page to read from the primary.")
    detail = beat.detail if beat else HeartbeatDetail()
    now = utc_now()
    alive = liveness(beat, now)
    stale = _stale_reason(beat, alive, repositories, targets, now)
    summary, tone = _summary(beat, alive, catching_up, now)
    return CollectionStatus(
        version=version,
        demo=detail.demo,
        syncing=detail.message if alive is Liveness.LIVE and detail.state == "syncing" else None,
        progress=detail.progress if alive is Liveness.LIVE else None,
        synced_at=min((row.synced_at for row in repositories if row.synced_at), default=None),
        stale=stale,
        liveness=alive,
        summary=summary,
        tone="orange" if stale and tone == "green" else tone,
        catching_up=catching_up,
        repositories=repositories,
        has_runs=has_runs,
        poll_seconds=detail.poll_seconds,
    )


@st.cache_resource(show_spinner=False)
def _require_schema(_session: Session) -> None:
    """Raises NotMigrated. A successful check is not repeated: programs of this version go on after a later upgrade."""
    check_revision(_session.connection())


def repository_url(repo: str, status: CollectionStatus) -> str | None:
    return next((row.html_url for row in status.repositories if row.repo == repo), None)


def _summary(
    beat: HeartbeatRow | None, alive: Liveness, catching_up: CatchUpCount, now: datetime
) -> tuple[str | None, str]:
    """(words, colour)"""
    if beat is None:
        return None, "gray"
    if alive is Liveness.STOPPED and beat.stopped_at:
        return f"stopped at {format_time(beat.stopped_at, now)}", "red"
    if alive is Liveness.STALE:
        return "making no progress" if stall_message(beat, now) else "not running", "red"
    if catching_up.repositories:
        return f"catching up, {catching_up.repositories:,} of {catching_up.total:,}", "blue"
    # A single command is live only while it runs, which its heartbeat does not show.
    return (None, "gray") if beat.detail.command else ("live", "green")


def _stale_reason(
    beat: HeartbeatRow | None,
    alive: Liveness,
    repositories: list[RepositoryRow],
    targets: list[TargetRow],
    now: datetime,
) -> str | None:
    if beat is None:
        return None
    if alive is Liveness.STOPPED and beat.stopped_at:
        return f"The collector stopped at {format_time(beat.stopped_at, now)}: what you see may be out of date."
    if alive is Liveness.STALE:
        if stall := stall_message(beat, now):
            return f"{stall.rstrip('.')}: what you see may be out of date."
        return f"The collector was last seen {_ago(now - beat.seen_at)}: what you see may be out of date."
    names = {row.repo.lower() for row in repositories}
    errors = [f"{row.repo}: {row.error}" for row in repositories if row.error]
    errors += [f"{target.name}: {target.error}" for target in targets if target.name.lower() not in names]
    if errors:
        return errors[0] + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else "")
    waiting = beat.detail.state == "waiting" and beat.detail.message
    return f"Collection is waiting: {waiting}" if waiting else None


def _ago(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    if seconds < 120:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 7200 else f"{seconds // 3600} h ago"
