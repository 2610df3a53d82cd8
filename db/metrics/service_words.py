"""Who is collecting, and what with: for people. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from db.metrics import units
from db.metrics.phrases import at, counted


@dataclass(frozen=True)
class ServiceFact:
    label: str
    value: str
    more: str = ""


class _Beat(Protocol):
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
    def beat(self) -> _Beat | None: ...
    @property
    def collectors(self) -> Sequence[_Collector]: ...
    @property
    def inbox(self) -> _Inbox: ...
    @property
    def webhook_at(self) -> datetime | None: ...


def service_facts(service: _Service, now: datetime, *, silent: bool, stall: str | None = None) -> list[ServiceFact]:
    """The collector, GitHub's rate limit, webhooks, and, of several collectors, what each does. `silent` and `stall`:
    see db.queries.ledger."""
    return [_collector(service.beat, now, silent, stall), _rate_limit(service.beat, now), _webhooks(service, now),
            *_several(service.collectors, now)]  # fmt: skip


def _collector(beat: _Beat | None, now: datetime, silent: bool, stall: str | None) -> ServiceFact:
    if beat is None:
        return ServiceFact("Collector", "Never started", "Start it: make run, or python -m collector.")
    seen = units.relative((now - beat.seen_at).total_seconds())
    if beat.stopped_at:
        ended = f"Stopped at {at(beat.stopped_at, now)}, {units.relative((now - beat.stopped_at).total_seconds())}."
        return ServiceFact("Collector", "Stopped", f"{ended} Start it: make run, or python -m collector.")
    if stall:
        return ServiceFact("Collector", "Making no progress", f"{stall} Check its log and restart it.")
    if silent:
        return ServiceFact("Collector", "Not running", f"Last seen {seen}. Start it, and look at its log.")
    poll = beat.detail.get("poll_seconds")
    message = beat.detail.get("message")
    every = f"Looks every {units.duration(float(poll))}" if poll else f"Seen {seen}"
    words = {"syncing": "Reading", "waiting": "Waiting for GitHub", "error": "Running, with errors"}
    return ServiceFact("Collector", words.get(str(beat.detail.get("state")), "Running"), str(message or every))


def _rate_limit(beat: _Beat | None, now: datetime) -> ServiceFact:
    found = (beat.detail.get("rate_limit") if beat else None) or {}
    limit, remaining = found.get("limit"), found.get("remaining")
    if limit is None or remaining is None:
        return ServiceFact("GitHub's rate limit", "None named", "The server names none, or was not asked yet.")
    reset, kept = found.get("reset_at"), found.get("reserve")
    more = [f"full again in {units.duration(_until(reset, now))}"] if reset and _until(reset, now) else []
    more += [f"{int(kept):,} kept for others"] if kept else []
    return ServiceFact("GitHub's rate limit", f"{int(remaining):,} of {int(limit):,} left", ", ".join(more))


def _webhooks(service: _Service, now: datetime) -> ServiceFact:
    inbox = service.inbox
    if service.webhook_at is None:
        return ServiceFact("Webhooks", "None received", "Runs show with the next look; with webhooks within a second.")
    last = units.relative((now - service.webhook_at).total_seconds())
    failed = f", {counted(inbox.failed, 'delivery', 'deliveries')} could not be applied" if inbox.failed else ""
    return ServiceFact("Webhooks", f"Last {last}", f"{inbox.pending:,} waiting{failed}")


def _several(collectors: Sequence[_Collector], now: datetime) -> Iterator[ServiceFact]:
    if len(collectors) < 2:
        return
    for each in collectors:
        held = counted(each.repositories, "repository", "repositories")
        if each.alive:
            yield ServiceFact(f"Collector {each.name}", "Running", f"looks after {held}")
            continue
        word = f"Stopped at {at(each.stopped_at, now)}" if each.stopped_at else "Gone"
        yield ServiceFact(f"Collector {each.name}", word, "Others look after its repositories.")


def _until(written: object, now: datetime) -> float:
    """Seconds; 0 for what is past or no time."""
    try:
        return max((datetime.fromisoformat(str(written)) - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0
