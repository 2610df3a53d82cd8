"""All metrics from the database, cached for seconds: several scrapers cost as much as one."""

import threading
import time
from datetime import datetime, timedelta

from prometheus_client.core import Metric
from sqlalchemy.orm import Session

from api.exporter.collectors import collection, collectors
from api.exporter.metrics import gauges, outbox, pipelines, render, storage
from api.schema_guard import SchemaGuard
from core import VERSION
from db.definitions.scope import Window
from db.replica import ReplicaRouter, ReplicaStatus
from db.runs.rollup_invalidation import count_invalidated_days
from db.storage import database_bytes, free_bytes, schema_revision
from db.visibility import restrict
from health.alerts.storage.channel_queues import list_channels
from health.completeness.collector_status import heartbeats_by_collector
from health.completeness.service import RowCounts, count_rows
from health.teams.service import Person, visible_repositories

CACHE_SECONDS = 5.0
# Counts and sizes that require a scan of an index or of the database's files are read less often.
COUNT_INTERVAL_SECONDS = 300.0
_LOOKBACK = timedelta(hours=24)


class CachedExporter:
    """Renders the metrics of the database that serves reads, which may be the replica."""

    def __init__(self, reader: ReplicaRouter, schema_guard: SchemaGuard) -> None:
        self._reader, self._schema_guard = reader, schema_guard
        self._lock = threading.Lock()
        self._text = b""
        self._rendered_at = self._counted_at = float("-inf")
        self._counts, self._size = RowCounts({}, {}), 0

    def render(self, now: datetime) -> bytes:
        """Returns the metrics in the text format. Raises DatabaseUnavailable, NotMigrated or SQLAlchemyError."""
        with self._lock:
            self._schema_guard.check()
            if time.monotonic() - self._rendered_at >= CACHE_SECONDS:
                with self._reader.session() as session, self._reader.session() as public:
                    restrict(public, visible_repositories(public, Person()))
                    self._text = render(self._read(session, public, now))
                self._rendered_at = time.monotonic()
            return self._text

    def _read(self, session: Session, public: Session, now: datetime) -> list[Metric]:
        """`public` has no repositories of private teams: metrics by repository contain their names."""
        self._count(public)
        heartbeats = heartbeats_by_collector(session)
        # All collectors of a database should have the same channels.
        configured = {name for heartbeat in heartbeats.values() for name in heartbeat.detail.channels or ()}
        version = {(VERSION, schema_revision(session) or ""): 1.0}
        return [
            gauges(
                "build_info", "Version of the API and revision of the database schema", ["version", "schema"], version
            ),
            *pipelines(public, Window(now - _LOOKBACK, now)),
            *collection(public, self._counts, now),
            *collectors(heartbeats, now),
            *outbox(list_channels(session, sorted(configured)), now),
            *storage(count_invalidated_days(session), self._size, free_bytes(self._reader.engine), self._replica()),
        ]

    def _count(self, session: Session) -> None:
        if time.monotonic() - self._counted_at >= COUNT_INTERVAL_SECONDS:
            self._counts, self._size = count_rows(session), database_bytes(session)
            self._counted_at = time.monotonic()

    def _replica(self) -> ReplicaStatus | None:
        return self._reader.status() if self._reader.replica is not None else None
