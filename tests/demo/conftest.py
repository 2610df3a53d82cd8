"""A clock that only tests move, an empty world behind real HTTP, and the whole account."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from demo.app import Simulator, create_app
from demo.serve import running
from demo.world import World

REPO = "acme/site"
# A Monday in the afternoon.
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
    world: World
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


Open = Callable[..., AbstractContextManager[Site]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(clock: Clock) -> Iterator[Site]:
    """One repository with a workflow and no runs; any token is good."""
    world = World.empty(clock)
    world.add_repository(REPO)
    world.add_workflow(REPO, "CI")
    with serving(world, clock) as found:
        yield found


@contextmanager
def serving(world: World, clock: Clock, **options: Any) -> Iterator[Site]:
    app = create_app(world, **options)
    with running(app) as url:
        yield Site(world, app, url, clock)


@pytest.fixture(scope="session")
def account() -> World:
    """The whole account as it begins, never changed."""
    return World.demo(start=MONDAY, clock=lambda: MONDAY)
