"""How the collection stands, which every page says, and the moment at which every window ends."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from app.data.connection import FailedOver, utc_now, reader, session
from app.data.outages import serve_stale, current_outage
from core.formatting import format_time
from db.enums import Liveness
from db.repositories import repository_queries
from db.runs import run_queries
from health.completeness import collection_status


@dataclass(frozen=True)
class CollectionStatus:
    """How the collection stands. `stale` is one line where figures may be out of date, else null. `standing` is how the
    collector is, in a few words, and `tone` the colour of it, as the theme names it; null where it says nothing.
    `catching_up`: how many of how many repositories have history or jobs that are still to be read."""

    version: int
    demo: bool
    syncing: str | None
    progress: tuple[int, int] | None
    synced_at: datetime | None
    stale: str | None
    liveness: Liveness
    summary: str | None
    tone: str
    catching_up: collection_status.CatchUpCount
    repositories: list[repository_queries.RepositoryRow]
    has_runs: bool

    @property
    def caveat(self) -> str | None:
        """Why finding nothing in the stored data is no all-clear, in one sentence; null where it is one."""
        if self.stale or not self.catching_up.repositories:
            return self.stale
        behind = self.catching_up
        if behind.total == 1:
            return "The repository is still catching up."
        return f"{behind.repositories:,} of {behind.total:,} repositories {'is' if behind.repositories == 1 else 'are'} still catching up."


_window_ends: dict[int, datetime] = {}


def now(version: int) -> datetime:
    """The end of every window: it stands still while nothing new is stored, so that figures do not flicker and
    sessions that ask the same share an answer; and while the database is away, whose last answers are shown."""
    if current_outage() is None or version not in _window_ends:
        moment = _now(version)
        _window_ends.clear()
        _window_ends[version] = moment
    return _window_ends[version]


@st.cache_data(ttl=300, max_entries=8, show_spinner=False)
def _now(version: int) -> datetime:
    return utc_now().replace(second=0, microsecond=0) + timedelta(minutes=1)


@serve_stale
@st.cache_data(ttl=2, max_entries=1, show_spinner=False)
def status() -> CollectionStatus:
    with session() as open_session:
        beat = repository_queries.heartbeat(open_session)
        went_back = reader().is_stale_read(open_session, beat.data_version if beat else 0)
        rows = repository_queries.list_repositories(open_session)
        failing = repository_queries.list_targets(open_session)
        has_runs = run_queries.has_runs(open_session)
        behind = collection_status.count_catching_up(open_session, beat)
    if went_back:
        raise FailedOver("The replica of the database fell behind; loading the page anew asks the database itself.")
    detail: dict[str, Any] = beat.detail if beat else {}
    progress = detail.get("progress")
    synced = [row.synced_at for row in rows]
    moment = utc_now()
    alive = collection_status.liveness(beat, moment)
    stale = _stale_reason(beat, alive, rows, failing)
    standing, tone = _summary(beat, alive, behind, moment)
    return CollectionStatus(
        version=beat.data_version if beat else 0,
        demo=bool(detail.get("demo")),
        syncing=detail.get("message") if alive is Liveness.LIVE and detail.get("state") == "syncing" else None,
        progress=(progress["done"], progress["total"]) if progress and alive is Liveness.LIVE else None,
        synced_at=min((moment for moment in synced if moment), default=None),
        stale=stale,
        liveness=alive,
        summary=standing,
        tone="orange" if stale and tone == "green" else tone,
        catching_up=behind,
        repositories=rows,
        has_runs=has_runs,
    )


def repository_url(repo: str, status: CollectionStatus) -> str | None:
    return next((row.html_url for row in status.repositories if row.repo == repo), None)


def _summary(
    heartbeat: repository_queries.HeartbeatRow | None, liveness_state: Liveness, catching_up: collection_status.CatchUpCount, now: datetime
) -> tuple[str | None, str]:
    """A command that is not a service is live for as long as it runs, which nobody can tell afterwards."""
    if heartbeat is None:
        return None, "gray"
    if liveness_state is Liveness.STOPPED and heartbeat.stopped_at:
        return f"stopped at {format_time(heartbeat.stopped_at, now)}", "red"
    if liveness_state is Liveness.STALE:
        return "making no progress" if collection_status.stall_message(heartbeat, now) else "not running", "red"
    if catching_up.repositories:
        return f"catching up, {catching_up.repositories:,} of {catching_up.total:,}", "blue"
    return (None, "gray") if heartbeat.detail.get("command") else ("live", "green")


def _stale_reason(
    heartbeat: repository_queries.HeartbeatRow | None,
    liveness_state: Liveness,
    rows: list[repository_queries.RepositoryRow],
    failing: list[repository_queries.TargetRow],
) -> str | None:
    if heartbeat is None:
        return None
    if liveness_state is Liveness.STOPPED and heartbeat.stopped_at:
        return f"The collector stopped at {format_time(heartbeat.stopped_at, utc_now())}: what you see may be out of date."
    if liveness_state is Liveness.STALE and (hangs := collection_status.stall_message(heartbeat, utc_now())) is not None:
        return f"{hangs.rstrip('.')}: what you see may be out of date."
    if liveness_state is Liveness.STALE:
        return f"The collector was last seen {_ago(utc_now() - heartbeat.seen_at)}: what you see may be out of date."
    known = {row.repo.lower() for row in rows}
    errors = [f"{row.repo}: {row.error}" for row in rows if row.error]
    errors += [f"{each.name}: {each.error}" for each in failing if each.name.lower() not in known]
    if errors:
        return errors[0] + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else "")
    waiting = heartbeat.detail.get("state") == "waiting" and heartbeat.detail.get("message")
    return f"Collection waits: {waiting}" if waiting else None


def _ago(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    if seconds < 120:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 7200 else f"{seconds // 3600} h ago"
