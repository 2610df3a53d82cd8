"""Generated data of an organisation of any size, written directly into the tables."""

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine, insert, text

from db.engine import write_scope
from db.models import Job, Repository, Run, SyncState, Workflow
from db.runs.rollup_invalidation import invalidate_all
from health.metrics.rollups.refresh import refresh_rollups

REPOSITORIES, WORKFLOWS, DAYS, JOBS = 50, 8, 400, 5
_CHUNK = 100_000
_OUTCOMES = ("success", "failure", "cancelled", "skipped")
_OUTCOME_WEIGHTS = (0.78, 0.12, 0.06, 0.04)
_EVENTS, _EVENT_WEIGHTS = ("push", "pull_request", "schedule", "workflow_dispatch"), (0.45, 0.45, 0.07, 0.03)


@dataclass(frozen=True)
class DatasetStats:
    runs: int
    jobs: int
    rows_seconds: float
    rollup_seconds: float


def build(
    engine: Engine,
    runs: int,
    now: datetime,
    *,
    jobs: int = JOBS,
    repositories: int = REPOSITORIES,
    workflows: int = WORKFLOWS,
    add_rows: Callable[[], None] = lambda: None,
) -> DatasetStats:
    """Fills an empty, migrated database with `runs` runs of the last 400 days with `jobs` jobs each. `workflows`: of
    each repository, at most 100. `add_rows` inserts or changes further rows before the roll-ups are computed."""
    begun = time.monotonic()
    _insert_repositories(engine, now, repositories, workflows)
    for frame in frames(runs, now, repositories, workflows):
        _copy(engine, Run.__tablename__, frame)
    if jobs:
        _jobs(engine, jobs)
    add_rows()
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    stored = time.monotonic()
    with write_scope(engine) as session:
        invalidate_all(session, now)
    for _ in refresh_rollups(engine, now):
        pass
    return DatasetStats(runs, runs * jobs, stored - begun, time.monotonic() - stored)


def frames(
    runs: int, now: datetime, repositories: int = REPOSITORIES, workflows: int = WORKFLOWS
) -> Iterator[pd.DataFrame]:
    """Yields the runs in batches, oldest first, with the columns of the table."""
    chance = np.random.default_rng(7)
    begin = now - timedelta(days=DAYS)
    for first in range(0, runs, _CHUNK):
        size = min(_CHUNK, runs - first)
        # Evenly distributed, up to now.
        share = (first + np.sort(chance.random(size)) * size) / runs
        created = pd.Series(begin + pd.to_timedelta(np.floor(share * DAYS * 86_400), unit="s"))
        repository = chance.zipf(1.3, size) % repositories + 1
        workflow = repository * 100 + chance.integers(0, workflows, size)
        outcome = chance.choice(_OUTCOMES, size, p=_OUTCOME_WEIGHTS)
        decided = np.isin(outcome, _OUTCOMES[:2])
        seconds = np.round(np.exp(chance.normal(5.4, 0.8, size)) * (1 + workflow % 5))
        queue = np.round(np.exp(chance.normal(2.2, 1.1, size)))
        default = chance.random(size) < 0.4
        event = np.where(default, "push", chance.choice(_EVENTS, size, p=_EVENT_WEIGHTS))
        attempt = np.where(chance.random(size) < 0.05, 2, 1)
        yield pd.DataFrame(
            {
                "repository_id": repository,
                "id": 1_000_000 + np.arange(first, first + size),
                "workflow_id": workflow,
                "workflow_name": [f"workflow-{number % 100}" for number in workflow],
                "run_number": np.arange(first, first + size) + 1,
                "attempt": attempt,
                "title": [f"Change {number} of the thing" for number in range(first, first + size)],
                "event": event,
                "branch": np.where(default, "main", [f"feature/{number % 5000}" for number in range(size)]),
                "on_default_branch": default & (event != "pull_request"),
                "head_sha": [f"{number:040x}" for number in range(first, first + size)],
                "actor": [f"dev-{number}" for number in chance.integers(0, 400, size)],
                "status": "completed",
                "conclusion": outcome,
                "outcome": outcome,
                "created_at": created,
                "started_at": created,
                "completed_at": created + pd.to_timedelta(queue + seconds, unit="s"),
                "updated_at": created + pd.to_timedelta(queue + seconds, unit="s"),
                "duration_seconds": queue + seconds,
                "queue_seconds": queue,
                "flaky": (attempt == 2) & (outcome == "success"),
                "compute_seconds": seconds * 3,
                "wasted_seconds": np.where(decided & (outcome == "failure"), seconds, 0.0),
                "cost_usd": np.round(seconds * 3 / 60 * 0.008, 4),
                "runner": "ubuntu-latest",
                "html_url": "https://github.com/",
                "details_pending": False,
                "details_at": created,
                "checked_at": None,
            }
        )


