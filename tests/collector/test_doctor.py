"""The doctor against accounts that lack one right each, and machines whose clock is wrong."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from collector.bootstrap import make_client
from collector.doctor.checks import run_checks
from collector.doctor.environment import DoctorCheck
from collector.settings import CollectorSettings
from tests.collector.keys import private_pem
from tests.collector.servers import Reply, StandIn, as_json, limit_headers
from tests.notify.web import TOKEN, Answer, hook, slack_api

REPO = "acme/web"
RUNS, JOBS = f"/repos/{REPO}/actions/runs", f"/repos/{REPO}/actions/runs/5/jobs"
LOGS = f"/repos/{REPO}/actions/jobs/9/logs"
NOTES = f"/repos/{REPO}/check-runs/9/annotations"
FORBIDDEN = as_json({"message": "Resource not accessible by personal access token"}, 403)
NOT_FOUND = as_json({"message": "Not Found"}, 404)
WELL = {
    "/rate_limit": as_json({}, **limit_headers(4200)),
    f"/repos/{REPO}": as_json({"id": 1, "full_name": REPO}),
    RUNS: as_json({"total_count": 1, "workflow_runs": [{"id": 5}]}),
    JOBS: as_json({"total_count": 1, "jobs": [{"id": 9}]}),
    LOGS: Reply(302, {"Location": "/storage/9"}),
    "/storage/9": Reply(200, {"Content-Type": "text/plain"}, b"line"),
    NOTES: as_json([]),
}

Examine = Callable[..., dict[str, DoctorCheck]]


@pytest.fixture
def examine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """The checks by name, of an account that answers well but for `changed`."""
    monkeypatch.chdir(tmp_path)

    def run(changed: dict[str, Reply] | None = None, **settings: object) -> dict[str, DoctorCheck]:
        answers = {**WELL, **(changed or {})}
        server = StandIn(lambda asked: answers.get(asked.path.partition("?")[0], NOT_FOUND))
        given = {"github_repos": REPO, "github_token": "good", "database_url": f"sqlite:///{tmp_path}/x.db"}
        with server.serve() as url:
            made = CollectorSettings.load(github_api_url=url, **{**given, **settings})
            return {check.name: check for check in run_checks(made, make_client(made))}

    return run


def test_what_is_well_is_said_with_the_limit_and_its_reserve(examine: Examine) -> None:
    found = examine()
    assert found["GitHub"].ok
    assert "4,200 of 5,000 requests left this hour, 500 of them reserved for others" in found["GitHub"].detail
    assert found["Clock"] == DoctorCheck("Clock", True, "in sync with GitHub")
    assert found[REPO] == DoctorCheck(REPO, True, "runs, jobs and logs can be read")


def test_a_server_without_limits_is_well(examine: Examine) -> None:
    assert examine({"/rate_limit": as_json({"message": "Rate limiting is not enabled."}, 404)})["GitHub"].ok


def test_the_scopes_of_a_classic_token_are_shown(examine: Examine) -> None:
    told = {"/rate_limit": as_json({}, **{"X-OAuth-Scopes": "repo, workflow"})}
    assert "a token (scopes: repo, workflow)" in examine(told)["GitHub"].detail
    none = {"/rate_limit": as_json({}, **{"X-OAuth-Scopes": ""})}
    assert "(scopes: none)" in examine(none)["GitHub"].detail


def test_no_token_is_said(examine: Examine) -> None:
    assert "no token: public repositories only" in examine(github_token=None)["GitHub"].detail


@pytest.mark.parametrize(
    ("path", "reply", "told"),
    [
        (f"/repos/{REPO}", NOT_FOUND, "or the token has no access (404)"),
        (f"/repos/{REPO}", as_json({"message": "Repository access blocked"}, 451), "451: Repository access blocked"),
        (RUNS, FORBIDDEN, "runs cannot be read: the permission to read Actions is missing"),
        (RUNS, NOT_FOUND, "runs cannot be found: Actions are disabled there"),
        (JOBS, FORBIDDEN, "jobs cannot be read"),
        (LOGS, FORBIDDEN, "runs and jobs can be read; logs cannot be read"),
        (LOGS, Reply(302, {"Location": "http://127.0.0.1:1/x"}), "cannot download from 127.0.0.1"),
    ],
)
def test_each_right_that_is_missing_is_told_apart(examine: Examine, path: str, reply: Reply, told: str) -> None:
    check = examine({path: reply})[REPO]
    assert check.ok is False
    assert told in check.detail
    assert "\n" not in check.detail


@pytest.mark.parametrize(
    ("path", "reply", "told"),
    [
        (RUNS, as_json({"total_count": 0, "workflow_runs": []}), "none is completed yet"),
        (LOGS, as_json({"message": "Server Error"}, 410), "the log of the latest run was deleted"),
        (LOGS, NOT_FOUND, "the log of the latest run was deleted"),
        (NOTES, FORBIDDEN, "permission to read Checks"),
    ],
)
def test_what_is_no_fault_is_said_and_does_not_fail(examine: Examine, path: str, reply: Reply, told: str) -> None:
    check = examine({path: reply})[REPO]
    assert check.ok
    assert told in check.detail


def test_a_wrong_clock_fails_an_app_and_is_only_told_to_a_token(examine: Examine) -> None:
    late = {"Date": formatdate(time.time() + 300, usegmt=True)}
    refused = as_json({"message": "'Issued at' claim ('iat') must be an Integer"}, 401, **late)
    changed = {"/app/installations": refused, "/rate_limit": as_json({}, **late)}
    app = {"github_token": None, "github_app_id": "12", "github_app_private_key": private_pem()}
    found = examine(changed, **app)
    assert found["GitHub"].ok is False
    assert "this machine's clock" in found["GitHub"].detail
    assert found["Clock"].ok is False
    assert "s behind GitHub's" in found["Clock"].detail
    assert examine(changed)["Clock"].ok is None


def test_an_app_is_named_as_one(examine: Examine) -> None:
    answers = {
        "/app/installations": as_json([{"id": 77}]),
        "/app/installations/77/access_tokens": as_json({"token": "t", "expires_at": "2999-01-01T00:00:00Z"}, 201),
    }
    app = {"github_token": None, "github_app_id": "12", "github_app_private_key": private_pem()}
    found = examine(answers, **app)
    assert "with an installation of GitHub App 12" in found["GitHub"].detail
    assert found[REPO].ok


def test_only_the_first_of_many_repositories_are_tried_in_depth(examine: Examine) -> None:
    listed = [{"id": number, "full_name": f"acme/r{number}"} for number in range(40)]
    runs = {f"/repos/acme/r{number}/actions/runs": WELL[RUNS] for number in range(40)}
    found = examine({"/orgs/acme/repos": as_json(listed), **runs}, github_repos="acme/*")
    assert sum(check.detail == "runs can be read" for check in found.values()) == 15


def test_the_webhook_secret_and_redis_are_optional(examine: Examine) -> None:
    found = examine()
    assert (found["Webhooks"].ok, found["Redis"].ok) == (None, None)
    found = examine(github_webhook_secret="hush", redis_url="redis://:hidden@127.0.0.1:1/0")
    assert found["Webhooks"] == DoctorCheck("Webhooks", True, "accepted at POST /api/webhooks/github")
    assert found["Redis"].ok is False
    assert "hidden" not in found["Redis"].detail
    assert examine(redis_url="http://x")["Redis"].ok is False


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until and not _listens(port):
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


def test_a_redis_that_is_there_answers(examine: Examine, redis_url: str) -> None:
    assert examine(redis_url=redis_url)["Redis"] == DoctorCheck("Redis", True, "answers")


def test_a_slack_bot_is_asked_who_it_is_and_posts_nothing(examine: Examine) -> None:
    with slack_api() as slack:
        given = {"slack_channel": "C0ALERTS", "slack_api_url": slack.url}
        well = examine(slack_bot_token=TOKEN, slack_webhook_url="https://hooks.slack.com/x", **given)["Slack"]
        assert well.ok
        assert well.detail.startswith(
            "health in Acme posts to C0ALERTS; SLACK_WEBHOOK_URL is ignored; POST /api/alerts/test"
        )
        wrong = examine(slack_bot_token="xoxb-s3cr3t-other", **given)["Slack"]
        assert wrong == DoctorCheck("Slack", False, "Slack reports invalid_auth; check SLACK_BOT_TOKEN")
        assert {method for method, _ in slack.calls} == {"auth.test"}


def test_the_webhook_of_alerts_is_looked_at_without_an_alert(examine: Examine) -> None:
    with hook() as receiver:
        receiver.answer = Answer(405, b"")
        found = examine(alert_webhook_url=receiver.url)["Alert webhook"]
        assert found.ok
        assert "127.0.0.1 answers (405 to a HEAD)" in found.detail
        assert "not signed (ALERT_WEBHOOK_SECRET is not set)" in found.detail
        signed = examine(alert_webhook_url=receiver.url, alert_webhook_secret="s3cr3t")["Alert webhook"]
        assert "messages are signed" in signed.detail
        assert {each.method for each in receiver.posted} == {"HEAD"}
        gone = receiver.url
    found = examine(alert_webhook_url=gone)["Alert webhook"]
    assert found.ok is False
    assert "ALERT_WEBHOOK_URL: The webhook at 127.0.0.1 cannot be reached: Connection refused" in found.detail
    assert "s3cr3t" not in found.detail + signed.detail


def test_channels_that_are_not_there_are_no_fault(examine: Examine) -> None:
    found = examine()
    assert [found[name].ok for name in ("Slack", "Email", "Alert webhook")] == [None, None, None]
