"""Writes of the state of the collection: progress by repository, recorded gaps and heartbeats."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from db.collection.heartbeat_detail import COLLECTOR_HEARTBEAT, COLLECTOR_PREFIX, HeartbeatDetail
from db.enums import ErrorCode
from db.models import Heartbeat, SyncState
from db.sql import insert_ignore

# Versions count steps since this time; the column has 63 bits.
_FIRST_VERSION_AT, _VERSION_STEP = datetime(2026, 1, 1, tzinfo=UTC), timedelta(seconds=0.25)


def sync_state(session: Session, repository_id: int, *, lock: bool = False) -> SyncState:
    """Returns the row of the repository, which upsert_repository creates. `lock` locks it until the end of the
    transaction."""
    return session.get_one(SyncState, repository_id, with_for_update=True if lock else None)


def rescan_times(state: SyncState) -> dict[str, datetime | None]:
    """Returns the time of the last rescan of each level: `recent`, `wide` and `deep` runs."""
    return {"recent": state.rescanned_at, "wide": state.rescanned_wide_at, "deep": state.rescanned_deep_at}


def record_rescans(state: SyncState, levels: Collection[str], now: datetime) -> None:
    """Sets the times of these levels, named as in `rescan_times`."""
    if "recent" in levels:
        state.rescanned_at = now
    if "wide" in levels:
        state.rescanned_wide_at = now
    if "deep" in levels:
        state.rescanned_deep_at = now


def record_sync_success(state: SyncState, now: datetime) -> None:
    state.synced_at = now
    state.error = state.error_code = state.error_at = None


def record_sync_error(state: SyncState, error: str, code: ErrorCode, now: datetime) -> None:
    """Stores the failure beside the data; `error` is one line for people."""
    state.error, state.error_code, state.error_at = error[:1000], code, now


def set_gaps(session: Session, repository_id: int, kind: str, details: Sequence[str]) -> None:
    """Replaces the recorded gaps of one kind."""
    state = _locked_state(session, repository_id)
    others = [gap for gap in state.gaps if gap["kind"] != kind]
    gaps = others + [{"kind": kind, "detail": detail} for detail in details]
    if gaps != state.gaps:
        state.gaps = gaps


def add_gap(
    session: Session,
    repository_id: int,
    kind: str,
    detail: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> None:
    """Records a gap, once for each detail. `since` and `until` limit it to runs by created_at; without them it belongs
    to every window."""
    state = _locked_state(session, repository_id)
    ends = {"since": since, "until": until}
    gap = {"kind": kind, "detail": detail, **{name: end.isoformat() for name, end in ends.items() if end}}
    if (kind, detail) not in {(known["kind"], known["detail"]) for known in state.gaps}:
        state.gaps = [*state.gaps, gap]


def _locked_state(session: Session, repository_id: int) -> SyncState:
    """Returns the row locked: all gaps are one value, which several threads read, change and write."""
    session.flush()
    return sync_state(session, repository_id, lock=True)


def record_heartbeat(
    session: Session,
    now: datetime,
    detail: HeartbeatDetail | dict[str, Any],
    *,
    started_at: datetime | None = None,
    name: str = COLLECTOR_HEARTBEAT,
    stopped_at: datetime | None = None,
) -> None:
    """Records that the collector runs or, with `stopped_at`, that it stopped in an orderly way. A mapping is stored
    as it is."""
    row = _heartbeat(session, now, name)
    row.seen_at, row.stopped_at = now, stopped_at
    row.detail = detail.to_dict() if isinstance(detail, HeartbeatDetail) else detail
    row.started_at = started_at or row.started_at


def bump_data_version(session: Session, now: datetime) -> int:
    """Returns the new data version, by which readers invalidate their caches. Versions grow with time, so that a
    database that is restored, or failed over to a lagging replica, does not reuse a version for other data."""
    row = _heartbeat(session, now)
    row.data_version = max(row.data_version + 1, (now - _FIRST_VERSION_AT) // _VERSION_STEP)
    return row.data_version


def prune_heartbeats(session: Session, older_than: datetime) -> None:
    """Deletes the heartbeats of collectors that were last seen before that time."""
    session.execute(
        delete(Heartbeat).where(
            Heartbeat.name.startswith(COLLECTOR_PREFIX, autoescape=True), Heartbeat.seen_at < older_than
        )
    )


def _heartbeat(session: Session, now: datetime, name: str = COLLECTOR_HEARTBEAT) -> Heartbeat:
    row = session.get(Heartbeat, name, with_for_update=True)
    if row is None:
        first = {"name": name, "started_at": now, "seen_at": now, "data_version": 0, "detail": {}}
        insert_ignore(session, Heartbeat, [first])
        row = session.get_one(Heartbeat, name, with_for_update=True)
    return row
