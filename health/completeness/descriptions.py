"""Who is collecting, and what with: for people. Pure.

How large the stored data is, for people. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from core import formatting
from core.formatting import format_time, pluralize


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
    def detail(self) -> Mapping[str, Any]: ...


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


class _Service(Protocol):
    @property
    def heartbeat(self) -> _Heartbeat | None: ...
    @property
    def collectors(self) -> Sequence[_Collector]: ...
    @property
    def inbox(self) -> _Inbox: ...
    @property
    def webhook_at(self) -> datetime | None: ...


def service_facts(
    service: _Service, now: datetime, *, is_stale: bool, stall_text: str | None = None
) -> list[ServiceFact]:
    """The collector, GitHub's rate limit, webhooks, and, of several collectors, what each does. `silent` and `stall`:
    see health.completeness.collection_status."""
    return [_collector(service.heartbeat, now, is_stale, stall_text), _rate_limit(service.heartbeat, now), _webhooks(service, now),
            *_collector_items(service.collectors, now)]  # fmt: skip


def _collector(beat: _Heartbeat | None, now: datetime, silent: bool, stall: str | None) -> ServiceFact:
    if beat is None:
        return ServiceFact("Collector", "Never started", "Start it: make run, or python -m collector.")
    seen = formatting.relative((now - beat.seen_at).total_seconds())
    if beat.stopped_at:
        ended = f"Stopped at {format_time(beat.stopped_at, now)}, {formatting.relative((now - beat.stopped_at).total_seconds())}."
        return ServiceFact("Collector", "Stopped", f"{ended} Start it: make run, or python -m collector.")
    if stall:
        return ServiceFact("Collector", "Making no progress", f"{stall} Check its log and restart it.")
    if silent:
        return ServiceFact("Collector", "Not running", f"Last seen {seen}. Start it, and look at its log.")
    poll = beat.detail.get("poll_seconds")
    message = beat.detail.get("message")
    every = f"Looks every {formatting.duration(float(poll))}" if poll else f"Seen {seen}"
    words = {"syncing": "Reading", "waiting": "Waiting for GitHub", "error": "Running, with errors"}
    return ServiceFact("Collector", words.get(str(beat.detail.get("state")), "Running"), str(message or every))


def _rate_limit(beat: _Heartbeat | None, now: datetime) -> ServiceFact:
    found = (beat.detail.get("rate_limit") if beat else None) or {}
    limit, remaining = found.get("limit"), found.get("remaining")
    if limit is None or remaining is None:
        return ServiceFact("GitHub's rate limit", "None named", "The server names none, or was not asked yet.")
    reset, kept = found.get("reset_at"), found.get("reserve")
    more = (
        [f"full again in {formatting.duration(_seconds_until(reset, now))}"]
        if reset and _seconds_until(reset, now)
        else []
    )
    more += [f"{int(kept):,} kept for others"] if kept else []
    return ServiceFact("GitHub's rate limit", f"{int(remaining):,} of {int(limit):,} left", ", ".join(more))


def _webhooks(service: _Service, now: datetime) -> ServiceFact:
    inbox = service.inbox
    if service.webhook_at is None:
        return ServiceFact("Webhooks", "None received", "Runs show with the next look; with webhooks within a second.")
    last = formatting.relative((now - service.webhook_at).total_seconds())
    failed = f", {pluralize(inbox.failed, 'delivery', 'deliveries')} could not be applied" if inbox.failed else ""
    return ServiceFact("Webhooks", f"Last {last}", f"{inbox.pending:,} waiting{failed}")


def _collector_items(collectors: Sequence[_Collector], now: datetime) -> Iterator[ServiceFact]:
    if len(collectors) < 2:
        return
    for each in collectors:
        held = pluralize(each.repositories, "repository", "repositories")
        if each.alive:
            yield ServiceFact(f"Collector {each.name}", "Running", f"looks after {held}")
            continue
        word = f"Stopped at {format_time(each.stopped_at, now)}" if each.stopped_at else "Gone"
        yield ServiceFact(f"Collector {each.name}", word, "Others look after its repositories.")


def _seconds_until(written: object, now: datetime) -> float:
    """Seconds; 0 for what is past or no time."""
    try:
        return max((datetime.fromisoformat(str(written)) - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0


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
    detail: Mapping[str, Any],
    pending_deletion: _PendingDeletion | None,
    now: datetime,
    *,
    count_limit: int,
) -> list[ServiceFact]:
    """`detail` is what the collector says of itself; `most` is how far was counted."""
    return [
        _size_item(storage),
        _growth_item(storage),
        _retention_item(storage, detail),
        _next_prune_item(detail, pending_deletion, now, count_limit),
    ]


def _size_item(found: _Storage) -> ServiceFact:
    free = f"{formatting.size(found.free_bytes)} of it free for what comes" if found.free_bytes else ""
    return ServiceFact("Size of the database", formatting.size(found.total_bytes), free)


def _growth_item(found: _Storage) -> ServiceFact:
    """A day of runs takes what the runs that are there take on average."""
    runs = next((each.rows for each in found.tables if each.name == "runs"), None)
    if not runs:
        return ServiceFact("Growth", formatting.NO_DATA, "No runs are stored yet.")
    grown = found.total_bytes / runs * found.runs_last_day
    return ServiceFact(
        "Growth", f"about {formatting.size(grown)} a day", f"{found.runs_last_day:,} runs in the last 24 hours"
    )


def _retention_item(found: _Storage, detail: Mapping[str, Any]) -> ServiceFact:
    runs = f"{found.oldest_run:%d %b %Y}" if found.oldest_run else formatting.NO_DATA
    days, log_days = detail.get("retention_days"), detail.get("log_retention_days")
    parts = [f"logs from {found.oldest_log:%d %b %Y}"] if found.oldest_log else []
    parts += [f"runs are kept {days} days, logs {log_days}"] if days and log_days else []
    return ServiceFact("Oldest run", runs, "; ".join(parts))


def _next_prune_item(
    detail: Mapping[str, Any], doomed: _PendingDeletion | None, now: datetime, most: int
) -> ServiceFact:
    at = next_prune(detail)
    if at is None or doomed is None:
        return ServiceFact("Next pruning", formatting.NO_DATA, "The collector that is running has not said when.")
    left = (at - now).total_seconds()
    when = "Now" if left <= 0 else f"In {formatting.duration(left)}"
    if not doomed.runs and not doomed.logs:
        return ServiceFact("Next pruning", when, "Nothing is old enough.")
    told = [
        f"{'at least ' if number >= most else ''}{pluralize(number, name)}"
        for number, name in ((doomed.runs, "run"), (doomed.logs, "log"))
        if number
    ]
    return ServiceFact("Next pruning", when, f"of {' and '.join(told)}")


def next_prune(detail: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(detail.get("next_prune_at")))
    except ValueError:
        return None
