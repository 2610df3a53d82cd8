"""A large organisation: the rows of bench.dataset, and what does not grow with the number of runs.

Adds runs with thousands of jobs, a log of 100,000 lines, failure causes, workflows that fail now, alerts and rules.
"""

import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, select, update

from bench.dataset import DatasetStats, build
from db.audit import COMMAND
from db.collection.sync_state import bump_data_version, record_heartbeat
from db.engine import write_scope
from db.enums import AlertState, LogState, Outcome, RuleKind
from db.models import Alert, Job, JobLog, Notification, Run, Workflow
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import Patterns
from health.alerts.rules.types import RULE_TYPES
from health.alerts.storage.stored_rules import add_rule
from health.insights.causes.identity import fingerprint

# Jobs of the large runs. The comparison is of several runs of the same size.
LARGE_RUNS, COMPARED_RUNS = (831, 1_500, 8_311), 5
# All large runs are of this workflow.
REPOSITORY, WORKFLOW = 1, 100
LOG_LINES = 100_000
_BATCH_SIZE = 1_000
_STEPS = 12
_FAILURE_SHARE = 40
# Ids of dataset.build are below.
_FIRST_JOB = 10**12
_SYSTEMS = ("ubuntu", "windows", "macos")
_GROUPS = ("build", "test", "lint", "call / e2e", "package")
_LETTERS = "bcdfghjklmnpqrstvwxz"
_RULE_KINDS = (
    RuleKind.FAILURE_RATE,
    RuleKind.CONSECUTIVE_FAILURES,
    RuleKind.DURATION_REGRESSION,
    RuleKind.ERROR_BUDGET,
)


@dataclass(frozen=True)
class Size:
    """`workflows`: of each repository. `failing`: workflows whose last run on the default branch failed, some of them
    for weeks. `firing`: of the alerts. `causes`: distinct error lines."""

    repositories: int = 200
    workflows: int = 5
    runs: int = 300_000
    jobs: int = 1
    failing: int = 500
    causes: int = 5_000
    alerts: int = 2_000
    firing: int = 500
    rules: int = 200


def large_run_id(jobs: int, copy: int = 0) -> int:
    """Returns the id of a large run. Copy 0 succeeded, the others failed; the copy with the largest number is the
    newest."""
    return jobs * 10 + copy


def job_id(run_id: int, number: int) -> int:
    """Returns the id of a job of a large run; `number` counts from 0."""
    return _FIRST_JOB + run_id * 100_000 + number


# The job of a large run with the log of LOG_LINES lines: the first one that failed.
LONG_LOG_JOB = 7


def build_organisation(engine: Engine, size: Size, now: datetime) -> DatasetStats:
    """Fills an empty, migrated database."""

    def add_rows() -> None:
        _fail_now(engine, size.failing)
        for jobs in LARGE_RUNS:
            for copy in range(COMPARED_RUNS if jobs == max(LARGE_RUNS) else 2):
                _add_large_run(engine, jobs, copy, now)
        _add_causes(engine, size.causes, now)
        _add_alerts(engine, size, now)
        _add_rules(engine, size, now)

    stats = build(
        engine,
        size.runs,
        now,
        jobs=size.jobs,
        repositories=size.repositories,
        workflows=size.workflows,
        add_rows=add_rows,
    )
    announce(engine, now)
    return stats


def announce(engine: Engine, now: datetime) -> None:
    """Records a heartbeat and a change of the stored data."""
    with write_scope(engine) as session:
        detail = {"demo": False, "state": "idle", "poll_seconds": 300.0, "version": "0.1.0", "channels": ["slack"]}
        record_heartbeat(session, now, detail)
        bump_data_version(session, now)


