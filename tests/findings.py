"""A history with one of everything that the findings tell, up to six hours past noon of the builders' day."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from db.definitions.records import LogRecord, RepositoryRecord, RunRecord, WorkflowRecord
from db.engine import write_scope
from db.enums import RuleKind
from db.logs.log_writes import store_log
from db.models import Job
from db.sql import insert_ignore
from health.alerts.rules.detail import AlertDetail
from health.alerts.storage.alert_writes import AlertScope, open_alert
from health.insights.causes.identity import fingerprint
from tests.builders import NOON, REPO, WORKFLOW, add_repository, attempt, job, run, store_jobs, store_runs

DAY = 24 * 60
HOSTILE = "<script>alert(1)</script>\u202e \"';--"
LINE = "FAILED <img src=x onerror=alert(1)> \u202e ' OR 1=1;-- at line 3"


def named(line: str) -> str:
    """The fingerprint of a line."""
    return fingerprint(line) or ""


API = RepositoryRecord(2, "acme/api", "main", True, False, "https://github.com/acme/api")
# Runs of CI that failed of one cause: long before the last 30 days, twice in them.
LONG_AGO, BEFORE, LATEST = 1, 2, 3
ON_A_BRANCH, UNNAMED, FLAKY, STUCK = 4, 5, 6, 7
CAUSE, OTHER_CAUSE = named(LINE), named("npm ERR!")


def fill(engine: Engine) -> None:
    """acme/web: CI is broken by a cause that was seen 60 days ago, and flaky once; one of its runs stands still, and an
    alert fires. acme/api: a workflow with a hostile name slowed down, and another fails more often."""
    add_repository(engine, REPO, WORKFLOW)
    add_repository(
        engine, API, WorkflowRecord(7, HOSTILE, "ci.yml", "active"), WorkflowRecord(8, "E2E", "e.yml", "active")
    )
    bad = {"conclusion": "failure"}
    store_runs(
        engine, run(LONG_AGO, minutes=-60 * DAY, **bad), run(50, minutes=-50 * DAY),
        run(BEFORE, minutes=-2 * DAY, **bad),
        run(LATEST, minutes=-DAY, **bad), run(ON_A_BRANCH, minutes=-DAY + 1, branch="feature", actor="bob", **bad),
        run(UNNAMED, minutes=-DAY + 2, branch="feature", **bad),
        run(FLAKY, minutes=-3 * DAY, attempt=2, branch="feature"),
        run(STUCK, minutes=0, status="queued", conclusion=None),
    )  # fmt: skip
    store_jobs(
        engine, FLAKY, job(60, name=HOSTILE, conclusion="failure"), job(61, name=HOSTILE, attempt=2, start=70, end=120),
        attempts=(attempt(1, "failure"), attempt(2, "success", start=65, end=125)),
    )  # fmt: skip
    for run_id, key, line in (
        (LONG_AGO, CAUSE, LINE), (BEFORE, CAUSE, LINE), (LATEST, CAUSE, LINE), (ON_A_BRANCH, OTHER_CAUSE, "npm ERR!"),
    ):  # fmt: skip
        name_cause(engine, run_id, key, line)
    store_runs(engine, *_slower(), *_worse(), repository_id=2)
    with write_scope(engine) as session:
        open_alert(session, AlertScope(1, 5, RuleKind.FLAKY_RATE), "5%", AlertDetail(value=0.1), NOON)


def name_cause(engine: Engine, run_id: int, key: str, line: str, *, repository_id: int = 1) -> None:
    """The log of the run's job, which has ten times its number."""
    record = LogRecord(run_id * 10, run_id, "stored", line, error_line=line, fingerprint=key)
    with write_scope(engine) as session:
        insert_ignore(session, Job, [failed_job(run_id * 10, run_id, repository_id)])
        store_log(session, repository_id, record, NOON)


def failed_job(job_id: int, run_id: int, repository_id: int = 1) -> dict[str, Any]:
    """The row of a job of the first attempt."""
    return {
        "repository_id": repository_id, "id": job_id, "run_id": run_id, "attempt": 1, "name": "test",
        "status": "completed", "conclusion": "failure", "labels": [], "steps": [], "copied": False, "phantom": False,
    }  # fmt: skip


def _slower() -> list[RunRecord]:
    """From the 31st run on half as long again."""
    return [
        run(1_000 + k, minutes=-k * 360, workflow_id=7, workflow_name=HOSTILE, seconds=(900 if k < 30 else 600) + k % 7)
        for k in range(60)
    ]


def _worse() -> list[RunRecord]:
    """One in thirty failed; in the last week every other one, not the latest."""
    return [
        run(2_000 + k, minutes=-k * 360, workflow_id=8, workflow_name="E2E",
            conclusion="failure" if (k % 2 if k < 25 else k % 30 == 0) else "success")
        for k in range(120)
    ]  # fmt: skip


def ago(days: float) -> str:
    """As an answer writes it: so many days before noon."""
    return (NOON - timedelta(days=days)).isoformat().replace("+00:00", "Z")
