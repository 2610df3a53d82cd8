"""No secret goes over a network without encryption, unless somebody says that it may."""

import pytest

from collector.settings import CollectorSettings
from core.http.settings import is_loopback, is_safe
from core.settings import ConfigError

KEY = {"github_repos": "acme/web"}


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({**KEY, "github_token": "ghp_secret", "github_api_url": "http://ghes.example/api/v3"}, "GITHUB_API_URL"),
        (
            {"slack_bot_token": "xoxb-1", "slack_channel": "C1", "slack_api_url": "http://slack.example/api/"},
            "SLACK_API_URL",
        ),
        ({"slack_webhook_url": "http://hooks.example/services/T/B/x"}, "SLACK_WEBHOOK_URL"),
        ({"alert_webhook_url": "http://hook.example/x", "alert_webhook_secret": "s" * 20}, "ALERT_WEBHOOK_URL"),
        ({"alert_webhook_url": "http://user:word@hook.example/x"}, "ALERT_WEBHOOK_URL"),
    ],
)
def test_a_secret_in_clear_is_refused_unless_the_host_is_named(settings: dict[str, str], variable: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{variable}: .*https://.*ALLOW_PLAIN_HTTP") as caught:
        CollectorSettings.load(**settings)
    assert "\n" not in str(caught.value)
    hosts = "other.example, ghes.example,slack.example,hooks.example,Hook.Example"
    CollectorSettings.load(**settings, allow_plain_http=hosts)
    here = {
        name: value.replace("ghes.example", "127.0.0.1:99")
        .replace("hooks.example", "localhost:99")
        .replace("slack.example", "[::1]:9")
        .replace("hook.example", "127.9.9.9")
        for name, value in settings.items()
    }
    CollectorSettings.load(**here)
    CollectorSettings.load(**{name: value.replace("http://", "https://") for name, value in settings.items()})


def test_without_a_secret_plain_http_is_taken() -> None:
    CollectorSettings.load(**KEY, github_api_url="http://ghes.example/api/v3")
    CollectorSettings.load(alert_webhook_url="http://hook.example/x")
    CollectorSettings.load(demo_github_url="http://github-demo:3999", github_token="ghp_secret")


@pytest.mark.parametrize("hosts", ["http://a.example", "a.example:80", "a b", "a.example/x"])
def test_what_is_no_host_is_refused(hosts: str) -> None:
    with pytest.raises(ConfigError, match=r"^ALLOW_PLAIN_HTTP: "):
        CollectorSettings.load(allow_plain_http=hosts)


@pytest.mark.parametrize("hosts", ["https://blob.core.windows.net", "a/b", "a b", "a:443"])
def test_a_host_of_logs_is_a_name(hosts: str) -> None:
    with pytest.raises(ConfigError, match=r"^LOG_HOSTS: "):
        CollectorSettings.load(log_hosts=hosts)


def test_hosts_of_logs_are_suffixes() -> None:
    assert CollectorSettings.load(log_hosts="*.blob.example, .Logs.example").log_host_suffixes == (
        "blob.example",
        "logs.example",
    )


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://a.example", True),
        ("http://a.example", False),
        ("http://localhost:1", True),
        ("http://LOCALHOST", True),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1@evil.example", False),
        ("ftp://127.0.0.1", False),
        ("https://", False),
        ("http://[", False),
    ],
)
def test_what_is_safe(url: str, safe: bool) -> None:
    assert is_safe(url) is safe


def test_this_machine_has_many_addresses() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.1.2.3", "::1")))
    assert not any(map(is_loopback, ("10.0.0.1", "a.example", "0.0.0.0", "")))
