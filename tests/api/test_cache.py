import functools
import logging
import random
import resource
import socket
import time
import zlib

import pytest
import redis
from sqlalchemy import Engine

from api.response_cache import CachedResponse, ResponseCache, etag_of, sign
from api.response_cache_middleware import VERSION_TTL_SECONDS
from core.redis_client import RedisClient
from db.collection.sync_state import bump_data_version
from db.engine import write_scope
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import add_repository, run, store_runs
from tests.notify.servers import free_port


def key() -> bytes:
    return b"k" * 32


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
    link = RedisClient(redis_url)
    answer = CachedResponse.from_body(b"answer" * 1000)
    ResponseCache(link, "one", key).store("question", answer)
    assert ResponseCache(link, "one", key).get("question") == answer
    assert ResponseCache(link, "other", key).get("question") is None
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
        "REDIS_URL: Redis is unavailable (ConnectionError); the cache and request counts are limited to this process"
    ]


def test_a_redis_that_hangs_slows_but_does_not_break() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        link = RedisClient(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        cache, answer = ResponseCache(link, "", key), CachedResponse.from_body(b"answer")
        began = time.monotonic()
        for _ in range(20):
            cache.store("question", answer)
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
    time.sleep(VERSION_TTL_SECONDS)


@pytest.mark.parametrize("shared", [False, True])
def test_an_answer_of_more_than_a_megabyte_is_not_kept(request: pytest.FixtureRequest, shared: bool) -> None:
    """As it is kept: a long answer that packs well is."""
    link = RedisClient(request.getfixturevalue("redis_url")) if shared else None
    cache, reader = (ResponseCache(link, key=lambda: b"a key of both") for _ in range(2))
    packed, noise = CachedResponse.from_body(b"[0]" * 2**20), b"[" + random.Random("answers").randbytes(2**20)
    large, largest = (CachedResponse(etag_of(body), body) for body in (noise, noise[:-1]))
    for key, answer in (("packed", packed), ("large", large), ("largest", largest)):
        cache.store(key, answer)
    assert len(packed.body) > 2**20
    for name, kept in (("packed", True), ("large", False), ("largest", True)):
        assert (cache.get_local(name) is not None) == kept
        assert (reader.get(name) is not None) == (kept and shared)
    if link:
        link.close()


@functools.cache
def bomb(size: int) -> bytes:
    """A gzip of so many zeros."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    block = bytes(2**20)
    return b"".join(packer.compress(block) for _ in range(size // 2**20)) + packer.flush()


def forged(kind: str, stored: bytes) -> bytes:
    """What somebody could put in the place of an entry who has Redis alone."""
    body = b'{"runs": {"total": 777}}'
    tag = etag_of(body).encode()
    return {
        "garbage": b"garbage", "empty": b"", "short": stored[:20], "text": "schön ∑".encode() * 30,
        # As entries were before they had seals.
        "json": tag + body, "line breaks": b"\r\nset-cookie: a=b\r\n" + b"x" * 14 + body,
        "bad gzip": tag + b"\x1f\x8b" + b"garbage" * 40, "bomb": tag + (bomb(2**30) if kind == "bomb" else b""),
        "sealed by another": sign(b"other" * 8, "name", tag + body), "body changed": stored[:-1] + b"?",
        "seal changed": bytes([stored[0] ^ 1]) + stored[1:],
    }[kind]  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    ["garbage", "empty", "short", "text", "json", "line breaks", "bad gzip", "bomb", "sealed by another",
     "body changed", "seal changed"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/metrics", "/api/metrics/series?since=60d"])
def test_what_others_write_into_redis_is_no_answer(
    make_client: MakeClient, engine: Engine, redis_url: str, kind: str, path: str
) -> None:
    add_repository(engine)
    store_runs(engine, run(1))
    first = make_client(redis_url=redis_url, api_rate_limit="none").get(path)
    with redis.Redis.from_url(redis_url) as other:
        names = other.keys("pipeline-health:*")
        assert names
        for name in names:
            other.set(name, forged(kind, other.get(name) or b""))
        before = peak_bytes()
        # Another process of the API, which has nothing in its own memory.
        again = make_client(redis_url=redis_url, api_rate_limit="none").get(path)
        assert (again.status_code, again.json()) == (200, first.json())
        assert again.headers["etag"] == first.headers["etag"]
        assert "set-cookie" not in again.headers
        assert peak_bytes() - before < 200 * 2**20
        # What it made anew has taken the place of the other.
        assert all((other.get(name) or b"") != forged(kind, b"x" * 64) for name in names)


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_an_entry_is_good_under_its_own_name_alone(make_client: MakeClient, engine: Engine, redis_url: str) -> None:
    """Whoever has Redis alone cannot give one question the answer of another."""
    add_repository(engine)
    store_runs(engine, run(1), run(2, branch="other"))
    client = make_client(redis_url=redis_url, api_rate_limit="none")
    with redis.Redis.from_url(redis_url) as other:
        assert total(client) == 2
        [everything] = other.keys("pipeline-health:*")
        assert total(client, "/api/metrics?branch=other") == 1
        [part] = set(other.keys("pipeline-health:*")) - {everything}
        other.set(everything, other.get(part) or b"")
    assert total(make_client(redis_url=redis_url, api_rate_limit="none")) == 2


def test_something_else_under_the_name_of_an_entry_or_a_count_is_no_failure(
    make_client: MakeClient, engine: Engine, redis_url: str
) -> None:
    add_repository(engine)
    client = make_client(redis_url=redis_url)
    assert total(client) == 0
    with redis.Redis.from_url(redis_url) as other:
        names = other.keys()
        assert len(names) > 1
        for make in (lambda name: other.rpush(name, "a"), lambda name: other.set(name, "garbage")):
            for name in names:
                other.delete(name)
                make(name)
            assert total(make_client(redis_url=redis_url)) == 0


def test_processes_on_one_database_share_their_answers(make_client: MakeClient, engine: Engine, redis_url: str) -> None:
    add_repository(engine)
    assert total(make_client(redis_url=redis_url)) == 0
    store_runs(engine, run(1))
    # The version of the data is the same: the answer of the other process is given.
    assert total(make_client(redis_url=redis_url)) == 0
