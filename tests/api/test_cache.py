import logging
import random
import socket
import time

import pytest
from sqlalchemy import Engine

from api.answers import FRESH_SECONDS
from api.cache import Answer, Cache
from api.redis_link import RedisLink
from db.engine import write_scope
from db.store.sync_state import bump_data_version
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import add_repository, run, store_runs
from tests.notify.servers import free_port


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
    _news(engine)
    assert total(cached) == 1


def test_another_question_is_another_answer(cached: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1), run(2, branch="other"))
    assert total(cached) == 2
    assert total(cached, "/api/metrics?branch=other") == 1
    assert total(cached, "/api/metrics?branch=other&branch=main") == 2
    assert total(cached, "/api/metrics?branch=main&branch=other") == 2


def test_a_kept_answer_is_the_same_compressed_and_plain(cached: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1))
    made, kept, plain = (
        cached.get("/api/metrics/series?since=60d", headers={"Accept-Encoding": accepted})
        for accepted in ("gzip", "gzip, br", "gzip;q=0")
    )
    assert made.json() == kept.json() == plain.json()
    assert kept.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert {each.headers["etag"] for each in (made, kept, plain)} == {made.headers["etag"]}
    assert plain.headers["vary"] == "Accept-Encoding"


def test_a_kept_answer_still_wants_a_key(make_client: MakeClient, engine: Engine) -> None:
    add_repository(engine)
    client = make_client(api_keys="one,two")
    for key in ("one", "two"):
        assert client.get("/api/metrics", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    for headers in ({}, {"Authorization": "Bearer three"}, {"Authorization": "Basic one"}):
        assert client.get("/api/metrics", headers=headers).status_code == 401


def test_two_installations_in_one_redis_do_not_read_each_other(redis_url: str) -> None:
    link = RedisLink(redis_url)
    answer = Answer.of(b"answer" * 1000)
    Cache(link, "one").put("question", answer)
    assert (Cache(link, "one").get("question"), Cache(link, "other").get("question")) == (answer, None)
    link.close()


def test_without_redis_answers_are_kept_here_with_one_warning(
    make_client: MakeClient, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    add_repository(engine)
    client = make_client(redis_url=f"redis://:s3cr3t@127.0.0.1:{free_port()}/0")
    assert total(client) == 0
    store_runs(engine, run(1))
    assert total(client) == 0
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "REDIS_URL: Redis cannot be used (ConnectionError); answers and request counts are kept in this process"
    ]


def test_a_redis_that_hangs_slows_but_does_not_break() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        link = RedisLink(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        cache, answer = Cache(link), Answer.of(b"answer")
        began = time.monotonic()
        for _ in range(20):
            cache.put("question", answer)
            assert cache.get("question") == answer
        assert time.monotonic() - began < 2
        link.close()


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
    _news(engine)
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def _news(engine: Engine) -> None:
    """Until it is seen: the version of the data is asked for four times a second."""
    with write_scope(engine) as session:
        bump_data_version(session, NOW)
    time.sleep(FRESH_SECONDS)


@pytest.mark.parametrize("shared", [False, True])
def test_an_answer_of_more_than_a_megabyte_is_not_kept(request: pytest.FixtureRequest, shared: bool) -> None:
    """As it is kept: a long answer that packs well is."""
    link = RedisLink(request.getfixturevalue("redis_url")) if shared else None
    cache, reader = Cache(link), Cache(link)
    chance = random.Random("answers")
    packed, large, largest = (
        Answer.of(b"[0]" * 2**20),
        Answer("tag", chance.randbytes(2**20 + 1)),
        chance.randbytes(2**20),
    )
    for key, answer in (("packed", packed), ("large", large), ("largest", Answer("tag", largest))):
        cache.put(key, answer)
    assert len(packed.body) > 2**20
    for name, kept in (("packed", True), ("large", False), ("largest", True)):
        assert (cache.here(name) is not None) == kept
        assert (reader.get(name) is not None) == (kept and shared)
    if link:
        link.close()
