"""A simulated GitHub over real HTTP, with a clock that the test moves."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from collector.bootstrap import make_client, make_collector
from collector.settings import CollectorSettings
from collector.tasks import Collector
from tests.simulator.app import Simulator, create_app, running
from tests.simulator.world import EditableWorld

REPO = "acme/web"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class GitHub:
    """`asked()` gives the paths requested since it was last asked."""

    world: EditableWorld
    app: Simulator
    url: str
    clock: Clock

    def asked(self) -> list[str]:
        paths = [each.path for each in self.app.state.requests]
        self.app.state.requests.clear()
        return paths


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def github(clock: Clock) -> Iterator[GitHub]:
    world = EditableWorld(clock)
    world.add_repository(REPO)
    world.add_workflow(REPO, "CI")
    app = create_app(world, tokens={"good"})
    with running(app) as url:
        yield GitHub(world, app, url, clock)


def jobs_of(github: GitHub) -> list[int]:
    """Ids of all jobs of all runs."""
    return [job.id for run in github.world.runs.values() for attempt in run.attempts for job in attempt.jobs]


@pytest.fixture
def settings(database_url: str) -> CollectorSettings:
    return CollectorSettings.load(database_url=database_url, github_repos="acme/web", github_token="good")


@pytest.fixture
def collector(settings: CollectorSettings, engine: Engine) -> Collector:
    """A collector that sends no request to GitHub."""
    return make_collector(settings, engine, make_client(settings))
