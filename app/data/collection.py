"""The completeness ledger and who is collecting.

How large the stored data is, and what is deleted next.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from app.data.connection import utc_now, session
from app.data.outages import serve_stale
from db import storage as sizes
from db.enums import Liveness
from db.repositories import repository_queries
from health.completeness import collection_status
from health.completeness.descriptions import ServiceFact, next_prune, storage_facts
from health.completeness.gaps import MissingRunNumbers, BackfillProgress, RepositoryCompleteness, backfill_progress
from health.completeness.status import CompletenessStatus, completeness_status


@dataclass(frozen=True)
class Collection:
    """What is known to be complete, and who is collecting. `unread` names of GITHUB_REPOS led to no repository."""

    at: datetime
    ledgers: list[RepositoryCompleteness]
    service: collection_status.CollectionReport
    unresolved: list[repository_queries.TargetRow]

    @property
    def heartbeat_stale(self) -> bool:
        return collection_status.liveness(self.service.heartbeat, self.at) is not Liveness.LIVE

    @property
    def stall(self) -> str | None:
        return collection_status.stall_message(self.service.heartbeat, self.at) if self.service.heartbeat else None

    @property
    def completeness(self) -> CompletenessStatus:
        stopped_at = self.service.heartbeat.stopped_at if self.service.heartbeat else None
        return completeness_status(self.ledgers, len(self.unresolved), self.at, is_stale=self.heartbeat_stale, stopped_at=stopped_at)

    @property
    def backfill(self) -> BackfillProgress | None:
        return backfill_progress(self.ledgers, self.at)


@serve_stale
@st.cache_data(ttl=3, max_entries=1, show_spinner=False)
def collection() -> Collection:
    with session() as found:
        ledgers = collection_status.list_completeness(found)
        return Collection(
            at=utc_now(),
            ledgers=ledgers,
            service=collection_status.collection_report(found, utc_now()),
            unresolved=repository_queries.unresolved_targets(found, [each.repo for each in ledgers]),
        )


@serve_stale
@st.cache_data(ttl=3, max_entries=64, show_spinner=False)
def missing_numbers(repository_id: int) -> list[MissingRunNumbers]:
    with session() as found:
        return collection_status.list_missing_numbers(found, repository_id)


@dataclass(frozen=True)
class StorageOverview:
    at: datetime
    storage: sizes.StorageSize
    pending_deletion: sizes.PendingDeletion | None
    detail: dict[str, Any]

    @property
    def facts(self) -> list[ServiceFact]:
        return storage_facts(self.storage, self.detail, self.pending_deletion, self.at, count_limit=sizes.MAX_COUNTED)


@serve_stale
@st.cache_data(ttl=60, max_entries=1, show_spinner=False)
def storage_overview() -> StorageOverview:
    now = utc_now()
    with session() as found:
        beat = repository_queries.heartbeat(found)
        detail = beat.detail if beat else {}
        at, days, log_days = (detail.get(name) for name in ("next_prune_at", "retention_days", "log_retention_days"))
        moment = next_prune(detail) if at else None
        doomed = None
        if moment and days and log_days:
            doomed = sizes.pending_deletion(found, moment, timedelta(days=days), timedelta(days=log_days))
        return StorageOverview(now, sizes.storage(found, now), doomed, detail)
