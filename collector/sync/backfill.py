"""Reading history that lies below what is complete: newest first, in windows, from where it was interrupted.

The audit of run numbers: holes between the runs that are stored are looked for on GitHub, a few times over some
hours, because lists with a filter can be stale. What is still missing then was deleted there.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from collector.github.client import GitHubClient
from collector.progress import Progress
from collector.sync.repository import RepositorySync
from collector.sync.scan_plan import BackfillWindow, count_runs, is_due, next_span, read_windows
from db.collection.backfills import (
    BackfillKey,
    advance,
    due_backfills,
    get_backfill,
    request_backfill,
    set_expected_runs,
)
from db.collection.run_gaps import OpenGap, audit_run_numbers, due_gaps, record_checks
from db.collection.sync_state import add_gap, sync_state
from db.engine import session_scope, write_scope

_FIRST_SPAN = timedelta(days=4)
_SECOND = timedelta(seconds=1)


@dataclass
class _WindowCount:
    """What one window held so far."""

    runs: int = 0
    inserted: int = 0


class Backfiller:
    def __init__(
        self,
        engine: Engine,
        client: GitHubClient,
        reader: RepositorySync,
        *,
        clock: Callable[[], datetime],
        stop: threading.Event,
        progress: Progress,
    ) -> None:
        self._engine, self._client, self._reader = engine, client, reader
        self._clock, self._stop, self._progress = clock, stop, progress

    def request(self, repository_id: int, since: datetime, until: datetime | None = None) -> BackfillKey | None:
        """Notes that this history is wanted. Null when none of it is missing."""
        now = self._clock()
        with write_scope(self._engine) as session:
            return request_backfill(session, repository_id, since, until or now, now)

    def run(self, repository_id: int, repo: str) -> int:
        """Everything that is due for the repository; returns how many runs were new or changed. What was read before
        an interruption or an error stays read."""
        with session_scope(self._engine) as session:
            due = due_backfills(session, repository_id, self._clock())
        return sum(self._read(key, repo) for key in due)

    def _read(self, key: BackfillKey, repo: str) -> int:
        self._report_total(key, repo)
        with session_scope(self._engine) as session:
            row = get_backfill(session, key)
        changed, span = 0, _FIRST_SPAN
        phase = row.phase if row else None
        while row and not self._stop.is_set():
            since = max(row.since, row.cursor - span)
            # The cursor's own second was read with the window above it.
            until = row.cursor if row.cursor == row.until else row.cursor - _SECOND
            met, stored = self._read_span(key, repo, since, until)
            changed, span = changed + stored, next_span(span, met)
            with session_scope(self._engine) as session:
                row = get_backfill(session, key)
            # One phase a pass: windows are not verified in the same breath in which they were read.
            if row is None or row.phase != phase or row.cursor >= row.until:
                break
        return changed

    def _report_total(self, key: BackfillKey, repo: str) -> None:
        """How many runs there will be, for people who wait."""
        with session_scope(self._engine) as session:
            row = get_backfill(session, key)
        if row is None:
            return
        expected = row.runs_expected
        if expected is None:
            expected = count_runs(self._client, repo, key.since, key.until)
            with write_scope(self._engine) as session:
                set_expected_runs(session, key, expected)
        self._progress.begin(f"Reading history of {repo}", expected or 0)
        self._progress.advance(row.runs_done)

    def _read_span(self, key: BackfillKey, repo: str, since: datetime, until: datetime) -> tuple[int, int]:
        """Runs met and runs changed from `since` to `until`; the cursor moves after each window."""
        met = changed = 0
        leaf = _WindowCount()
        for window, payloads, last in read_windows(self._client, repo, since, until):
            stored = self._reader.store(key.repository_id, payloads)
            leaf.runs, leaf.inserted = leaf.runs + len(payloads), leaf.inserted + stored.inserted
            met, changed = met + len(payloads), changed + stored.changed
            self._progress.advance(len(payloads))
            if last:
                self._save_progress(key, window, leaf)
                leaf = _WindowCount()
            if self._stop.is_set():
                break
        return met, changed

    def _save_progress(self, key: BackfillKey, window: BackfillWindow, count: _WindowCount) -> None:
        with write_scope(self._engine) as session:
            # A window that came up short is doubtful: the scan that verifies must see it again.
            late = max(count.inserted, 1 if window.is_incomplete else 0)
            # First, as a look does that ends meanwhile: in another order they would wait for each other.
            sync_state(session, key.repository_id, lock=True)
            advance(session, key, window.since, count.runs, late, self._clock())
            if window.over_cap:
                second = f"{window.since:%Y-%m-%d %H:%M:%S} UTC"
                line = f"more than 1,000 runs at {second}: GitHub lists no more of one second"
                add_gap(session, key.repository_id, "capped", line, since=window.since, until=window.until)
            for line in window.invalid_items[:20]:
                add_gap(session, key.repository_id, "unreadable", line, since=window.since, until=window.until)


AUDIT_EVERY = timedelta(hours=1)
# Runs of the last moments may still be on their way into the lists.
_MIN_AGE = timedelta(minutes=2)
# Holes nearer to each other than this are looked for with one question.
_MERGE_DISTANCE = timedelta(hours=1)
_WINDOWS_PER_PASS = 20


@dataclass
class GapSearch:
    """Holes that one window of created_at covers."""

    since: datetime
    until: datetime
    gaps: list[OpenGap]


class RunNumberAuditor:
    def __init__(
        self,
        engine: Engine,
        client: GitHubClient,
        reader: RepositorySync,
        *,
        clock: Callable[[], datetime],
        stop: threading.Event,
    ) -> None:
        self._engine, self._client, self._reader = engine, client, reader
        self._clock, self._stop = clock, stop

    def run(self, repository_id: int, repo: str, *, force: bool = False) -> int:
        """Once an hour, or with `force`; returns how many runs were found that had been missing."""
        now = self._clock()
        if not self._compare(repository_id, now, force=force):
            return 0
        with session_scope(self._engine) as session:
            searches = group_gaps(due_gaps(session, repository_id, now))
        found = 0
        for search in searches[:_WINDOWS_PER_PASS]:
            if self._stop.is_set():
                break
            for _, payloads, _ in read_windows(self._client, repo, search.since, search.until):
                found += self._reader.store(repository_id, payloads).inserted
            with write_scope(self._engine) as session:
                record_checks(session, repository_id, search.gaps, now)
        if found:
            self._compare(repository_id, now, force=True)
        return found

    def _compare(self, repository_id: int, now: datetime, *, force: bool) -> bool:
        with write_scope(self._engine) as session:
            state = sync_state(session, repository_id)
            if state.complete_since is None or state.covered_to is None:
                return False
            if not force and not is_due(state.audited_at, AUDIT_EVERY, now):
                # Between audits the open holes are still asked for when their turn comes.
                return True
            audit_run_numbers(session, repository_id, state.complete_since, min(state.covered_to, now - _MIN_AGE), now)
            state.audited_at = now
        return True


def group_gaps(gaps: Sequence[OpenGap]) -> list[GapSearch]:
    """Newest first; holes that overlap or nearly touch are searched for together."""
    searches: list[GapSearch] = []
    for gap in sorted(gaps, key=lambda each: each.created_before, reverse=True):
        last = searches[-1] if searches else None
        if last and gap.created_before >= last.since - _MERGE_DISTANCE:
            last.since = min(last.since, gap.created_after)
            last.gaps.append(gap)
        else:
            searches.append(GapSearch(gap.created_after, gap.created_before, [gap]))
    return searches
