"""Before GITHUB_REPOS is set: what the token can read is checked and stored for the dashboard, without the token."""

import json
import re
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from collector.github.client import GitHubClient
from collector.settings import CollectorSettings
from collector.setup_check import SetupTask, setup_report
from db.collection.setup_report import delete_setup_report, read_setup_report, store_setup_report
from db.engine import make_engine, session_scope, write_scope
from db.migrate import upgrade
from db.models import Heartbeat
from tests.collector.program import collector
from tests.collector.servers import Reply, StandIn, as_json
from tests.collector.test_targets import account, repository

TOKEN = "ghp_secret-of-mine"
RUNS = as_json({"workflow_runs": []})


def answers(*repositories: dict[str, object], **more: Reply) -> dict[str, Reply]:
    named = {f"/repos/{row['full_name']}": as_json(row) for row in repositories}
    runs = {f"{path}/actions/runs": RUNS for path in named}
    return {"/rate_limit": as_json({}), "/user/repos": as_json(list(repositories)), **named, **runs, **more}


def settings(url: str, token: str = TOKEN) -> CollectorSettings:
    found = CollectorSettings.load(github_api_url=url, github_token=token, github_repos="").setup_settings
    assert found
    return found


def test_the_report_lists_what_the_token_can_read() -> None:
    listed = [repository(1, "acme/web", private=True), repository(2, "acme/old", archived=True)]
    with StandIn(account(answers(*listed))).serve() as url:
        report = setup_report(settings(url), GitHubClient(url, TOKEN))
    assert report.ok
    assert [(check.name, check.ok) for check in report.checks] == [
        ("Token", True), ("Repositories", True), ("acme/web", True),
    ]  # fmt: skip
    assert report.checks[1].detail == "2 repositories can be read"
    assert [(row.repo, row.private, row.archived) for row in report.repositories] == [
        ("acme/web", True, False), ("acme/old", False, True),
    ]  # fmt: skip
    assert not report.truncated


@pytest.mark.parametrize(
    ("replies", "name", "detail"),
    [
        ({"/rate_limit": as_json({"message": "Bad credentials"}, 401)}, "Token", "check GITHUB_TOKEN"),
        ({"/user/repos": as_json([])}, "Repositories", "grant it access"),
        ({"/repos/acme/web/actions/runs": as_json({"message": "no"}, 403)}, "acme/web", "permission to read Actions"),
    ],
)
def test_what_is_wrong_is_named_with_the_remedy(replies: dict[str, Reply], name: str, detail: str) -> None:
    with StandIn(account(answers(repository(1, "acme/web"), **replies))).serve() as url:
        report = setup_report(settings(url), GitHubClient(url, TOKEN))
    assert not report.ok
    failed = [check for check in report.checks if check.ok is False]
    assert [check.name for check in failed] == [name]
    assert detail in failed[0].detail
    assert TOKEN not in repr(report)


def test_a_token_is_not_sent_in_clear_and_without_one_nothing_is_asked() -> None:
    stand_in = StandIn(account(answers(repository(1, "acme/web"))))
    with stand_in.serve() as url:
        none = setup_report(CollectorSettings.load(github_api_url=url, github_repos=""), GitHubClient(url))
        # As beside a demo, which takes any address: the token for GitHub would go there unencrypted.
        demo = CollectorSettings.load(
            github_api_url="http://github.example", github_token=TOKEN, demo_github_url=url, github_repos=""
        )
        assert demo.setup_settings
        clear = setup_report(demo.setup_settings, GitHubClient(url, TOKEN))
    assert [check.ok for check in none.checks] == [None]
    assert [check.ok for check in clear.checks] == [False]
    assert "sent unencrypted" in clear.checks[0].detail
    assert stand_in.asked == []


