"""Failed jobs with logs for rules of failure causes: stored, pruned, expired, missing, and of other steps."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, update

from collector.logs.excerpt import LogExcerpt, excerpt_text
from collector.logs.fetch import cause_fields
from db.definitions.records import LogRecord
from db.engine import write_scope
from db.enums import LogState
from db.logs.log_writes import store_log
from db.models import Job, JobLog
from db.sql import insert_ignore
from health.insights.causes.job_causes import FailedJob, annotation_record, cause_records, causes_of_log
from health.insights.causes.scan import StepSpan
from tests.builders import NOON, REPO, WORKFLOW, add_repository, run, store_runs
from tests.findings import API, failed_job

DAY = 24 * 60
STEPS: list[dict[str, Any]] = [
    {"number": 1, "name": "Pull", "status": "completed", "conclusion": "failure",
     "started_at": "2026-11-18T12:00:05Z", "completed_at": "2026-11-18T12:00:09Z"},
]  # fmt: skip
REGISTRY, OTHER = "Error: registry returned 503", "FAILED tests/test_cart.py::test_total - AssertionError"


def excerpt_of(lines: Sequence[str], step: StepSpan | None = None) -> LogExcerpt:
    return excerpt_text("\n".join(lines).encode(), FailedJob(step=step))


def cause_line(excerpt: LogExcerpt) -> str | None:
    """The line that is shown first."""
    return excerpt.cause.line if excerpt.cause else None


def text_of(line: str, *, step: bool = True) -> str:
    """A log with the line in the failed step, or before it."""
    seconds = ("05", "06") if step else ("01", "06")
    return (
        "2026-11-18T12:00:00.0000000Z ünïcode\n"
        f"2026-11-18T12:00:{seconds[0]}.0000000Z {line}\n2026-11-18T12:00:{seconds[1]}.0000000Z done\n"
        "2026-11-18T12:00:09.0000000Z ##[error]Process completed with exit code 1.\n"
    )


def add_log(
    engine: Engine, run_id: int, line: str | None, *, repository_id: int = 1, name: str = "test", step: bool = True,
    state: str = "stored", **changed: Any,
) -> None:  # fmt: skip
    """The log of the run's failed job, which has ten times its number; without a line, GitHub has none."""
    text = text_of(line, step=step) if line and state == "stored" else None
    causes = (annotation_record(line, None),) if line else ()
    if text:
        span = (STEPS[0]["started_at"][:19], STEPS[0]["completed_at"][:19])
        causes = cause_records(causes_of_log(text.splitlines(), FailedJob(step=span)).causes)
    excerpt = ("before", line) if line and text else ()
    record = LogRecord(run_id * 10, run_id, state, text, excerpt_first_line=7, excerpt=excerpt, **cause_fields(causes))
    with write_scope(engine) as session:
        row = failed_job(run_id * 10, run_id, repository_id)
        insert_ignore(session, Job, [{**row, "name": name, "steps": STEPS, **changed}])
        if state is not None:
            store_log(session, repository_id, record, NOON)


def fill(engine: Engine) -> None:
    """Thirteen failed jobs in the last 30 days, eight of which match RULE: two by excerpt or annotation."""
    add_repository(engine, REPO, WORKFLOW)
    add_repository(engine, API)
    failed = {"conclusion": "failure"}
    store_runs(engine, *(run(n, minutes=-n * DAY, **failed) for n in (*range(1, 10), 40)))
    store_runs(engine, *(run(n, minutes=-n, **failed) for n in range(101, 106)), repository_id=2)
    for number in range(1, 5):
        add_log(engine, number, REGISTRY.replace("503", f"50{number}"))
    add_log(engine, 5, OTHER)
    add_log(engine, 6, REGISTRY, step=False)
    add_log(engine, 7, REGISTRY, name="test (windows, 3.12)")
    add_log(engine, 8, REGISTRY, conclusion="success")
    add_log(engine, 9, None, state="missing")
    add_log(engine, 40, REGISTRY)
    for number in range(101, 104):
        add_log(engine, number, REGISTRY, repository_id=2, name="publish")
    add_log(engine, 104, REGISTRY, repository_id=2)
    add_log(engine, 105, "The registry returned 503", repository_id=2, state="expired")
    with write_scope(engine) as session:
        pruned = (JobLog.repository_id == 2) & (JobLog.job_id == 1040)
        session.execute(update(JobLog).where(pruned).values(state=str(LogState.PRUNED), content=None))
