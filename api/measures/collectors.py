"""What each collector counted, as its heartbeat tells."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client.core import Metric

from api.measures.families import Samples, counter, gauge, gauges, stamp, summary
from db.metrics.tally import Count, Last, Tally, Took, from_dict, moment
from db.queries.ledger import is_silent
from db.queries.repositories import HeartbeatRow

_COUNTS = {
    Count.SYNCS: ("syncs", "Looks at all repositories of a collector", "result"),
    Count.REQUESTS: ("github_requests", "Requests to GitHub by the class of the answer", "status"),
    Count.DELIVERIES: ("webhook_deliveries", "Deliveries of webhooks by what became of them", "outcome"),
}
_TIMES = {
    Took.SYNC: ("sync_duration_seconds", "Time of a look at all repositories of a collector"),
    Took.REQUEST: ("github_request_duration_seconds", "Time until GitHub answered"),
    Took.DELIVERY: ("webhook_apply_duration_seconds", "From the moment a delivery came until it was applied"),
}


def collectors(beats: Mapping[str, HeartbeatRow], now: datetime) -> list[Metric]:
    tallies = {name: from_dict(beat.detail.get("tally")) for name, beat in beats.items()}
    # One that ended keeps its heartbeat for a day or two, and no upgrade waits for it.
    running = {name: str(beat.detail.get("version") or "") for name, beat in beats.items() if not is_silent(beat, now)}
    return [
        gauges("collector_info", "The version of each collector at work", ["collector", "version"],
               dict.fromkeys(running.items(), 1.0)),
        *(counter(name, what, ["collector", label], _counts(tallies, count))
          for count, (name, what, label) in _COUNTS.items()),
        *(summary(name, what, ["collector"],
                  {(each,): tally.took[took] for each, tally in tallies.items() if took in tally.took})
          for took, (name, what) in _TIMES.items()),
        gauge("sync_success_timestamp_seconds", "The last look that left nothing out",
              {name: stamp(tally.last.get(Last.SYNC)) for name, tally in tallies.items()}, "collector"),
        counter("notifications", "Messages by channel and what became of them", ["collector", "channel", "result"],
                _notifications(tallies)),
        counter("retention_runs_deleted", "Runs that were older than RETENTION_DAYS", ["collector"],
                {(name,): sum(tally.counts[Count.RUNS_DELETED].values()) for name, tally in tallies.items()}),
        gauge("retention_timestamp_seconds", "When retention was last applied to its end", _latest(tallies)),
        *_rate_limits({name: beat.detail.get("rate_limit") for name, beat in beats.items()}, now),
    ]  # fmt: skip


def _counts(tallies: Mapping[str, Tally], count: Count) -> Samples:
    return {(name, label): number for name, tally in tallies.items() for label, number in tally.counts[count].items()}


def _notifications(tallies: Mapping[str, Tally]) -> Samples:
    return {
        (name, *label.partition("/")[::2]): number
        for name, tally in tallies.items()
        for label, number in tally.counts[Count.NOTIFICATIONS].items()
    }


def _latest(tallies: Mapping[str, Tally]) -> float | None:
    known = [tally.last[Last.RETENTION] for tally in tallies.values() if Last.RETENTION in tally.last]
    return stamp(max(known, default=None))


def _rate_limits(told: Mapping[str, Any], now: datetime) -> list[Metric]:
    """Collectors ask for one resource, core, each for itself: where they share a token, all say about the same."""
    limits = {name: each for name, each in told.items() if isinstance(each, dict)}

    def of(part: str) -> dict[str, float | None]:
        return {name: _number(each.get(part)) for name, each in limits.items()}

    resets = {name: moment(each.get("reset_at")) for name, each in limits.items()}
    over = {name for name, reset in resets.items() if reset and reset <= now}
    full = of("limit")
    remaining = {name: full[name] if name in over else left for name, left in of("remaining").items()}
    return [
        gauge("github_rate_limit", "Requests that GitHub allows in an hour", full, "collector"),
        gauge("github_rate_limit_remaining", "Of these left; all, once the hour is over", remaining, "collector"),
        gauge("github_rate_limit_reserve", "Of these left to others by RATE_LIMIT_RESERVE", of("reserve"), "collector"),
        gauge("github_rate_limit_reset_timestamp_seconds", "When the hour is over",
              {name: stamp(reset) for name, reset in resets.items()}, "collector"),
    ]  # fmt: skip


def _number(told: object) -> float | None:
    return float(told) if isinstance(told, int | float) else None
