"""What a collector counts of its own work. It stands in its heartbeat, so that one who reads the database knows it of
all collectors. Pure."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any


class Count(StrEnum):
    """Each by a label: what came of it."""

    SYNCS = "syncs"
    REQUESTS = "requests"
    DELIVERIES = "deliveries"
    # By channel and result, a slash between.
    NOTIFICATIONS = "notifications"
    RUNS_DELETED = "runs_deleted"


class Took(StrEnum):
    SYNC = "sync"
    REQUEST = "request"
    # From the moment that a delivery came until it was applied.
    DELIVERY = "delivery"


class Last(StrEnum):
    SYNC = "sync"
    RETENTION = "retention"


RESULTS: Mapping[Count, tuple[str, ...]] = {
    Count.SYNCS: ("ok", "error", "waiting", "stopped"),
    Count.REQUESTS: ("2xx", "3xx", "4xx", "5xx", "unreachable"),
    Count.DELIVERIES: ("applied", "ignored", "failed", "put_off"),
    Count.RUNS_DELETED: ("pruned",),
}
SENDING = ("sent", "failed", "given_up")


class Tally:
    """Used by all threads of a collector. Counts only grow, over restarts too: see `resume`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        # How often, and seconds in all.
        self.took: dict[str, tuple[float, float]] = {}
        self.last: dict[str, datetime] = {}
        for name, results in RESULTS.items():
            self.expect(name, results)

    def expect(self, name: Count, labels: Iterable[str]) -> None:
        """What has not happened yet is 0, not unknown."""
        with self._lock:
            for label in labels:
                self.counts[name][label] += 0

    def count(self, name: Count, label: str, by: float = 1) -> None:
        with self._lock:
            self.counts[name][label] += by

    def time(self, name: Took, seconds: float) -> None:
        with self._lock:
            often, total = self.took.get(name, (0.0, 0.0))
            self.took[name] = often + 1, total + max(seconds, 0.0)

    def note(self, name: Last, moment: datetime) -> None:
        with self._lock:
            self.last[name] = moment

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        with self._lock:
            return {
                "counts": {name: dict(by) for name, by in self.counts.items()},
                "took": {name: [often, round(total, 3)] for name, (often, total) in self.took.items()},
                "last": {name: moment.isoformat() for name, moment in self.last.items()},
            }

    def resume(self, before: object) -> None:
        """Adds what the same collector had counted when it ended."""
        told = from_dict(before)
        with self._lock:
            for name, by in told.counts.items():
                for label, number in by.items():
                    self.counts[name][label] += number
            for kind, (often, total) in told.took.items():
                mine = self.took.get(kind, (0.0, 0.0))
                self.took[kind] = mine[0] + often, mine[1] + total
            self.last = told.last | self.last


def from_dict(told: object) -> Tally:
    """Of a heartbeat, also of another version: what is not understood is left out."""
    found = Tally()
    parts = told if isinstance(told, dict) else {}
    for name, by in _items(parts.get("counts")):
        for label, number in _items(by):
            if isinstance(number, int | float):
                found.counts[name][label] += number
    for name, pair in _items(parts.get("took")):
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(each, int | float) for each in pair):
            found.took[name] = float(pair[0]), float(pair[1])
    for name, written in _items(parts.get("last")):
        if (at := moment(written)) is not None:
            found.last[name] = at
    return found


def _items(told: object) -> list[tuple[str, Any]]:
    return [(str(name), value) for name, value in told.items()] if isinstance(told, dict) else []


def moment(written: object) -> datetime | None:
    """In ISO 8601 with an offset; null for anything else."""
    try:
        found = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    return found if found.tzinfo else None
