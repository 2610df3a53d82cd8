"""The rules of a sharded database, and that what depends on one gives the same answers on a plain one."""

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from db.backup.contents import BackupError
from db.backup.distribute import distribute
from db.definitions.records import WorkflowRecord
from db.definitions.scope import Scope, Window
from db.engine import DISTRIBUTED_TABLES, REFERENCE_TABLES, SHARD_KEY, is_sharded, make_engine, session_scope
from db.models import Attempt, Base, Job, JobLog, Repository, Run
from health.metrics.queries import failure_episodes
from health.metrics.queries.failure_episodes import branch_episodes
from tests.builders import NOON, REPO, add_repository, run, store_runs
from tests.sharding import problems


def test_joins_without_the_shard_key_are_noticed() -> None:
    assert list(problems(select(JobLog.fingerprint).join(Run, JobLog.run_id == Run.id))) == [
        "job_logs and runs are joined without repository_id"
    ]
    inner = select(Job.id).where(Job.run_id == Run.id, Run.id > 5)
    assert list(problems(select(Repository.id).where(Repository.id.in_(inner))))


@pytest.mark.parametrize(
    "query",
    [
        select(Run.id).join(Job, (Job.repository_id == Run.repository_id) & (Job.run_id == Run.id)),
        select(Run.id).where(Job.repository_id == Run.repository_id, Attempt.repository_id == Job.repository_id),
        select(Run.id).where(Run.repository_id == 5, Job.repository_id == 5),
        select(Run.id).join(Repository, Repository.id == Run.repository_id),
    ],
)
def test_joins_with_it_are_fine(query: object) -> None:
    assert not list(problems(query))


def test_every_table_by_repository_is_distributed() -> None:
    """Alerts stay on the coordinator: deliveries refer to them by a key that has no repository."""
    by_repository = {name for name, table in Base.metadata.tables.items() if SHARD_KEY in table.primary_key.columns}
    assert set(DISTRIBUTED_TABLES) == by_repository
    for name in DISTRIBUTED_TABLES:
        referred = {key.column.table.name for key in Base.metadata.tables[name].foreign_keys}
        assert referred <= {*REFERENCE_TABLES, *DISTRIBUTED_TABLES}


def history(engine: Engine) -> None:
    """Four branches of two workflows in three repositories, one of which has no name; a third of the runs fail."""
    dice = random.Random(7)
    for repository_id in (1, 2, 3):
        name = f"acme/web-{repository_id}"
        record = replace(REPO, id=repository_id, full_name=name)
        workflows = [
            WorkflowRecord(id=number, name=f"CI {number}", path=f"ci-{number}.yml", state="active") for number in (5, 6)
        ]
        add_repository(engine, record, *workflows)
        runs = [
            run(
                1_000 * repository_id + number,
                minutes=-number * 240,
                workflow_id=dice.choice((5, 6)),
                branch=dice.choice(("main", "release", "fix", None)),
                conclusion=dice.choice(("success", "success", "failure")),
            )
            for number in range(1, 160)
        ]
        store_runs(engine, *runs, repository_id=repository_id)


def test_asked_by_repository_the_episodes_are_the_same(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a sharded database is asked: one statement for each repository."""
    history(engine)
    window = Window(NOON - timedelta(days=20), NOON)
    with session_scope(engine) as session:
        together = branch_episodes(session, Scope(), window)
        monkeypatch.setattr(failure_episodes, "is_sharded", lambda connection: True)
        assert branch_episodes(session, Scope(), window) == together
    assert {each.first.repository_id for each in together} == {1, 2, 3}
    assert {each.seconds is None for each in together} == {True, False}


def test_a_plain_database_is_not_distributed(engine: Engine) -> None:
    with session_scope(engine) as session:
        assert not is_sharded(session.connection())
    with pytest.raises(BackupError, match=r"not a PostgreSQL database with the extension citus; nothing was changed"):
        distribute(engine, lambda done, total: None)


def test_a_file_is_not_distributed(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="nothing was changed"):
        distribute(make_engine(f"sqlite:///{tmp_path}/x.db"), lambda done, total: None)
