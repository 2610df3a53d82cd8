import logging
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
import redis
from sqlalchemy import Engine

from api.cache import Cache
from db.engine import write_scope
from db.store.sync_state import bump_data_version
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import add_repository, run, store_runs
from tests.notify.servers import free_port


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
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


@pytest.fixture(params=["memory", "redis"])
def cached(request: pytest.FixtureRequest, make_client: MakeClient, engine: Engine) -> TestClient:
    add_repository(engine)
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    return make_client(redis_url=url)


@pytest.fixture(autouse=True)
def _within_one_minute() -> None:
    """An answer is kept no longer than the minute it was made in; a test must not see that minute end."""
    if time.time() % 60 > 55:
        time.sleep(60 - time.time() % 60)


def total(client: TestClient, path: str = "/api/metrics") -> int:
    return int(client.get(path).json()["runs"]["total"])


def test_an_answer_is_kept_until_the_stored_data_changes(cached: TestClient, engine: Engine) -> None:
    assert total(cached) == 0
    store_runs(engine, run(1))
    assert total(cached) == 0
    with write_scope(engine) as session:
        bump_data_version(session, NOW)
    assert total(cached) == 1


def test_another_question_is_another_answer(cached: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1), run(2, branch="other"))
    assert total(cached) == 2
    assert total(cached, "/api/metrics?branch=other") == 1
    assert total(cached, "/api/metrics?branch=other&branch=main") == 2
    assert total(cached, "/api/metrics?branch=main&branch=other") == 2


def test_two_installations_in_one_redis_do_not_read_each_other(redis_url: str) -> None:
    one, other = Cache(redis_url, "one"), Cache(redis_url, "other")
    one.put("question", b"answer")
    assert (one.get("question"), other.get("question")) == (b"answer", None)
    one.close()
    other.close()


def test_without_redis_answers_are_kept_here_with_one_warning(
    make_client: MakeClient, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    add_repository(engine)
    client = make_client(redis_url=f"redis://:s3cr3t@127.0.0.1:{free_port()}/0")
    assert total(client) == 0
    store_runs(engine, run(1))
    assert total(client) == 0
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["REDIS_URL: Redis cannot be used (ConnectionError); answers are cached in this process"]


def test_a_redis_that_hangs_slows_but_does_not_break() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cache = Cache(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()
        for _ in range(20):
            cache.put("question", b"answer")
            assert cache.get("question") == b"answer"
        assert time.monotonic() - began < 2
        cache.close()


@pytest.mark.parametrize("path", ["/api/metrics", "/api/metrics/series", "/api/runs", "/api/runs/1"])
def test_what_did_not_change_is_not_sent_again(client: TestClient, engine: Engine, path: str) -> None:
    store_runs(engine, run(1))
    first = client.get(path)
    tag = first.headers["etag"]
    for offered in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = client.get(path, headers={"If-None-Match": offered})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    store_runs(engine, run(1, conclusion="failure", title="news"), run(2))
    with write_scope(engine) as session:
        bump_data_version(session, NOW)
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200
