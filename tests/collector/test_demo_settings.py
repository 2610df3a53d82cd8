"""Without repositories there is a demo, where somebody simulates a GitHub."""

import signal
import time
from pathlib import Path

import pytest

from collector.settings import CollectorSettings
from tests.collector.conftest import REPO, GitHub
from tests.collector.program import collector
from tests.collector.servers import StandIn, as_json
from tests.programs import start

_SIMULATOR = "http://github-demo:3999"


def test_without_repositories_the_simulator_is_collected_and_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DEMO_GITHUB_URL": _SIMULATOR, "GITHUB_REPOS": "", "GITHUB_TOKEN": "ghp_real"}.items():
        monkeypatch.setenv(name, value)
    found = CollectorSettings.load()
    assert (found.demo, found.repos, found.github_api_url, found.token) == (True, ("acme/*",), _SIMULATOR, "demo")
    assert (found.poll_interval_minutes, found.backfill_days) == (0.1, 66)


def test_what_is_asked_for_holds_in_the_demo_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLL_INTERVAL_MINUTES", "2")
    assert CollectorSettings.load(demo_github_url=_SIMULATOR).poll_interval_minutes == 2


def test_the_teams_of_the_demo_are_only_for_the_demo(tmp_path: Path) -> None:
    own, demo = tmp_path / "own.yaml", tmp_path / "demo.yaml"
    for path in (own, demo):
        path.write_text("teams: []", encoding="utf-8")
    simulated = {"demo_github_url": _SIMULATOR, "demo_teams_file": str(demo)}
    assert CollectorSettings.load(**simulated).teams_file == str(demo)
    assert CollectorSettings.load(**simulated, teams_file=str(own)).teams_file == str(own)
    assert CollectorSettings.load(**simulated, github_repos="octo/one").teams_file is None


def test_repositories_are_never_asked_of_the_simulator() -> None:
    found = CollectorSettings.load(demo_github_url=_SIMULATOR, github_repos="octo/one", github_token="ghp_real")
    assert (found.demo, found.repos, found.token) == (False, ("octo/one",), "ghp_real")
    assert (found.github_api_url, found.poll_interval_minutes) == ("https://api.github.com", 5)


def test_after_a_demo_in_the_same_database_the_real_github_is_not_asked_about_it(
    tmp_path: Path, github: GitHub
) -> None:
    """Whoever sets DATABASE_URL, or uses Compose, has one database for both."""
    github.world.add_run(REPO, "CI", conclusion=None)
    github.world.add_run(REPO, "CI", conclusion="failure")
    database = {"DATABASE_URL": f"sqlite:///{tmp_path}/x.db", "BACKFILL_DAYS": "3650"}
    simulated = {"GITHUB_REPOS": REPO, "GITHUB_API_URL": github.url, "GITHUB_TOKEN": "good"}
    assert collector("sync", **database, **simulated).returncode == 0
    real = StandIn(lambda _: as_json({"message": "Not Found"}, 404))
    with real.serve() as url:
        service = start("collector", environment={
            **database, "GITHUB_REPOS": "octo/one", "GITHUB_API_URL": url, "GITHUB_TOKEN": "ghp_real",
            "POLL_INTERVAL_MINUTES": "0.05",
        })  # fmt: skip
        until = time.monotonic() + 30
        # Two polls, and the jobs in between, which run every two seconds.
        while time.monotonic() < until and len(real.asked) < 2:
            time.sleep(0.1)
        time.sleep(1)
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=15)
    assert {path.split("/")[2] for path in real.paths} == {"octo"}
