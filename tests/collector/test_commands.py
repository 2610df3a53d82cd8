"""The command line as people use it: real processes, exit codes, one clear line for what is wrong."""

import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.engine import make_engine
from db.models import Heartbeat, Run
from tests.collector.conftest import REPO, GitHub
from tests.collector.program import collector
from tests.programs import start


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("GITHUB_REPOS", "no-slash", "owner/name"),
        ("GITHUB_REPOS", "a/b,https://github.com/a/b", "owner/name"),
        ("GITHUB_REPOS", "a/b c", "owner/name"),
        ("POLL_INTERVAL_MINUTES", "abc", "from 0.05 to 1440"),
        ("POLL_INTERVAL_MINUTES", "0", "from 0.05 to 1440"),
        ("POLL_INTERVAL_MINUTES", "nan", "from 0.05 to 1440"),
        ("BACKFILL_DAYS", "1.5", "whole number"),
        ("COLLECT_LOGS", "some", "failed"),
        ("ALERT_THRESHOLD", "many", "20%"),
        ("PRICES_FILE", "/nowhere/prices.yml", "readable file"),
        ("DATABASE_URL", "mysql://u:hunter2@h/n", "postgresql://"),
        ("DATABASE_URL", "::", "sqlite:///PATH"),
        ("GITHUB_API_URL", "ftp://x", "http"),
        ("GITHUB_TOKEN", "two words", "token"),
        ("SLACK_WEBHOOK_URL", "hooks.slack.com/hunter2", "https://hooks.slack.com"),
        ("SLACK_BOT_TOKEN", "xoxb hunter2", "xoxb-"),
        ("ALERT_WEBHOOK_URL", "hooks.example.com/hunter2", "http:// or https://"),
        ("SMTP_URL", "mail.example.com", "smtp://"),
        ("ALERT_EMAIL_TO", "nobody", "mail address"),
        ("GITHUB_TOKEN_FILE", "/nowhere/token", "readable file"),
        ("GITHUB_APP_ID", "7", "GITHUB_APP_PRIVATE_KEY"),
        ("GITHUB_APP_ID", "seven!", "client ID"),
        ("GITHUB_APP_PRIVATE_KEY", "hunter2", ".pem"),
        ("GITHUB_APP_PRIVATE_KEY_FILE", "/nowhere/key", "readable file"),
        ("GITHUB_APP_INSTALLATION_ID", "acme", "a number"),
        ("GITHUB_APP_INSTALLATION_ID", "12", "GITHUB_APP_ID"),
        ("RATE_LIMIT_RESERVE", "91", "from 0 to 90"),
        ("BACKEND_ENV", "production", "prod"),
    ],
)
def test_an_unusable_setting_ends_it_with_code_2_and_one_line(variable: str, value: str, told: str) -> None:
    settings = {"GITHUB_REPOS": REPO, variable: value}
    done = collector("sync", **settings)
    assert done.returncode == 2
    line = done.stderr.strip()
    assert line.count("\n") == 0
    assert line.startswith(variable)
    assert told in line
    assert "hunter2" not in line
    assert "Traceback" not in line


@pytest.mark.parametrize(
    ("variable", "value", "missing"),
    [
        ("SLACK_BOT_TOKEN", "xoxb-hunter2", "SLACK_CHANNEL"),
        ("SLACK_CHANNEL", "C0ALERTS", "SLACK_BOT_TOKEN"),
        ("ALERT_WEBHOOK_SECRET", "hunter2", "ALERT_WEBHOOK_URL"),
        ("SMTP_URL", "smtp://u:hunter2@mail.example.com", "ALERT_EMAIL_TO"),
    ],
)
def test_half_a_channel_ends_it_with_code_2_and_what_is_missing(variable: str, value: str, missing: str) -> None:
    done = collector("sync", **{"GITHUB_REPOS": REPO, variable: value})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"{missing}: required with {variable}; set ")
    assert "hunter2" not in done.stderr


def test_without_repositories_it_says_what_to_set() -> None:
    done = collector("sync")
    assert (done.returncode, done.stderr.startswith("GITHUB_REPOS: nothing to collect")) == (2, True)


