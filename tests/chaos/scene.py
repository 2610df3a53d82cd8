"""One account with real programs around it: what happens at GitHub, what is stored of it, and what Slack was sent."""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, Protocol

import httpx
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from db.models import Alert, Notification
from demo.world.world import utc_now
from tests import programs
from tests.chaos.slack import Slack, slack
from tests.notify.servers import free_port
from tests.programs import ROOT
from tests.simulator.app import Simulator, create_app, running
from tests.simulator.truth import truth
from tests.simulator.world import EditableWorld
from tests.truth import differences

REPO = "scale/web"
# Polls that follow each other closely.
POLL_MINUTES = "0.05"
# A program ends within ten seconds of SIGTERM, as containers want it; a machine that is busy with other tests may need
# a moment more to notice.
END_SECONDS = 15.0


class Running(Protocol):
    """As tests.programs.Program and subprocess.Popen have it."""

    pid: int

    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float) -> int: ...
    def send_signal(self, number: int, /) -> None: ...


class Door:
    """In front of the simulator: knows what was asked before it is answered, after `latency` seconds."""

    def __init__(self, simulator: Simulator, latency: float) -> None:
        self.simulator, self.latency, self.arrivals = simulator, latency, list[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.arrivals.append(scope["path"])
            await asyncio.sleep(self.latency)
        await self.simulator(scope, receive, send)


@dataclass
class Scene:
    """`github` and `slack_url` are what programs are given: a test may put something between."""

    engine: Engine
    database_url: str
    world: EditableWorld
    door: Door
    github: str
    slack: Slack
    logs: Path
    slack_url: str = ""
    programs: list[Running] = field(default_factory=list)
    files: list[IO[str]] = field(default_factory=list)

    # GitHub

    def happens(self, workflow: str, *conclusions: str, repo: str = REPO, ago: float = 0, **more: Any) -> list[int]:
        """Runs on main that ended just now, `ago` seconds earlier, one after the other."""
        if workflow not in {each.name for each in self.world.repositories[repo].workflows.values()}:
            self.world.add_workflow(repo, workflow)
        ended = self.world.clock() - timedelta(seconds=ago)
        begins = [ended - timedelta(seconds=20 + 2 * (len(conclusions) - n)) for n in range(len(conclusions))]
        return [
            self.world.add_run(repo, workflow, conclusion=conclusion, created_at=begun.replace(microsecond=0),
                               duration=10, queue=1, jobs=["lint", "test"], **more)
            for conclusion, begun in zip(conclusions, begins, strict=True)
        ]  # fmt: skip

    # Programs

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database_url, "GITHUB_API_URL": self.github, "GITHUB_TOKEN": "good",
            "GITHUB_REPOS": "scale/*", "COLLECT_LOGS": "none", "POLL_INTERVAL_MINUTES": POLL_MINUTES,
            "SLACK_WEBHOOK_URL": self.slack_url or self.slack.url, "TMPDIR": str(self.logs), **more,
        }  # fmt: skip

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text(errors="replace")

    def start(self, module: str, name: str, **more: str) -> Running:
        """Forked from one that has its packages loaded."""
        # The program opens it by this process's number of it.
        self.files.append(log := (self.logs / f"{name}.log").open("a+"))
        program = programs.start(module, environment=self.environment(**more), log=log)
        self.programs.append(program)
        return program

    def execute(self, module: str, name: str, *, before: tuple[str, ...] = (), **more: str) -> Running:
        """As a process that was executed, for what cannot be forked; `before` is the command that starts it."""
        return self.execute_command(name, "-m", module, before=before, **more)

    def execute_command(self, name: str, *arguments: str, before: tuple[str, ...] = (), **more: str) -> Running:
        with (self.logs / f"{name}.log").open("a") as log:
            program = subprocess.Popen(
                [*before, sys.executable, *arguments], cwd=ROOT, env=programs.clean(self.environment(**more)),
                stdout=log, stderr=log,
            )  # fmt: skip
        self.programs.append(program)
        return program

    def end(self, program: Running) -> tuple[int, float]:
        """Its exit code and how many seconds it took after SIGTERM."""
        begun = time.monotonic()
        program.terminate()
        code = program.wait(END_SECONDS)
        self.programs.remove(program)
        return code, time.monotonic() - begun

    @contextmanager
    def api(self, name: str = "api", **more: str) -> Iterator[str]:
        port = free_port()
        program = self.start("api", name, API_PORT=str(port), API_RATE_LIMIT="none", **more)
        address = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{address}/health/live"), 30, "the API up")
        yield address
        code, _ = self.end(program)
        assert code in (0, -15), self.log(name)[-2000:]

    # What came of it

    def differences(self) -> list[str]:
        return differences(self.engine, truth(self.world))

    def wait_until_equal(self, seconds: float = 60) -> float:
        try:
            return until(lambda: not self.differences(), seconds, "every row equal to GitHub's", 0.25)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.differences()[:5]}") from None

    def alerts(self) -> list[Alert]:
        with Session(self.engine) as session:
            return list(session.scalars(select(Alert).order_by(Alert.id)))

    def due(self) -> Counter[tuple[int, bool]]:
        """Each alert's opening and end, once."""
        rows = self.alerts()
        return Counter([(each.id, False) for each in rows] + [(each.id, True) for each in rows if each.resolved_at])

    def wait_until_sent(self, alerts: int, resolved: int = 0, seconds: float = 60) -> None:
        def settled() -> bool:
            rows = self.alerts()
            with Session(self.engine) as session:
                states = set(session.scalars(select(Notification.state)))
            over = sum(each.resolved_at is not None for each in rows)
            return (len(rows), over) == (alerts, resolved) and states <= {"sent"}

        until(settled, seconds, f"{alerts} alerts of which {resolved} are over, and every message sent")

    def assert_each_sent_once(self) -> None:
        """No alert lost, none doubled."""
        workflows = Counter(each.workflow_id for each in self.alerts() if each.resolved_at is None)
        assert not [each for each, number in workflows.items() if number > 1]
        assert self.slack.counts() == self.due()


