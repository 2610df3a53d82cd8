"""A history of runs to compare figures over, and the comparison."""

import random
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from db.definitions.records import RepositoryRecord, RunRecord, WorkflowRecord
from db.definitions.scope import Window
from db.engine import write_scope
from db.models import Run
from db.repositories.repository_writes import get_repository
from db.runs.run_writes import upsert_runs
from health.metrics.definitions.formulas import Metrics
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
        _describe_attempts(engine, chance, repository_id)
    roll_up(engine)


def _describe_attempts(engine: Engine, chance: random.Random, repository_id: int) -> None:
    """What the jobs and attempts of these runs would have left in their rows."""
    with write_scope(engine) as session:
        query = select(Run).where(Run.repository_id == repository_id).order_by(Run.id)
        for each in session.scalars(query):
            again = each.attempt > 1
            each.first_outcome = chance.choice(["success", "failure", "failure", "cancelled", None]) if again else None
            each.reruns = chance.choice([0, 1]) if again else 0
            each.failed_then_rerun = each.first_outcome == "failure"
            each.flaky = each.failed_then_rerun and each.outcome == "success"
            each.wasted_flaky_seconds = 70.5 if each.flaky else 0.0
            each.wasted_cancelled_seconds = 33.25 if each.outcome == "cancelled" else 0.0
            each.wasted_superseded_seconds = 12.0 if again and not each.failed_then_rerun else 0.0
            each.defect_seconds = 41.0 if each.outcome == "failure" else 0.0
            each.never_started = chance.choice([0, 0, 0, 2])
            each.unpriced_minutes = chance.choice([0, 0, 5, 17])


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
    assert (made.first_attempts, made.success_rate_first_attempt) == (
        raw.first_attempts,
        raw.success_rate_first_attempt,
    )
    assert made.rerun_rate_without_approvals == raw.rerun_rate_without_approvals
    assert made.flaky_rate_per_rerun == raw.flaky_rate_per_rerun
    assert made.cost_unknown_minutes == raw.cost_unknown_minutes
    assert asdict(made.waste) == pytest.approx(asdict(raw.waste))
    for name in ("duration_seconds", "queue_seconds", "success_duration_seconds", "failure_duration_seconds"):
        assert getattr(made, name).n == getattr(raw, name).n
        for figure in ("mean", "p50", "p90", "p95"):
            close(getattr(getattr(made, name), figure), getattr(getattr(raw, name), figure))
    if recovery:
        assert made.recovery_seconds.open == raw.recovery_seconds.open
        close(made.recovery_seconds.p50, raw.recovery_seconds.p50)


def close(made: float | None, raw: float | None) -> None:
    assert (made is None) == (raw is None)
    if made is not None and raw is not None:
        assert abs(made - raw) <= 0.01 * raw + 1e-9
