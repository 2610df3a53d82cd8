"""A history of runs to compare figures over, and the comparison."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from db.engine import write_scope
from db.metrics.formulas import Metrics
from db.metrics.window import Window
from db.store.records import RepositoryRecord, RunRecord, WorkflowRecord
from db.store.repositories import get_repository
from db.store.runs import upsert_runs
from tests.builders import NOON, REPO, WORKFLOW, add_repository, roll_up, run

OTHER = RepositoryRecord(2, "acme/api", "master", True, False, "")
DEPLOY = WorkflowRecord(6, "Deploy", "d.yml", "active")
OUTCOMES = ["success"] * 6 + ["failure"] * 3 + ["cancelled", "skipped", None]
# Neither whole days nor whole hours, so that there are edges; more than two of the largest blocks.
LONG = Window(NOON - timedelta(days=150, minutes=17), NOON + timedelta(minutes=43))
WHOLE_DAYS = Window(datetime(2026, 6, 20, tzinfo=UTC), LONG.until)


def fill(engine: Engine) -> None:
    """600 runs of 150 days in two repositories with different default branches."""
    add_repository(engine, REPO, WORKFLOW, DEPLOY)
    add_repository(engine, OTHER, WorkflowRecord(7, "CI", "ci.yml", "active"))
    chance = random.Random("history")
    for repository_id in (1, 2):
        records = [_random_run(chance, repository_id * 1000 + number, repository_id) for number in range(300)]
        store(engine, repository_id, records)
    roll_up(engine)


def _random_run(chance: random.Random, run_id: int, repository_id: int) -> RunRecord:
    conclusion = chance.choice(OUTCOMES)
    workflow = chance.choice([(5, "CI"), (6, "Deploy")]) if repository_id == 1 else (7, "CI")
    return run(
        run_id, minutes=-chance.uniform(0, 150 * 24 * 60), seconds=chance.choice([0, 3, 61, 400, 9000]),
        conclusion=conclusion, status="completed" if conclusion else "in_progress", workflow_id=workflow[0],
        workflow_name=workflow[1], branch=chance.choice(["main", "main", "master", "feature", None]),
        event=chance.choice(["push", "push", "pull_request", "schedule"]), actor=chance.choice(["alice", "bob", None]),
        attempt=chance.choice([1, 1, 1, 2]),
    )  # fmt: skip


def store(engine: Engine, repository_id: int, records: list[RunRecord]) -> None:
    with write_scope(engine) as session:
        upsert_runs(session, get_repository(session, repository_id), records)


def same(made: Metrics, raw: Metrics, *, recovery: bool) -> None:
    assert (made.runs, made.flaky_runs, made.rerun_rate) == (raw.runs, raw.flaky_runs, raw.rerun_rate)
    for name in ("compute_seconds", "wasted_seconds", "cost_usd"):
        assert getattr(made, name) == pytest.approx(getattr(raw, name))
    for name in ("duration_seconds", "queue_seconds"):
        for figure in ("mean", "p50", "p90", "p95"):
            close(getattr(getattr(made, name), figure), getattr(getattr(raw, name), figure))
    if recovery:
        assert made.recovery_seconds.open == raw.recovery_seconds.open
        close(made.recovery_seconds.p50, raw.recovery_seconds.p50)


def close(made: float | None, raw: float | None) -> None:
    assert (made is None) == (raw is None)
    if made is not None and raw is not None:
        assert abs(made - raw) <= 0.01 * raw + 1e-9
