"""A GitHub App against a simulated GitHub that checks its signatures and lets its tokens run out."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from collector.bootstrap import make_client
from collector.github import errors
from collector.github.auth import AppAuth, read_key
from collector.github.client import GitHubClient
from collector.settings import CollectorSettings
from core.settings import ConfigError
from tests.collector.conftest import REPO, Clock, GitHub
from tests.collector.keys import app_key, private_pem, public_pem
from tests.collector.program import collector
from tests.collector.servers import Asked, Reply, StandIn, as_json, limit_headers
from tests.collector.syncing import sync
from tests.demo.signing import key
from tests.simulator.app import create_app, running
from tests.simulator.github_app import GitHubApp
from tests.simulator.world import EditableWorld, acme_world

APP, INSTALLATION = 12, 77
TOKENS = f"/app/installations/{INSTALLATION}/access_tokens"


@contextmanager
def github_with_app(clock: Clock, access: GitHubApp) -> Iterator[GitHub]:
    world = EditableWorld(clock)
    world.add_repository(REPO)
    world.add_workflow(REPO, "CI")
    app = create_app(world, tokens=set(), app=access)
    with running(app) as url:
        yield GitHub(world, app, url, clock)


@pytest.fixture
def access() -> GitHubApp:
    return GitHubApp(APP, public_pem(), INSTALLATION)


@pytest.fixture
def installed(clock: Clock, access: GitHubApp) -> Iterator[GitHub]:
    with github_with_app(clock, access) as github:
        yield github


def as_app(github: GitHub, *, app_id: str = str(APP), installation: int | None = INSTALLATION) -> GitHubClient:
    auth = AppAuth(app_id, app_key(), installation, github.clock)
    return GitHubClient(github.url, auth=auth, clock=github.clock, sleep=lambda _: None)


def renewals(github: GitHub) -> int:
    return sum(each.path == TOKENS for each in github.app.state.requests)


def test_an_installation_that_is_not_named_is_found_where_there_is_one(installed: GitHub) -> None:
    client = as_app(installed, installation=None)
    assert client.get(f"/repos/{REPO}").data["full_name"] == REPO
    assert client.get(f"/repos/{REPO}").data["full_name"] == REPO
    assert installed.asked() == ["/app/installations", TOKENS, f"/repos/{REPO}", f"/repos/{REPO}"]


def test_the_token_is_kept_for_most_of_its_hour_and_renewed_before_its_end(installed: GitHub) -> None:
    client = as_app(installed)
    for minutes, expected in ((0, 1), (54, 1), (1, 2), (54, 2), (120, 3)):
        installed.clock.forward(minutes=minutes)
        client.get(f"/repos/{REPO}")
        assert renewals(installed) == expected
    assert {each.status for each in installed.app.state.requests} == {200, 201}


def test_a_token_that_was_taken_away_is_replaced_once(installed: GitHub, access: GitHubApp) -> None:
    client = as_app(installed)
    client.get(f"/repos/{REPO}")
    access.issued.clear()
    assert client.get(f"/repos/{REPO}").data["full_name"] == REPO
    assert renewals(installed) == 2


def test_an_app_that_is_refused_with_a_fresh_token_is_told_so_and_not_asked_for_ever() -> None:
    def respond(asked: Asked) -> Reply:
        if asked.method == "POST":
            return as_json({"token": "ghs_secret", "expires_at": "2999-01-01T00:00:00Z"}, 201)
        return as_json({"message": "Bad credentials"}, 401)

    server = StandIn(respond)
    with server.serve() as url:
        client = GitHubClient(url, auth=AppAuth("12", app_key(), 77, Clock()), sleep=lambda _: None)
        with pytest.raises(errors.Unauthorized, match=r"GitHub App 12 .*GITHUB_APP_PRIVATE_KEY") as caught:
            client.get("/x")
    assert [each.method for each in server.asked] == 2 * ["POST", "GET", "GET", "GET", "GET"]
    assert "ghs_secret" not in str(caught.value)


class Lagging:
    """GitHub whose servers refuse each new token `times` times with `status`, and then take it."""

    def __init__(self, status: int, message: str, times: int) -> None:
        self.refusal, self.times = as_json({"message": message}, status), times
        self.refused: dict[str, int] = {}
        self.server = StandIn(self.respond)

    def respond(self, asked: Asked) -> Reply:
        if asked.method == "POST":
            return as_json({"token": f"t{len(self.server.asked)}", "expires_at": "2026-11-18T13:00:00Z"}, 201)
        token = asked.headers["authorization"]
        self.refused[token] = self.refused.get(token, 0) + 1
        return self.refusal if self.refused[token] <= self.times else as_json({"id": 1})

    def tokens(self) -> int:
        return sum(each.method == "POST" for each in self.server.asked)


class Sleep:
    """Sleeping moves the clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.slept = clock, 0.0

    def __call__(self, seconds: float) -> None:
        self.slept += seconds
        self.clock.forward(seconds=seconds)


