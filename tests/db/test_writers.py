"""Programs that write the same rows at the same moment: none of them breaks off, and nothing is lost or taken back."""

import time
from functools import partial

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from db.collection.sync_state import add_gap, bump_data_version, record_heartbeat, set_gaps, sync_state
from db.definitions.records import WorkflowRecord
from db.engine import interactive_write_scope, write_scope
from db.logs.log_writes import request_logs
from db.models import Heartbeat, JobLog, RollupState, Run, Target, Workflow
from db.repositories.repository_writes import add_targets, ensure_workflows, get_repository, record_target
from db.runs.rollup_invalidation import rollup_state
from db.runs.run_writes import mark_deleted, upsert_runs
from tests.builders import NOON, add_repository, run, store_runs
from tests.writers import another, another_adds


@pytest.fixture(autouse=True)
def _repository(engine: Engine) -> None:
    add_repository(engine)


def test_a_workflow_that_another_adds_at_the_same_moment_is_there_once(engine: Engine) -> None:
    theirs = Workflow(repository_id=1, id=77, name="theirs", path="", state="active")
    with another_adds(engine, theirs), write_scope(engine) as session:
        ensure_workflows(session, 1, [WorkflowRecord(id, "ours", "", "unlisted") for id in (78, 77)])
    with Session(engine) as session:
        found = session.execute(select(Workflow.id, Workflow.name).where(Workflow.id > 5).order_by(Workflow.id))
        assert [tuple(row) for row in found] == [(77, "theirs"), (78, "ours")]


def test_a_log_that_another_asks_for_at_the_same_moment_is_asked_for_once(engine: Engine) -> None:
    theirs = JobLog(repository_id=1, job_id=7, run_id=100, state="pending", tries=0, truncated=False, requested_at=NOON)
    with another_adds(engine, theirs), write_scope(engine) as session:
        assert request_logs(session, 1, 100, [8, 7], NOON) == [8]
    with Session(engine) as session:
        assert session.scalars(select(JobLog.job_id).order_by(JobLog.job_id)).all() == [7, 8]


def test_the_first_sign_of_life_may_come_from_two_threads(engine: Engine) -> None:
    theirs = Heartbeat(name="collector", started_at=NOON, seen_at=NOON, data_version=2_000_000_000, detail={})
    with another_adds(engine, theirs), write_scope(engine) as session:
        assert bump_data_version(session, NOON) == 2_000_000_001
        record_heartbeat(session, NOON, {"state": "idle"})
    with Session(engine) as session:
        assert session.scalars(select(Heartbeat.detail)).all() == [{"state": "idle"}]


def test_targets_and_the_state_of_rollups_may_come_from_two_programs(engine: Engine) -> None:
    theirs = [Target(name="acme/web", checked_at=NOON), RollupState(id=1, hours_from=NOON)]
    with another_adds(engine, *theirs), write_scope(engine) as session:
        add_targets(session, ["acme/web", "acme/api"], NOON)
        record_target(session, "acme/web", 1, None, NOON)
        rollup_state(session, NOON)
    with Session(engine) as session:
        assert session.execute(select(Target.name, Target.repository_id).order_by(Target.name)).all() == [
            ("acme/api", None), ("acme/web", 1),
        ]  # fmt: skip


def test_the_end_of_a_run_that_is_told_at_the_same_moment_is_kept(engine: Engine) -> None:
    store_runs(engine, run(status="in_progress", conclusion=None))

    def end(session: Session) -> None:
        upsert_runs(session, get_repository(session, 1), [run()])

    with another(engine, end), write_scope(engine) as session:
        mark_deleted(session, 1, 100)
    with Session(engine) as session:
        assert session.scalars(select(Run.conclusion)).one() == "success"


def test_gaps_of_two_kinds_that_are_noted_at_the_same_moment_are_both_kept(engine: Engine) -> None:
    capped = partial(add_gap, repository_id=1, kind="capped", detail="more than 1,000 runs")
    with another(engine, capped), write_scope(engine) as session:
        set_gaps(session, 1, "jobs", ["3 runs still without their jobs"])
    with Session(engine) as session:
        assert [gap["kind"] for gap in sync_state(session, 1).gaps] == ["capped", "jobs"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_interactive_write_holds_the_write_lock_from_its_start_and_does_not_wait_long_for_it(engine: Engine) -> None:
    with interactive_write_scope(engine) as session:
        assert session.scalar(select(Run.id)) is None
        started = time.monotonic()
        with (
            pytest.raises(OperationalError, match="database is locked"),
            interactive_write_scope(engine, timeout_seconds=0.1),
        ):
            pass
        assert time.monotonic() - started < 5