def _fail_now(engine: Engine, count: int) -> None:
    """Every tenth of these workflows has failed up to a thousand times in a row, the others up to five times."""
    failed = {"outcome": Outcome.FAILURE, "conclusion": "failure"}
    with write_scope(engine) as session:
        keys = session.execute(
            select(Workflow.repository_id, Workflow.id).order_by(Workflow.id % 100, Workflow.repository_id).limit(count)
        ).all()
        for index, (repository_id, workflow_id) in enumerate(keys):
            newest = (
                select(Run.id)
                .where(Run.repository_id == repository_id, Run.workflow_id == workflow_id, Run.on_default_branch)
                .order_by(Run.created_at.desc())
                .limit(1_000 if index % 10 == 0 else index % 5 + 1)
            )
            session.execute(
                update(Run)
                .where(Run.repository_id == repository_id, Run.id.in_(newest))
                .values(failed)
                .execution_options(synchronize_session=False)
            )


def _add_large_run(engine: Engine, jobs: int, copy: int, now: datetime) -> None:
    run_id, began, passed = large_run_id(jobs, copy), now - timedelta(hours=6, minutes=-copy), copy == 0
    outcome = Outcome.SUCCESS if passed else Outcome.FAILURE
    run = {
        "repository_id": REPOSITORY, "id": run_id, "workflow_id": WORKFLOW, "workflow_name": "workflow-0",
        "run_number": run_id, "attempt": 1, "title": f"Matrix of {jobs:,} jobs", "event": "push", "branch": "main",
        "on_default_branch": True, "head_sha": f"{run_id:040x}", "actor": "dev-1", "status": "completed",
        "conclusion": str(outcome), "outcome": outcome, "created_at": began, "started_at": began,
        "completed_at": began + timedelta(hours=1), "updated_at": began + timedelta(hours=1),
        "duration_seconds": 3_600.0, "queue_seconds": 5.0, "runner": "ubuntu-latest",
        "html_url": "https://github.com/acme/service-001/actions/runs/1", "details_pending": False,
    }  # fmt: skip
    rows = [_job(run_id, number, began, copy, failed=not passed and number % _FAILURE_SHARE == LONG_LOG_JOB)
            for number in range(jobs)]  # fmt: skip
    with write_scope(engine) as session:
        session.execute(insert(Run), [run])
        for batch in _batches(rows):
            session.execute(insert(Job), batch)
        for batch in _batches([_log(row, now) for row in rows if row["conclusion"] == "failure"]):
            session.execute(insert(JobLog), batch)


def _job(run_id: int, number: int, began: datetime, copy: int, *, failed: bool) -> dict[str, Any]:
    started = began + timedelta(seconds=5 + number % 60)
    seconds = 30.0 + (number * 7 + copy * 3) % 500
    times = {"started_at": started.isoformat(), "completed_at": (started + timedelta(seconds=2)).isoformat()}
    steps = [
        {"number": step, "name": f"Run actions/step-{step}@v4", "status": "completed",
         "conclusion": "failure" if failed and step == _STEPS - 1 else "success", **times}
        for step in range(1, _STEPS + 1)
    ]  # fmt: skip
    return {
        "repository_id": REPOSITORY, "id": job_id(run_id, number), "run_id": run_id, "attempt": 1,
        "name": f"{_GROUPS[number % 5]} ({_SYSTEMS[number % 3]}, {number})", "status": "completed",
        "conclusion": "failure" if failed else "success", "created_at": began, "started_at": started,
        "completed_at": started + timedelta(seconds=seconds), "duration_seconds": seconds, "queue_seconds": 5.0,
        "runner": f"GitHub Actions {number % 300}", "labels": ["ubuntu-latest"], "steps": steps, "copied": False,
        "phantom": False, "html_url": f"https://github.com/acme/service-001/actions/runs/{run_id}/job/{number}",
    }  # fmt: skip


