"""Logs that somebody is reading: unpacked once, kept while there is room for them in memory.

Logs as the database has them, kept ready for whoever reads them.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import streamlit as st

from app.data.connection import read_session
from app.logs.index import LogIndex
from db.enums import LogState
from db.logs.log_queries import JobLogRow, find_log

Key = tuple[int, int]


class LRUCache:
    """The least recently read log goes first; the one being read is kept whatever its size."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Key, LogIndex] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key, load: Callable[[], LogIndex]) -> LogIndex:
        """One is made at a time, and once for all who ask for it."""
        with self._lock:
            found = self._entries.pop(key, None) or load()
            self._entries[key] = found
            while len(self._entries) > 1 and self.size_bytes > self._max_bytes:
                self._entries.popitem(last=False)
            return found

    @property
    def size_bytes(self) -> int:
        return sum(each.size_bytes for each in self._entries.values())


# A log of 100,000 lines takes 20 MB.
_MAX_BYTES = 64_000_000


class LogUnavailable(Exception):
    """There is none to read: one line for people, and the HTTP status that says the same."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class StoredLog:
    row: JobLogRow
    index: LogIndex

    @property
    def cause(self) -> int | None:
        """The line of the cause of the failure."""
        return self.index.find_line(self.row.excerpt, self.row.excerpt_first_line or 1, self.row.error_line)


def load_log(run_id: int, job_id: int) -> StoredLog:
    with read_session() as session:
        row = find_log(session, run_id, job_id)
    if row is None:
        raise LogUnavailable(404, f"Run {run_id} has no job {job_id} with a log of its own.")
    if row.state == LogState.EXPIRED:
        raise LogUnavailable(410, f"GitHub had deleted the log of job {job_id} before it was read.")
    if row.state == LogState.PRUNED:
        raise LogUnavailable(410, f"The log of job {job_id} was deleted for its age (LOG_RETENTION_DAYS).")
    if row.state != LogState.STORED:
        raise LogUnavailable(
            404, f"The log of job {job_id} is not stored{' yet' if row.state == LogState.PENDING else ''}."
        )
    return StoredLog(row, _log_cache().get((run_id, job_id), lambda: LogIndex(text(run_id, job_id))))


def text(run_id: int, job_id: int) -> str:
    """As it is stored, times and colours included."""
    with read_session() as session:
        row = find_log(session, run_id, job_id, with_text=True)
    return (row.text if row else None) or ""


@st.cache_resource(show_spinner=False)
def _log_cache() -> LRUCache:
    return LRUCache(_MAX_BYTES)
