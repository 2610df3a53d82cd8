"""Is everything there, and is what it says up to date? One judgement for /health and the docs."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db.engine import DatabaseUnavailable, describe_failure, session_scope
from db.migrate import NotMigrated, check_migrated
from db.queries.repositories import HeartbeatRow, heartbeat, list_repositories, list_targets

_GRACE = timedelta(seconds=60)
_NAMED = 3


@dataclass(frozen=True)
class Check:
    """`status` is ok, degraded or error; `detail` one line for people, without secrets."""

    status: str
    detail: str
    more: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"status": self.status, "detail": self.detail, **self.more}


def check_database(engine: Engine) -> Check:
    try:
        check_migrated(engine)
    except (DatabaseUnavailable, NotMigrated) as error:
        return Check("error", str(error))
    except SQLAlchemyError as error:
        return Check("error", describe_failure(engine, error))
    return Check("ok", "reachable and migrated")


def check_collector(engine: Engine, now: datetime, poll: timedelta) -> Check:
    """`poll` is used where the collector does not tell its own interval."""
    try:
        return _judge_collector(engine, now, poll)
    except SQLAlchemyError as error:
        return Check("error", describe_failure(engine, error))


def _judge_collector(engine: Engine, now: datetime, poll: timedelta) -> Check:
    with session_scope(engine) as session:
        seen = heartbeat(session)
        repositories = list_repositories(session)
        failing = [_line(row.repo, row.error) for row in repositories if row.error]
        known = {row.repo.lower() for row in repositories}
        failing += [
            _line(row.name, row.error) for row in list_targets(session) if row.error and row.name.lower() not in known
        ]
    if seen is None:
        never = {"seen_at": None, "synced_at": None}
        return Check("degraded", "The collector has not run yet; start it with python -m collector.", never)
    synced = [row.synced_at for row in repositories if row.synced_at]
    more = {"seen_at": _iso(seen.seen_at), "synced_at": _iso(min(synced, default=None))}
    reason = _reason(seen, failing, now, poll)
    return Check("degraded" if reason else "ok", reason or "running, everything read", more)


def overall(checks: list[Check]) -> str:
    states = {check.status for check in checks}
    return next((state for state in ("error", "degraded") if state in states), "ok")


def _reason(seen: HeartbeatRow, failing: list[str], now: datetime, poll: timedelta) -> str | None:
    told = seen.detail.get("poll_seconds")
    poll = timedelta(seconds=told) if isinstance(told, int | float) and told > 0 else poll
    silent = now - seen.seen_at
    if silent > 3 * poll + _GRACE:
        return f"The collector has not been seen for {int(silent.total_seconds() // 60)} min; is it running?"
    if failing:
        more = f" (and {len(failing) - _NAMED} more)" if len(failing) > _NAMED else ""
        return "; ".join(failing[:_NAMED]) + more
    state, message = seen.detail.get("state"), seen.detail.get("message")
    return " ".join(str(message or state).split()) if state in ("error", "waiting") else None


def _line(name: str, error: str) -> str:
    return f"{name}: {' '.join(error.split())}"


def _iso(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
