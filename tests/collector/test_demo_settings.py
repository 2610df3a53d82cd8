"""Without repositories there is a demo, where somebody simulates a GitHub."""

import pytest

from collector.settings import CollectorSettings

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


def test_repositories_are_never_asked_of_the_simulator() -> None:
    found = CollectorSettings.load(demo_github_url=_SIMULATOR, github_repos="octo/one", github_token="ghp_real")
    assert (found.demo, found.repos, found.token) == (False, ("octo/one",), "ghp_real")
    assert (found.github_api_url, found.poll_interval_minutes) == ("https://api.github.com", 5)
