"""How large the stored data is, for people. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from db.metrics import units
from db.metrics.phrases import counted
from db.metrics.service_words import ServiceFact


class _Table(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def rows(self) -> int | None: ...


class _Storage(Protocol):
    @property
    def tables(self) -> Sequence[_Table]: ...
    @property
    def total_bytes(self) -> int: ...
    @property
    def free_bytes(self) -> int: ...
    @property
    def oldest_run(self) -> datetime | None: ...
    @property
    def oldest_log(self) -> datetime | None: ...
    @property
    def last_day(self) -> int: ...


class _Doomed(Protocol):
    @property
    def runs(self) -> int: ...
    @property
    def logs(self) -> int: ...


def storage_facts(
    found: _Storage, detail: Mapping[str, Any], doomed: _Doomed | None, now: datetime, *, most: int
) -> list[ServiceFact]:
    """`detail` is what the collector says of itself; `most` is how far was counted."""
    return [_size(found), _growth(found), _kept(found, detail), _next(detail, doomed, now, most)]


def _size(found: _Storage) -> ServiceFact:
    free = f"{units.size(found.free_bytes)} of it free for what comes" if found.free_bytes else ""
    return ServiceFact("Size of the database", units.size(found.total_bytes), free)


def _growth(found: _Storage) -> ServiceFact:
    """A day of runs takes what the runs that are there take on average."""
    runs = next((each.rows for each in found.tables if each.name == "runs"), None)
    if not runs:
        return ServiceFact("Growth", units.NO_DATA, "No runs are stored yet.")
    grown = found.total_bytes / runs * found.last_day
    return ServiceFact("Growth", f"about {units.size(grown)} a day", f"{found.last_day:,} runs in the last 24 hours")


def _kept(found: _Storage, detail: Mapping[str, Any]) -> ServiceFact:
    runs = f"{found.oldest_run:%d %b %Y}" if found.oldest_run else units.NO_DATA
    days, log_days = detail.get("retention_days"), detail.get("log_retention_days")
    parts = [f"logs from {found.oldest_log:%d %b %Y}"] if found.oldest_log else []
    parts += [f"runs are kept {days} days, logs {log_days}"] if days and log_days else []
    return ServiceFact("Oldest run", runs, "; ".join(parts))


def _next(detail: Mapping[str, Any], doomed: _Doomed | None, now: datetime, most: int) -> ServiceFact:
    at = next_prune(detail)
    if at is None or doomed is None:
        return ServiceFact("Next pruning", units.NO_DATA, "The collector that is running has not said when.")
    left = (at - now).total_seconds()
    when = "Now" if left <= 0 else f"In {units.duration(left)}"
    if not doomed.runs and not doomed.logs:
        return ServiceFact("Next pruning", when, "Nothing is old enough.")
    told = [
        f"{'at least ' if number >= most else ''}{counted(number, name)}"
        for number, name in ((doomed.runs, "run"), (doomed.logs, "log"))
        if number
    ]
    return ServiceFact("Next pruning", when, f"of {' and '.join(told)}")


def next_prune(detail: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(detail.get("next_prune_at")))
    except ValueError:
        return None