@pytest.mark.parametrize(
    ("status", "message", "times", "seconds"),
    [
        (401, "Bad credentials", 1, 1),
        (401, "Bad credentials", 2, 3),
        (401, "Bad credentials", 3, 7),
        (403, "Resource not accessible by integration", 1, 1),
        (403, "Resource not accessible by integration", 3, 7),
    ],
)
def test_a_new_token_that_is_refused_for_seconds_is_sent_again(
    clock: Clock, status: int, message: str, times: int, seconds: float
) -> None:
    github, sleep = Lagging(status, message, times), Sleep(clock)
    with github.server.serve() as url:
        client = GitHubClient(url, auth=AppAuth("12", app_key(), 77, clock), clock=clock, sleep=sleep)
        assert client.get("/x").data == {"id": 1}
        assert (github.tokens(), sleep.slept) == (1, seconds)
        # The same at each renewal.
        clock.forward(minutes=56)
        sleep.slept = 0
        assert client.get("/x").data == {"id": 1}
        assert (github.tokens(), sleep.slept) == (2, seconds)


def test_a_token_that_is_no_longer_new_is_not_waited_for(clock: Clock) -> None:
    github, sleep = Lagging(403, "Resource not accessible by integration", 0), Sleep(clock)
    with github.server.serve() as url:
        client = GitHubClient(url, auth=AppAuth("12", app_key(), 77, clock), clock=clock, sleep=sleep)
        client.get("/x")
        github.times = 99
        clock.forward(seconds=16)
        with pytest.raises(errors.Forbidden):
            client.get("/x")
    assert sleep.slept == 0


def test_many_threads_renew_once(installed: GitHub) -> None:
    client = as_app(installed)
    for expected in (1, 2):
        with ThreadPoolExecutor(16) as pool:
            for done in [pool.submit(client.get, f"/repos/{REPO}") for _ in range(64)]:
                assert done.result().data["full_name"] == REPO
        assert renewals(installed) == expected
        installed.clock.forward(minutes=56)


def test_while_one_renews_the_others_go_on_with_what_is_still_good() -> None:
    clock, told = Clock(), iter(["2026-11-18T12:04:00Z", "2026-11-18T13:00:00Z"])

    def respond(asked: Asked) -> Reply:
        if asked.method == "GET":
            return as_json({})
        if len(server.asked) > 1:
            time.sleep(0.5)
        return as_json({"token": f"t{len(server.asked)}", "expires_at": next(told)}, 201)

    server = StandIn(respond)
    with server.serve() as url:
        client = GitHubClient(url, auth=AppAuth("12", app_key(), 77, clock))
        client.get("/first")
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(client.get, "/x") for _ in range(8)]:
                done.result()
    used = [each.headers["authorization"] for each in server.asked if each.path == "/x"]
    assert sorted(used).count("Bearer t1") == 7
    assert sum(each.method == "POST" for each in server.asked) == 2


def test_a_renewal_that_fails_is_no_trouble_while_the_token_is_still_good(installed: GitHub) -> None:
    client = as_app(installed)
    client.get(f"/repos/{REPO}")
    installed.clock.forward(minutes=56)
    installed.world.faults.add("access_tokens", status=503, times=99)
    assert client.get(f"/repos/{REPO}").data["full_name"] == REPO
    installed.clock.forward(minutes=5)
    with pytest.raises(errors.InvalidResponse, match="503"):
        client.get(f"/repos/{REPO}")


