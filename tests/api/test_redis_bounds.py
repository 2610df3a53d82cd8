"""A Redis that drips, never ends, or gives what no program of ours put there: answers come without it."""

import gzip
import itertools
import time
from collections.abc import Callable

import pytest
import redis

from api.response_cache import CachedResponse, ResponseCache, etag_of
from collector.doctor.checks import _redis
from collector.settings import CollectorSettings
from core import redis_client
from core.http.client import ResponseLimits
from core.redis_client import RedisClient, bounded_redis
from tests.slow_servers import Pieces, drip, endless, serving

# Of the seals of entries.
KEY = b"k" * 32
QUICK = ResponseLimits(max_seconds=1.0, max_bytes=1_000_000)
ANSWERS: dict[str, Callable[[], Pieces]] = {
    "a word that drips": lambda: drip(b"+" + b"x" * 1_000),
    "a word without end": lambda: endless(b"+" + b"x" * 60_000),
    "a body that drips": lambda: itertools.chain([(0.0, b"$1000\r\n")], drip(b"x" * 1_000)),
    "a body of 400 MB": lambda: itertools.chain([(0.0, b"$400000000\r\n")], endless(b"x" * 60_000)),
    "a list without end": lambda: itertools.chain([(0.0, b"*1000000000\r\n")], endless(b"+OK\r\n" * 1_000)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_redis_comes_to_an_end(name: str) -> None:
    with serving(ANSWERS[name]) as port:
        client, begun = bounded_redis(f"redis://127.0.0.1:{port}/0", 5.0, QUICK), time.monotonic()
        with pytest.raises(redis.RedisError):
            client.get("x")
        client.close()
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_come_without_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_client, "LIMITS", QUICK)
    with serving(ANSWERS[name]) as port:
        link, begun = RedisClient(f"redis://127.0.0.1:{port}/0"), time.monotonic()
        assert ResponseCache(link, key=lambda: KEY).get("x") is None
        assert not link.is_available()
        link.close()
    assert time.monotonic() - begun < 8


def test_doctor_says_so() -> None:
    with serving(ANSWERS["a word without end"]) as port:
        found = _redis(CollectorSettings.load(redis_url=f"redis://127.0.0.1:{port}/0"))
    assert found.ok is False
    assert "larger than 100,000 bytes" in found.detail


@pytest.mark.parametrize(
    "stored",
    [
        lambda: b"garbage",
        lambda: b"x" * 32 + b"{}",
        lambda: b"x" * 32 + gzip.compress(b" " * 1_000_000_000, 9),
        lambda: etag_of(b"{}").encode() + gzip.compress(b"{}")[:-4],
        lambda: etag_of(b"{}").encode() + b"\x1f\x8b no gzip",
    ],
    ids=["short", "another tag", "a gigabyte", "cut off", "no gzip"],
)
def test_what_is_no_answer_of_ours_is_made_anew(redis_url: str, stored: Callable[[], bytes]) -> None:
    link = RedisClient(redis_url)
    cache = ResponseCache(link, key=lambda: KEY)
    link.client.set(cache._redis_key("x"), stored())
    assert cache.get("x") is None
    ResponseCache(link, key=lambda: KEY).store("x", CachedResponse.from_body(b"[]" * 5_000))
    found = ResponseCache(link, key=lambda: KEY).get("x")
    assert found is not None
    assert found.body == b"[]" * 5_000
    link.close()
