"""Checks of the database, the replica, the collectors and the webhook queue, for /health."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.schema_guard import DATABASE_UNAVAILABLE, SchemaGuard
from core.formatting import format_time, iso_timestamp, pluralize
from core.text import collapse_whitespace
from db.engine import DatabaseUnavailable, describe_failure, session_scope
from db.enums import Liveness
from db.migrate import NewerSchema, NotMigrated, check_migrated, current_revision
from db.replica import ReplicaRouter, is_replica_failure
from db.repositories.repository_queries import HeartbeatRow, data_version, list_repositories, unresolved_targets
from db.runs.run_queries import has_runs
from db.webhook_inbox import InboxSummary
from health.completeness.collector_status import (
    CatchUpCount,
    CollectionReport,
    CollectorStatus,
    collection_report,
    count_catching_up,
    liveness,
    stall_message,
)
from health.teams.service import Person, visible_repositories

# Deliveries are applied within seconds.
_MAX_INBOX_AGE = timedelta(minutes=5)
_MAX_LISTED = 3
_DETAILS_HINT = "send METRICS_KEY for details"


@dataclass(frozen=True)
class HealthCheck:
    """`status` is ok, degraded or error; `detail` is one line without secrets; `extra` are further fields."""

    status: str
    detail: str
    extra: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"status": self.status, "detail": self.detail, **self.extra}


def check_database(engine: Engine, schema_guard: SchemaGuard, *, probe_rows: bool = False) -> HealthCheck:
    """`probe_rows` also reads rows: a damaged file may still have a valid schema. A database that a newer version
    migrated while this process runs is degraded, not an error, as long as its rows can be read."""
    try:
        check_migrated(engine)
        if probe_rows:
            _read_rows(engine)
    except NewerSchema as error:
        return HealthCheck("degraded" if schema_guard.is_valid else "error", str(error))
    except NotMigrated as error:
        return HealthCheck("error", str(error))
    except DatabaseUnavailable as error:
        schema_guard.log_failure(str(error))
        return HealthCheck("error", DATABASE_UNAVAILABLE)
    except SQLAlchemyError as error:
        schema_guard.log_failure(describe_failure(engine, error))
        return HealthCheck("error", DATABASE_UNAVAILABLE)
    return HealthCheck("ok", "reachable and migrated")


def _read_rows(engine: Engine) -> None:
    """Reads a row of the state of collection and a row of the runs."""
    with session_scope(engine) as session:
        data_version(session)
        has_runs(session)


def schema_revision(engine: Engine) -> str | None:
    """Null where the database has become unavailable since the check."""
    try:
        return current_revision(engine)
    except SQLAlchemyError:
        return None


def check_replica(reader: ReplicaRouter) -> HealthCheck:
    """Never an error: without the replica the primary database serves all requests."""
    replica = reader.status()
    lag = None if replica.lag_seconds is None else round(replica.lag_seconds, 1)
    more = {"reads_from": "replica" if replica.from_replica else "database", "lag_seconds": lag}
    if replica.from_replica:
        behind = "the primary database is unavailable" if lag is None else f"{lag:g} s behind"
        return HealthCheck("ok", f"the replica serves reads, {behind}", more)
    return HealthCheck("degraded", f"the primary database serves reads, not the replica: {replica.reason}", more)


def check_collection(
    reader: ReplicaRouter,
    schema_guard: SchemaGuard,
    now: datetime,
    poll_interval: timedelta,
    *,
    details: bool = True,
    is_public: bool = False,
) -> dict[str, HealthCheck]:
    """Checks the collectors and the webhook queue. `poll_interval` is used where the heartbeat does not have one.
    Without `details` the result has no names of hosts and repositories; where it `is_public`, it has none if a team is
    private."""
    try:
        with reader.session() as session:
            details = details and not (is_public and visible_repositories(session, Person()) is not None)
            status = collection_report(session, now)
            return {
                "collector": _collector_check(session, status, now, poll_interval, details),
                "inbox": _inbox_check(status.inbox, now),
            }
    except SQLAlchemyError as error:
        if is_replica_failure(error):
            raise
        schema_guard.log_failure(describe_failure(reader.engine, error))
        return dict.fromkeys(("collector", "inbox"), HealthCheck("error", DATABASE_UNAVAILABLE))


def _collector_check(
    session: Session, status: CollectionReport, now: datetime, poll_interval: timedelta, details: bool
) -> HealthCheck:
    repositories = list_repositories(session)
    failing = [_error_line(row.repo, row.error) for row in repositories if row.error]
    unresolved = unresolved_targets(session, [row.repo for row in repositories])
    failing += [_error_line(row.name, row.error) for row in unresolved if row.error]
    if status.heartbeat is None:
        never: dict[str, Any] = {"state": Liveness.NEVER, "seen_at": None, "synced_at": None, "collectors": []}
        return HealthCheck("degraded", "The collector has not run yet; start it with python -m collector.", never)
    synced = [row.synced_at for row in repositories if row.synced_at]
    more: dict[str, Any] = {
        "state": liveness(status.heartbeat, now, poll_interval),
        "seen_at": _iso(status.heartbeat.seen_at),
        "stopped_at": _iso(status.heartbeat.stopped_at),
        "synced_at": _iso(min(synced, default=None)),
        "collectors": [
            _collector_entry(collector)
            if details
            else _collector_entry(collector) | {"name": f"collector {number}", "message": None}
            for number, collector in enumerate(status.collectors, 1)
        ],
    }
    catching_up = count_catching_up(session, status.heartbeat)
    more["catching_up"], more["repositories"] = catching_up.repositories, catching_up.total
    reason = _degraded_reason(status.heartbeat, failing, now, poll_interval, details)
    return HealthCheck("degraded" if reason else "ok", reason or _progress_line(catching_up), more)


def _progress_line(catching_up: CatchUpCount) -> str:
    """Describes a running collector without errors."""
    if not catching_up.total:
        return "running, no repository is monitored yet"
    if not catching_up.repositories:
        return "running, everything is collected"
    verb = "is" if catching_up.repositories == 1 else "are"
    total = pluralize(catching_up.total, "repository", "repositories")
    return (
        f"running, {catching_up.repositories:,} of {total} {verb} catching up: their counts, rates, durations and "
        "costs are provisional"
    )


def _collector_entry(collector: CollectorStatus) -> dict[str, Any]:
    state, message = collector.detail.state, collector.detail.message
    if not collector.alive:
        state, message = (Liveness.STOPPED if collector.stopped_at else Liveness.STALE), None
    return {
        "name": collector.name,
        "alive": collector.alive,
        "seen_at": _iso(collector.seen_at),
        "repositories": collector.repositories,
        "state": state,
        "message": collapse_whitespace(message) if message else None,
        **({"stopped_at": _iso(collector.stopped_at)} if collector.stopped_at else {}),
    }


def _inbox_check(inbox: InboxSummary, now: datetime) -> HealthCheck:
    """Deliveries that could not be applied do not degrade the status: the next poll collects their runs."""
    waits = now - inbox.oldest_pending_at if inbox.oldest_pending_at else None
    more = {
        "waiting": inbox.pending,
        "failed": inbox.failed,
        "oldest_seconds": max(waits.total_seconds(), 0.0) if waits else None,
    }
    if waits and waits > _MAX_INBOX_AGE:
        minutes = int(waits.total_seconds() // 60)
        deliveries = pluralize(inbox.pending, "webhook delivery", "webhook deliveries")
        return HealthCheck("degraded", f"{deliveries} waiting, the oldest for {minutes} min; polling continues", more)
    return HealthCheck("ok", "deliveries are applied as they arrive", more)


def overall(checks: list[HealthCheck]) -> str:
    """The worst status."""
    states = {check.status for check in checks}
    return next((state for state in ("error", "degraded") if state in states), "ok")


def _degraded_reason(
    heartbeat: HeartbeatRow, failing: list[str], now: datetime, poll_interval: timedelta, details: bool
) -> str | None:
    match liveness(heartbeat, now, poll_interval):
        case Liveness.STOPPED if heartbeat.stopped_at:
            return (
                f"The collector stopped at {format_time(heartbeat.stopped_at, now)}; start it with python -m collector."
            )
        case Liveness.STALE if (
            stalled := stall_message(heartbeat, now, poll_interval, with_names=details)
        ) is not None:
            return stalled
        case Liveness.STALE:
            return f"The collector has not been seen for {_duration_text(now - heartbeat.seen_at)}; is it running?"
    return _failure_reason(heartbeat, failing, details)


def _failure_reason(heartbeat: HeartbeatRow, failing: list[str], details: bool) -> str | None:
    """For a running collector: the errors of repositories, or the state that the heartbeat reports."""
    if failing and not details:
        return f"{pluralize(len(failing), 'repository', 'repositories')} cannot be read; {_DETAILS_HINT}"
    if failing:
        more = f" (and {len(failing) - _MAX_LISTED} more)" if len(failing) > _MAX_LISTED else ""
        return "; ".join(failing[:_MAX_LISTED]) + more
    state, message = heartbeat.detail.state, heartbeat.detail.message
    if state not in ("error", "waiting"):
        return None
    return collapse_whitespace(message or state) if details else f"{state}; {_DETAILS_HINT}"


def _duration_text(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def _error_line(name: str, error: str) -> str:
    return f"{name}: {collapse_whitespace(error)}"


def _iso(moment: datetime | None) -> str | None:
    return iso_timestamp(moment, timespec="seconds") if moment else None
