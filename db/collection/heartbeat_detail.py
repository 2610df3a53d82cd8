"""The detail of a heartbeat: what a collector reports about itself. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# Names of rows in the table heartbeats. COLLECTOR_HEARTBEAT is shared by all collectors; several collectors also
# have one row each (see collector_heartbeat).
COLLECTOR_HEARTBEAT = "collector"
# Its detail is the price list.
PRICES_HEARTBEAT = "prices"
COLLECTOR_PREFIX = f"{COLLECTOR_HEARTBEAT}/"


def collector_heartbeat(name: str) -> str:
    """Returns the name of the heartbeat of one collector."""
    return f"{COLLECTOR_PREFIX}{name}"


@dataclass(frozen=True)
class RateLimitDetail:
    """GitHub's rate limit as of its last response, in requests. `reserve` is left to other users of the token."""

    limit: int | None = None
    remaining: int | None = None
    reset_at: datetime | None = None
    reserve: int | None = None


@dataclass(frozen=True)
class HeartbeatDetail:
    """What a collector reports about itself; null where it does not. The detail is shown to people: no secrets.

    `state` is idle, syncing, waiting (for GitHub) or error; `message` explains it, and `progress` counts done and all
    items of the stage. `command`: the program is a command that ends by itself, not a service. `work` is the task that
    has made no progress for the longest time, since `work_since`. `catching_up` counts repositories whose history or
    jobs are not complete yet. `teams_file_error`: why the last change of TEAMS_FILE is not applied.
    `github_teams_error`: which teams of GitHub cannot be read. `counters` is a stored
    db.collection.counters.CounterRegistry.
    """

    state: str | None = None
    message: str | None = None
    progress: tuple[int, int] | None = None
    demo: bool = False
    command: bool = False
    name: str | None = None
    version: str | None = None
    work: str | None = None
    work_since: datetime | None = None
    poll_seconds: float | None = None
    beat_seconds: float | None = None
    catching_up: int | None = None
    channels: tuple[str, ...] | None = None
    rate_limit: RateLimitDetail | None = None
    retention_days: int | None = None
    log_retention_days: int | None = None
    next_prune_at: datetime | None = None
    teams_file_error: str | None = None
    github_teams_error: str | None = None
    counters: Mapping[str, Any] | None = field(default=None, hash=False)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "HeartbeatDetail":
        """Parses a stored detail. A collector of another version may have written it: a value of an unexpected type
        counts as absent."""
        progress, limit = stored.get("progress"), stored.get("rate_limit")
        channels, counters = stored.get("channels"), stored.get("tally")
        return cls(
            state=_text(stored.get("state")),
            message=_text(stored.get("message")),
            progress=_progress(progress) if isinstance(progress, dict) else None,
            demo=bool(stored.get("demo")),
            command=bool(stored.get("command")),
            name=_text(stored.get("name")),
            version=_text(stored.get("version")),
            work=_text(stored.get("work")),
            work_since=_time(stored.get("work_since")),
            poll_seconds=_positive(stored.get("poll_seconds")),
            beat_seconds=_positive(stored.get("beat_seconds")),
            catching_up=_integer(stored.get("catching_up")),
            channels=tuple(map(str, channels)) if isinstance(channels, list) else None,
            rate_limit=_rate_limit(limit) if isinstance(limit, dict) else None,
            retention_days=_integer(stored.get("retention_days")),
            log_retention_days=_integer(stored.get("log_retention_days")),
            next_prune_at=_time(stored.get("next_prune_at")),
            teams_file_error=_text(stored.get("teams_file_error")),
            github_teams_error=_text(stored.get("github_teams_error")),
            counters=counters if isinstance(counters, dict) else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the detail as JSON values. Keys without a value are omitted, except those of the current work,
        which readers expect."""
        limit = self.rate_limit
        values: dict[str, Any] = {
            "beat_seconds": self.beat_seconds,
            "catching_up": self.catching_up,
            "channels": None if self.channels is None else list(self.channels),
            "demo": self.demo,
            "log_retention_days": self.log_retention_days,
            "name": self.name,
            "next_prune_at": _iso(self.next_prune_at),
            "poll_seconds": self.poll_seconds,
            "rate_limit": limit
            and {
                "limit": limit.limit,
                "remaining": limit.remaining,
                "reset_at": _iso(limit.reset_at),
                "reserve": limit.reserve,
            },
            "retention_days": self.retention_days,
            "tally": self.counters,
            "teams_file_error": self.teams_file_error,
            "github_teams_error": self.github_teams_error,
            "version": self.version,
        }
        return {
            "state": self.state,
            "message": self.message,
            "progress": self.progress and {"done": self.progress[0], "total": self.progress[1]},
            "command": self.command,
            "work": self.work,
            "work_since": _iso(self.work_since),
            **{name: value for name, value in values.items() if value is not None},
        }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _positive(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and value > 0 else None  # type: ignore[arg-type, operator]


def _time(value: object) -> datetime | None:
    """Parses a time in ISO 8601; without an offset it is UTC. Returns null for other values."""
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _progress(value: Mapping[str, Any]) -> tuple[int, int] | None:
    done, total = _integer(value.get("done")), _integer(value.get("total"))
    return None if done is None or total is None else (done, total)


def _rate_limit(value: Mapping[str, Any]) -> RateLimitDetail:
    limit, remaining, reserve = (_integer(value.get(name)) for name in ("limit", "remaining", "reserve"))
    return RateLimitDetail(limit, remaining, _time(value.get("reset_at")), reserve)


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