def test_the_report_is_stored_without_the_token_and_deleted_with_the_first_repository(engine: Engine) -> None:
    listed = [repository(number, f"acme/{number}") for number in range(3)]
    with StandIn(account(answers(*listed))).serve() as url:
        SetupTask(engine, settings(url), threading.Event()).run()
    with session_scope(engine) as session:
        stored = read_setup_report(session)
        assert stored
        assert [row.repo for row in stored.report.repositories] == ["acme/0", "acme/1", "acme/2"]
        assert TOKEN not in json.dumps(session.get_one(Heartbeat, "setup").detail)
    with write_scope(engine) as session:
        store_setup_report(session, stored.report, stored.checked_at)
        delete_setup_report(session)
        assert read_setup_report(session) is None


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (as_json({"message": "Bad credentials"}, 401), [0, 600, 1800, 4200, 7800]),
        (as_json({"message": "down"}, 501), [0, 60, 120, 180]),
        (as_json({}), [0, 600, 1200, 1800]),
    ],
    ids=["refused", "server error", "success"],
)
def test_failed_checks_are_repeated_less_and_less(engine: Engine, reply: Reply, expected: list[int]) -> None:
    now, checked_at = 0.0, []
    stand_in = StandIn(account(answers(repository(1, "acme/web"), **{"/rate_limit": reply})))
    with stand_in.serve() as url:
        # The client of a program that stops sends each request once, without pauses.
        stop = threading.Event()
        stop.set()
        task = SetupTask(engine, settings(url), stop, lambda: now)
        while len(checked_at) < len(expected):
            before = len(stand_in.asked)
            task.run()
            if len(stand_in.asked) > before:
                checked_at.append(int(now))
            now += 30
    assert checked_at == expected


def test_the_demo_keeps_the_settings_for_github_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    demo = CollectorSettings.load(demo_github_url="http://github-demo:3999", github_token=TOKEN)
    assert demo.token == "demo"
    assert demo.setup_settings
    assert (demo.setup_settings.token, demo.setup_settings.repos) == (TOKEN, ())
    assert demo.setup_settings.github_api_url == "https://api.github.com"
    # For the redaction of the log.
    assert TOKEN in demo.secret_values()
    assert CollectorSettings.load(github_repos="octo/one", github_token=TOKEN).setup_settings is None


def test_the_command_prints_and_stores_the_report(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    with StandIn(account(answers(repository(1, "acme/web"), repository(2, "acme/api")))).serve() as address:
        done = collector("setup", GITHUB_API_URL=address, GITHUB_TOKEN=TOKEN, DATABASE_URL=url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok    Repositories  2 repositories can be read" in done.stdout
    assert "Set GITHUB_REPOS" in done.stdout
    assert TOKEN not in done.stdout
    engine = make_engine(url)
    with Session(engine) as session:
        stored = read_setup_report(session)
    engine.dispose()
    assert stored
    assert len(stored.report.repositories) == 2


def test_the_command_names_a_failure_of_the_database_in_one_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    broken = make_engine(url)
    upgrade(broken)
    with write_scope(broken) as session:
        session.execute(text("DROP TABLE heartbeats"))
    broken.dispose()
    with StandIn(account(answers(repository(1, "acme/web")))).serve() as address:
        done = collector("setup", GITHUB_API_URL=address, GITHUB_TOKEN=TOKEN, DATABASE_URL=url)
    assert done.returncode == 1
    assert re.fullmatch(r"DATABASE_URL: cannot use .*: no such table: heartbeats; .*\n", done.stderr)


@pytest.mark.parametrize(("repos", "listed"), [("acme/web", ["acme/web"]), ("", [])])
def test_the_command_proposes_repositories_only_if_there_are_some_to_choose(
    tmp_path: Path, repos: str, listed: list[str]
) -> None:
    rows = [repository(number, name) for number, name in enumerate(listed)]
    with StandIn(account(answers(*rows))).serve() as address:
        done = collector(
            "setup", GITHUB_API_URL=address, GITHUB_TOKEN=TOKEN, GITHUB_REPOS=repos,
            DATABASE_URL=f"sqlite:///{tmp_path}/x.db",
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0 if listed else 1, "")
    assert "Set GITHUB_REPOS" not in done.stdout
