"""What a collector counts of its own work. It stands in its heartbeat, so that one who reads the database knows it of
all collectors. Pure."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any


class CounterName(StrEnum):
    """Each by a label: what came of it."""

    SYNCS = "syncs"
    REQUESTS = "requests"
    DELIVERIES = "deliveries"
    # By channel and result, a slash between.
    NOTIFICATIONS = "notifications"
    RUNS_DELETED = "runs_deleted"


class SummaryName(StrEnum):
    SYNC = "sync"
    REQUEST = "request"
    # From the moment that a delivery came until it was applied.
    DELIVERY = "delivery"


class TimestampName(StrEnum):
    SYNC = "sync"
    RETENTION = "retention"


RESULTS: Mapping[CounterName, tuple[str, ...]] = {
    CounterName.SYNCS: ("ok", "error", "waiting", "stopped"),
    CounterName.REQUESTS: ("2xx", "3xx", "4xx", "5xx", "unreachable"),
    CounterName.DELIVERIES: ("applied", "ignored", "failed", "put_off"),
    CounterName.RUNS_DELETED: ("pruned",),
}
NOTIFICATION_RESULTS = ("sent", "failed", "given_up")


class CounterRegistry:
    """Used by all threads of a collector. Counts only grow, over restarts too: see `resume`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        # How often, and seconds in all.
        self.summaries: dict[str, tuple[float, float]] = {}
        self.timestamps: dict[str, datetime] = {}
        for name, results in RESULTS.items():
            self.initialize(name, results)

    def initialize(self, name: CounterName, labels: Iterable[str]) -> None:
        """What has not happened yet is 0, not unknown."""
        with self._lock:
            for label in labels:
                self.counts[name][label] += 0

    def increment(self, name: CounterName, label: str, amount: float = 1) -> None:
        with self._lock:
            self.counts[name][label] += amount

    def observe(self, name: SummaryName, seconds: float) -> None:
        with self._lock:
            often, total = self.summaries.get(name, (0.0, 0.0))
            self.summaries[name] = often + 1, total + max(seconds, 0.0)

    def set_timestamp(self, name: TimestampName, time: datetime) -> None:
        with self._lock:
            self.timestamps[name] = time

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        with self._lock:
            return {
                "counts": {name: dict(by) for name, by in self.counts.items()},
                "took": {name: [often, round(total, 3)] for name, (often, total) in self.summaries.items()},
                "last": {name: moment.isoformat() for name, moment in self.timestamps.items()},
            }

    def restore(self, saved: object) -> None:
        """Adds what the same collector had counted when it ended."""
        told = from_dict(saved)
        with self._lock:
            for name, by in told.counts.items():
                for label, number in by.items():
                    self.counts[name][label] += number
            for kind, (often, total) in told.summaries.items():
                mine = self.summaries.get(kind, (0.0, 0.0))
                self.summaries[kind] = mine[0] + often, mine[1] + total
            self.timestamps = told.timestamps | self.timestamps


def from_dict(saved: object) -> CounterRegistry:
    """Of a heartbeat, also of another version: what is not understood is left out."""
    found = CounterRegistry()
    parts = saved if isinstance(saved, dict) else {}
    for name, by in _items(parts.get("counts")):
        for label, number in _items(by):
            if isinstance(number, int | float):
                found.counts[name][label] += number
    for name, pair in _items(parts.get("took")):
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(each, int | float) for each in pair):
            found.summaries[name] = float(pair[0]), float(pair[1])
    for name, written in _items(parts.get("last")):
        if (at := parse_timestamp(written)) is not None:
            found.timestamps[name] = at
    return found


def _items(told: object) -> list[tuple[str, Any]]:
    return [(str(name), value) for name, value in told.items()] if isinstance(told, dict) else []


def parse_timestamp(text: object) -> datetime | None:
    """In ISO 8601 with an offset; null for anything else."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
