"""The API as a program that asks it sees it, at noon of the day that the builders' runs are of."""

import shutil
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import Engine

from api.main import create_app
from api.settings import ApiSettings
from tests.builders import NOON, add_repository
from tests.notify.servers import free_port

with warnings.catch_warnings():
    # requirements-dev.txt has httpx; Starlette takes it, and says that it would rather have httpx2.
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient` is deprecated")
    from starlette.testclient import TestClient

__all__ = ["NOW", "MakeClient", "TestClient"]
NOW = NOON + timedelta(hours=6)
MakeClient = Callable[..., TestClient]


@pytest.fixture
def make_client(database_url: str) -> Iterator[MakeClient]:
    """Makes a client of an API with these settings; `now` is what its clock says."""
    with ExitStack() as stack:

        def make(now: datetime = NOW, **settings: Any) -> TestClient:
            app = create_app(ApiSettings(**{"database_url": database_url, **settings}), clock=lambda: now)
            return stack.enter_context(TestClient(app, base_url="http://localhost"))

        yield make


@pytest.fixture
def client(make_client: MakeClient, engine: Engine) -> TestClient:
    """With one repository, acme/web, that has one workflow, CI."""
    add_repository(engine)
    return make_client()


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """Of an empty Redis: answers are kept by the name of the database, which tests share."""
    with redis.Redis.from_url(redis_server) as asking:
        asking.flushall()
    return redis_server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    url = f"redis://127.0.0.1:{port}/0"
    with redis.Redis.from_url(url) as asking:
        for _ in range(100):
            try:
                asking.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
    yield url
    server.terminate()
    server.wait()
