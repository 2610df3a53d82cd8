"""Is everything there, and is what it says up to date? One judgement for /health and the docs."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.schema_guard import DATABASE_UNAVAILABLE, SchemaGuard
from core.formatting import format_time, pluralize
from db.engine import DatabaseUnavailable, describe_failure, session_scope
from db.enums import Liveness
from db.migrate import NewerSchema, NotMigrated, check_migrated, current_revision
from db.replica import ReplicaRouter, is_replica_failure
from db.repositories.repository_queries import HeartbeatRow, data_version, list_repositories, unresolved_targets
from db.runs.run_queries import has_runs
from db.webhook_inbox import InboxSummary
from health.completeness.collection_status import (
    CatchUpCount,
    CollectionReport,
    CollectorStatus,
    collection_report,
    count_catching_up,
    liveness,
    stall_message,
)

# Deliveries are applied within a second, and behind a busy writer within a few.
_MAX_INBOX_AGE = timedelta(minutes=5)
_MAX_LISTED = 3
_DETAILS_HINT = "send METRICS_KEY for details"


@dataclass(frozen=True)
class HealthCheck:
    """`status` is ok, degraded or error; `detail` one line for people, without secrets."""

    status: str
    detail: str
    extra: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"status": self.status, "detail": self.detail, **self.extra}


def check_database(engine: Engine, schema_guard: SchemaGuard, *, probe_rows: bool = False) -> HealthCheck:
    """`reads`: rows are read, too, as every answer does: a file can have the right schema and be damaged behind it. One
    that could be used before a newer version migrated it answers as long as that works."""
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
    """One each of the state of collection and of the runs."""
    with session_scope(engine) as session:
        data_version(session)
        has_runs(session)


def schema_revision(engine: Engine) -> str | None:
    """Of a database that was just seen to be well; null where it is away again."""
    try:
        return current_revision(engine)
    except SQLAlchemyError:
        return None


def check_replica(reader: ReplicaRouter) -> HealthCheck:
    """What answers. A replica that does not is no reason to send anybody elsewhere: the database itself answers."""
    found = reader.status()
    lag = None if found.lag_seconds is None else round(found.lag_seconds, 1)
    more = {"reads_from": "replica" if found.from_replica else "database", "lag_seconds": lag}
    if found.from_replica:
        behind = "the database is away" if lag is None else f"{lag:g} s behind"
        return HealthCheck("ok", f"the replica answers, {behind}", more)
    return HealthCheck("degraded", f"the database itself answers, not its replica: {found.reason}", more)


def check_collection(
    reader: ReplicaRouter, schema_guard: SchemaGuard, now: datetime, poll_interval: timedelta, *, details: bool = True
) -> dict[str, HealthCheck]:
    """The collector and the inbox of webhooks. `poll` is used where the collector does not tell its own interval.
    Without `details` no name of a host or repository is in it."""
    try:
        with reader.session() as session:
            found = collection_report(session, now)
            return {
                "collector": _collector_check(session, found, now, poll_interval, details),
                "inbox": _inbox_check(found.inbox, now),
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
    unread = unresolved_targets(session, [row.repo for row in repositories])
    failing += [_error_line(row.name, row.error) for row in unread if row.error]
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
            _collector_entry(each)
            if details
            else _collector_entry(each) | {"name": f"collector {number}", "message": None}
            for number, each in enumerate(status.collectors, 1)
        ],
    }
    behind = count_catching_up(session, status.heartbeat)
    more["catching_up"], more["repositories"] = behind.repositories, behind.total
    reason = _degraded_reason(status.heartbeat, failing, now, poll_interval, details)
    return HealthCheck("degraded" if reason else "ok", reason or _progress_line(behind), more)


def _progress_line(catching_up: CatchUpCount) -> str:
    """What a collector at work, which nothing keeps from reading, has read."""
    if not catching_up.total:
        return "running, nothing is monitored yet"
    if not catching_up.repositories:
        return "running, everything read"
    verb = "is" if catching_up.repositories == 1 else "are"
    of_all = f"{catching_up.repositories:,} of {pluralize(catching_up.total, 'repository', 'repositories')} {verb} catching up"
    return f"running, {of_all}: their counts, rates, durations and costs are provisional"


def _collector_entry(collector: CollectorStatus) -> dict[str, Any]:
    state, message = collector.detail.get("state"), collector.detail.get("message")
    if not collector.alive:
        state, message = (Liveness.STOPPED if collector.stopped_at else Liveness.STALE), None
    return {
        "name": collector.name,
        "alive": collector.alive,
        "seen_at": _iso(collector.seen_at),
        "repositories": collector.repositories,
        "state": state,
        "message": _one_line(message) if message else None,
        **({"stopped_at": _iso(collector.stopped_at)} if collector.stopped_at else {}),
    }


def _inbox_check(inbox: InboxSummary, now: datetime) -> HealthCheck:
    """What could not be applied is no reason for concern by itself: the next poll brings it."""
    waits = now - inbox.oldest_pending_at if inbox.oldest_pending_at else None
    more = {
        "waiting": inbox.pending,
        "failed": inbox.failed,
        "oldest_seconds": max(waits.total_seconds(), 0.0) if waits else None,
    }
    if waits and waits > _MAX_INBOX_AGE:
        minutes = int(waits.total_seconds() // 60)
        line = f"{pluralize(inbox.pending, 'delivery', 'deliveries')} of webhooks not applied yet, the oldest since "
        return HealthCheck("degraded", f"{line}{minutes} min; polling goes on", more)
    return HealthCheck("ok", "deliveries are applied as they come", more)


def overall(checks: list[HealthCheck]) -> str:
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
        case Liveness.STALE if (hangs := stall_message(heartbeat, now, poll_interval, with_names=details)) is not None:
            return hangs
        case Liveness.STALE:
            return f"The collector has not been seen for {_duration_text(now - heartbeat.seen_at)}; is it running?"
    return _failure_reason(heartbeat, failing, details)


def _failure_reason(heartbeat: HeartbeatRow, failing: list[str], details: bool) -> str | None:
    """Of a collector that works."""
    if failing and not details:
        return f"{pluralize(len(failing), 'repository', 'repositories')} cannot be read; {_DETAILS_HINT}"
    if failing:
        more = f" (and {len(failing) - _MAX_LISTED} more)" if len(failing) > _MAX_LISTED else ""
        return "; ".join(failing[:_MAX_LISTED]) + more
    state, message = heartbeat.detail.get("state"), heartbeat.detail.get("message")
    if state not in ("error", "waiting"):
        return None
    return _one_line(message or state) if details else f"{state}; {_DETAILS_HINT}"


def _duration_text(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def _error_line(name: str, error: str) -> str:
    return f"{name}: {_one_line(error)}"


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _iso(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
