"""How the collection stands, which every page says, and the moment at which every window ends."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from app.data.connection import Moved, clock, reader, session
from app.data.outages import lasting, outage
from db.queries import repositories, runs

_GRACE = timedelta(seconds=60)
_DEFAULT_POLL_SECONDS = 300.0


@dataclass(frozen=True)
class Status:
    """How the collection stands. `stale` is one line where figures may be out of date, else null."""

    version: int
    demo: bool
    syncing: str | None
    progress: tuple[int, int] | None
    synced_at: datetime | None
    stale: str | None
    repositories: list[repositories.RepositoryRow]
    has_runs: bool


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
        beat = repositories.heartbeat(open_session)
        went_back = reader().went_back(open_session, beat.data_version if beat else 0)
        rows = repositories.list_repositories(open_session)
        failing = repositories.list_targets(open_session)
        has_runs = runs.any_run(open_session)
    if went_back:
        raise Moved("The replica of the database fell behind; loading the page anew asks the database itself.")
    detail: dict[str, Any] = beat.detail if beat else {}
    progress = detail.get("progress")
    synced = [row.synced_at for row in rows]
    return Status(
        version=beat.data_version if beat else 0,
        demo=bool(detail.get("demo")),
        syncing=detail.get("message") if detail.get("state") == "syncing" else None,
        progress=(progress["done"], progress["total"]) if progress else None,
        synced_at=min((moment for moment in synced if moment), default=None),
        stale=_stale(beat, rows, failing),
        repositories=rows,
        has_runs=has_runs,
    )


def repository_url(repo: str, status: Status) -> str | None:
    return next((row.html_url for row in status.repositories if row.repo == repo), None)


def _stale(
    beat: repositories.HeartbeatRow | None,
    rows: list[repositories.RepositoryRow],
    failing: list[repositories.TargetRow],
) -> str | None:
    if beat is None:
        return None
    poll = timedelta(seconds=float(beat.detail.get("poll_seconds") or _DEFAULT_POLL_SECONDS))
    silent = clock() - beat.seen_at
    if silent > 3 * poll + _GRACE:
        return f"The collector was last seen {_ago(silent)}: what you see may be out of date."
    known = {row.repo.lower() for row in rows}
    errors = [f"{row.repo}: {row.error}" for row in rows if row.error]
    errors += [f"{each.name}: {each.error}" for each in failing if each.name.lower() not in known]
    if errors:
        return errors[0] + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else "")
    waiting = beat.detail.get("state") == "waiting" and beat.detail.get("message")
    return f"Collection waits: {waiting}" if waiting else None


def _ago(silent: timedelta) -> str:
    minutes = int(silent.total_seconds() // 60)
    return f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"
