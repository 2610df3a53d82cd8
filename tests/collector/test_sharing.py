"""Several collectors on one database: each does the work of the repositories that it holds, and one the chores."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from collector.bootstrap import make_client, make_collector
from collector.claims import ClaimManager
from collector.settings import CollectorSettings
from collector.tasks import CollectorTasks
from core.clock import utc_now
from db.collection.claims import LEADER_CLAIM
from db.engine import write_scope
from db.logs.log_writes import request_logs
from db.models import Claim, Job, JobLog
from db.repositories.repository_queries import resolved_repositories
from tests.simulator.app import create_app, running
from tests.simulator.world import EditableWorld

REPOS = ("acme/api", "acme/web")


class Collectors:
    """Two of them, which have shared the repositories; the first leads."""

    def __init__(self, engine: Engine, url: str, collect: str) -> None:
        self.engine = engine
        settings = CollectorSettings(
            github_api_url=url, github_repos=",".join(REPOS), github_token="good", collect_logs=collect,  # type: ignore[arg-type]
            database_url=engine.url.render_as_string(hide_password=False),
        )  # fmt: skip
        self.claims: dict[str, ClaimManager] = {}
        self.first, self.second = (self._make(settings, name) for name in ("first", "second"))
        self.first.sync_runs()
        self.second.renew_claims()
        self.first.renew_claims()
        self.second.sync_runs()

    def _make(self, settings: CollectorSettings, name: str) -> CollectorTasks:
        collector = make_collector(settings, self.engine, make_client(settings))
        collector.claims = self.claims[name] = ClaimManager(self.engine, name, utc_now)
        tasks = CollectorTasks(collector)
        tasks.renew_claims()
        return tasks

    def held(self, name: str) -> set[int]:
        with Session(self.engine) as session:
            return set(resolved_repositories(session, self.claims[name].assignment.names))

    def logs(self) -> set[int]:
        """The repositories whose logs are stored."""
        with Session(self.engine) as session:
            return set(session.scalars(select(JobLog.repository_id).where(JobLog.state == "stored")))

    def request(self) -> None:
        """Somebody asks for every log there is."""
        with write_scope(self.engine) as session:
            for job in session.scalars(select(Job)).all():
                request_logs(session, job.repository_id, job.run_id, [job.id], utc_now())


@pytest.fixture
def url() -> Iterator[str]:
    world = EditableWorld(utc_now)
    for name in REPOS:
        world.add_repository(name)
        world.add_workflow(name, "CI")
        run = world.add_run(name, "CI", conclusion="failure", created_at=utc_now() - timedelta(hours=1))
        for job in world.runs[run].attempts[-1].jobs:
            world.set_log(job.id, "boom")
    with running(create_app(world, tokens={"good"})) as address:
        yield address


def test_each_collector_fetches_the_logs_of_its_own_repositories(engine: Engine, url: str) -> None:
    both = Collectors(engine, url, "failed")
    mine, theirs = both.held("first"), both.held("second")
    assert (len(mine), len(theirs), mine & theirs) == (1, 1, set())
    both.second.fetch_jobs()
    assert both.logs() == theirs
    both.first.fetch_jobs()
    assert both.logs() == mine | theirs


def test_logs_that_somebody_waits_for_are_fetched_by_who_holds_the_repository(engine: Engine, url: str) -> None:
    both = Collectors(engine, url, "none")
    mine, theirs = both.held("first"), both.held("second")
    for tasks in (both.first, both.second):
        tasks.fetch_jobs()
    both.request()
    both.first.fetch_requested_logs()
    assert both.logs() == mine
    both.second.fetch_requested_logs()
    assert both.logs() == mine | theirs


def test_logs_of_a_repository_that_nobody_holds_are_fetched_by_who_leads(engine: Engine, url: str) -> None:
    both = Collectors(engine, url, "none")
    mine = both.held("first")
    for tasks in (both.first, both.second):
        tasks.fetch_jobs()
    both.request()
    with write_scope(engine) as session:
        session.execute(delete(Claim).where(Claim.holder == "second"))
        assert session.get_one(Claim, ("leader", LEADER_CLAIM)).holder == "first"
    both.first.fetch_requested_logs()
    assert both.logs() > mine