def _log(job: dict[str, Any], now: datetime) -> dict[str, Any]:
    lines = LOG_LINES if job["id"] == job_id(job["run_id"], LONG_LOG_JOB) else 200
    error = f"AssertionError: expected {job['id'] % 1_000} to equal {job['id'] % 7}"
    text = "".join(f"2026-01-01T00:00:00.0000000Z line {number} of the output of a step\n" for number in range(lines))
    return {
        "repository_id": REPOSITORY, "job_id": job["id"], "run_id": job["run_id"], "state": LogState.STORED,
        "content": zlib.compress(f"{text}##[error]{error}".encode()), "excerpt_first_line": lines, "excerpt": [error],
        "error_line": error, "fingerprint": fingerprint(error), "size_bytes": len(text), "truncated": False, "tries": 1,
        "requested_at": now, "fetched_at": now,
    }  # fmt: skip


def _add_causes(engine: Engine, count: int, now: datetime) -> None:
    """Gives the first job of each failed run of the last 90 days a cause."""
    with write_scope(engine) as session:
        failed = session.execute(
            select(Run.repository_id, Run.id)
            .where(Run.outcome == Outcome.FAILURE, Run.created_at >= now - timedelta(days=90), Run.id >= 1_000_000)
            .order_by(Run.created_at.desc())
        ).all()
        lines = [_error_line(number) for number in range(count)]
        fingerprints = [fingerprint(line) for line in lines]
        rows = [
            {"repository_id": repository_id, "job_id": run_id * 10 + 1, "run_id": run_id, "state": LogState.EXPIRED,
             "error_line": lines[number % count], "fingerprint": fingerprints[number % count], "truncated": False,
             "tries": 1, "requested_at": now}
            for number, (repository_id, run_id) in enumerate(failed)
        ]  # fmt: skip
        for batch in _batches(rows):
            session.execute(insert(JobLog), batch)


def _error_line(number: int) -> str:
    """Returns a line with names that occur in no other line, so that it is a cause of its own."""
    word = "".join(_LETTERS[number // 20**place % 20] * 2 for place in range(4))
    return f"{word.title()}Error: cannot find module '{word}' imported from '{word}-tests'"


def _add_alerts(engine: Engine, size: Size, now: datetime) -> None:
    chance = random.Random(7)
    with write_scope(engine) as session:
        keys = session.execute(select(Workflow.repository_id, Workflow.id).order_by(Workflow.id)).all()
        rows = []
        for number in range(size.alerts):
            repository_id, workflow_id = keys[number % len(keys)]
            firing, opened = number < size.firing, now - timedelta(minutes=number * 10 + chance.randrange(10))
            rows.append({
                "repository_id": repository_id, "workflow_id": workflow_id, "rule": RuleKind.FAILURE_RATE,
                "threshold": "20%", "state": AlertState.FIRING if firing else AlertState.RESOLVED, "opened_at": opened,
                "resolved_at": None if firing else opened + timedelta(hours=1), "detail": {}, "rule_name": "Failures",
                "severity": "warning", "target": str(number),
            })  # fmt: skip
        for batch in _batches(rows):
            session.execute(insert(Alert), batch)
        ids = session.scalars(select(Alert.id)).all()
        messages = [
            {"alert_id": alert_id, "channel": "slack", "reason": reason, "message": {"subject": "Failures"},
             "state": "sent", "tries": 1, "created_at": now, "due_at": now, "sent_at": now}
            for alert_id in ids for reason in ("opened", "repeat")
        ]  # fmt: skip
        for batch in _batches(messages):
            session.execute(insert(Notification), batch)


def _add_rules(engine: Engine, size: Size, now: datetime) -> None:
    with write_scope(engine) as session:
        for number in range(size.rules):
            kind = _RULE_KINDS[number % len(_RULE_KINDS)]
            scope = Patterns((f"acme/service-{number % size.repositories + 1:03d}",)) if number % 3 else Patterns()
            add_rule(
                session,
                Rule(f"Rule {number}", kind, RULE_TYPES[kind].default_threshold, scope=scope),
                now,
                actor=COMMAND,
            )


def _batches(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for first in range(0, len(rows), _BATCH_SIZE):
        yield rows[first : first + _BATCH_SIZE]
