"""Four servers for all tests here: API with and without keys, dashboard with and without a login."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.engine import make_engine
from tests.builders import add_repository, job, run, store_jobs, store_runs
from tests.front.programs import API, DASHBOARD, Server, serving

KEY = "a-key-of-the-tests-0123456789"
LOGIN = {
    "AUTH_OIDC_METADATA_URL": "https://id.example.com/.well-known/openid-configuration",
    "AUTH_OIDC_CLIENT_ID": "dashboard", "AUTH_OIDC_CLIENT_SECRET": "client-secret",
    "AUTH_COOKIE_SECRET": "a-secret-that-is-long-enough-for-it", "AUTH_ALLOWED_DOMAINS": "example.com",
    "APP_URL": "https://health.example.com",
}  # fmt: skip


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("front")


@pytest.fixture(scope="package")
def stored(folder: Path, sqlite_template: Path) -> str:
    """The URL of a database with one run and its failed job, whose log is not stored."""
    url = f"sqlite:///{shutil.copy(sqlite_template, folder / 'front.db')}"
    engine = make_engine(url)
    add_repository(engine)
    store_runs(engine, run(1, conclusion="failure"))
    store_jobs(engine, 1, job(10, name="test", conclusion="failure"))
    engine.dispose()
    return url


@pytest.fixture(scope="package")
def open_api(stored: str, folder: Path) -> Iterator[Server]:
    with serving(API, folder, DATABASE_URL=stored, ALLOWED_HOSTS="Health.Internal, [fd00::7]:3000") as found:
        yield found


@pytest.fixture(scope="package")
def locked_api(stored: str, folder: Path) -> Iterator[Server]:
    with serving(API, folder, DATABASE_URL=stored, API_KEYS=KEY, API_RATE_LIMIT="none") as found:
        yield found


@pytest.fixture(scope="package")
def open_dashboard(stored: str, folder: Path) -> Iterator[Server]:
    with serving(DASHBOARD, folder, DATABASE_URL=stored, APP_URL="https://health.example.com") as found:
        yield found


@pytest.fixture(scope="package")
def locked_dashboard(stored: str, folder: Path) -> Iterator[Server]:
    with serving(DASHBOARD, folder, DATABASE_URL=stored, **LOGIN) as found:
        yield found


@pytest.fixture(params=["open_api", "locked_api", "open_dashboard", "locked_dashboard"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found
