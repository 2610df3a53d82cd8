"""The client against a real HTTP server: tokens stay at home, limits are kept, errors are one line."""

from datetime import timedelta

import pytest

from collector.github import errors
from collector.github.client import MAX_ATTEMPTS, GitHubClient
from collector.github.limiter import RateLimiter
from tests.collector.conftest import REPO, Clock, GitHub, jobs_of
from tests.collector.recordings import Recordings
from tests.collector.syncing import make_client


def test_an_etag_makes_the_second_answer_free(github: GitHub) -> None:
    client = make_client(github.url, github.clock)
    first = client.get(f"/repos/{REPO}")
    used = github.app.state.budget.used
    again = client.get(f"/repos/{REPO}", etag=first.etag)
    assert again.not_modified
    assert github.app.state.budget.used == used


def test_the_token_never_reaches_the_storage_behind_a_log(github: GitHub) -> None:
    github.world.add_run(REPO, "CI", conclusion="failure", created_at=github.clock() - timedelta(hours=1))
    job = jobs_of(github)[0]
    client = make_client(github.url, github.clock)
    with client.download(f"/repos/{REPO}/actions/jobs/{job}/logs") as response:
        assert response.status_code == 200
    api, storage = github.app.state.requests
    assert api.headers["authorization"] == "Bearer good"
    assert "authorization" not in storage.headers


def test_a_dropped_connection_and_a_5xx_are_tried_again(github: GitHub) -> None:
    github.world.faults.add(f"^/repos/{REPO}$", status=500)
    github.world.faults.add(f"^/repos/{REPO}$", status=503)
    assert make_client(github.url, github.clock).get(f"/repos/{REPO}").data["full_name"] == REPO


def test_an_answer_in_another_tongue_is_not_tried_for_ever(github: GitHub) -> None:
    github.world.faults.add(f"^/repos/{REPO}$", status=200, body="<html>", times=9)
    with pytest.raises(errors.InvalidResponse, match="GITHUB_API_URL"):
        make_client(github.url, github.clock).get(f"/repos/{REPO}")
    assert len(github.asked()) == MAX_ATTEMPTS


@pytest.mark.parametrize(
    ("status", "headers", "expected", "told"),
    [
        (401, {}, errors.Unauthorized, "GITHUB_TOKEN"),
        (403, {}, errors.Forbidden, "refuses"),
        (451, {}, errors.Forbidden, "451"),
        (404, {}, errors.NotFound, "404"),
        (410, {}, errors.Gone, "expired"),
        (422, {}, errors.Unprocessable, "422"),
        (403, {"retry-after": "7"}, errors.RateLimited, "secondary rate limit"),
        (429, {}, errors.RateLimited, "secondary rate limit"),
    ],
)
def test_every_refusal_has_its_error(
    github: GitHub, status: int, headers: dict[str, str], expected: type[errors.GitHubError], told: str
) -> None:
    github.world.faults.add(f"^/repos/{REPO}$", status=status, headers=headers, times=9)
    with pytest.raises(expected, match=told):
        make_client(github.url, github.clock).get(f"/repos/{REPO}")


def test_after_a_refusal_nothing_is_asked_until_the_time_is_over(github: GitHub) -> None:
    github.world.faults.add(f"^/repos/{REPO}$", status=429, headers={"retry-after": "30"})
    client = make_client(github.url, github.clock)
    for _ in range(3):
        with pytest.raises(errors.RateLimited):
            client.get(f"/repos/{REPO}")
    assert len(github.asked()) == 1
    github.clock.forward(seconds=31)
    assert client.get(f"/repos/{REPO}").data["full_name"] == REPO


def test_a_reserve_is_left_for_others_who_use_the_token(clock: Clock) -> None:
    rate = RateLimiter(clock, reserve=2)
    reset = int((clock.now + timedelta(minutes=20)).timestamp())
    headers = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "100", "x-ratelimit-reset": str(reset)}
    rate.update(headers)
    with pytest.raises(errors.RateLimited) as caught:
        rate.check()
    assert int(caught.value.until.timestamp()) == reset
    clock.forward(minutes=21)
    rate.check()


def test_answers_out_of_order_do_not_refill_the_budget(clock: Clock) -> None:
    rate = RateLimiter(clock)
    reset = str(int((clock.now + timedelta(minutes=20)).timestamp()))
    for remaining in ("10", "12"):
        rate.update({"x-ratelimit-limit": "60", "x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset})
    assert rate.state.remaining == 10


def test_a_server_without_limit_headers_is_not_limited(clock: Clock) -> None:
    recordings = Recordings()
    recordings.json("/x", {"a": 1})
    with recordings.serve() as url:
        client = GitHubClient(url, clock=clock)
        for _ in range(5):
            assert client.get("/x").data == {"a": 1}
    assert client.rate.state.remaining is None


def test_a_next_page_on_another_host_is_not_followed(github: GitHub) -> None:
    with pytest.raises(errors.InvalidResponse, match="another host"):
        make_client(github.url, github.clock).get("http://evil.example/next")


def test_passwords_of_the_netrc_are_not_sent(github: GitHub, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    import pathlib

    netrc = pathlib.Path(str(tmp_path)) / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hidden\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with pytest.raises(errors.Unauthorized):
        make_client(github.url, github.clock, None).get(f"/repos/{REPO}")
    assert "authorization" not in github.app.state.requests[0].headers
