"""Is everything there, and is what it says up to date? One judgement for /health and the docs."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.schema_guard import AWAY, Gate
from core.formatting import at, counted
from db.engine import DatabaseUnavailable, describe_failure, session_scope
from db.enums import Liveness
from db.migrate import NewerSchema, NotMigrated, check_migrated, current_revision
from db.replica import Reader, asks_again
from db.repositories.repository_queries import HeartbeatRow, data_version, list_repositories, unread_targets
from db.runs.run_queries import any_run
from db.webhook_inbox import InboxSummary
from health.completeness.collection_status import (
    CatchingUp,
    Collector,
    Service,
    count_catching_up,
    liveness,
    service,
    stall,
)

# Deliveries are applied within a second, and behind a busy writer within a few.
_LATE = timedelta(minutes=5)
_NAMED = 3
_WITH_KEY = "send METRICS_KEY for details"


@dataclass(frozen=True)
class Check:
    """`status` is ok, degraded or error; `detail` one line for people, without secrets."""

    status: str
    detail: str
    more: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"status": self.status, "detail": self.detail, **self.more}


def check_database(engine: Engine, gate: Gate, *, reads: bool = False) -> Check:
    """`reads`: rows are read, too, as every answer does: a file can have the right schema and be damaged behind it. One
    that could be used before a newer version migrated it answers as long as that works."""
    try:
        check_migrated(engine)
        if reads:
            _read_rows(engine)
    except NewerSchema as error:
        return Check("degraded" if gate.is_open else "error", str(error))
    except NotMigrated as error:
        return Check("error", str(error))
    except DatabaseUnavailable as error:
        gate.tell(str(error))
        return Check("error", AWAY)
    except SQLAlchemyError as error:
        gate.tell(describe_failure(engine, error))
        return Check("error", AWAY)
    return Check("ok", "reachable and migrated")


def _read_rows(engine: Engine) -> None:
    """One each of the state of collection and of the runs."""
    with session_scope(engine) as session:
        data_version(session)
        any_run(session)


def schema_revision(engine: Engine) -> str | None:
    """Of a database that was just seen to be well; null where it is away again."""
    try:
        return current_revision(engine)
    except SQLAlchemyError:
        return None


def check_replica(reader: Reader) -> Check:
    """What answers. A replica that does not is no reason to send anybody elsewhere: the database itself answers."""
    found = reader.standing()
    lag = None if found.lag_seconds is None else round(found.lag_seconds, 1)
    more = {"reads_from": "replica" if found.from_replica else "database", "lag_seconds": lag}
    if found.from_replica:
        behind = "the database is away" if lag is None else f"{lag:g} s behind"
        return Check("ok", f"the replica answers, {behind}", more)
    return Check("degraded", f"the database itself answers, not its replica: {found.reason}", more)


def check_collection(
    reader: Reader, gate: Gate, now: datetime, poll: timedelta, *, details: bool = True
) -> dict[str, Check]:
    """The collector and the inbox of webhooks. `poll` is used where the collector does not tell its own interval.
    Without `details` no name of a host or repository is in it."""
    try:
        with reader.session() as session:
            found = service(session, now)
            return {"collector": _collector(session, found, now, poll, details), "inbox": _inbox(found.inbox, now)}
    except SQLAlchemyError as error:
        if asks_again(error):
            raise
        gate.tell(describe_failure(reader.engine, error))
        return dict.fromkeys(("collector", "inbox"), Check("error", AWAY))


def _collector(session: Session, found: Service, now: datetime, poll: timedelta, details: bool) -> Check:
    repositories = list_repositories(session)
    failing = [_line(row.repo, row.error) for row in repositories if row.error]
    unread = unread_targets(session, [row.repo for row in repositories])
    failing += [_line(row.name, row.error) for row in unread if row.error]
    if found.beat is None:
        never: dict[str, Any] = {"state": Liveness.NEVER, "seen_at": None, "synced_at": None, "collectors": []}
        return Check("degraded", "The collector has not run yet; start it with python -m collector.", never)
    synced = [row.synced_at for row in repositories if row.synced_at]
    more: dict[str, Any] = {
        "state": liveness(found.beat, now, poll),
        "seen_at": _iso(found.beat.seen_at),
        "stopped_at": _iso(found.beat.stopped_at),
        "synced_at": _iso(min(synced, default=None)),
        "collectors": [
            _told(each) if details else _told(each) | {"name": f"collector {number}", "message": None}
            for number, each in enumerate(found.collectors, 1)
        ],
    }
    behind = count_catching_up(session, found.beat)
    more["catching_up"], more["repositories"] = behind.number, behind.total
    reason = _reason(found.beat, failing, now, poll, details)
    return Check("degraded" if reason else "ok", reason or _standing(behind), more)


def _standing(behind: CatchingUp) -> str:
    """What a collector at work, which nothing keeps from reading, has read."""
    if not behind.total:
        return "running, nothing is monitored yet"
    if not behind.number:
        return "running, everything read"
    verb = "is" if behind.number == 1 else "are"
    of_all = f"{behind.number:,} of {counted(behind.total, 'repository', 'repositories')} {verb} catching up"
    return f"running, {of_all}: their counts, rates, durations and costs are provisional"


def _told(collector: Collector) -> dict[str, Any]:
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


def _inbox(found: InboxSummary, now: datetime) -> Check:
    """What could not be applied is no reason for concern by itself: the next poll brings it."""
    waits = now - found.oldest_pending_at if found.oldest_pending_at else None
    more = {
        "waiting": found.pending,
        "failed": found.failed,
        "oldest_seconds": max(waits.total_seconds(), 0.0) if waits else None,
    }
    if waits and waits > _LATE:
        minutes = int(waits.total_seconds() // 60)
        line = f"{counted(found.pending, 'delivery', 'deliveries')} of webhooks not applied yet, the oldest since "
        return Check("degraded", f"{line}{minutes} min; polling goes on", more)
    return Check("ok", "deliveries are applied as they come", more)


def overall(checks: list[Check]) -> str:
    states = {check.status for check in checks}
    return next((state for state in ("error", "degraded") if state in states), "ok")


def _reason(seen: HeartbeatRow, failing: list[str], now: datetime, poll: timedelta, details: bool) -> str | None:
    match liveness(seen, now, poll):
        case Liveness.STOPPED if seen.stopped_at:
            return f"The collector stopped at {at(seen.stopped_at, now)}; start it with python -m collector."
        case Liveness.STALE if (hangs := stall(seen, now, poll, named=details)) is not None:
            return hangs
        case Liveness.STALE:
            return f"The collector has not been seen for {_length(now - seen.seen_at)}; is it running?"
    return _trouble(seen, failing, details)


def _trouble(seen: HeartbeatRow, failing: list[str], details: bool) -> str | None:
    """Of a collector that works."""
    if failing and not details:
        return f"{counted(len(failing), 'repository', 'repositories')} cannot be read; {_WITH_KEY}"
    if failing:
        more = f" (and {len(failing) - _NAMED} more)" if len(failing) > _NAMED else ""
        return "; ".join(failing[:_NAMED]) + more
    state, message = seen.detail.get("state"), seen.detail.get("message")
    if state not in ("error", "waiting"):
        return None
    return _one_line(message or state) if details else f"{state}; {_WITH_KEY}"


def _length(silent: timedelta) -> str:
    seconds = int(silent.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def _line(name: str, error: str) -> str:
    return f"{name}: {_one_line(error)}"


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _iso(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
