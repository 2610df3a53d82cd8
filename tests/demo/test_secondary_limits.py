"""Latency, concurrency and GitHub's secondary rate limits."""

import asyncio

import pytest
from starlette.types import Message

from demo.github.responses import GitHubError
from tests.demo.conftest import REPO, Clock, Serve, Site
from tests.demo.test_limits import one_repository
from tests.simulator.app import Simulator
from tests.simulator.limits import Limiter, Limits

RUNS = f"/repos/{REPO}/actions/runs"


class Seconds:
    """Real time, moved by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def take(limiter: Limiter, times: int = 1) -> list[int]:
    """Status of each request; those that are accepted are over at once."""
    statuses = []
    for _ in range(times):
        try:
            limiter.enter()
            limiter.leave()
            statuses.append(200)
        except GitHubError as error:
            statuses.append(error.status)
    return statuses


def test_exceeding_the_points_of_a_minute_starts_a_penalty() -> None:
    clock = Seconds()
    limiter = Limiter(Limits(points_per_minute=3, penalty_seconds=90), clock)
    assert take(limiter, 5) == [200, 200, 200, 403, 403]
    clock.now += 89
    assert take(limiter) == [403]
    clock.now += 1
    assert take(limiter) == [200]
    assert (limiter.accepted, limiter.refused, limiter.during_penalty, limiter.penalties) == (4, 3, 2, 1)


def test_the_window_slides() -> None:
    clock = Seconds()
    limiter = Limiter(Limits(points_per_minute=2, penalty_seconds=1), clock)
    assert take(limiter) == [200]
    clock.now += 40
    assert take(limiter) == [200]
    clock.now += 20
    assert take(limiter, 2) == [200, 403]
    assert limiter.most_points_in_a_minute == 2


def test_a_write_costs_five_points() -> None:
    limiter = Limiter(Limits(points_per_minute=9), Seconds())
    limiter.enter("POST")
    with pytest.raises(GitHubError):
        limiter.enter("POST")


def test_too_many_concurrent_requests_are_refused_with_retry_after() -> None:
    clock = Seconds()
    limiter = Limiter(Limits(concurrent=2, penalty_seconds=60), clock)
    limiter.enter()
    limiter.enter()
    with pytest.raises(GitHubError) as refused:
        limiter.enter()
    clock.now += 20.5
    with pytest.raises(GitHubError) as later:
        limiter.enter()
    assert [each.value.headers["retry-after"] for each in (refused, later)] == ["60", "40"]
    assert "secondary rate limit" in refused.value.message
    assert limiter.highest_concurrency == 2


def test_share_used_and_arrivals() -> None:
    clock = Seconds()
    limiter = Limiter(Limits(points_per_minute=600), clock)
    take(limiter, 5)
    clock.now += 2
    take(limiter, 10)
    assert limiter.share_used() == pytest.approx(15 / 20)
    assert dict(limiter.arrivals) == {0: 5, 2: 10}


def test_without_limits_it_only_counts() -> None:
    limiter = Limiter(None, Seconds())
    assert set(take(limiter, 2000)) == {200}
    assert (limiter.accepted, limiter.share_used()) == (2000, None)


async def ask(app: Simulator, path: str) -> int:
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "scheme": "http", "server": ("127.0.0.1", 80), "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    return statuses[0]


def test_slow_responses_are_concurrent(clock: Clock, serve: Serve) -> None:
    app = serve(one_repository(clock), latency=0.05, limits=Limits(concurrent=20)).app

    async def many() -> list[int]:
        return list(await asyncio.gather(*(ask(app, RUNS) for _ in range(21))))

    assert sorted(asyncio.run(many())) == [200] * 20 + [403]
    assert app.state.limiter.highest_concurrency == 20
    assert app.state.limiter.in_flight == 0


def test_a_secondary_rate_limit_response_has_retry_after(clock: Clock, serve: Serve) -> None:
    site = serve(one_repository(clock), limits=Limits(points_per_minute=1))
    assert site.get(RUNS).status_code == 200
    refused = site.get(RUNS)
    assert (refused.status_code, refused.headers["retry-after"]) == (403, "60")
    assert refused.json()["message"].startswith("You have exceeded a secondary rate limit")
    assert int(refused.headers["x-ratelimit-remaining"]) > 0
    assert [each.status for each in site.app.state.requests] == [200, 403]


def test_a_server_without_rate_limits_has_no_headers_about_them(site: Site, clock: Clock, serve: Serve) -> None:
    bare = serve(one_repository(clock), rate_limit=None)
    for path in (RUNS, "/nothing"):
        assert not [name for name in bare.get(path).headers if name.startswith("x-ratelimit")]
    missing = bare.get("/rate_limit")
    assert (missing.status_code, missing.json()["message"]) == (404, "Rate limiting is not enabled.")
