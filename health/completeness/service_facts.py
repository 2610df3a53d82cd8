"""The facts of the Collector page as text: collector, rate limit, webhooks and stored data. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core import formatting
from core.formatting import format_time, pluralize
from db.collection.heartbeat_detail import HeartbeatDetail


@dataclass(frozen=True)
class ServiceFact:
    label: str
    value: str
    note: str = ""


class _Heartbeat(Protocol):
    @property
    def seen_at(self) -> datetime: ...
    @property
    def stopped_at(self) -> datetime | None: ...
    @property
    def detail(self) -> HeartbeatDetail: ...


class _Inbox(Protocol):
    @property
    def pending(self) -> int: ...
    @property
    def failed(self) -> int: ...


class _Collector(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def alive(self) -> bool: ...
    @property
    def repositories(self) -> int: ...
    @property
    def stopped_at(self) -> datetime | None: ...


class _CollectionReport(Protocol):
    @property
    def heartbeat(self) -> _Heartbeat | None: ...
    @property
    def collectors(self) -> Sequence[_Collector]: ...
    @property
    def inbox(self) -> _Inbox: ...
    @property
    def webhook_at(self) -> datetime | None: ...


def service_facts(
    report: _CollectionReport, now: datetime, *, is_stale: bool, stall_text: str | None = None
) -> list[ServiceFact]:
    """The collector, GitHub's rate limit, webhooks, and each collector where there are several. `is_stale` and
    `stall_text` are those of health.completeness.collector_status."""
    return [
        _collector_fact(report.heartbeat, now, is_stale, stall_text),
        _rate_limit_fact(report.heartbeat, now),
        _webhooks_fact(report, now),
        *_collector_facts(report.collectors, now),
    ]


_STATE_LABELS = {"syncing": "Syncing", "waiting": "Waiting for GitHub", "error": "Running, with errors"}


def _collector_fact(heartbeat: _Heartbeat | None, now: datetime, is_stale: bool, stall_text: str | None) -> ServiceFact:
    if heartbeat is None:
        return ServiceFact("Collector", "Never started", "Start it: make run, or python -m collector.")
    if heartbeat.stopped_at:
        ago = formatting.relative((now - heartbeat.stopped_at).total_seconds())
        note = f"Stopped at {format_time(heartbeat.stopped_at, now)}, {ago}."
        return ServiceFact("Collector", "Stopped", f"{note} Start it: make run, or python -m collector.")
    if stall_text:
        return ServiceFact("Collector", "Making no progress", f"{stall_text} Check its log and restart it.")
    last_seen = formatting.relative((now - heartbeat.seen_at).total_seconds())
    if is_stale:
        return ServiceFact("Collector", "Not running", f"Last seen {last_seen}. Start it and check its log.")
    poll, message = heartbeat.detail.poll_seconds, heartbeat.detail.message
    interval = f"Polls every {formatting.duration(poll)}" if poll else f"Last seen {last_seen}"
    label = _STATE_LABELS.get(heartbeat.detail.state or "", "Running")
    return ServiceFact("Collector", label, message or interval)


def _rate_limit_fact(heartbeat: _Heartbeat | None, now: datetime) -> ServiceFact:
    rate_limit = heartbeat.detail.rate_limit if heartbeat else None
    if rate_limit is None or rate_limit.limit is None or rate_limit.remaining is None:
        return ServiceFact("GitHub's rate limit", "Not reported", "The server has not reported a rate limit.")
    reset_at, reserve = rate_limit.reset_at, rate_limit.reserve
    notes = (
        [f"resets in {formatting.duration((reset_at - now).total_seconds())}"] if reset_at and reset_at > now else []
    )
    notes += [f"{reserve:,} reserved"] if reserve else []
    left = f"{rate_limit.remaining:,} of {rate_limit.limit:,} left"
    return ServiceFact("GitHub's rate limit", left, ", ".join(notes))


def _webhooks_fact(report: _CollectionReport, now: datetime) -> ServiceFact:
    if report.webhook_at is None:
        return ServiceFact("Webhooks", "None received", "Polling only. Set up webhooks for updates within a second.")
    inbox = report.inbox
    latest = formatting.relative((now - report.webhook_at).total_seconds())
    failed = f", {pluralize(inbox.failed, 'delivery', 'deliveries')} could not be applied" if inbox.failed else ""
    return ServiceFact("Webhooks", f"Last {latest}", f"{inbox.pending:,} waiting{failed}")


def _collector_facts(collectors: Sequence[_Collector], now: datetime) -> Iterator[ServiceFact]:
    if len(collectors) < 2:
        return
    for collector in collectors:
        label = f"Collector {collector.name}"
        if collector.alive:
            yield ServiceFact(label, "Running", pluralize(collector.repositories, "repository", "repositories"))
            continue
        stopped_at = collector.stopped_at
        value = f"Stopped at {format_time(stopped_at, now)}" if stopped_at else "Not running"
        yield ServiceFact(label, value, "The other collectors have taken over its repositories.")


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
    def runs_last_day(self) -> int: ...


class _PendingDeletion(Protocol):
    @property
    def runs(self) -> int: ...
    @property
    def logs(self) -> int: ...


def storage_facts(
    storage: _Storage,
    detail: HeartbeatDetail,
    pending_deletion: _PendingDeletion | None,
    now: datetime,
    *,
    count_limit: int,
) -> list[ServiceFact]:
    """`detail` is the detail of the collector's heartbeat; counts of `pending_deletion` stop at `count_limit`."""
    return [
        _size_fact(storage),
        _growth_fact(storage),
        _retention_fact(storage, detail),
        _next_prune_fact(detail, pending_deletion, now, count_limit),
    ]


