"""Pages run in-process on a real SQLite database."""

import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from streamlit.testing.v1 import AppTest

from db.engine import make_engine
from db.migrate import upgrade
from tests.app.seeding import Seeded, seed

with warnings.catch_warnings():
    # requirements-dev.txt has httpx; Starlette takes it, and says that it would rather have httpx2.
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient` is deprecated")
    from starlette.testclient import TestClient

__all__ = ["MAIN", "Open", "TestClient"]

MAIN = Path(__file__).parents[2] / "app" / "shell.py"
Open = Callable[..., AppTest]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A migrated database without anything in it, which the pages read."""
    url = f"sqlite:///{tmp_path / 'ui.db'}"
    monkeypatch.setenv("DATABASE_URL", url)
    engine = make_engine(url)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def moment() -> datetime:
    """Pages have a clock of their own: their data is seeded around the real time."""
    return datetime.now(UTC)


@pytest.fixture
def seeded(empty: Engine) -> Seeded:
    return seed(empty)


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    from app import data

    yield
    data.forget()


@pytest.fixture
def open_page() -> Open:
    """A page by its file, with the parameters of its address."""

    def open_it(page: str = "", **query: object) -> AppTest:
        at = AppTest.from_file(str(MAIN), default_timeout=30)
        for name, value in query.items():
            at.query_params[name] = value if isinstance(value, list) else str(value)
        if page:
            at.switch_page(f"views/{page}.py")
        at.run()
        assert not at.exception, at.exception
        return at

    return open_it