def test_a_secret_may_stand_in_a_file(tmp_path: Path, github: GitHub) -> None:
    (tmp_path / "token").write_text("good\n")
    done = collector(
        "sync", GITHUB_REPOS=REPO, GITHUB_API_URL=github.url, GITHUB_TOKEN_FILE=str(tmp_path / "token"),
        DATABASE_URL=f"sqlite:///{tmp_path}/x.db",
    )  # fmt: skip
    assert done.returncode == 0


def test_a_sync_that_completes_ends_with_0_and_one_that_does_not_with_1(tmp_path: Path, github: GitHub) -> None:
    github.world.add_run(REPO, "CI")
    settings = {
        "GITHUB_REPOS": REPO, "GITHUB_API_URL": github.url, "GITHUB_TOKEN": "good", "BACKFILL_DAYS": "3650",
        "DATABASE_URL": f"sqlite:///{tmp_path}/x.db",
    }  # fmt: skip
    assert collector("sync", **settings).returncode == 0
    failing = collector("sync", **{**settings, "GITHUB_REPOS": f"{REPO},acme/unknown"})
    assert failing.returncode == 1
    assert "acme/unknown: /repos/acme/unknown not found" in failing.stderr
    bad = collector("sync", **{**settings, "GITHUB_TOKEN": "bad-secret"})
    assert bad.returncode == 1
    assert "check GITHUB_TOKEN" in bad.stderr
    assert "bad-secret" not in bad.stderr
    with Session(make_engine(settings["DATABASE_URL"])) as session:
        assert len(session.scalars(select(Run.id)).all()) == 1
        # Each goes on counting where the one before stopped.
        counts = session.get_one(Heartbeat, "collector").detail["tally"]["counts"]
        assert counts["syncs"] == {"ok": 1, "error": 2, "waiting": 0, "stopped": 0}
        assert counts["requests"]["2xx"] > 2
        assert counts["requests"]["4xx"] >= 2


@pytest.mark.parametrize(
    "url", ["sqlite:////proc/none/x.db", "postgresql://u:hunter2@127.0.0.1:1/x"], ids=["unwritable", "server-down"]
)
def test_a_database_that_cannot_be_used_is_one_line(url: str) -> None:
    done = collector("sync", GITHUB_REPOS=REPO, DATABASE_URL=url)
    assert done.returncode == 1
    assert done.stderr.startswith("DATABASE_URL: ")
    assert done.stderr.strip().count("\n") == 0
    assert "hunter2" not in done.stderr


def test_the_doctor_says_what_is_wrong_and_what_is_well(tmp_path: Path, github: GitHub) -> None:
    settings = {
        "GITHUB_REPOS": f"{REPO},acme/unknown", "GITHUB_API_URL": github.url, "GITHUB_TOKEN": "good",
        "DATABASE_URL": f"sqlite:///{tmp_path}/x.db", "SMTP_URL": "smtp://127.0.0.1:1", "ALERT_EMAIL_TO": "a@b.example",
    }  # fmt: skip
    done = collector("doctor", **settings)
    assert done.returncode == 1
    lines = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert lines["Database"].startswith("FAIL")
    assert "python -m db upgrade" in lines["Database"]
    assert lines["GitHub"].startswith("ok")
    assert lines[REPO].startswith("ok")
    assert lines["acme/unknown"].startswith("FAIL")
    assert lines["Email"].startswith("FAIL")


def test_the_service_stops_in_order_on_sigterm_and_goes_on_where_it_was(tmp_path: Path, github: GitHub) -> None:
    for _ in range(3):
        github.world.add_run(REPO, "CI")
    url = f"sqlite:///{tmp_path}/x.db"
    settings = {
        "GITHUB_REPOS": REPO, "GITHUB_API_URL": github.url, "GITHUB_TOKEN": "good", "DATABASE_URL": url,
        "BACKFILL_DAYS": "3650",
    }  # fmt: skip
    service = start("collector", environment=settings)
    until = time.monotonic() + 30
    while time.monotonic() < until and stored(url) < 3:
        time.sleep(0.2)
    service.send_signal(signal.SIGTERM)
    _, told = service.communicate(timeout=15)
    assert service.returncode == 0
    assert "Traceback" not in told
    assert stored(url) == 3


def stored(url: str) -> int:
    engine = make_engine(url)
    try:
        with Session(engine) as session:
            return len(session.scalars(select(Run.id)).all())
    except Exception:  # the schema is still being made
        return -1
    finally:
        engine.dispose()
