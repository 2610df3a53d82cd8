"""A generated account behind real HTTP, and syncs of it. CHAOS=full: as big as `make chaos` wants it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from collector.context import SyncResult
from collector.github.client import GitHubClient
from core.clock import utc_now
from tests.collector.syncing import sync
from tests.simulator.app import Simulator, create_app, running
from tests.simulator.control import MovableClock
from tests.simulator.scale import build
from tests.simulator.truth import truth
from tests.simulator.world import EditableWorld
from tests.truth import differences

FULL = os.environ.get("CHAOS") == "full"


def on(name: str) -> pytest.MarkDecorator:
    """On this database; at full size on both."""
    return pytest.mark.parametrize("database_url", ["sqlite", "postgresql"] if FULL else [name], indirect=True)


@dataclass
class Account:
    world: EditableWorld
    app: Simulator
    url: str
    clock: MovableClock

    def client(self) -> GitHubClient:
        """Waits for penalties as the service does; not paced, as the tests would take hours."""
        return GitHubClient(self.url, "good", clock=self.clock, max_wait=90)

    def sync(self, engine: Engine, **more: Any) -> SyncResult:
        return sync(engine, self.url, ("scale/*",), clock=self.clock, client=self.client(), **more)

    def differences(self, engine: Engine) -> list[str]:
        return differences(engine, truth(self.world))

    def forward(self, **span: float) -> None:
        self.clock.offset += timedelta(**span)


@contextmanager
def account(
    repositories: int, runs: int, *, days: int = 29, seed: str = "chaos", unfinished: float = 0.003, **more: Any
) -> Iterator[Account]:
    clock = MovableClock(utc_now)
    world = build(clock, repositories=repositories, runs=runs, days=days, seed=seed, unfinished=unfinished)
    app = create_app(world, tokens={"good", "second"}, rate_limit=None, **more)
    with running(app) as url:
        yield Account(world, app, url, clock)
