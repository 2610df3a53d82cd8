"""The work of queries by the size of the data, counted: statements, and what SQLite does for them."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from db.collection.sync_state import sync_state
from db.definitions.records import WorkflowRecord
from db.definitions.scope import Scope, Window
from db.engine import make_engine, write_scope
from db.enums import Outcome, RuleKind
from db.models import Job, JobCause, JobLog, Run
from db.runs.rollup_invalidation import invalidate_all
from health.alerts.measurement import backtest as backtests
from health.alerts.measurement.backtest import backtest, backtest_data
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import Patterns
from health.alerts.rules.types import RULE_TYPES
from health.insights.finding_queries import list_failed_jobs
from health.metrics.branch_status import failing_streaks
from health.metrics.queries.job_queries import newest_runs, read_steps
from health.metrics.service import failures_without_cause
from health.metrics.workflow_health import list_workflows, workflow_histories
from tests.builders import NOON, REPO, add_repository, roll_up
from tests.effort import Effort, effort

MONTH = Window(NOON - timedelta(days=30), NOON)


@pytest.fixture
def pair(tmp_path: Path, sqlite_template: Path) -> Iterator[tuple[Engine, Engine]]:
    """Two empty databases for two sizes."""
    one, two = (make_engine(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / name)}") for name in ("a.db", "b.db"))
    yield one, two
    one.dispose()
    two.dispose()


def store(engine: Engine, workflows: int, runs: int, *, failed: int = 0) -> None:
    """Workflows 1, 2, … with that many runs each, one an hour; the newest `failed` runs of each failed."""
    add_repository(engine, REPO, *(WorkflowRecord(k, f"W{k}", f"{k}.yml", "active") for k in range(1, workflows + 1)))
    with write_scope(engine) as session:
        sync_state(session, 1).complete_since = NOON - timedelta(days=100)
        rows = [_run(workflow, age, failed=age < failed) for workflow in range(1, workflows + 1) for age in range(runs)]
        session.execute(insert(Run.__table__), rows)
        invalidate_all(session, NOON)
    roll_up(engine)


def _run(workflow: int, age: int, *, failed: bool) -> dict[str, Any]:
    created, outcome = NOON - timedelta(hours=age + 1), Outcome.FAILURE if failed else Outcome.SUCCESS
    return {
        "repository_id": 1, "id": workflow * 100_000 - age, "workflow_id": workflow, "workflow_name": f"W{workflow}",
        "run_number": 1, "attempt": 1, "title": "a change", "event": "push", "branch": "main",
        "on_default_branch": True, "head_sha": "0" * 40, "status": "completed", "conclusion": str(outcome),
        "outcome": str(outcome), "created_at": created, "started_at": created,
        "completed_at": created + timedelta(minutes=1), "updated_at": created, "duration_seconds": 60.0,
        "queue_seconds": 1.0, "html_url": "", "details_pending": False,
    }  # fmt: skip


def test_page_of_workflows_costs_the_same_among_few_and_many(pair: tuple[Engine, Engine]) -> None:
    listed, shown = [], []
    for engine, workflows in zip(pair, (40, 160), strict=True):
        store(engine, workflows, 30)
        with Session(engine) as session:
            with effort() as of_list:
                found = list_workflows(session, Scope(), MONTH, NOON)
            with effort() as of_page:
                histories = workflow_histories(session, Scope(), MONTH, found[:20])
        assert len(found) == workflows
        assert {len(history.recent_outcomes) for history in histories.values()} == {20}
        listed.append(of_list)
        shown.append(of_page)
    assert listed[0].statements == listed[1].statements <= 13
    assert shown[0].statements == shown[1].statements <= 23
    assert listed[1].steps <= 5 * listed[0].steps
    assert shown[1].steps <= 1.5 * shown[0].steps


def test_long_streaks_are_counted_and_not_read(engine: Engine) -> None:
    store(engine, 3, 300, failed=200)
    with Session(engine) as session, effort() as of_streaks:
        streaks = failing_streaks(session, Scope(), NOON)
    assert [(streak.length, streak.first_failure.id, streak.last_failure.id) for streak in streaks] == [
        (200, workflow * 100_000 - 199, workflow * 100_000) for workflow in (1, 2, 3)
    ]
    assert len(_queries(of_streaks)) == 1


def test_all_failing_workflows_are_read_by_one_statement(pair: tuple[Engine, Engine]) -> None:
    efforts = []
    for engine, workflows in zip(pair, (60, 240), strict=True):
        store(engine, workflows, 10, failed=3)
        with Session(engine) as session, effort() as of_streaks:
            assert [streak.length for streak in failing_streaks(session, Scope(), NOON)] == [3] * workflows
        efforts.append(of_streaks)
    assert [len(_queries(of_streaks)) for of_streaks in efforts] == [1, 1]
    assert efforts[1].steps <= 5 * efforts[0].steps


def test_backtests_of_several_rules_read_the_runs_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    store(engine, 3, 300, failed=20)
    kinds = RuleKind.FAILURE_RATE, RuleKind.CONSECUTIVE_FAILURES, RuleKind.SUCCESS_REGRESSION, RuleKind.ERROR_BUDGET
    scopes = Patterns(), Patterns(("acme/*",), ("W2",)), Patterns(("acme/other",))
    rules = [
        Rule("Rule", kind, RULE_TYPES[kind].default_threshold, minimum=1, scope=scope)
        for kind in kinds for scope in scopes
    ]  # fmt: skip
    with Session(engine) as session:
        one_by_one = [backtest(session, rule, NOON) for rule in rules]
        data = backtest_data(session, NOON)
        with effort() as of_rules:
            assert [backtest(session, rule, NOON, data=data) for rule in rules] == one_by_one
        assert not of_rules.statements
        assert {replay.fired for replay in one_by_one} == {0, 1, 3}
        monkeypatch.setattr(backtests, "_MAX_SHARED_RUNS", 500)
        few = backtest_data(session, NOON)
        assert few.runs_by_repository is None
        assert backtest(session, rules[0], NOON, data=few) == one_by_one[0]


def _queries(counted: Effort) -> list[str]:
    return [text for text in counted.texts if text != "BEGIN"]


def test_steps_of_no_more_runs_than_needed_are_read(engine: Engine) -> None:
    store(engine, 1, 20)
    jobs = [
        {"repository_id": 1, "id": run_id * 1_000 + number, "run_id": run_id, "attempt": 1, "name": f"job {number}",
         "status": "completed", "conclusion": "success", "labels": [], "steps": [{"number": 1, "name": "Test"}]}
        for run_id in range(100_000, 99_980, -1) for number in range(700)
    ]  # fmt: skip
    with write_scope(engine) as session:
        session.execute(insert(Job.__table__), jobs)
    with Session(engine) as session:
        runs = newest_runs(session, "acme/web", Scope(), MONTH, 200)
        assert runs is not None
        facts, read = read_steps(session, runs)
    assert (len(facts), read) == (2_100, 3)
    assert {fact.run_id for fact in facts} == set(runs.ids[:3])


def test_failed_jobs_are_read_by_their_runs(pair: tuple[Engine, Engine]) -> None:
    """Logs have no index by run: of a repository with many logs, all were read for each failed run."""
    listed = []
    for engine, runs in zip(pair, (100, 400), strict=True):
        store(engine, 1, runs, failed=runs)
        ids = range(100_000, 100_000 - runs, -1)
        with write_scope(engine) as session:
            session.execute(insert(Job.__table__), [_failed_job(run_id) for run_id in ids])
            session.execute(insert(JobLog.__table__), [_failed_log(run_id) for run_id in ids])
            session.execute(insert(JobCause.__table__), [_cause(session, run_id) for run_id in ids])
        with Session(engine) as session, effort() as reading:
            assert len(list_failed_jobs(session, Scope(), MONTH, limit=1_000, max_causes=1_000)) == runs
            assert failures_without_cause(session, Scope(), MONTH) == 0
        listed.append(reading)
    assert listed[0].statements == listed[1].statements
    assert listed[1].steps <= 6 * listed[0].steps


def _failed_job(run_id: int) -> dict[str, Any]:
    return {
        "repository_id": 1, "id": run_id, "run_id": run_id, "attempt": 1, "name": "test", "status": "completed",
        "conclusion": "failure", "labels": [], "steps": [], "copied": False, "phantom": False,
    }  # fmt: skip


def _cause(session: Session, run_id: int) -> dict[str, Any]:
    return {
        "repository_id": 1, "job_id": run_id, "run_id": run_id, "position": 0, "kind": "test", "tool": "",
        "message": "", "line": f"Error {run_id}", "source": "log", "fingerprint": str(run_id),
        "created_at": session.get_one(Run, (1, run_id)).created_at,
    }  # fmt: skip


def _failed_log(run_id: int) -> dict[str, Any]:
    return {
        "repository_id": 1, "job_id": run_id, "run_id": run_id, "state": "expired", "error_line": f"Error {run_id}",
        "fingerprint": str(run_id), "truncated": False, "tries": 1, "requested_at": NOON,
    }  # fmt: skip
