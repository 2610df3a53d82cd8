"""The completeness ledger and who is collecting.

How large the stored data is, and what is deleted next.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from app.data.connection import clock, session
from app.data.outages import lasting
from db import storage as sizes
from db.enums import Liveness
from db.repositories import repository_queries
from health.completeness import collection_status
from health.completeness.descriptions import ServiceFact, next_prune, storage_facts
from health.completeness.gaps import MissingNumbers, Reading, RepositoryLedger, reading_of
from health.completeness.status import Verdict, verdict


@dataclass(frozen=True)
class Collection:
    """What is known to be complete, and who is collecting. `unread` names of GITHUB_REPOS led to no repository."""

    at: datetime
    ledgers: list[RepositoryLedger]
    service: collection_status.Service
    unread: list[repository_queries.TargetRow]

    @property
    def silent(self) -> bool:
        return collection_status.liveness(self.service.beat, self.at) is not Liveness.LIVE

    @property
    def stall(self) -> str | None:
        return collection_status.stall(self.service.beat, self.at) if self.service.beat else None

    @property
    def verdict(self) -> Verdict:
        stopped_at = self.service.beat.stopped_at if self.service.beat else None
        return verdict(self.ledgers, len(self.unread), self.at, silent=self.silent, stopped_at=stopped_at)

    @property
    def reading(self) -> Reading | None:
        return reading_of(self.ledgers, self.at)


@lasting
@st.cache_data(ttl=3, max_entries=1, show_spinner=False)
def collection() -> Collection:
    with session() as found:
        ledgers = collection_status.list_ledger(found)
        return Collection(
            at=clock(),
            ledgers=ledgers,
            service=collection_status.service(found, clock()),
            unread=repository_queries.unread_targets(found, [each.repo for each in ledgers]),
        )


@lasting
@st.cache_data(ttl=3, max_entries=64, show_spinner=False)
def missing_numbers(repository_id: int) -> list[MissingNumbers]:
    with session() as found:
        return collection_status.list_missing_numbers(found, repository_id)


@dataclass(frozen=True)
class Stored:
    at: datetime
    storage: sizes.Storage
    doomed: sizes.Doomed | None
    detail: dict[str, Any]

    @property
    def facts(self) -> list[ServiceFact]:
        return storage_facts(self.storage, self.detail, self.doomed, self.at, most=sizes.MOST_COUNTED)


@lasting
@st.cache_data(ttl=60, max_entries=1, show_spinner=False)
def stored() -> Stored:
    now = clock()
    with session() as found:
        beat = repository_queries.heartbeat(found)
        detail = beat.detail if beat else {}
        at, days, log_days = (detail.get(name) for name in ("next_prune_at", "retention_days", "log_retention_days"))
        moment = next_prune(detail) if at else None
        doomed = None
        if moment and days and log_days:
            doomed = sizes.doomed(found, moment, timedelta(days=days), timedelta(days=log_days))
        return Stored(now, sizes.storage(found, now), doomed, detail)