def _insert_repositories(engine: Engine, now: datetime, repositories: int, workflows: int) -> None:
    with write_scope(engine) as session:
        for number in range(1, repositories + 1):
            name = f"acme/service-{number:03d}"
            session.add(
                Repository(
                    id=number,
                    full_name=name,
                    default_branch="main",
                    private=True,
                    archived=False,
                    html_url=f"https://github.com/{name}",
                    monitored=True,
                )
            )
        session.flush()
        for number in range(1, repositories + 1):
            session.add(
                SyncState(
                    repository_id=number,
                    gaps=[],
                    complete_since=now - timedelta(days=DAYS + 1),
                    covered_to=now,
                    synced_at=now,
                )
            )
            session.add_all(
                Workflow(
                    repository_id=number,
                    id=number * 100 + index,
                    name=f"workflow-{index}",
                    path=f".github/workflows/{index}.yml",
                    state="active",
                )
                for index in range(workflows)
            )


def _copy(engine: Engine, table: str, frame: pd.DataFrame) -> None:
    if engine.dialect.name != "postgresql":
        rows: list[dict[str, Any]] = []
        for record in frame.to_dict("records"):
            rows.append({str(name): _to_python(value) for name, value in record.items()})
        with write_scope(engine) as session:
            session.execute(insert(Run), rows)
        return
    lines = io.StringIO()
    frame.to_csv(lines, index=False, header=False)
    lines.seek(0)
    connection = engine.raw_connection()
    try:
        with connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} ({', '.join(frame.columns)}) FROM STDIN WITH (FORMAT csv)", lines)
        connection.commit()
    finally:
        connection.close()


def _to_python(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime().replace(tzinfo=UTC) if value.tzinfo is None else value.to_pydatetime()
    return value.item() if isinstance(value, np.generic) else value


def _jobs(engine: Engine, jobs: int) -> None:
    if engine.dialect.name == "postgresql":
        steps = json.dumps([{"number": 1, "name": "Set up job"}])
        with engine.begin() as connection:
            connection.execute(text(_JOBS), {"jobs": jobs, "steps": steps})
        return
    with write_scope(engine) as session:
        for first in range(1, jobs + 1):
            session.execute(
                insert(Job).from_select(
                    [
                        "repository_id",
                        "id",
                        "run_id",
                        "attempt",
                        "name",
                        "status",
                        "conclusion",
                        "created_at",
                        "started_at",
                        "completed_at",
                        "duration_seconds",
                        "queue_seconds",
                        "runner",
                        "labels",
                        "copied",
                        "phantom",
                        "steps",
                    ],
                    text(_JOB).bindparams(job=first).columns(),
                )
            )


_JOB = """
SELECT repository_id, id * 10 + :job, id, attempt, 'job-' || :job, 'completed', conclusion, created_at, created_at,
       completed_at, duration_seconds, queue_seconds, 'runner', '["ubuntu-latest"]', 0, 0, '[]' FROM runs
"""
_JOBS = """
INSERT INTO jobs (repository_id, id, run_id, attempt, name, status, conclusion, created_at, started_at, completed_at,
                  duration_seconds, queue_seconds, runner, labels, copied, phantom, steps)
SELECT repository_id, id * 10 + job, id, attempt, 'job-' || job, 'completed', conclusion, created_at, created_at,
       completed_at, duration_seconds, queue_seconds, 'runner', '["ubuntu-latest"]', false, false, CAST(:steps AS jsonb)
FROM runs CROSS JOIN generate_series(1, :jobs) AS job
"""
