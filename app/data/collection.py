"""The completeness ledger and who is collecting."""

from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from app.data.connection import clock, session
from app.data.outages import lasting
from db.metrics.ledger import MissingNumbers, Reading, RepositoryLedger, reading_of
from db.metrics.verdict import Verdict, verdict
from db.queries import ledger, repositories
from db.vocabulary import Liveness


@dataclass(frozen=True)
class Collection:
    """What is known to be complete, and who is collecting. `unread` names of GITHUB_REPOS led to no repository."""

    at: datetime
    ledgers: list[RepositoryLedger]
    service: ledger.Service
    unread: list[repositories.TargetRow]

    @property
    def silent(self) -> bool:
        return ledger.liveness(self.service.beat, self.at) is not Liveness.LIVE

    @property
    def stall(self) -> str | None:
        return ledger.stall(self.service.beat, self.at) if self.service.beat else None

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
        ledgers = ledger.list_ledger(found)
        return Collection(
            at=clock(),
            ledgers=ledgers,
            service=ledger.service(found, clock()),
            unread=repositories.unread_targets(found, [each.repo for each in ledgers]),
        )


@lasting
@st.cache_data(ttl=3, max_entries=64, show_spinner=False)
def missing_numbers(repository_id: int) -> list[MissingNumbers]:
    with session() as found:
        return ledger.list_missing_numbers(found, repository_id)
