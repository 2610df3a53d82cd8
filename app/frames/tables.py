"""Rows of tables. Every figure is written by db.metrics, none here."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from app.marks import ledger_word
from db.metrics import units
from db.metrics.ledger import RepositoryLedger
from db.queries.repositories import TargetRow
from db.vocabulary import LedgerState


def ledger(listed: Sequence[RepositoryLedger | TargetRow], now: datetime) -> pd.DataFrame:
    """A row for each repository, and for each name of GITHUB_REPOS that led to none."""
    rows = [
        {"state": [ledger_word(LedgerState.FAILING)], "repo": each.name, "error": each.error or ""}
        if isinstance(each, TargetRow)
        else {
            "state": [ledger_word(each.state)],
            "repo": each.repo,
            "since": each.complete_since,
            "looked": _ago(each.synced_at, now),
            "deep": _ago(each.relooked_deep_at, now),
            "runs": each.runs,
            "gaps": len(each.gaps),
            "jobs": each.jobs_missing,
            "expired": each.logs.lost,
            "error": each.error or "",
        }
        for each in listed
    ]
    return pd.DataFrame(rows, columns=["state", "repo", "since", "looked", "deep", "runs", "gaps", "jobs", "expired",
                                       "error"])  # fmt: skip


def _ago(moment: datetime | None, now: datetime) -> str:
    return units.relative((now - moment).total_seconds()) if moment else units.NO_DATA


def so_far(started_at: datetime | None, now: datetime) -> str:
    return f"{units.duration(max((now - started_at).total_seconds(), 0.0))} so far" if started_at else units.NO_DATA
