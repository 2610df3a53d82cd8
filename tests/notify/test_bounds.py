"""Channels whose answers drip or never end: each sending, and each look of doctor, comes to an end with a line."""

import itertools
import resource
import time
from collections.abc import Callable

import pytest

from collector.doctor import channels
from collector.settings import CollectorSettings
from core.http import client
from core.http.client import ResponseLimits
from health.alerts.channels import email, http_request
from health.alerts.channels.base import Channel, DeliveryFailed, Message
from health.alerts.channels.email import EmailChannel
from health.alerts.channels.slack import SlackWebhookChannel
from health.alerts.channels.slack_bot import SlackBotChannel
from health.alerts.channels.webhook import WebhookChannel
from tests.slow_servers import ANSWERS, Pieces, drip, endless, serving

MESSAGE = Message(subject="CI is failing", headline="acme/web · CI is failing on main")
QUICK = ResponseLimits(max_seconds=1.0, max_bytes=1_000_000)
MAKE: dict[str, Callable[[str], Channel]] = {
    "slack": lambda url: SlackWebhookChannel(f"{url}/services/T0/B0/abc"),
    "bot": lambda url: SlackBotChannel("xoxb-1234567890", "C0ALERTS", f"{url}/api/"),
}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LIMITS", QUICK)
    monkeypatch.setattr(http_request, "LIMITS", QUICK)
    monkeypatch.setattr(email._BoundedSmtp, "max_seconds", 1.0)


def fails(work: Callable[[], object], *, seconds: float = 8) -> str:
    begun, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DeliveryFailed) as caught:
        work()
    assert time.monotonic() - begun < seconds
    # In kilobytes: what was received, unpacked and decoded.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 60_000
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("channel", MAKE)
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_slack_comes_to_an_end(name: str, channel: str) -> None:
    with serving(ANSWERS[name]) as port:
        assert "127.0.0.1" in fails(lambda: MAKE[channel](f"http://127.0.0.1:{port}").send(MESSAGE))


@pytest.mark.parametrize("name", [each for each in ANSWERS if "head" in each])
def test_the_head_of_a_webhooks_answer_comes_to_an_end(name: str) -> None:
    with serving(ANSWERS[name]) as port:
        fails(lambda: WebhookChannel(f"http://127.0.0.1:{port}/hook").send(MESSAGE))


@pytest.mark.parametrize("name", [each for each in ANSWERS if "head" not in each])
def test_a_refusal_of_a_webhook_is_read_no_further_than_a_line(name: str) -> None:
    def refusing() -> Pieces:
        return ((pause, piece.replace(b"200 OK", b"500 No")) for pause, piece in ANSWERS[name]())

    with serving(refusing) as port:
        assert "answered 500" in fails(lambda: WebhookChannel(f"http://127.0.0.1:{port}/hook").send(MESSAGE))


MAILS: dict[str, Callable[[], Pieces]] = {
    "a greeting that drips": lambda: drip(b"220-" + b"x" * 1000),
    "a greeting without end": lambda: endless(b"220-" + b"x" * 996 + b"\r\n"),
    "a line without end": lambda: endless(b"220" + b"x" * 60_000),
    "answers without end": lambda: itertools.chain([(0.0, b"220 hello\r\n")], endless(b"250-x\r\n" * 1_000)),
}


@pytest.mark.parametrize("name", MAILS)
def test_an_answer_of_a_mail_server_comes_to_an_end(name: str) -> None:
    with serving(MAILS[name], greets=True) as port:
        channel = EmailChannel(f"smtp://127.0.0.1:{port}", "ci@example.com", ("a@example.com",))
        assert f"127.0.0.1:{port}" in fails(lambda: channel.send(MESSAGE))
        assert f"127.0.0.1:{port}" in fails(channel.check_connection)


def test_doctor_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "_MAX_SECONDS", 2.0)
    with serving(lambda: drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000), greets=True) as port:
        settings = CollectorSettings.load(
            slack_bot_token="xoxb-1234567890", slack_channel="C0ALERTS", slack_api_url=f"http://127.0.0.1:{port}/api/",
            alert_webhook_url=f"http://127.0.0.1:{port}/hook", smtp_url=f"smtp://127.0.0.1:{port}",
            alert_email_to="a@example.com",
        )  # fmt: skip
        begun = time.monotonic()
        checks = list(channels.check_channels(settings))
    assert [each.ok for each in checks] == [False] * 3
    assert time.monotonic() - begun < 10
