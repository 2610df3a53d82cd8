"""The state of the collection: liveness by heartbeat, the collectors that share the work, and webhook deliveries."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.formatting import format_time
from db.collection.heartbeat_detail import COLLECTOR_HEARTBEAT, COLLECTOR_PREFIX, HeartbeatDetail, collector_heartbeat
from db.enums import BackfillPhase, ClaimKind, InboxState, Liveness
from db.models import Backfill, Claim, Heartbeat, InboxItem, Repository, SyncState
from db.repositories.repository_queries import HeartbeatRow, heartbeat_row
from db.visibility import is_restricted
from db.webhook_inbox import InboxSummary, inbox_summary

_DEFAULT_POLL = timedelta(minutes=5)
_GRACE = timedelta(seconds=60)
# A single heartbeat may wait for other writes; several in a row do not.
_MAX_MISSED_HEARTBEATS, _HEARTBEAT_GRACE = 4, timedelta(seconds=10)
# Collectors that stopped are listed for this long.
_STOPPED_COLLECTOR_TTL = timedelta(hours=1)


def heartbeat_timeout(poll: timedelta) -> timedelta:
    """The age at which a heartbeat is stale, and the time without progress after which work is stalled: three poll
    intervals and 60 s."""
    return 3 * poll + _GRACE


def liveness(heartbeat: HeartbeatRow | None, now: datetime, poll: timedelta = _DEFAULT_POLL) -> Liveness:
    """STALE after four missed heartbeats and 10 s, or without progress for longer than `heartbeat_timeout`. The
    heartbeat names its own intervals. A command, which is started again and again, and a collector of an earlier
    version report a poll interval only: they are STALE after `heartbeat_timeout`. `poll` applies where the heartbeat
    has no interval."""
    if heartbeat is None:
        return Liveness.NEVER
    if heartbeat.stopped_at is not None:
        return Liveness.STOPPED
    if _is_overdue(heartbeat, now, poll) or stalled_since(heartbeat, now, poll) is not None:
        return Liveness.STALE
    return Liveness.LIVE


def is_heartbeat_stale(heartbeat: HeartbeatRow, now: datetime, poll: timedelta = _DEFAULT_POLL) -> bool:
    """Whether the collector is not LIVE: stopped, overdue or stalled."""
    return liveness(heartbeat, now, poll) is not Liveness.LIVE


def stalled_since(heartbeat: HeartbeatRow, now: datetime, poll: timedelta = _DEFAULT_POLL) -> datetime | None:
    """When the oldest task of the collector last made progress, if that is longer ago than `heartbeat_timeout`."""
    since = heartbeat.detail.work_since
    if since is None:
        return None
    return since if now - since > heartbeat_timeout(_interval(heartbeat.detail.poll_seconds) or poll) else None


def stall_message(
    heartbeat: HeartbeatRow, now: datetime, poll: timedelta = _DEFAULT_POLL, *, with_names: bool = True
) -> str | None:
    """A sentence on a collector that sends heartbeats but makes no progress; null for any other. `with_names` adds the
    task, which may contain the name of a repository."""
    since = stalled_since(heartbeat, now, poll)
    if since is None or heartbeat.stopped_at is not None or _is_overdue(heartbeat, now, poll):
        return None
    task = f" ({heartbeat.detail.work})" if with_names and heartbeat.detail.work else ""
    return f"The collector has made no progress since {format_time(since, now)}{task}."


def _is_overdue(heartbeat: HeartbeatRow, now: datetime, poll: timedelta) -> bool:
    interval = _interval(heartbeat.detail.beat_seconds)
    if interval and not heartbeat.detail.command:
        timeout = _MAX_MISSED_HEARTBEATS * interval + _HEARTBEAT_GRACE
    else:
        timeout = heartbeat_timeout(_interval(heartbeat.detail.poll_seconds) or poll)
    return now - heartbeat.seen_at > timeout


def _interval(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


@dataclass(frozen=True)
class CollectorStatus:
    """One collector. `repositories` is the number that it holds claims of. `alive`: it renews its claims and was not
    shut down; `stopped_at`: when it was."""

    name: str
    seen_at: datetime | None
    alive: bool
    repositories: int
    detail: HeartbeatDetail
    stopped_at: datetime | None = None


@dataclass(frozen=True)
class CollectionReport:
    """`heartbeat` is null if no collector ever ran; `webhook_at` is when the latest stored delivery was received."""

    heartbeat: HeartbeatRow | None
    collectors: tuple[CollectorStatus, ...]
    inbox: InboxSummary
    webhook_at: datetime | None


def collection_report(session: Session, now: datetime) -> CollectionReport:
    main, by_collector = _heartbeats(session)
    collectors = _collectors(session, by_collector, main, now)
    return CollectionReport(main, collectors, inbox_summary(session), _latest_delivery(session))


def heartbeats_by_collector(session: Session) -> dict[str, HeartbeatRow]:
    """The heartbeats of the collectors, by name. Where no collector has its own, as on SQLite, the main one as
    "main"."""
    main, by_collector = _heartbeats(session)
    return by_collector or ({"main": main} if main else {})


def latest_heartbeat(session: Session, host: str) -> HeartbeatRow | None:
    """The latest heartbeat of the collectors on a host, running or stopped."""
    _, by_collector = _heartbeats(session, f"{collector_heartbeat(host)}/")
    return max(by_collector.values(), key=lambda heartbeat: heartbeat.seen_at, default=None)


def _heartbeats(
    session: Session, prefix: str = COLLECTOR_HEARTBEAT
) -> tuple[HeartbeatRow | None, dict[str, HeartbeatRow]]:
    """The main heartbeat, and those of the collectors by name."""
    query = (
        select(Heartbeat)
        .where(Heartbeat.name.startswith(prefix, autoescape=True))
        .order_by(Heartbeat.name)
        .execution_options(populate_existing=True)
    )
    with_names = not is_restricted(session)
    by_name = {row.name: heartbeat_row(row, with_names=with_names) for row in session.scalars(query)}
    main = by_name.pop(COLLECTOR_HEARTBEAT, None)
    return main, {name.removeprefix(COLLECTOR_PREFIX): heartbeat for name, heartbeat in by_name.items()}


def _collectors(
    session: Session, heartbeats: Mapping[str, HeartbeatRow], main: HeartbeatRow | None, now: datetime
) -> tuple[CollectorStatus, ...]:
    """On SQLite, the only collector has no heartbeat but the main one."""
    held: dict[str, int] = defaultdict(int)
    alive: set[str] = set()
    for kind, holder in session.execute(select(Claim.kind, Claim.holder).where(Claim.expires_at >= now)):
        if kind == ClaimKind.LIVENESS:
            alive.add(holder)
        elif kind == ClaimKind.REPOSITORY:
            held[holder] += 1
    if main and not heartbeats and not main.detail.command:
        only = next(iter(alive)) if len(alive) == 1 else main.detail.name
        heartbeats = {str(only): main} if only else {}
    recent = {name for name, heartbeat in heartbeats.items() if now - heartbeat.seen_at < _STOPPED_COLLECTOR_TTL}
    return tuple(
        _collector_status(name, heartbeats.get(name), name in alive, held[name]) for name in sorted(alive | recent)
    )


def _collector_status(
    name: str, heartbeat: HeartbeatRow | None, renews_claims: bool, repositories: int
) -> CollectorStatus:
    if heartbeat is None:
        return CollectorStatus(name, None, renews_claims, repositories, HeartbeatDetail())
    alive = renews_claims and not heartbeat.stopped_at
    return CollectorStatus(name, heartbeat.seen_at, alive, repositories, heartbeat.detail, heartbeat.stopped_at)


def _latest_delivery(session: Session) -> datetime | None:
    """By state, so that each part reads only the end of the index."""
    latest = [
        select(func.max(InboxItem.received_at)).where(InboxItem.state == state).scalar_subquery()
        for state in InboxState
    ]
    return max((received_at for received_at in session.execute(select(*latest)).one() if received_at), default=None)


@dataclass(frozen=True)
class CatchUpCount:
    """Of `total` monitored repositories, `repositories` have history or jobs that are still to be read."""

    repositories: int
    total: int


_STATES = select(SyncState.repository_id, SyncState.error, SyncState.synced_at, SyncState.complete_since)


def count_catching_up(session: Session, heartbeat: HeartbeatRow | None) -> CatchUpCount:
    """Counted by sync states and backfills, without reading runs. The collector, which reads runs, reports in its
    heartbeat a count that includes repositories whose jobs are still to be fetched; the larger count is returned."""
    monitored = set(session.scalars(select(Repository.id).where(Repository.monitored)))
    unfinished = select(Backfill.repository_id).where(Backfill.phase != BackfillPhase.DONE).distinct()
    backfilling = set(session.scalars(unfinished))
    synced, failing = set(), set()
    for state in session.execute(_STATES):
        if state.error is not None:
            failing.add(state.repository_id)
        elif state.synced_at is not None and state.complete_since is not None:
            synced.add(state.repository_id)
    catching_up = len(monitored - failing - (synced - backfilling))
    reported = (heartbeat.detail.catching_up if heartbeat else None) or 0
    total = len(monitored)
    return CatchUpCount(min(max(catching_up, reported), total), total)
