"""Counters, summaries and timestamps of a collector's work, stored in its heartbeat as JSON. Pure.

The API exports those of all collectors as Prometheus metrics."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any


class CounterName(StrEnum):
    """Each counter has one label: the result."""

    SYNCS = "syncs"
    REQUESTS = "requests"
    DELIVERIES = "deliveries"
    # The label is "channel/result".
    NOTIFICATIONS = "notifications"
    RUNS_DELETED = "runs_deleted"


class SummaryName(StrEnum):
    SYNC = "sync"
    REQUEST = "request"
    # From the arrival of a webhook delivery until it was applied.
    DELIVERY = "delivery"


class TimestampName(StrEnum):
    SYNC = "sync"
    RETENTION = "retention"


# A delivery that could not be applied yet, and is retried. The label is part of the metrics.
DEFERRED = "put_off"
RESULTS: Mapping[CounterName, tuple[str, ...]] = {
    CounterName.SYNCS: ("ok", "error", "waiting", "stopped"),
    CounterName.REQUESTS: ("2xx", "3xx", "4xx", "5xx", "unreachable"),
    CounterName.DELIVERIES: ("applied", "ignored", "failed", DEFERRED),
    CounterName.RUNS_DELETED: ("pruned",),
}
NOTIFICATION_RESULTS = ("sent", "failed", "given_up")


class CounterRegistry:
    """Safe to use from several threads. Counters never decrease; `restore` continues them after a restart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        # Number of observations, and their sum in seconds.
        self.summaries: dict[str, tuple[float, float]] = {}
        self.timestamps: dict[str, datetime] = {}
        for name, results in RESULTS.items():
            self.initialize(name, results)

    def initialize(self, name: CounterName, labels: Iterable[str]) -> None:
        """Makes the series with the value 0, so that they exist before the first event."""
        with self._lock:
            for label in labels:
                self.counts[name][label] += 0

    def increment(self, name: CounterName, label: str, amount: float = 1) -> None:
        with self._lock:
            self.counts[name][label] += amount

    def observe(self, name: SummaryName, seconds: float) -> None:
        with self._lock:
            number, total = self.summaries.get(name, (0.0, 0.0))
            self.summaries[name] = number + 1, total + max(seconds, 0.0)

    def set_timestamp(self, name: TimestampName, time: datetime) -> None:
        with self._lock:
            self.timestamps[name] = time

    def as_dict(self) -> dict[str, Any]:
        """Returns the registry as JSON values, for `from_dict`."""
        with self._lock:
            return {
                "counts": {name: dict(labels) for name, labels in self.counts.items()},
                "took": {name: [number, round(total, 3)] for name, (number, total) in self.summaries.items()},
                "last": {name: moment.isoformat() for name, moment in self.timestamps.items()},
            }

    def restore(self, saved: object) -> None:
        """Adds the counts that the same collector had stored when it stopped."""
        stored = from_dict(saved)
        with self._lock:
            for name, labels in stored.counts.items():
                for label, number in labels.items():
                    self.counts[name][label] += number
            for kind, (observations, total) in stored.summaries.items():
                current = self.summaries.get(kind, (0.0, 0.0))
                self.summaries[kind] = current[0] + observations, current[1] + total
            self.timestamps = stored.timestamps | self.timestamps


def from_dict(saved: object) -> CounterRegistry:
    """Parses the counters of a heartbeat. Unknown values, for example of another version, are skipped."""
    registry = CounterRegistry()
    stored = saved if isinstance(saved, dict) else {}
    for name, labels in _items(stored.get("counts")):
        for label, number in _items(labels):
            if isinstance(number, int | float):
                registry.counts[name][label] += number
    for name, pair in _items(stored.get("took")):
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(value, int | float) for value in pair):
            registry.summaries[name] = float(pair[0]), float(pair[1])
    for name, written in _items(stored.get("last")):
        if (at := parse_timestamp(written)) is not None:
            registry.timestamps[name] = at
    return registry


def _items(value: object) -> list[tuple[str, Any]]:
    return [(str(name), item) for name, item in value.items()] if isinstance(value, dict) else []


def parse_timestamp(text: object) -> datetime | None:
    """Parses ISO 8601 with an offset; null for other values."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else None
