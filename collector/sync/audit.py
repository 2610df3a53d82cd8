"""The audit of run numbers: holes between the runs that are stored are looked for on GitHub, a few times over some
hours, because lists with a filter can be stale. What is still missing then was deleted there."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from collector.github.client import Client
from collector.sync.cursor import is_due
from collector.sync.repository import RepositoryReader
from collector.sync.windows import read_windows
from db.engine import session_scope, write_scope
from db.store.run_gaps import OpenGap, audit, due_gaps, note_looks
from db.store.sync_state import sync_state

AUDIT_EVERY = timedelta(hours=1)
# Runs of the last moments may still be on their way into the lists.
_TOO_YOUNG = timedelta(minutes=2)
# Holes nearer to each other than this are looked for with one question.
_NEAR = timedelta(hours=1)
_WINDOWS_A_PASS = 20


@dataclass
class Search:
    """Holes that one window of created_at covers."""

    since: datetime
    until: datetime
    gaps: list[OpenGap]


class Auditor:
    def __init__(
        self,
        engine: Engine,
        client: Client,
        reader: RepositoryReader,
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
            searches = grouped(due_gaps(session, repository_id, now))
        found = 0
        for search in searches[:_WINDOWS_A_PASS]:
            if self._stop.is_set():
                break
            for _, payloads, _ in read_windows(self._client, repo, search.since, search.until):
                found += self._reader.store(repository_id, payloads).inserted
            with write_scope(self._engine) as session:
                note_looks(session, repository_id, search.gaps, now)
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
            audit(session, repository_id, state.complete_since, min(state.covered_to, now - _TOO_YOUNG), now)
            state.audited_at = now
        return True


def grouped(gaps: Sequence[OpenGap]) -> list[Search]:
    """Newest first; holes that overlap or nearly touch are searched for together."""
    searches: list[Search] = []
    for gap in sorted(gaps, key=lambda each: each.created_before, reverse=True):
        last = searches[-1] if searches else None
        if last and gap.created_before >= last.since - _NEAR:
            last.since = min(last.since, gap.created_after)
            last.gaps.append(gap)
        else:
            searches.append(Search(gap.created_after, gap.created_before, [gap]))
    return searches
