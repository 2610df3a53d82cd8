"""Writes of backfills: the spans of history that a collector reads, and its progress in them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.enums import BackfillPhase
from db.models import Backfill, SyncState

# A relative request repeated a day later (`--since 90d`) continues the backfill of the day before. Runs created since
# then are collected with the newest runs.
_SAME_SPAN_TOLERANCE = timedelta(days=1)
# A verification that finds no new runs this long after the span was read completes the backfill: lags of 45 minutes of
# GitHub's search index have been observed.
SEARCH_INDEX_LAG = timedelta(hours=1)


@dataclass(frozen=True)
class BackfillKey:
    repository_id: int
    since: datetime
    until: datetime


def get_backfill(session: Session, key: BackfillKey) -> Backfill | None:
    return session.get(Backfill, (key.repository_id, key.since, key.until))


def due_backfills(session: Session, repository_id: int, now: datetime) -> list[BackfillKey]:
    """Returns the unfinished backfills with work to do now, the newest history first."""
    return [_key(row) for row in _unfinished(session, repository_id) if _is_due(row, now)]


def request_backfill(
    session: Session, repository_id: int, since: datetime, until: datetime, now: datetime
) -> BackfillKey | None:
    """Returns the backfill that reads this span: an unfinished one that covers it, or a new one; null where the span is
    already complete. Parts that are known to be complete are not read again."""
    state = session.get_one(SyncState, repository_id)
    if state.complete_since and state.covered_to and until >= state.complete_since:
        until = min(until, state.complete_since)
    if since >= until:
        return None
    query = select(Backfill).where(Backfill.repository_id == repository_id).order_by(Backfill.since.desc())
    for row in session.scalars(query):
        reading = row.phase == BackfillPhase.READING
        if row.until >= until - (_SAME_SPAN_TOLERANCE if reading else timedelta(0)) and row.since < until:
            if row.since <= since:
                return _key(row) if reading else None
            until = row.since  # The other backfill reads the runs from there on.
    row = Backfill(
        repository_id=repository_id,
        since=since.replace(microsecond=0),
        until=until,
        cursor=until,
        phase=str(BackfillPhase.READING),
        runs_done=0,
        late_runs=0,
        started_at=now,
    )
    session.add(row)
    session.flush()
    return _key(row)


def advance(session: Session, key: BackfillKey, cursor: datetime, runs: int, late_runs: int, now: datetime) -> None:
    """Records that all runs of the span from `cursor` on are stored: `runs` of them now, of which `late_runs` were not
    stored before. Where the span adjoins the complete history, the complete history is extended."""
    backfill = session.get_one(Backfill, (key.repository_id, key.since, key.until))
    backfill.cursor = max(cursor, backfill.since)
    if backfill.phase == BackfillPhase.READING:
        backfill.runs_done += runs
        state = session.get_one(SyncState, backfill.repository_id)
        if state.complete_since and backfill.until >= state.complete_since > backfill.cursor:
            state.complete_since = backfill.cursor
    else:
        backfill.late_runs += late_runs
    if backfill.cursor <= backfill.since:
        _advance_phase(backfill, now)


def set_expected_runs(session: Session, key: BackfillKey, runs: int | None) -> None:
    session.get_one(Backfill, (key.repository_id, key.since, key.until)).runs_expected = runs


def _advance_phase(backfill: Backfill, now: datetime) -> None:
    if backfill.phase == BackfillPhase.READING:
        backfill.phase, backfill.read_at = BackfillPhase.VERIFYING, now
    elif backfill.late_runs:
        backfill.read_at = now
    elif backfill.read_at and now - backfill.read_at >= SEARCH_INDEX_LAG:
        backfill.phase = BackfillPhase.DONE
    backfill.late_runs, backfill.verified_at = 0, now
    backfill.cursor = backfill.since if backfill.phase == BackfillPhase.DONE else backfill.until


def close_covered_backfills(session: Session, repository_id: int, scanned_back_to: datetime, now: datetime) -> None:
    """Completes the verification of spans that start at or after `scanned_back_to`, down to which a scan of the
    unfiltered list went."""
    for row in _unfinished(session, repository_id):
        if row.phase == BackfillPhase.VERIFYING and row.since >= scanned_back_to:
            row.phase, row.cursor, row.verified_at = str(BackfillPhase.DONE), row.since, now


def _unfinished(session: Session, repository_id: int) -> list[Backfill]:
    query = select(Backfill).where(Backfill.repository_id == repository_id, Backfill.phase != BackfillPhase.DONE)
    return list(session.scalars(query.order_by(Backfill.until.desc(), Backfill.since.desc())))


def _is_due(backfill: Backfill, now: datetime) -> bool:
    """Returns whether the backfill has work to do. Reading is always due; verification is due at once, and again when
    the search index must be up to date."""
    if backfill.phase == BackfillPhase.READING or backfill.cursor < backfill.until or backfill.read_at is None:
        return True
    return backfill.verified_at == backfill.read_at or now - backfill.read_at >= SEARCH_INDEX_LAG


def _key(row: Backfill) -> BackfillKey:
    return BackfillKey(row.repository_id, row.since, row.until)
