"""A look while others store the same: the trouble of one repository stays with it."""

import threading
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db.models import Repository, Run, Workflow
from tests.collector.conftest import REPO, GitHub
from tests.collector.syncing import make_client, sync
from tests.simulator.world import EditableWorld

only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
REPOS = (REPO, "acme/api", "acme/site")


@pytest.fixture
def world(github: GitHub) -> EditableWorld:
    for name in REPOS[1:]:
        github.world.add_repository(name)
        github.world.add_workflow(name, "CI")
    for name in REPOS:
        github.world.add_run(name, "CI")
    return github.world


def repositories_with_runs(engine: Engine) -> set[str]:
    with Session(engine) as session:
        query = select(Repository.full_name).join(Run, Run.repository_id == Repository.id)
        return set(session.scalars(query))


@only_postgresql
def test_the_first_run_of_a_new_workflow_may_come_by_webhook_and_by_poll_at_once(
    engine: Engine, github: GitHub, world: EditableWorld
) -> None:
    assert sync(engine, github.url, REPOS, clock=github.clock).is_complete
    workflow, run = world.add_workflow(REPO, "Release"), world.add_run(REPO, "Release")
    github.clock.forward(minutes=5)
    client = make_client(github.url, github.clock)
    plain_get = client.get

    def get(path: str, **more: Any) -> Any:
        answer = plain_get(path, **more)
        if path.startswith(f"/repos/{REPO}/actions/runs?"):
            other = Session(engine)
            other.add(Workflow(id=workflow.id, repository_id=1001, name="Release", path="", state="active"))
            other.flush()
            threading.Timer(0.3, lambda: (other.commit(), other.close())).start()
        return answer

    client.get = get  # type: ignore[method-assign]
    assert sync(engine, github.url, REPOS, clock=github.clock, client=client).is_complete
    with Session(engine) as session:
        assert session.get(Run, (1001, run)) is not None


@only_postgresql
def test_what_the_database_does_not_take_of_one_repository_does_not_stop_the_others(
    engine: Engine, github: GitHub, world: EditableWorld
) -> None:
    refuse = "ALTER TABLE runs ADD CONSTRAINT no_api CHECK (html_url NOT LIKE '%acme/api%')"
    with engine.begin() as connection:
        connection.execute(text(refuse))
    outcome = sync(engine, github.url, REPOS, clock=github.clock)
    assert set(outcome.failures) == {"acme/api"}
    assert "cannot be stored" in outcome.failures["acme/api"]
    assert "\n" not in outcome.failures["acme/api"]
    assert repositories_with_runs(engine) == {REPO, "acme/site"}


def test_a_database_that_cannot_be_used_is_no_repositorys_failure(
    engine: Engine, github: GitHub, world: EditableWorld
) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE runs RENAME TO elsewhere"))
    with pytest.raises(SQLAlchemyError):
        sync(engine, github.url, REPOS, clock=github.clock)
