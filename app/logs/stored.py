"""The stored logs of jobs, parsed and cached for the viewer."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import streamlit as st
from cachetools import LRUCache

from app.data.caching import cache_resource
from app.data.connection import read_session
from app.logs.diff import LogDiff, diff_logs
from app.logs.index import LogIndex
from db.enums import LogState
from db.logs.log_queries import JobLogRow, find_log

# (run id, job id)
Key = tuple[int, int]
# A log of 100,000 lines takes 20 MB.
_MAX_BYTES = 64_000_000


class LogCache:
    """Parsed logs, limited by their memory; the least recently used one is removed first."""

    def __init__(self, max_bytes: int) -> None:
        # A log that is larger than the cache counts as the whole cache: it removes all others and is cached itself.
        self._logs: LRUCache[Key, LogIndex] = LRUCache(
            max_bytes, getsizeof=lambda index: min(index.size_bytes, max_bytes)
        )
        self._lock = Lock()

    def get(self, key: Key, load: Callable[[], LogIndex]) -> LogIndex:
        """Loads one log at a time, and only once for concurrent requests."""
        with self._lock:
            index = self._logs.get(key)
            if index is None:
                index = self._logs[key] = load()
            return index


class LogUnavailable(Exception):
    """There is no log; the message is one line for users. `status`: the HTTP status code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class StoredLog:
    row: JobLogRow
    index: LogIndex

    @property
    def cause(self) -> int | None:
        """The number of the line with the cause of the failure."""
        return self.index.find_line(self.row.excerpt, self.row.excerpt_first_line or 1, self.row.error_line)


def load_log(run_id: int, job_id: int) -> StoredLog:
    """Raises LogUnavailable."""
    with read_session() as session:
        row = find_log(session, run_id, job_id)
    if row is None:
        raise LogUnavailable(404, f"Run {run_id} has no job {job_id} with a log of its own.")
    if row.state == LogState.EXPIRED:
        raise LogUnavailable(410, f"GitHub deleted the log of job {job_id} before it was collected.")
    if row.state == LogState.PRUNED:
        raise LogUnavailable(410, f"The log of job {job_id} was deleted because of its age (LOG_RETENTION_DAYS).")
    if row.state != LogState.STORED:
        yet = " yet" if row.state == LogState.PENDING else ""
        raise LogUnavailable(404, f"The log of job {job_id} is not stored{yet}.")
    return StoredLog(row, _log_cache().get((run_id, job_id), lambda: LogIndex(load_text(run_id, job_id))))


def load_text(run_id: int, job_id: int) -> str:
    """The log as GitHub wrote it, with times and escape sequences; empty without a stored log.
    Raises LogUnavailable if the text is damaged."""
    with read_session() as session:
        row = find_log(session, run_id, job_id, with_text=True)
    if row is not None and row.state == LogState.UNREADABLE:
        raise LogUnavailable(410, f"The stored log of job {job_id} cannot be read: its text is damaged.")
    return (row.text if row else None) or ""


@cache_resource(max_entries=16)
def load_diff(a: Key, b: Key) -> LogDiff:
    """The differences of two stored logs, which never change once they are stored."""
    return diff_logs(load_text(*a), load_text(*b))


@st.cache_resource(show_spinner=False)
def _log_cache() -> LogCache:
    return LogCache(_MAX_BYTES)