@pytest.mark.parametrize(
    ("asked_as", "told"),
    [
        ({"app_id": "13"}, "GITHUB_APP_ID"),
        ({"app_id": "13", "installation": None}, "GitHub App 13 not found"),
        ({"installation": 78}, "Installation 78 .*not found.*GITHUB_APP_INSTALLATION_ID"),
    ],
)
def test_wrong_numbers_are_told_in_one_line(installed: GitHub, asked_as: dict[str, object], told: str) -> None:
    with pytest.raises(errors.Unauthorized, match=told) as caught:
        as_app(installed, **asked_as).get(f"/repos/{REPO}")  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_key_of_another_app_is_told(clock: Clock) -> None:
    with (
        github_with_app(clock, GitHubApp(APP, key(2).public_pem(), INSTALLATION)) as github,
        pytest.raises(errors.Unauthorized, match=r"could not be decoded.*GITHUB_APP_PRIVATE_KEY"),
    ):
        as_app(github).get(f"/repos/{REPO}")


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ([], "not installed anywhere"),
        ([{"id": 5, "account": {"login": "acme"}}, {"id": 4, "account": {"login": "beta"}}], r"4 \(beta\), 5 \(acme\)"),
    ],
)
def test_none_or_several_installations_are_listed_in_one_line(listed: list[object], told: str) -> None:
    server = StandIn(lambda _: as_json(listed))
    with server.serve() as url:
        client = GitHubClient(url, auth=AppAuth("12", app_key(), None, Clock()))
        with pytest.raises(errors.Unauthorized, match=told) as caught:
            client.get("/x")
    assert "\n" not in str(caught.value)


def test_the_apps_own_questions_say_nothing_of_the_installations_budget() -> None:
    def respond(asked: Asked) -> Reply:
        if asked.method == "POST":
            return as_json({"token": "t", "expires_at": "2999-01-01T00:00:00Z"}, 201, **limit_headers(3))
        return as_json({}, **limit_headers(4000))

    server = StandIn(respond)
    with server.serve() as url:
        client = GitHubClient(url, auth=AppAuth("12", app_key(), 77, Clock()))
        client.get("/x")
        assert client.rate.state.remaining == 4000


def test_a_sync_as_an_app_goes_on_when_its_token_changes_and_etags_no_longer_fit(
    engine: Engine, installed: GitHub
) -> None:
    installed.world.add_run(REPO, "CI")
    client = as_app(installed)
    assert sync(engine, installed.url, (REPO,), clock=installed.clock, client=client).is_complete
    installed.clock.forward(minutes=57)
    installed.asked()
    assert sync(engine, installed.url, (REPO,), clock=installed.clock, client=client).is_complete
    assert renewals(installed) == 1
    assert {each.status for each in installed.app.state.requests} <= {200, 201, 304}


def test_the_key_may_be_written_in_one_line_or_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_APP_ID", "12")
    (tmp_path / "key.pem").write_text(private_pem())
    ways = [
        ("GITHUB_APP_PRIVATE_KEY", private_pem()),
        ("GITHUB_APP_PRIVATE_KEY", private_pem().replace("\n", "\\n")),
        ("GITHUB_APP_PRIVATE_KEY_FILE", str(tmp_path / "key.pem")),
    ]
    for name, value in ways:
        with monkeypatch.context() as here:
            here.setenv(name, value)
            client = make_client(CollectorSettings.load())
        assert client.auth.description == "an installation of GitHub App 12"
        assert "PRIVATE" not in repr(client.auth)


def test_keys_that_cannot_be_used_are_told_without_showing_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    half = private_pem()[:400]
    for text, told in ((private_pem(b"hush"), "passphrase"), (half, ".pem"), (public_pem(), ".pem")):
        with pytest.raises(ConfigError, match=told) as caught:
            CollectorSettings.load(github_app_id="12", github_app_private_key=text)
        assert str(caught.value).startswith("GITHUB_APP_PRIVATE_KEY: ")
        assert "MII" not in str(caught.value)
        with pytest.raises(ValueError, match=told):
            read_key(text)


def test_a_token_and_an_app_at_once_are_refused(github: GitHub) -> None:
    done = collector(
        "sync", GITHUB_REPOS=REPO, GITHUB_API_URL=github.url, GITHUB_TOKEN="good",
        GITHUB_APP_ID="12", GITHUB_APP_PRIVATE_KEY=private_pem(),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.strip() == "GITHUB_APP_ID: GITHUB_TOKEN is set, too; unset one of them."


def test_a_whole_sync_runs_as_an_app_and_shows_no_secret(tmp_path: Path, access: GitHubApp) -> None:
    world = acme_world()
    app = create_app(world, tokens=set(), app=access)
    with running(app) as url:
        done = collector(
            "sync", GITHUB_REPOS=next(iter(world.repositories.values())).full_name, GITHUB_API_URL=url,
            GITHUB_APP_ID=str(APP), GITHUB_APP_PRIVATE_KEY=private_pem().replace("\n", "\\n"), BACKFILL_DAYS="1",
            COLLECT_LOGS="none", DATABASE_URL=f"sqlite:///{tmp_path}/x.db",
        )  # fmt: skip
    assert (done.returncode, app.state.requests[0].path) == (0, "/app/installations")
    for secret in (*access.issued, "PRIVATE KEY", "eyJ"):
        assert secret not in done.stdout + done.stderr
