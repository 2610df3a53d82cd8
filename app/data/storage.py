"""How large the stored data is, and what is deleted next."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from app.data.connection import clock, session
from app.data.outages import lasting
from db.metrics.service_words import ServiceFact
from db.metrics.storage_words import storage_facts, next_prune
from db.queries import repositories, sizes


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
        beat = repositories.heartbeat(found)
        detail = beat.detail if beat else {}
        at, days, log_days = (detail.get(name) for name in ("next_prune_at", "retention_days", "log_retention_days"))
        moment = next_prune(detail) if at else None
        doomed = None
        if moment and days and log_days:
            doomed = sizes.doomed(found, moment, timedelta(days=days), timedelta(days=log_days))
        return Stored(now, sizes.storage(found, now), doomed, detail)
