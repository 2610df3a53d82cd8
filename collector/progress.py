"""What the collector is doing, for people: a bar on a terminal, lines in the log, and the heartbeat that UI and
API read."""

import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from tqdm import tqdm

from core.text import clean
from core.work import TaskTracker, report_progress
from db.collection.claims import has_other_collectors
from db.collection.counters import CounterRegistry
from db.collection.heartbeat_detail import COLLECTOR_HEARTBEAT, HeartbeatDetail, collector_heartbeat
from db.collection.sync_state import bump_data_version, record_heartbeat
from db.engine import describe_failure, write_scope
from db.repositories.repository_queries import HeartbeatRow, heartbeat

log = logging.getLogger(__name__)
_BEAT_EVERY = timedelta(seconds=2)
# A service beats every ten seconds.
_ALIVE_WITHIN = timedelta(minutes=1)


class Progress:
    """`detail` holds the fields of the heartbeat that do not change: demo, poll_seconds, version."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], datetime],
        detail: HeartbeatDetail,
        *,
        bar: bool = False,
        name: str | None = None,
        tally: CounterRegistry | None = None,
        tracker: TaskTracker | None = None,
    ) -> None:  # fmt: skip
        self._work = tracker or TaskTracker()
        self._tally, self._resumed = tally or CounterRegistry(), False
        # A command beside a service: the counters are that one's.
        self._command, self._guest = bar, False
        self._beating = threading.Lock()
        self._engine, self._clock, self._detail = engine, clock, detail
        # Fields that several threads set; a dictionary, because each thread sets other fields.
        self._fields: dict[str, Any] = {}
        self._bar: tqdm[Any] | None = None
        self._with_bar = bar and sys.stderr.isatty()
        self._started_at = clock()
        self._beaten_at: datetime | None = None
        # When the database last took a sign of life.
        self.heartbeat_at: datetime | None = None
        self.work_since: datetime | None = None
        self._state: dict[str, Any] = {"state": "idle", "message": None, "progress": None}
        self._done = self._total = 0
        self._rest: tuple[str, str | None] = ("idle", None)
        # One of several collectors speaks for all; each speaks for itself under its own name.
        self.is_leader, self.name = True, name
        # When the program was asked to end.
        self._stopped_at: datetime | None = None

    def begin(self, label: str, total: int = 0) -> None:
        """A stage of work; `total` 0 is one whose size is not known."""
        report_progress()
        self.end()
        self._done, self._total = 0, total
        if self._with_bar:
            self._bar = tqdm(total=total or None, desc=clean(label, 100), unit="", leave=False, dynamic_ncols=True)
        self._set_state("syncing", label)

    def advance(self, by: int = 1) -> None:
        report_progress()
        self._done += by
        if self._bar is not None:
            self._bar.update(by)
        if self._total:
            self._state["progress"] = min(self._done, self._total), self._total
        self.beat()

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._state["progress"] = None

    def finish(self, state: str, message: str | None = None, **more: Any) -> None:
        """The pass is over: `idle`, `waiting` for GitHub, or `error`."""
        self.end()
        self._fields.update(more)
        self._rest = (state, message)
        self._set_state(state, message)

    def set_heartbeat_fields(self, **more: Any) -> None:
        """Told with the next sign of life."""
        self._fields.update(more)

    def restore_state(self) -> None:
        """Back to what the last pass came to."""
        self.end()
        self._set_state(*self._rest)

    def log_line(self, line: str) -> None:
        """A line for the log that does not tear the bar."""
        if self._bar is not None:
            self._bar.clear()
        log.info("%s", line)

    def mark_data_changed(self) -> None:
        """Stored data changed: readers that cache ask again."""
        with write_scope(self._engine) as session:
            bump_data_version(session, self._clock())

    def mark_stopping(self) -> None:
        """The program ends in order: readers are told at once, and by every sign of life that still follows."""
        self._stopped_at = self._clock()
        self.beat(force=True)

    def beat(self, *, force: bool = False) -> None:
        now = self._clock()
        if not force and self._beaten_at and now - self._beaten_at < _BEAT_EVERY:
            return
        self._beaten_at = now
        try:
            # What was counted before is added once, however many threads beat at the start.
            with self._beating, write_scope(self._engine) as session:
                before = self._previous_heartbeat(session)
                guest_detail = before.detail if before and self._guest else None
                detail = replace(guest_detail, **self._state) if guest_detail else self._current_detail(now)
                stopped_at = None if self._guest else self._stopped_at
                for name in self._heartbeat_names(session, now):
                    record_heartbeat(
                        session, now, detail, started_at=self._started_at, name=name, stopped_at=stopped_at
                    )
            self.heartbeat_at = now
        except SQLAlchemyError as error:
            log.warning("%s", describe_failure(self._engine, error))

    def _current_detail(self, now: datetime) -> HeartbeatDetail:
        work, seconds = self._work.stalest() or (None, None)
        self.work_since = now - timedelta(seconds=seconds) if seconds is not None else None
        return replace(
            self._detail,
            **self._fields,
            **self._state,
            command=self._command,
            counters=self._tally.as_dict(),
            work=work,
            work_since=self.work_since,
        )

    def _previous_heartbeat(self, session: Session) -> HeartbeatRow | None:
        """The sign of life that is there, for who must know it."""
        if self._resumed and not self._guest:
            return None
        before = heartbeat(session, self._own_heartbeat_name)
        if not self._resumed:
            self._guest = self._command and before is not None and self._is_running_service(before)
            if not self._guest:
                self._tally.restore(before.detail.counters if before else None)
            self._resumed = True
        return before

    def _is_running_service(self, before: HeartbeatRow) -> bool:
        """One that is at work."""
        at_work = before.stopped_at is None and self._clock() - before.seen_at < _ALIVE_WITHIN
        return at_work and not before.detail.command

    @property
    def _own_heartbeat_name(self) -> str:
        return collector_heartbeat(self.name) if self.name else COLLECTOR_HEARTBEAT

    def _heartbeat_names(self, session: Session, now: datetime) -> list[str]:
        """Who ends speaks for all only where nobody else goes on."""
        if self.name is None:
            return [COLLECTOR_HEARTBEAT]
        for_all = self.is_leader if self._stopped_at is None else not has_other_collectors(session, self.name, now)
        return [COLLECTOR_HEARTBEAT] * for_all + [self._own_heartbeat_name]

    def _set_state(self, state: str, message: str | None) -> None:
        self._state.update(state=state, message=None if message is None else clean(message))
        self.beat(force=True)