def until(what: Callable[[], bool], seconds: float, name: str, pause: float = 0.1) -> float:
    """How many seconds it took; fails when it never came."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds, f"after {seconds:.0f} s: not {name}"
        time.sleep(pause)
    return time.monotonic() - begun


def answers(address: str, timeout: float = 5) -> bool:
    try:
        return httpx.get(address, timeout=timeout, verify=False).status_code < 500
    except httpx.TransportError:
        return False


def health(api: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{api}/health", timeout=20, verify=False).json()
    return found


def collector_of(api: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = health(api)["checks"]["collector"]
    return found


@contextmanager
def scene(
    engine: Engine, database_url: str, logs: Path, *, clock: Callable[[], datetime] = utc_now, latency: float = 0,
    repositories: int = 1,
) -> Iterator[Scene]:  # fmt: skip
    """With one repository, REPO, or some beside it, and a few runs of each."""
    world = EditableWorld(clock)
    world.number_from(16_000_000_000)
    names = [REPO, *(f"scale/service-{number:02d}" for number in range(1, repositories))]
    for name in names:
        world.add_repository(name)
        world.add_workflow(name, "CI")
    door = Door(create_app(world, tokens={"good"}, rate_limit=None), latency)
    with running(door) as github, slack() as channel:
        made = Scene(engine, database_url, world, door, github, channel, logs)
        for name in names:
            made.happens("CI", "success", "failure", "success", repo=name, ago=3_600)
        try:
            yield made
        finally:
            for file in made.files:
                file.close()
            for program in made.programs:
                if program.poll() is None:
                    # One that is stopped cannot end.
                    program.send_signal(18)
                    program.kill()
                    program.wait(10)


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_root() -> bool:
    return os.geteuid() == 0
