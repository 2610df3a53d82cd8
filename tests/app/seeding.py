"""A small account on a real database: two repositories, one of them failing, a run with two attempts, hostile names."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from db.collection.sync_state import bump_data_version, record_heartbeat, sync_state
from db.definitions.records import (
    AttemptRecord,
    JobRecord,
    LogRecord,
    RepositoryRecord,
    RunDetailsRecord,
    RunRecord,
    WorkflowRecord,
)
from db.engine import write_scope
from db.enums import LogState
from db.jobs.job_writes import store_run_details
from db.logs.log_writes import store_log
from db.repositories.repository_writes import get_repository, upsert_repository, upsert_workflows
from db.runs.run_writes import upsert_runs
from health.insights.causes.extraction import CAUSE_VERSION
from tests.builders import roll_up

HOSTILE = "<script>alert(1)</script> **bold** [x](https://evil.example) `code` :red[r] $x^2$"
HOSTILE_BRANCH = "feat/<b>x</b>"
RERUN, RUNNING, UNREAD, EXPIRED = 9001, 9002, 9003, 9004
SECRET_LINE = "<img src=x onerror=alert(2)> & error"


@dataclass(frozen=True)
class Seeded:
    engine: Engine
    now: datetime


def seed(engine: Engine, *, demo: bool = True) -> Seeded:
    now = datetime.now(UTC).replace(microsecond=0)
    add_repository(engine, 1, "acme/web", now)
    add_repository(engine, 2, "acme/api", now)
    store(engine, 1, *_history(now, repo=1), *_broken(now), *_special(now))
    store(engine, 2, *_history(now, repo=2))
    _fill(engine, 1, [*_history(now, repo=1), *_broken(now)], now)
    _fill(engine, 2, _history(now, repo=2), now)
    _details(engine, now)
    roll_up(engine, now)
    heartbeat(engine, now, demo=demo)
    return Seeded(engine, now)


def heartbeat(engine: Engine, seen_at: datetime, **detail: Any) -> None:
    with write_scope(engine) as session:
        record_heartbeat(
            session, seen_at, {"demo": False, "state": "idle", "poll_seconds": 300.0, "version": "0.1.0"} | detail
        )
        bump_data_version(session, seen_at)


def add_repository(engine: Engine, number: int, name: str, now: datetime) -> None:
    record = RepositoryRecord(number, name, "main", False, False, f"https://github.com/{name}")
    workflows = [WorkflowRecord(number * 10 + k, word, f".github/workflows/{k}.yml", "active")
                 for k, word in enumerate(("CI", "Deploy"))]  # fmt: skip
    with write_scope(engine) as session:
        upsert_repository(session, record)
        upsert_workflows(session, number, workflows)
        state = sync_state(session, number)
        state.complete_since, state.synced_at = now - timedelta(days=90), now - timedelta(seconds=8)


def store(engine: Engine, repository_id: int, *records: RunRecord) -> None:
    with write_scope(engine) as session:
        upsert_runs(session, get_repository(session, repository_id), records)


def run(run_id: int, created_at: datetime, *, repo: int = 1, seconds: float = 240, **changed: Any) -> RunRecord:
    values: dict[str, Any] = {
        "id": run_id, "workflow_id": repo * 10, "workflow_name": "CI", "run_number": run_id, "attempt": 1,
        "title": f"change {run_id}", "event": "push", "branch": "main", "head_sha": f"{run_id:08x}" * 5,
        "actor": "alice", "status": "completed", "conclusion": "success", "created_at": created_at,
        "started_at": created_at, "updated_at": created_at + timedelta(seconds=seconds),
        "html_url": f"https://github.com/acme/x/actions/runs/{run_id}",
    }  # fmt: skip
    return RunRecord(**(values | changed))


def _history(now: datetime, *, repo: int) -> list[RunRecord]:
    return [
        run(repo * 1000 + k, now - timedelta(hours=8 * k + 30), repo=repo, seconds=120 + 10 * (k % 7),
            workflow_id=repo * 10 + k % 2, workflow_name=("CI", "Deploy")[k % 2],
            conclusion="failure" if k % 9 == 4 else "cancelled" if k % 11 == 3 else "success")
        for k in range(180)
    ]  # fmt: skip


def _broken(now: datetime) -> list[RunRecord]:
    return [run(8000 + k, now - timedelta(hours=9 - 2 * k), conclusion="failure", actor="bob") for k in range(3)]


def _special(now: datetime) -> list[RunRecord]:
    return [
        run(RERUN, now - timedelta(hours=2), attempt=2, conclusion="failure", title=HOSTILE, branch=HOSTILE_BRANCH,
            actor="<i>mallory</i>", seconds=300),
        run(RUNNING, now - timedelta(minutes=3), status="in_progress", conclusion=None, branch="feature"),
        run(UNREAD, now - timedelta(hours=3), conclusion="failure", branch="feature"),
        run(EXPIRED, now - timedelta(hours=4), conclusion="failure", branch="feature"),
    ]  # fmt: skip


def job(job_id: int, name: str, at: datetime, *, attempt: int = 1, seconds: float = 60, **changed: Any) -> JobRecord:
    steps = tuple(
        {"number": k + 1, "name": step, "status": "completed", "conclusion": changed.get("conclusion", "success"),
         "started_at": (at + timedelta(seconds=5 + 10 * k)).isoformat(),
         "completed_at": (at + timedelta(seconds=15 + 10 * k)).isoformat()}
        for k, step in enumerate(("Set up job", "Run tests"))
    )  # fmt: skip
    values: dict[str, Any] = {
        "id": job_id, "attempt": attempt, "name": name, "status": "completed", "conclusion": "success",
        "created_at": at, "started_at": at + timedelta(seconds=5), "completed_at": at + timedelta(seconds=5 + seconds),
        "runner": "GitHub Actions 1", "labels": ("ubuntu-latest",), "steps": steps,
        "html_url": f"https://github.com/acme/x/actions/runs/1/job/{job_id}",
    }  # fmt: skip
    return JobRecord(**(values | changed))


def _fill(engine: Engine, repository_id: int, records: list[RunRecord], now: datetime) -> None:
    """One job for each run, as long as the run."""
    details = [
        RunDetailsRecord(
            record.id, (),
            (job(record.id * 100, "build", record.created_at, conclusion=record.conclusion,
                 seconds=(record.updated_at - record.created_at).total_seconds() - 5),),
            now,
        )
        for record in records
    ]  # fmt: skip
    with write_scope(engine) as session:
        store_run_details(session, get_repository(session, repository_id), details)


def _details(engine: Engine, now: datetime) -> None:
    first, second = now - timedelta(hours=2), now - timedelta(hours=1)
    lint = job(1, "lint", first)
    rerun = RunDetailsRecord(
        RERUN,
        (AttemptRecord(1, "completed", "failure", first, first + timedelta(minutes=3), "alice"),
         AttemptRecord(2, "completed", "failure", second, second + timedelta(minutes=3), "alice")),
        (lint, job(2, "<b>test</b>", first, conclusion="failure"),
         job(3, "lint", first, attempt=2), job(4, "<b>test</b>", second, attempt=2, conclusion="failure")),
        now,
    )  # fmt: skip
    began = now - timedelta(hours=3)
    others = [
        RunDetailsRecord(number, (), (job(number * 10, "build", began, conclusion="failure"),), now)
        for number in (UNREAD, EXPIRED)
    ]
    lines = [f"line {k}" for k in range(60)] + [SECRET_LINE, "##[error]Process completed with exit code 1."]
    log = LogRecord(
        4, RERUN, LogState.STORED, "\n".join(lines), 900, False, 31, tuple(lines[30:]), SECRET_LINE, "f",
        cause_version=CAUSE_VERSION,
    )  # fmt: skip
    with write_scope(engine) as session:
        store_run_details(session, get_repository(session, 1), [rerun, *others])
        store_log(session, 1, log, now)
        store_log(session, 1, LogRecord(EXPIRED * 10, EXPIRED, LogState.EXPIRED), now)


def slow_down(seeded: Seeded) -> None:
    """A workflow `Slow` with an hourly run, whose step `compile` takes 10 instead of 3 minutes since 30 hours ago."""
    with write_scope(seeded.engine) as session:
        upsert_workflows(session, 1, [WorkflowRecord(16, "Slow", ".github/workflows/16.yml", "active")])
    since = seeded.now - timedelta(hours=30)
    for number in range(60):
        at = seeded.now - timedelta(hours=60 - number, minutes=5)
        seconds = 600.0 if at >= since else 180.0
        record = run(16_000 + number, at, seconds=seconds + 5, workflow_id=16, workflow_name="Slow")
        store(seeded.engine, 1, record)
        ended = at + timedelta(seconds=seconds)
        steps = tuple(
            {"number": position, "name": name, "status": "completed", "conclusion": "success",
             "started_at": first.isoformat(), "completed_at": last.isoformat()}
            for position, (name, first, last) in enumerate((("compile", at, ended), ("Complete job", ended, ended)), 1)
        )  # fmt: skip
        made = job(record.id * 10, "build", at, seconds=seconds, steps=steps)
        with write_scope(seeded.engine) as session:
            store_run_details(
                session, get_repository(session, 1), [RunDetailsRecord(record.id, (), (made,), seeded.now)]
            )
    roll_up(seeded.engine, seeded.now)
