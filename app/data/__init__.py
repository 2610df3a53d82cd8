"""The only modules of the UI that touch the database and the cache. What is cached is small (figures, not rows) and
kept by filter and data version, for all sessions together."""

from app.data.collection import Collection, collection, missing_numbers
from app.data.connection import Moved, Unavailable, clock, engine, forget, reader, session, writing
from app.data.figures import (
    KnownNames,
    Options,
    Trends,
    Workflows,
    broken,
    completeness,
    hours,
    known_names,
    options,
    standing,
    trends,
    workflow_names,
    workflows,
)
from app.data.findings import attention, cause_runs, causes, flaky, regressions
from app.data.runs import RunDetail, ask_for_log, run_detail, run_page
from app.data.status import Status, now, repository_url, status
from app.data.storage import Stored, stored
from app.data.spending import Capacity, spend, use
from app.data.workflow import Anatomy, CannotCompare, anatomy, branches, comparison, scatter, since_green, slowdown

__all__ = [
    "Anatomy",
    "CannotCompare",
    "Capacity",
    "Collection",
    "KnownNames",
    "Moved",
    "Options",
    "RunDetail",
    "Status",
    "Stored",
    "Trends",
    "Unavailable",
    "Workflows",
    "anatomy",
    "ask_for_log",
    "attention",
    "branches",
    "broken",
    "cause_runs",
    "causes",
    "clock",
    "collection",
    "comparison",
    "completeness",
    "engine",
    "flaky",
    "forget",
    "hours",
    "known_names",
    "missing_numbers",
    "now",
    "options",
    "reader",
    "regressions",
    "repository_url",
    "run_detail",
    "run_page",
    "scatter",
    "session",
    "since_green",
    "standing",
    "slowdown",
    "spend",
    "status",
    "stored",
    "trends",
    "use",
    "workflow_names",
    "workflows",
    "writing",
]
