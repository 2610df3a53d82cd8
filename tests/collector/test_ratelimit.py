"""The gate of all requests: GitHub's limits are used and never broken, and what breaks on the way is asked again."""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta

import pytest

from collector.github import errors
from collector.github.client import MAX_ATTEMPTS, GitHubClient
from collector.github.limiter import MAX_CONCURRENT, RateLimiter, SlidingWindow, is_rate_limit
from collector.github.pagination import pages
from collector.github.payloads import RepositoryPayload
from core.clock import utc_now
from tests.collector.conftest import Clock
from tests.collector.servers import Asked, Reply, StandIn, as_json, limit_headers

POINTS, SECONDS = 40, 3.0
SECONDARY = b'{"message": "You have exceeded a secondary rate limit."}'


class Seconds:
    """A clock of seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def limited(_: Asked) -> Reply:
    return as_json({}, **limit_headers())


def quick(
    url: str, patience: float = 30, pace: SlidingWindow | None = None, clock: Callable[[], datetime] = utc_now
) -> GitHubClient:
    return GitHubClient(url, "good", clock=clock, sleep=lambda _: None, sliding_window=pace, max_wait=patience)


def ask_often(client: GitHubClient, times: int, threads: int = 32) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(client.get, f"/x/{number}") for number in range(times)]:
            done.result()


def test_a_window_of_points_slides_from_the_answer_on() -> None:
    clock = Seconds()
    pace = SlidingWindow(points=3, seconds=60, clock=clock)
    for _ in range(3):
        assert pace.delay() == 0
        pace.reserve()
    assert pace.delay() == math.inf
    for moment in (5.0, 7.0, 9.0):
        clock.now = moment
        pace.complete()
    assert pace.delay() == 56
    assert pace.delay(2) == 58
    clock.now = 65
    assert pace.delay() == 0


def test_a_share_of_the_points_is_what_is_left_for_one_of_several_collectors() -> None:
    pace = SlidingWindow(points=10, seconds=60, clock=Seconds())
    for _ in range(5):
        assert pace.delay(collector_count=2) == 0
        pace.reserve()
    assert pace.delay(collector_count=2) == math.inf
    assert pace.delay() == 0


def test_a_server_never_sees_more_than_the_limit_in_any_window_and_gets_most_of_it() -> None:
    server = StandIn(lambda asked: time.sleep(0.02 if asked.path.endswith("7") else 0) or limited(asked))
    with server.serve() as url:
        client = quick(url, pace=SlidingWindow(POINTS, SECONDS))
        client.get("/x/0")
        ask_often(client, 3 * POINTS - 1)
    assert len(server.asked) == 3 * POINTS
    assert server.most_in(SECONDS) <= POINTS
    # The first window's worth goes at once.
    assert 2 * POINTS / server.span() >= 0.9 * POINTS / SECONDS


def test_what_is_allowed_goes_at_once() -> None:
    server = StandIn(limited)
    with server.serve() as url:
        ask_often(quick(url, pace=SlidingWindow(500, 3600)), 300)
    assert len(server.asked) == 300


def test_a_server_that_names_no_limit_is_asked_as_fast_as_it_answers() -> None:
    server = StandIn(lambda _: as_json({}))
    with server.serve() as url:
        ask_often(quick(url, pace=SlidingWindow(POINTS, 3600)), 10 * POINTS)
    assert len(server.asked) == 10 * POINTS


def test_there_are_never_more_at_once_than_github_allows_and_a_share_lowers_that() -> None:
    together = threading.Event()
    server = StandIn(lambda _: as_json({}) if together.wait(20) else Reply(500))
    with server.serve() as url:
        client = quick(url)
        with ThreadPoolExecutor(120) as pool:
            asked = [pool.submit(client.get, "/x") for _ in range(120)]
            while len(server.asked) < MAX_CONCURRENT:
                wait(asked, timeout=0.01)
            wait(asked, timeout=0.6)
            assert len(server.asked) == MAX_CONCURRENT
            together.set()
        assert len(server.asked) == 120
        client.rate.set_collector_count(30)
        server.highest_at_once = 0
        ask_often(client, 60)
    assert server.highest_at_once <= MAX_CONCURRENT // 30


def test_during_a_penalty_nothing_leaves_and_afterwards_everything_is_answered() -> None:
    """Thirty threads, of which one is refused: what was queued behind the window waits, too."""
    refused = threading.Event()

    def respond(asked: Asked) -> Reply:
        if asked.path == "/x/5" and not refused.is_set():
            refused.set()
            return Reply(403, {"retry-after": "2", **limit_headers()}, SECONDARY)
        time.sleep(0.05)
        return limited(asked)

    server = StandIn(respond)
    with server.serve() as url:
        ask_often(quick(url, pace=SlidingWindow(20, 1)), 40)
    first = next(each.at for each in server.asked if each.path == "/x/5")
    assert len([each for each in server.asked if each.path == "/x/5"]) == 2
    # Those that had left by then do not count: they arrive at once, the next at the earliest after the two seconds.
    assert [each for each in server.asked if first + 0.2 < each.at < first + 1.9] == []
    assert {each.path for each in server.asked} == {f"/x/{number}" for number in range(40)}


def test_a_penalty_longer_than_the_patience_is_raised_so_that_the_pass_can_end(clock: Clock) -> None:
    server = StandIn(lambda _: Reply(429, {"retry-after": "91"}, SECONDARY))
    with server.serve() as url:
        client = quick(url, patience=90, clock=clock)
        for _ in range(3):
            with pytest.raises(errors.RateLimited) as caught:
                client.get("/x")
            assert caught.value.until == clock.now + timedelta(seconds=91)
    assert len(server.asked) == 1


def test_stopping_ends_a_wait() -> None:
    server = StandIn(lambda _: Reply(429, {"retry-after": "60"}, SECONDARY))
    with server.serve() as url:
        client = quick(url, patience=90)
        client.stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.get, "/x")
            while not server.asked:
                wait([waiting], timeout=0.01)
            client.stop.set()
            with pytest.raises(errors.RateLimited):
                waiting.result(timeout=10)
    assert len(server.asked) == 1


def test_a_refusal_that_several_threads_meet_counts_once(clock: Clock) -> None:
    rate = RateLimiter(clock)
    with rate.acquire() as first, rate.acquire() as second:
        one, two = rate.record_refusal({}, first), rate.record_refusal({}, second)
    assert one.until == two.until
    assert 60 <= (one.until - clock.now).total_seconds() <= 72


def test_penalties_without_a_time_grow_until_something_goes_well(clock: Clock) -> None:
    rate, spans = RateLimiter(clock), []
    for _ in range(5):
        with rate.acquire() as ticket:
            until = rate.record_refusal({}, ticket).until
        spans.append((until - clock.now).total_seconds())
        clock.now = until
    assert [round(math.log2(span / 66)) for span in spans] == [0, 1, 2, 3, 4]
    with rate.acquire() as ticket:
        rate.record_success(ticket)
    with rate.acquire() as ticket:
        assert (rate.record_refusal({}, ticket).until - clock.now).total_seconds() <= 72


def test_a_good_answer_from_before_a_penalty_does_not_make_the_next_one_short(clock: Clock) -> None:
    rate = RateLimiter(clock)
    with rate.acquire() as early, rate.acquire() as late:
        clock.now = rate.record_refusal({}, late).until
        rate.record_success(early)
        with rate.acquire() as next_one:
            assert (rate.record_refusal({}, next_one).until - clock.now).total_seconds() >= 120


def test_a_later_retry_after_lengthens_the_same_penalty_and_an_earlier_one_does_not_end_it(clock: Clock) -> None:
    rate = RateLimiter(clock)
    with rate.acquire() as a, rate.acquire() as b, rate.acquire() as c:
        rate.record_refusal({"retry-after": "10"}, a)
        assert rate.record_refusal({"retry-after": "30"}, b).until == clock.now + timedelta(seconds=30)
        assert rate.record_refusal({"retry-after": "5"}, c).until == clock.now + timedelta(seconds=30)


def test_a_used_up_hour_is_waited_for_until_its_reset(clock: Clock) -> None:
    reset = clock.now + timedelta(minutes=20)
    rate = RateLimiter(clock)
    with rate.acquire() as ticket:
        assert rate.record_refusal(limit_headers(0, reset=reset.timestamp()), ticket).until == reset
    clock.now = reset
    rate.check()


@pytest.mark.parametrize(("reserve", "last"), [(0, 1), (10, 501), (90, 4501)])
def test_the_reserve_is_a_part_of_the_hourly_limit(clock: Clock, reserve: int, last: int) -> None:
    rate = RateLimiter(clock, reserve=reserve)
    reset = (clock.now + timedelta(minutes=20)).timestamp()
    rate.update(limit_headers(last, reset=reset))
    rate.check()
    rate.update(limit_headers(last - 1, reset=reset))
    with pytest.raises(errors.RateLimited, match="used up"):
        rate.check()


def test_threads_at_once_do_not_spend_the_reserve() -> None:
    """Twelve may go; thirty-two threads know it only from the answers that came so far."""
    left = iter(range(511, 0, -1))
    lock = threading.Lock()

    def respond(_: Asked) -> Reply:
        with lock:
            remaining = next(left)
        time.sleep(0.02)
        return as_json({}, **limit_headers(remaining, reset=time.time() + 3000))

    server = StandIn(respond)
    with server.serve() as url:
        client = GitHubClient(url, "good", reserve=10)
        client.get("/x")
        with ThreadPoolExecutor(32) as pool:
            results = [pool.submit(client.get, "/x") for _ in range(64)]
        failed = [each for each in results if isinstance(each.exception(), errors.RateLimited)]
    assert len(server.asked) == 12
    assert len(failed) == 64 - 11


def test_late_answers_of_an_hour_that_is_over_and_resets_that_wobble_change_nothing(clock: Clock) -> None:
    rate = RateLimiter(clock)
    reset = (clock.now + timedelta(minutes=59)).timestamp()
    rate.update(limit_headers(4000, reset=reset))
    rate.update(limit_headers(10, reset=reset - 3600))
    assert rate.state.remaining == 4000
    rate.update(limit_headers(4100, reset=reset + 1))
    assert rate.state.remaining == 4000
    rate.update(limit_headers(4999, reset=reset + 3600))
    assert rate.state.remaining == 4999


@pytest.mark.parametrize(
    "broken",
    [
        Reply(200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><title>Unicorn!</title>"),
        Reply(200, {"Content-Type": "application/json"}, b'{"full_name": "acme/w'),
        Reply(200, {"Content-Length": "500"}, b'{"full_name": "acme/w', cut=10),
        Reply(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b\x08 no gzip at all"),
        Reply(200, {}, b""),
        Reply(502, {}, b"<html>"),
    ],
    ids=["a page", "half a JSON", "a cut connection", "bad gzip", "nothing", "bad gateway"],
)
def test_what_breaks_on_the_way_is_asked_again(broken: Reply) -> None:
    answers = iter([broken] * (MAX_ATTEMPTS - 1))
    server = StandIn(lambda _: next(answers, as_json({"full_name": "acme/web"})))
    with server.serve() as url:
        assert quick(url).get("/repos/acme/web").data == {"full_name": "acme/web"}
    assert len(server.asked) == MAX_ATTEMPTS


def test_a_list_that_breaks_at_a_hundred_a_page_goes_on_at_the_same_place_with_smaller_ones() -> None:
    """Ninety of 230 items come before the one that breaks every page with more than ten."""
    names = [{"id": number, "full_name": f"acme/r{number}"} for number in range(230)]

    def respond(asked: Asked) -> Reply:
        query = dict(part.split("=") for part in asked.path.partition("?")[2].split("&"))
        size, page = int(query["per_page"]), int(query["page"])
        chosen = names[(page - 1) * size : page * size]
        if size > 10 and any(each["id"] == 195 for each in chosen):
            return as_json({"message": "Server Error"}, 502)
        more = {"Link": f'<{url}/x?per_page={size}&page={page + 1}>; rel="next"'} if page * size < 230 else {}
        return as_json({"total_count": 230, "items": chosen}, **more)

    server = StandIn(respond)
    with server.serve() as url:
        found = list(pages(quick(url), "/x", "items", RepositoryPayload))
    assert list(dict.fromkeys(item.id for page in found for item in page.items)) == list(range(230))
    assert {page.total_count for page in found} == {230}
    assert "per_page=10" in server.paths[-1]


def test_lone_halves_of_characters_are_read_as_json_allows() -> None:
    server = StandIn(lambda _: Reply(200, {}, b'{"title": "\\ud83d"}'))
    with server.serve() as url:
        assert quick(url).get("/x").data == {"title": "\ud83d"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("You have triggered an abuse detection mechanism. Please wait a few minutes.", True),
        ("You have exceeded a secondary rate limit.", True),
        ("Resource not accessible by integration", False),
    ],
)
def test_a_refusal_without_headers_is_known_by_its_words(message: str, expected: bool) -> None:
    assert is_rate_limit(403, {}, message) is expected
