"""The only module of the UI that touches the database and the cache. What is cached is small (figures, not rows) and
kept by filter and data version, for all sessions together."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.config import Settings
from db import analytics
from db.config import ConfigError
from db.engine import DatabaseUnavailable, describe_failure, make_engine, make_reader, session_scope, write_scope
from db.metrics.formulas import Completeness
from db.metrics.ledger import MissingNumbers, Reading, RepositoryLedger, reading_of
from db.metrics.scope import Scope
from db.metrics.verdict import Verdict, verdict
from db.metrics.window import Window
from db.migrate import NotMigrated, check_migrated
from db.queries import ledger, logs, repositories, runs
from db.store.logs import request_logs
from db.vocabulary import Interval

_GRACE = timedelta(seconds=60)
_DEFAULT_POLL_SECONDS = 300.0
_PAGE = 50


class Unavailable(Exception):
    """The data cannot be read now; the message is one line for people."""


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


@dataclass(frozen=True)
class Overview:
    comparison: analytics.Comparison
    points: list[analytics.Point]
    cells: list[analytics.HourCell]
    workflows: list[analytics.WorkflowHealth]
    broken: list[analytics.Streak]


@dataclass(frozen=True)
class Collection:
    """What is known to be complete, and who is collecting. `unread` names of GITHUB_REPOS led to no repository."""

    at: datetime
    ledgers: list[RepositoryLedger]
    service: ledger.Service
    unread: list[repositories.TargetRow]

    @property
    def silent(self) -> bool:
        return self.service.beat is None or ledger.is_silent(self.service.beat, self.at)

    @property
    def verdict(self) -> Verdict:
        return verdict(self.ledgers, len(self.unread), self.at, silent=self.silent)

    @property
    def reading(self) -> Reading | None:
        return reading_of(self.ledgers, self.at)


@dataclass(frozen=True)
class RunDetail:
    run: runs.RunRow
    attempts: list[runs.AttemptRow]
    jobs: list[runs.JobRow]
    logs: list[logs.JobLogRow]


@dataclass(frozen=True)
class Options:
    repos: list[str]
    workflows: list[str]
    branches: list[str]
    events: list[str]
    actors: list[str]


@st.cache_resource(show_spinner=False)
def _engine() -> Engine:
    settings = Settings.load()
    return make_reader(settings.database_url, settings.database_replica_url)


def forget() -> None:
    """Lets the next question begin anew, maybe on another database."""
    with suppress(Unavailable), _readable():
        _engine().dispose()
    st.cache_data.clear()
    st.cache_resource.clear()


@contextmanager
def _session() -> Iterator[Session]:
    with _readable(), session_scope(_engine()) as session:
        yield session


# For the modules beside this one that read what no cache keeps.
engine, session = _engine, _session


@contextmanager
def _readable() -> Iterator[None]:
    """Whatever is wrong with the database becomes one line for people."""
    try:
        yield
    except (ConfigError, DatabaseUnavailable, NotMigrated) as error:
        raise Unavailable(str(error)) from None
    except DBAPIError as error:
        raise Unavailable(_explain(error)) from None


def _explain(error: DBAPIError) -> str:
    """A statement fails on a table that is not there long before anybody asks for the revision."""
    try:
        check_migrated(_engine())
    except (DatabaseUnavailable, NotMigrated) as found:
        return str(found)
    except DBAPIError as found:
        return describe_failure(_engine(), found)
    return describe_failure(_engine(), error)


@st.cache_data(ttl=300, max_entries=8, show_spinner=False)
def now(version: int) -> datetime:
    """The end of every window: it stands still while nothing new is stored, so that figures do not flicker and
    sessions that ask the same share an answer."""
    return clock().replace(second=0, microsecond=0) + timedelta(minutes=1)


def clock() -> datetime:
    return datetime.now(UTC)


@st.cache_data(ttl=2, max_entries=1, show_spinner=False)
def status() -> Status:
    with _session() as session:
        beat = repositories.heartbeat(session)
        rows = repositories.list_repositories(session)
        failing = repositories.list_targets(session)
        has_runs = runs.any_run(session)
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


@st.cache_data(ttl=120, max_entries=64, show_spinner=False)
def options(scope: Scope, since: datetime, version: int) -> Options:
    """Values to filter by; branches and workflows of the chosen repositories only."""
    with _session() as session:
        return Options(
            repos=[row.repo for row in repositories.list_repositories(session)],
            workflows=sorted({row.name for row in repositories.list_workflows(session, scope)}, key=str.lower),
            branches=repositories.list_branches(session, scope, since),
            events=repositories.distinct_values(session, "event", since),
            actors=repositories.distinct_values(session, "actor", since),
        )


@st.cache_data(ttl=600, max_entries=64, show_spinner=False)
def overview(scope: Scope, window: Window, interval: Interval, version: int) -> Overview:
    with _session() as session:
        return Overview(
            comparison=analytics.compare(session, scope, window),
            points=analytics.series(session, scope, window, interval),
            cells=analytics.weekday_hours(session, scope, window),
            workflows=analytics.workflows(session, scope, window, window.until),
            broken=analytics.failing_streaks(session, scope, window.until),
        )


@st.cache_data(ttl=60, max_entries=64, show_spinner=False)
def completeness(scope: Scope, version: int) -> Completeness:
    with _session() as session:
        return repositories.completeness(session, scope)


@st.cache_data(ttl=3, max_entries=1, show_spinner=False)
def collection() -> Collection:
    with _session() as session:
        ledgers = ledger.list_ledger(session)
        return Collection(
            at=clock(),
            ledgers=ledgers,
            service=ledger.service(session, clock()),
            unread=repositories.unread_targets(session, [each.repo for each in ledgers]),
        )


@st.cache_data(ttl=3, max_entries=64, show_spinner=False)
def missing_numbers(repository_id: int) -> list[MissingNumbers]:
    with _session() as session:
        return ledger.list_missing_numbers(session, repository_id)


@st.cache_data(ttl=60, max_entries=256, show_spinner=False)
def run_page(scope: Scope, window: Window, text: str, cursor: str | None, version: int) -> tuple[runs.RunPage, int]:
    """A page of runs, and how many there are in all."""
    with _session() as session:
        page = runs.list_runs(session, scope, window, limit=_PAGE, cursor=cursor, text=text)
        return page, analytics.count_runs(session, scope, window, text=text)


@st.cache_data(ttl=5, max_entries=64, show_spinner=False)
def run_detail(run_id: int, attempt: int | None, version: int) -> RunDetail | None:
    with _session() as session:
        found = runs.get_run(session, run_id)
        if found is None:
            return None
        number = attempt or found.attempt
        return RunDetail(
            run=found,
            attempts=runs.list_attempts(session, run_id),
            jobs=runs.list_jobs(session, run_id, number),
            logs=logs.list_logs(session, run_id, number, with_text=False),
        )


def ask_for_log(row: logs.JobLogRow, run_id: int) -> None:
    """The collector looks for such requests every few seconds."""
    writer = make_engine(Settings.load().database_url)
    with _readable(), write_scope(writer) as session:
        request_logs(session, row.repository_id, run_id, [row.job_id], clock())
    writer.dispose()
    run_detail.clear()