def _size_fact(storage: _Storage) -> ServiceFact:
    free = f"{formatting.size(storage.free_bytes)} of it reusable" if storage.free_bytes else ""
    return ServiceFact("Size of the database", formatting.size(storage.total_bytes), free)


def _growth_fact(storage: _Storage) -> ServiceFact:
    """The runs from the last 24 hours times the average size of a stored run."""
    runs = next((table.rows for table in storage.tables if table.name == "runs"), None)
    if not runs:
        return ServiceFact("Growth", formatting.NO_DATA, "No runs are stored yet.")
    daily_bytes = storage.total_bytes / runs * storage.runs_last_day
    last_day = f"{pluralize(storage.runs_last_day, 'run')} in the last 24 hours"
    return ServiceFact("Growth", f"about {formatting.size(daily_bytes)} a day", last_day)


def _retention_fact(storage: _Storage, detail: HeartbeatDetail) -> ServiceFact:
    oldest_run = f"{storage.oldest_run:%d %b %Y}" if storage.oldest_run else formatting.NO_DATA
    days, log_days = detail.retention_days, detail.log_retention_days
    notes = [f"logs from {storage.oldest_log:%d %b %Y}"] if storage.oldest_log else []
    notes += [f"runs are kept {days} days, logs {log_days}"] if days and log_days else []
    return ServiceFact("Oldest run", oldest_run, "; ".join(notes))


def _next_prune_fact(
    detail: HeartbeatDetail, pending_deletion: _PendingDeletion | None, now: datetime, count_limit: int
) -> ServiceFact:
    prune_at = detail.next_prune_at
    if prune_at is None or pending_deletion is None:
        return ServiceFact("Next cleanup", formatting.NO_DATA, "The collector has not reported its next cleanup.")
    seconds = (prune_at - now).total_seconds()
    value = "Now" if seconds <= 0 else f"In {formatting.duration(seconds)}"
    counts = [
        f"{'at least ' if number >= count_limit else ''}{pluralize(number, noun)}"
        for number, noun in ((pending_deletion.runs, "run"), (pending_deletion.logs, "log"))
        if number
    ]
    return ServiceFact("Next cleanup", value, " and ".join(counts) if counts else "Nothing to delete.")
