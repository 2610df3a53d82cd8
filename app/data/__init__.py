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
    schedule_trouble,
    standing,
    trends,
    workflow_names,
    workflows,
)
from app.data.findings import attention, cause_runs, causes, flaky, regressions, run_cause
from app.data.outages import Away, Outage, lasting, outage
from app.data.runs import RunDetail, ask_for_log, attempt_detail, job_steps, run_detail, run_page
from app.data.status import Status, now, repository_url, status
from app.data.storage import Stored, stored
from app.data.spending import Capacity, spend, use
from app.data.workflow import Anatomy, CannotCompare, anatomy, branches, comparison, scatter, since_green, slowdown

__all__ = [
    "Anatomy",
    "Away",
    "CannotCompare",
    "Capacity",
    "Collection",
    "KnownNames",
    "Moved",
    "Options",
    "Outage",
    "RunDetail",
    "Status",
    "Stored",
    "Trends",
    "Unavailable",
    "Workflows",
    "anatomy",
    "ask_for_log",
    "attempt_detail",
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
    "job_steps",
    "known_names",
    "lasting",
    "missing_numbers",
    "now",
    "options",
    "outage",
    "reader",
    "regressions",
    "repository_url",
    "run_cause",
    "run_detail",
    "run_page",
    "scatter",
    "schedule_trouble",
    "session",
    "since_green",
    "slowdown",
    "spend",
    "standing",
    "status",
    "stored",
    "trends",
    "use",
    "workflow_names",
    "workflows",
    "writing",
]
