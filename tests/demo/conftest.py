"""Fixtures: a clock that tests move, an empty world served over HTTP, and the acme account."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.simulator.app import Simulator, create_app, running
from tests.simulator.world import EditableWorld, acme_world

REPO = "acme/site"
# A Monday afternoon.
MONDAY = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


@dataclass
class Clock:
    now: datetime = MONDAY

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Site:
    world: EditableWorld
    app: Simulator
    url: str
    clock: Clock

    def get(self, path: str, **more: Any) -> requests.Response:
        url = path if path.startswith("http") else self.url + path
        return requests.get(url, timeout=10, allow_redirects=False, **more)

    def json(self, path: str, **more: Any) -> Any:
        answer = self.get(path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()


Serve = Callable[..., Site]


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Stage:
    """One server for all tests: starting and stopping it takes longer than most tests."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def stage() -> Iterator[tuple[Stage, str]]:
    made = Stage()
    with running(made) as url:
        yield made, url


@pytest.fixture
def serve(clock: Clock, stage: tuple[Stage, str]) -> Serve:
    def serving(world: EditableWorld, **options: Any) -> Site:
        app = create_app(world, **options)
        stage[0].app = app
        return Site(world, app, stage[1], clock)

    return serving


@pytest.fixture
def site(clock: Clock, serve: Serve) -> Site:
    """A repository with a workflow and no runs. Any token is accepted."""
    world = EditableWorld(clock)
    world.add_repository(REPO)
    world.add_workflow(REPO, "CI")
    return serve(world)


@pytest.fixture(scope="session")
def account() -> EditableWorld:
    """The acme account at its start. Tests do not change it."""
    return acme_world(start=MONDAY, clock=lambda: MONDAY)
