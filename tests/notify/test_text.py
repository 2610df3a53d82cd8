"""What comes from outside and is shown, logged or stored."""

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from collector.notify.deliver import Deliverer
from db.engine import write_scope
from db.models import Delivery
from db.store.outbox import enqueue
from notify.channels import Channel
from notify.errors import DeliveryFailed
from notify.slack_bot import SlackBot
from notify.text import line, printable
from notify.webhook import WebhookChannel
from tests.builders import NOON
from tests.notify.web import TOKEN, Answer, hook, slack_api


def test_control_characters_and_turns_of_direction_go_and_lines_stay() -> None:
    assert printable("a\x00b\x1b[31m\x9bc\r\nd\te\u202efg\ud800") == "ab[31mc\r\nd\tefg?"
    assert line("one\r\ntwo\x1b\x85three\u2028four") == "one two three four"
    assert str(DeliveryFailed("Slack answered 500: \x00a\nb")) == "Slack answered 500: a b"


def delivered(engine: Engine, channel: Channel) -> tuple[str, str | None]:
    with write_scope(engine) as session:
        enqueue(session, None, "test", {channel.name: {"subject": "s", "headline": "h"}}, NOON)
    Deliverer(engine, {channel.name: channel}, lambda: NOON).run()
    with Session(engine) as session:
        row = session.scalars(select(Delivery)).one()
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
        assert delivered(engine, SlackBot(TOKEN, api.channel, api.url)) == ("sent", None)
