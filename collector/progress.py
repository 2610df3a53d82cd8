"""Progress of the collector: a bar on a terminal, log lines, and the heartbeat that the dashboard and the API read."""

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
# A service sends a heartbeat every few seconds.
_SERVICE_TIMEOUT = timedelta(minutes=1)


class Progress:
    """`detail`: the constant fields of the heartbeat, such as demo, poll_seconds and version."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], datetime],
        detail: HeartbeatDetail,
        *,
        bar: bool = False,
        name: str | None = None,
        counters: CounterRegistry | None = None,
        tracker: TaskTracker | None = None,
    ) -> None:
        self._work = tracker or TaskTracker()
        self._counters, self._resumed = counters or CounterRegistry(), False
        # A command beside a running service leaves the counters in the heartbeat to the service.
        self._command, self._beside_service = bar, False
        self._write_lock = threading.Lock()
        self._engine, self._clock, self._detail = engine, clock, detail
        # Fields that several threads set: each thread sets other ones.
        self._fields: dict[str, Any] = {}
        self._bar: tqdm[Any] | None = None
        self._with_bar = bar and sys.stderr.isatty()
        self._started_at = clock()
        self._last_beat_at: datetime | None = None
        # The latest heartbeat that the database stored.
        self.heartbeat_at: datetime | None = None
        self.work_since: datetime | None = None
        self._state: dict[str, Any] = {"state": "idle", "message": None, "progress": None}
        self._done = self._total = 0
        self._last_state: tuple[str, str | None] = ("idle", None)
        # The leader writes the main heartbeat; every collector writes one under its own name.
        self.is_leader, self.name = True, name
        self._stopped_at: datetime | None = None

    def begin(self, label: str, total: int = 0) -> None:
        """Starts a stage; `total` 0 if its size is unknown."""
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

    def finish(self, state: str, message: str | None = None, **fields: Any) -> None:
        """Ends the pass with the state `idle`, `waiting` (for the rate limit) or `error`."""
        self.end()
        self._fields.update(fields)
        self._last_state = (state, message)
        self._set_state(state, message)

    def set_heartbeat_fields(self, **fields: Any) -> None:
        """Adds fields to the following heartbeats."""
        self._fields.update(fields)

    def restore_state(self) -> None:
        """Sets the state that the last pass ended with."""
        self.end()
        self._set_state(*self._last_state)

    def log_line(self, line: str) -> None:
        """Logs a line without breaking the bar."""
        if self._bar is not None:
            self._bar.clear()
        log.info("%s", line)

    def mark_data_changed(self) -> None:
        """Raises the data version, which invalidates what readers have cached."""
        with write_scope(self._engine) as session:
            bump_data_version(session, self._clock())

    def mark_stopping(self) -> None:
        """Writes the time of an orderly shutdown to this and the following heartbeats."""
        self._stopped_at = self._clock()
        self.beat(force=True)

    def beat(self, *, force: bool = False) -> None:
        """Writes the heartbeat, at most once in two seconds unless `force`. Database errors are logged."""
        now = self._clock()
        if not force and self._last_beat_at and now - self._last_beat_at < _BEAT_EVERY:
            return
        self._last_beat_at = now
        try:
            # Counters of the previous process are restored once, however many threads call this at the start.
            with self._write_lock, write_scope(self._engine) as session:
                previous = self._previous_heartbeat(session)
                service_detail = previous.detail if previous and self._beside_service else None
                detail = replace(service_detail, **self._state) if service_detail else self._current_detail(now)
                stopped_at = None if self._beside_service else self._stopped_at
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
            counters=self._counters.as_dict(),
            work=work,
            work_since=self.work_since,
        )

    def _previous_heartbeat(self, session: Session) -> HeartbeatRow | None:
        """The stored heartbeat, where it is needed: at the start, and beside a service."""
        if self._resumed and not self._beside_service:
            return None
        previous = heartbeat(session, self._own_heartbeat_name)
        if not self._resumed:
            self._beside_service = self._command and previous is not None and self._is_running_service(previous)
            if not self._beside_service:
                self._counters.restore(previous.detail.counters if previous else None)
            self._resumed = True
        return previous

    def _is_running_service(self, row: HeartbeatRow) -> bool:
        is_running = row.stopped_at is None and self._clock() - row.seen_at < _SERVICE_TIMEOUT
        return is_running and not row.detail.command

    @property
    def _own_heartbeat_name(self) -> str:
        return collector_heartbeat(self.name) if self.name else COLLECTOR_HEARTBEAT

    def _heartbeat_names(self, session: Session, now: datetime) -> list[str]:
        """The heartbeats to write. A collector that stops writes the main one only if no other collector runs."""
        if self.name is None:
            return [COLLECTOR_HEARTBEAT]
        is_main = self.is_leader if self._stopped_at is None else not has_other_collectors(session, self.name, now)
        return [COLLECTOR_HEARTBEAT] * is_main + [self._own_heartbeat_name]

    def _set_state(self, state: str, message: str | None) -> None:
        self._state.update(state=state, message=None if message is None else clean(message))
        self.beat(force=True)
