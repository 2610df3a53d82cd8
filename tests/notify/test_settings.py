from pathlib import Path

import pytest

from core.settings import ConfigError
from health.alerts.channels.base import Message
from health.alerts.channels.registry import ChannelSettings, configured_channels
from health.alerts.channels.slack_bot import SlackBotChannel
from health.alerts.channels.webhook import WebhookChannel


def test_without_settings_no_channel_is_configured() -> None:
    assert configured_channels(ChannelSettings.load()) == {}


def test_both_channels_can_be_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/B/x")
    monkeypatch.setenv("SMTP_URL", "smtps://user:pass@mail.example.com")
    monkeypatch.setenv("ALERT_EMAIL_TO", "ann@example.com, Bob <bob@example.com>")
    settings = ChannelSettings.load()
    assert list(configured_channels(settings)) == ["slack", "email"]
    assert settings.recipients == ("ann@example.com", "Bob <bob@example.com>")
    assert settings.sender == "pipeline-health@mail.example.com"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SLACK_WEBHOOK_URL", "hooks.slack.com/services/s3cr3t"),
        ("SLACK_WEBHOOK_URL", "https:///s3cr3t"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/s3cr3t with space"),
        ("SLACK_BOT_TOKEN", "xoxb s3cr3t"),
        ("SLACK_BOT_TOKEN", "https://hooks.slack.com/s3cr3t"),
        ("SLACK_CHANNEL", "#two words"),
        ("SLACK_CHANNEL", "@ann"),
        ("SLACK_CHANNEL", "C1,C2"),
        ("SLACK_API_URL", "slack.com/api"),
        ("SLACK_API_URL", "ftp://slack.com/api"),
        ("SLACK_API_URL", "https://u:s3cr3t@slack.com/api"),
        ("ALERT_WEBHOOK_URL", "hooks.example.com/s3cr3t"),
        ("ALERT_WEBHOOK_URL", "https://hooks.example.com:99999/s3cr3t"),
        ("ALERT_WEBHOOK_URL", "file:///s3cr3t"),
        ("ALERT_WEBHOOK_SECRET", "   "),
        ("SMTP_URL", "mail.s3cr3t.com:587"),
        ("SMTP_URL", "smtp://user:s3cr3t@host:70000"),
        ("SMTP_URL", "smtp://user:s3cr3t@host:port"),
        ("ALERT_EMAIL_FROM", "nobody"),
        ("ALERT_EMAIL_FROM", "a@example.com, b@example.com"),
        ("ALERT_EMAIL_TO", "ann@example.com, bob"),
        ("ALERT_EMAIL_TO", "ann@example.com\nBcc: eve@example.com"),
    ],
)
def test_an_unusable_value_is_one_line_that_names_the_variable_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as failed:
        ChannelSettings.load()
    assert str(failed.value).startswith(f"{variable}: ")
    assert "\n" not in str(failed.value)
    assert "s3cr3t" not in str(failed.value)


def test_a_mail_server_without_recipients_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_URL", "smtp://mail.example.com")
    with pytest.raises(ConfigError, match=r"^ALERT_EMAIL_TO: required with SMTP_URL"):
        ChannelSettings.load()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-s3cr3t"}, "SLACK_CHANNEL"),
        ({"SLACK_CHANNEL": "C0ALERTS"}, "SLACK_BOT_TOKEN"),
        ({"SLACK_CHANNEL": "C1", "SLACK_WEBHOOK_URL": "https://hooks.slack.com/s3cr3t"}, "SLACK_BOT_TOKEN"),
        ({"ALERT_WEBHOOK_SECRET": "s3cr3t"}, "ALERT_WEBHOOK_URL"),
    ],
)
def test_half_a_channel_is_refused_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], missing: str
) -> None:
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=rf"^{missing}: required with ") as failed:
        ChannelSettings.load()
    assert "\n" not in str(failed.value)
    assert "s3cr3t" not in str(failed.value)


def test_a_bot_token_wins_over_a_webhook_of_slack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("xoxb-1-2-abc\n")
    monkeypatch.setenv("SLACK_BOT_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("SLACK_CHANNEL", "#alerts")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/B/x")
    assert isinstance(configured_channels(ChannelSettings.load())["slack"], SlackBotChannel)


def test_a_webhook_signs_when_it_has_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "https://hooks.example.com/x")
    plain = configured_channels(ChannelSettings.load())["webhook"]
    monkeypatch.setenv("ALERT_WEBHOOK_SECRET", "key")
    signed = configured_channels(ChannelSettings.load())["webhook"]
    assert isinstance(plain, WebhookChannel)
    assert isinstance(signed, WebhookChannel)
    assert (plain.signs, signed.signs) == (False, True)


def test_a_message_survives_being_stored() -> None:
    message = Message(
        "s",
        "h",
        (("a", "b"),),
        ("line",),
        (("label", "https://x.test"),),
        resolved=True,
        episode_summary="w",
        data={"alerts": [1]},
    )
    assert Message.from_dict(message.to_dict()) == message
