"""How the collection stands, which every page says, and the moment at which every window ends."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from app.data.connection import Moved, clock, reader, session
from app.data.outages import lasting, outage
from core.formatting import at
from db.enums import Liveness
from db.repositories import repository_queries
from db.runs import run_queries
from health.completeness import collection_status


@dataclass(frozen=True)
class Status:
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
    standing: str | None
    tone: str
    catching_up: collection_status.CatchingUp
    repositories: list[repository_queries.RepositoryRow]
    has_runs: bool

    @property
    def doubt(self) -> str | None:
        """Why finding nothing in the stored data is no all-clear, in one sentence; null where it is one."""
        if self.stale or not self.catching_up.number:
            return self.stale
        behind = self.catching_up
        if behind.total == 1:
            return "The repository is still catching up."
        return f"{behind.number:,} of {behind.total:,} repositories {'is' if behind.number == 1 else 'are'} still catching up."


_windows_end: dict[int, datetime] = {}


def now(version: int) -> datetime:
    """The end of every window: it stands still while nothing new is stored, so that figures do not flicker and
    sessions that ask the same share an answer; and while the database is away, whose last answers are shown."""
    if outage() is None or version not in _windows_end:
        moment = _now(version)
        _windows_end.clear()
        _windows_end[version] = moment
    return _windows_end[version]


@st.cache_data(ttl=300, max_entries=8, show_spinner=False)
def _now(version: int) -> datetime:
    return clock().replace(second=0, microsecond=0) + timedelta(minutes=1)


@lasting
@st.cache_data(ttl=2, max_entries=1, show_spinner=False)
def status() -> Status:
    with session() as open_session:
        beat = repository_queries.heartbeat(open_session)
        went_back = reader().went_back(open_session, beat.data_version if beat else 0)
        rows = repository_queries.list_repositories(open_session)
        failing = repository_queries.list_targets(open_session)
        has_runs = run_queries.any_run(open_session)
        behind = collection_status.count_catching_up(open_session, beat)
    if went_back:
        raise Moved("The replica of the database fell behind; loading the page anew asks the database itself.")
    detail: dict[str, Any] = beat.detail if beat else {}
    progress = detail.get("progress")
    synced = [row.synced_at for row in rows]
    moment = clock()
    alive = collection_status.liveness(beat, moment)
    stale = _stale(beat, alive, rows, failing)
    standing, tone = _standing(beat, alive, behind, moment)
    return Status(
        version=beat.data_version if beat else 0,
        demo=bool(detail.get("demo")),
        syncing=detail.get("message") if alive is Liveness.LIVE and detail.get("state") == "syncing" else None,
        progress=(progress["done"], progress["total"]) if progress and alive is Liveness.LIVE else None,
        synced_at=min((moment for moment in synced if moment), default=None),
        stale=stale,
        liveness=alive,
        standing=standing,
        tone="orange" if stale and tone == "green" else tone,
        catching_up=behind,
        repositories=rows,
        has_runs=has_runs,
    )


def repository_url(repo: str, status: Status) -> str | None:
    return next((row.html_url for row in status.repositories if row.repo == repo), None)


def _standing(
    beat: repository_queries.HeartbeatRow | None, alive: Liveness, behind: collection_status.CatchingUp, now: datetime
) -> tuple[str | None, str]:
    """A command that is not a service is live for as long as it runs, which nobody can tell afterwards."""
    if beat is None:
        return None, "gray"
    if alive is Liveness.STOPPED and beat.stopped_at:
        return f"stopped at {at(beat.stopped_at, now)}", "red"
    if alive is Liveness.STALE:
        return "making no progress" if collection_status.stall(beat, now) else "not running", "red"
    if behind.number:
        return f"catching up, {behind.number:,} of {behind.total:,}", "blue"
    return (None, "gray") if beat.detail.get("command") else ("live", "green")


def _stale(
    beat: repository_queries.HeartbeatRow | None,
    alive: Liveness,
    rows: list[repository_queries.RepositoryRow],
    failing: list[repository_queries.TargetRow],
) -> str | None:
    if beat is None:
        return None
    if alive is Liveness.STOPPED and beat.stopped_at:
        return f"The collector stopped at {at(beat.stopped_at, clock())}: what you see may be out of date."
    if alive is Liveness.STALE and (hangs := collection_status.stall(beat, clock())) is not None:
        return f"{hangs.rstrip('.')}: what you see may be out of date."
    if alive is Liveness.STALE:
        return f"The collector was last seen {_ago(clock() - beat.seen_at)}: what you see may be out of date."
    known = {row.repo.lower() for row in rows}
    errors = [f"{row.repo}: {row.error}" for row in rows if row.error]
    errors += [f"{each.name}: {each.error}" for each in failing if each.name.lower() not in known]
    if errors:
        return errors[0] + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else "")
    waiting = beat.detail.get("state") == "waiting" and beat.detail.get("message")
    return f"Collection waits: {waiting}" if waiting else None


def _ago(silent: timedelta) -> str:
    seconds = int(silent.total_seconds())
    if seconds < 120:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 7200 else f"{seconds // 3600} h ago"
