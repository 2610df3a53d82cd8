"""Pages run in-process on a real SQLite database."""

import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from streamlit import config
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from app.access.login import login
from db.engine import make_engine
from tests.app.seeding import Seeded, seed
from tests.kept import Kept

with warnings.catch_warnings():
    # requirements-dev.txt has httpx; Starlette takes it, and says that it would rather have httpx2.
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient` is deprecated")
    from starlette.testclient import TestClient

__all__ = ["AUTH", "MAIN", "Open", "TestClient"]

MAIN = Path(__file__).parents[2] / "app" / "shell.py"
Open = Callable[..., AppTest]


AUTH = {
    "AUTH_OIDC_METADATA_URL": "https://id.example.com/.well-known/openid-configuration",
    "AUTH_OIDC_CLIENT_ID": "dashboard", "AUTH_OIDC_CLIENT_SECRET": "client-secret",
    "AUTH_COOKIE_SECRET": "a-secret-that-is-long-enough-for-it", "AUTH_ALLOWED_DOMAINS": "example.com",
    "APP_URL": "https://health.example.com",
}  # fmt: skip


@pytest.fixture
def with_login(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Configures a login."""
    for name, value in AUTH.items():
        monkeypatch.setenv(name, value)
    before = config.get_option("server.cookieSecret")
    login.cache_clear()
    yield
    login.cache_clear()
    config.set_option("server.cookieSecret", before)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path) -> Iterator[Engine]:
    """An empty migrated database that the pages read."""
    url = f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'ui.db')}"
    monkeypatch.setenv("DATABASE_URL", url)
    engine = make_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def moment() -> datetime:
    """Pages have a clock of their own: their data is seeded around the real time."""
    return datetime.now(UTC)


@pytest.fixture
def seeded(empty: Engine, kept: Kept) -> Seeded:
    # As old as it may get before something in it is not of "now" any more.
    return replace(kept.fill(empty, seed, seconds=60), engine=empty)


@pytest.fixture(autouse=True, scope="session")
def _packages_looked_through_once() -> Iterator[None]:
    """Skips the search for components in installed packages, which takes longer than most pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    from app.data.connection import reset_engine

    yield
    reset_engine()


@pytest.fixture
def open_page() -> Open:
    """A page by its file, with the parameters of its address, for somebody of whom a provider said this."""

    def open_it(page: str = "", /, user: dict[str, Any] | None = None, **query: object) -> AppTest:
        at = AppTest.from_file(str(MAIN), default_timeout=30)
        if user is not None:
            at.user = user
        for name, value in query.items():
            at.query_params[name] = value if isinstance(value, list) else str(value)
        if page:
            at.switch_page(f"views/{page}.py")
        at.run()
        assert not at.exception, at.exception
        return at

    return open_it
