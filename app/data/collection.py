"""The Collector page: completeness by repository, the collector's state, and the size of the stored data."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.data.caching import cache_data
from app.data.connection import read_session, unrestricted_session, utc_now
from app.data.outages import serve_stale
from core.formatting import pluralize
from db import storage as db_storage
from db.collection.heartbeat_detail import HeartbeatDetail
from db.enums import Liveness
from db.repositories import codeowners_files, repository_queries
from health.completeness import collector_status, service
from health.completeness.descriptions import CompletenessStatus, completeness_status
from health.completeness.gaps import MissingRunNumbers
from health.completeness.repository_completeness import BackfillProgress, RepositoryCompleteness, backfill_progress
from health.completeness.service_facts import ServiceFact, storage_facts
from health.log_search.index import IndexState, index_state
from health.teams.codeowners_report import CodeownersReport, codeowners_report


@dataclass(frozen=True)
class Collection:
    """Completeness by repository and the collector's state. `unresolved`: GITHUB_REPOS entries without a repository.
    `codeowners`: repositories whose CODEOWNERS file cannot be read."""

    at: datetime
    repositories: list[RepositoryCompleteness]
    service: collector_status.CollectionReport
    unresolved: list[repository_queries.TargetRow]
    codeowners: list[codeowners_files.CodeownersRow]

    @property
    def heartbeat_stale(self) -> bool:
        return collector_status.liveness(self.service.heartbeat, self.at) is not Liveness.LIVE

    @property
    def stall(self) -> str | None:
        return collector_status.stall_message(self.service.heartbeat, self.at) if self.service.heartbeat else None

    @property
    def completeness(self) -> CompletenessStatus:
        stopped_at = self.service.heartbeat.stopped_at if self.service.heartbeat else None
        return completeness_status(
            self.repositories, len(self.unresolved), self.at, is_stale=self.heartbeat_stale, stopped_at=stopped_at
        )

    @property
    def backfill(self) -> BackfillProgress | None:
        return backfill_progress(self.repositories, self.at)


@cache_data(ttl=30, max_entries=1)
def _row_counts() -> service.RowCounts:
    """Counts of runs and logs: counting millions of rows for every refresh of the page would occupy the database."""
    with read_session() as session:
        return service.count_rows(session)


@serve_stale
@cache_data(ttl=3, max_entries=1)
def load_collection() -> Collection:
    counts = _row_counts()
    with read_session() as session:
        repositories = service.list_completeness(session, counts)
        return Collection(
            at=utc_now(),
            repositories=repositories,
            service=collector_status.collection_report(session, utc_now()),
            unresolved=repository_queries.unresolved_targets(session, [repository.repo for repository in repositories]),
            codeowners=codeowners_files.unreadable_codeowners(session),
        )


@serve_stale
@cache_data(ttl=3, max_entries=64)
def missing_numbers(repository_id: int) -> list[MissingRunNumbers]:
    with read_session() as session:
        return service.list_missing_numbers(session, repository_id)


@serve_stale
@cache_data(ttl=60, max_entries=64)
def repository_codeowners(repository_id: int) -> CodeownersReport | None:
    with read_session() as session:
        return codeowners_report(session, repository_id)


@dataclass(frozen=True)
class StorageOverview:
    at: datetime
    storage: db_storage.StorageSize
    pending_deletion: db_storage.PendingDeletion | None
    detail: HeartbeatDetail
    index: IndexState

    @property
    def facts(self) -> list[ServiceFact]:
        facts = storage_facts(
            self.storage, self.detail, self.pending_deletion, self.at, count_limit=db_storage.MAX_COUNTED
        )
        total = self.index.in_segments + self.index.indexed + self.index.unindexed
        if not total and not self.index.unreadable:
            return facts
        damaged = f"; {pluralize(self.index.unreadable, 'log')} cannot be read" if self.index.unreadable else ""
        return [
            *facts,
            ServiceFact("Log search", pluralize(total, "log"), f"{self.index.unindexed:,} not indexed yet{damaged}"),
        ]


@serve_stale
@cache_data(ttl=60, max_entries=1)
def storage_overview() -> StorageOverview:
    now = utc_now()
    with unrestricted_session() as session:
        heartbeat = repository_queries.heartbeat(session)
        detail = heartbeat.detail if heartbeat else HeartbeatDetail()
        days, log_days = detail.retention_days, detail.log_retention_days
        pending = None
        if detail.next_prune_at and days and log_days:
            pending = db_storage.pending_deletion(
                session, detail.next_prune_at, timedelta(days=days), timedelta(days=log_days)
            )
        return StorageOverview(now, db_storage.storage(session, now), pending, detail, index_state(session))
