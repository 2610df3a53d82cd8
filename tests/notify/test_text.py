"""What comes from outside and is shown, logged or stored."""

import base64
import re

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from core.text import clean, printable, register_secrets
from db.engine import write_scope
from db.models import Notification
from health.alerts.channels.base import Channel, DeliveryFailed, short_line
from health.alerts.channels.email import EmailChannel
from health.alerts.channels.slack import SlackWebhookChannel
from health.alerts.channels.slack_bot import SlackBotChannel
from health.alerts.channels.webhook import WebhookChannel
from health.alerts.notifications.delivery import Dispatcher
from health.alerts.storage.outbox import enqueue
from tests.builders import NOON
from tests.notify.servers import mail_server, slack_server
from tests.notify.web import TOKEN, Answer, hook, slack_api


def test_control_characters_and_turns_of_direction_go_and_lines_stay() -> None:
    assert printable("a\x00b\x1b[31m\x9bc\r\nd\te\u202efg\ud800") == "ab[31mc\r\nd\tefg?"
    assert short_line("one\r\ntwo\x1b\x85three\u2028four") == "one two three four"
    assert str(DeliveryFailed("Slack answered 500: \x00a\nb")) == "Slack answered 500: a b"


def delivered(engine: Engine, channel: Channel) -> tuple[str, str | None]:
    with write_scope(engine) as session:
        enqueue(session, None, "test", {channel.name: {"subject": "s", "headline": "h"}}, NOON)
    Dispatcher(engine, {channel.name: channel}, lambda: NOON).run()
    with Session(engine) as session:
        row = session.scalars(select(Notification)).one()
        assert row.claimed_until is None
        return row.state, row.error


@pytest.mark.parametrize("said", [b"no \x00 way", b"\x00", b"\xff\xfe\x00"])
def test_a_refusal_that_a_database_cannot_store_is_noted(engine: Engine, said: bytes) -> None:
    with hook() as receiver:
        receiver.answer = Answer(500, said)
        state, error = delivered(engine, WebhookChannel(receiver.url))
    assert state == "pending"
    assert error
    assert error.startswith("The webhook at 127.0.0.1 answered 500")


def test_a_receipt_that_a_database_cannot_store_is_noted(engine: Engine) -> None:
    with slack_api() as api:
        api.instead["chat.postMessage"] = Answer.json({"ok": True, "channel": "C\u0000", "ts": "1.2\ud800"})
        assert delivered(engine, SlackBotChannel(TOKEN, api.channel, api.url)) == ("sent", None)


PASSWORD = "p@ss word"
SEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def repeated(secret: str) -> str:
    """What a server says that repeats what it was sent, as a terminal would obey it."""
    encoded = base64.b64encode(f"\0alerts\0{secret}".encode()).decode()
    return f"\x1b]0;OWNED\x07\x1b[2Jno {secret}, {secret[:4]}\x1b[0m{secret[4:]}, {encoded}"


def check(error: str | None, *secrets: str) -> None:
    assert error
    assert not SEEN.search(error)
    assert "OWNED" not in error
    assert [each for each in secrets if each in error or base64.b64encode(each.encode()).decode()[:8] in error] == []
    assert len(error) <= 1_000


@pytest.mark.parametrize("status", [200, 400, 403, 404, 429, 500])
def test_what_the_receiver_of_a_webhook_repeats_is_not_stored(engine: Engine, status: int) -> None:
    secret = "webhook-secret-9Tq4"
    with hook() as receiver:
        receiver.answer = Answer(status, repeated(secret).encode() + b" " + b"x" * 100_000)
        state, error = delivered(engine, WebhookChannel(receiver.url, secret))
    assert (state == "sent") is (status == 200)
    if status != 200:
        check(error, secret)


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_what_a_webhook_of_slack_repeats_is_not_stored(engine: Engine, status: int) -> None:
    with slack_server() as slack:
        slack.status, slack.body = status, repeated("s3cr3t-hook").encode()
        check(delivered(engine, SlackWebhookChannel(slack.url))[1], "s3cr3t-hook")


@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_what_slack_repeats_to_a_bot_is_not_stored(engine: Engine, status: int) -> None:
    with slack_api() as api:
        said = {"ok": False, "error": repeated(TOKEN)}
        api.instead["chat.postMessage"] = api.instead["auth.test"] = Answer.json(said, status)
        bot = SlackBotChannel(TOKEN, api.channel, api.url)
        check(delivered(engine, bot)[1], TOKEN)
        with pytest.raises(DeliveryFailed) as failed:
            bot.identify()
        check(str(failed.value), TOKEN)


def test_what_a_mail_server_repeats_is_not_stored(engine: Engine) -> None:
    with mail_server() as server:
        server.answer = "554 " + repeated(PASSWORD).replace("\x00", "")
        url = f"smtp://alerts:p%40ss%20word@127.0.0.1:{server.port}"
        check(delivered(engine, EmailChannel(url, "ci@example.com", ("a@example.com",)))[1], PASSWORD)


def test_a_secret_is_found_in_what_is_seen_and_before_a_text_is_cut() -> None:
    register_secrets("correct-horse-battery")
    assert clean("a correct-\x1b[1mhorse\u200b-battery b") == "a *** b"
    assert clean(f"{'x' * 180} correct-horse-battery", 200).endswith("x ***")
    assert clean("correct-horse-battery " * 100_000, 50) == ("*** " * 13)[:49] + "…"
    assert "correct" not in clean("x" * 39_990 + " correct-horse-battery", 100_000)
    assert clean("wrongcorrect%2Dhorse correct-horse") == "wrongcorrect%2Dhorse correct-horse"
