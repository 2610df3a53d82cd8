import pytest

from db.config import ConfigError
from notify.channels import configured
from notify.message import Message
from notify.settings import ChannelSettings


def test_without_settings_no_channel_is_configured() -> None:
    assert configured(ChannelSettings.load()) == {}


def test_both_channels_can_be_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/B/x")
    monkeypatch.setenv("SMTP_URL", "smtps://user:pass@mail.example.com")
    monkeypatch.setenv("ALERT_EMAIL_TO", "ann@example.com, Bob <bob@example.com>")
    settings = ChannelSettings.load()
    assert list(configured(settings)) == ["slack", "email"]
    assert settings.recipients == ("ann@example.com", "Bob <bob@example.com>")
    assert settings.sender == "pipeline-health@mail.example.com"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SLACK_WEBHOOK_URL", "hooks.slack.com/services/s3cr3t"),
        ("SLACK_WEBHOOK_URL", "https:///s3cr3t"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/s3cr3t with space"),
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
    with pytest.raises(ConfigError, match=r"^ALERT_EMAIL_TO: .*nobody"):
        ChannelSettings.load()


def test_a_message_survives_being_stored() -> None:
    message = Message("s", "h", (("a", "b"),), ("line",), (("label", "https://x.test"),), resolved=True)
    assert Message.from_dict(message.to_dict()) == message
