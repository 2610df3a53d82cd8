"""Slack, a mail server and a webhook that are down for an hour, and come back: nobody misses anything, nobody reads old
news as new."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Engine

from db.enums import RuleKind
from health.alerts.channels.email import EmailChannel
from health.alerts.channels.slack_bot import SlackBotChannel
from health.alerts.channels.webhook import WebhookChannel
from tests.collector.conftest import Clock
from tests.collector.station import Station
from tests.notify.servers import Mail, mail_server
from tests.notify.web import TOKEN, Answer, Hook, SlackApi, hook, slack_api
from tests.writers import at_once


class Town:
    def __init__(self, engine: Engine, clock: Clock, slack: SlackApi, receiver: Hook, mail: Mail) -> None:
        self.slack, self.receiver, self.mail, self.clock = slack, receiver, mail, clock
        self.channels: dict[str, Any] = {
            "slack": SlackBotChannel(TOKEN, slack.channel, slack.url),
            "email": EmailChannel(f"smtp://127.0.0.1:{mail.port}", "health@example.com", ("ann@example.com",)),
            "webhook": WebhookChannel(receiver.url, "s3cr3t-key"),
        }
        self.station = Station(engine, clock, self.channels)

    def goes_down(self) -> None:
        self.slack.down = Answer(503, b"upstream")
        self.receiver.answer = Answer(500, b"")
        self.mail.refuse = ("ann@example.com",)
        self.mail.refusal = "450 try later"

    def comes_back(self) -> None:
        self.slack.down, self.receiver.answer, self.mail.refuse = None, Answer(204, b""), ()

    def minutes(self, number: int, *events: tuple[int, Any]) -> None:
        """Looks and delivers once a minute, and does what happens at its minute."""
        for minute in range(number):
            for at, work in events:
                if at == minute:
                    work()
            self.station.run()
            self.clock.forward(seconds=60)

    def posted(self) -> list[tuple[str, str]]:
        return [(body["event"], body["title"]) for body in self.receiver.bodies]


@pytest.fixture
def town(engine: Engine, clock: Clock) -> Iterator[Town]:
    with ExitStack() as stack:
        servers = [stack.enter_context(each()) for each in (slack_api, hook, mail_server)]
        clock.forward(hours=1)
        yield Town(engine, clock, *servers)  # type: ignore[arg-type]


def test_slack_is_down_for_an_hour_and_people_read_how_things_stand(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    station = town.station
    station.breaks(0, "known before")
    station.run()
    assert town.slack.headlines() == ["🔴 acme/web · W0 is failing on main"]
    town.goes_down()
    town.minutes(
        60,
        (1, lambda: station.breaks(1, "E   came and went")),
        (5, lambda: station.breaks(2, "E   still there")),
        (10, lambda: station.mends(0)),
        (20, lambda: station.breaks(3)),
        (43, lambda: station.mends(1)),
    )
    tried = len(town.slack.calls)
    assert tried < 25
    town.comes_back()
    town.receiver.posted.clear()
    town.minutes(70)
    assert town.slack.headlines() == [
        "✅ Resolved: acme/web · W0 is failing on main",
        "🔴 acme/web · W3 is failing on main",
        "🔴 acme/web · W2 is failing on main",
        "✅ acme/web · W1 was failing on main for 42m 02s",
    ]
    assert [text.splitlines()[0] for text in town.slack.replies()] == ["✅ acme/web · W0 has recovered on main"]
    folded = town.slack.read()[-1]
    assert "First bad commit\n0000000 (run started by alice): a change" in folded
    assert "E   came and went" in folded
    assert "Created\n" in folded
    assert [mail["Subject"] for mail in town.mail.messages] == [
        "[acme/web] W0 is failing on main: 3 failed runs in a row",
        "[acme/web] W3 is failing on main: 3 failed runs in a row",
        "[acme/web] W2 is failing on main: 3 failed runs in a row",
        "acme/web · W1 was failing on main for 42m 02s",
        "[acme/web] W0 has recovered on main",
    ]
    assert [event for event, _ in town.posted()] == ["firing", "firing", "resolved", "resolved"]
    body = next(each for each in town.receiver.bodies if "was failing" in each["title"])
    assert body["alert"]["error_line"] == "E   came and went"
    assert body["alert"]["first_bad_commit"]["started_by"] == "alice"
    assert body["alert"]["resolved_at"]
    states = {(each.channel, each.reason): each for each in station.alerts()[-2].deliveries}
    assert states["slack", "first"].state == "folded"
    assert states["slack", "first"].merged_into == states["slack", "resolved"].id
    assert "s3cr3t" not in caplog.text


# Hours of rules and messages: what differs by database the other stories and the outbox's own tests try.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_many_that_came_and_went_are_one_digest(town: Town) -> None:
    town.goes_down()
    events: list[tuple[int, Any]] = []
    for number in range(6):
        events.append((2 * number, lambda number=number: town.station.breaks(number, f"E   cause {number}")))
        events.append((20 + 2 * number, lambda number=number: town.station.mends(number)))
    events.append((40, lambda: town.station.breaks(7)))
    town.minutes(60, *events)
    town.comes_back()
    town.receiver.posted.clear()
    town.minutes(70)
    assert town.slack.headlines() == [
        "🔴 acme/web · W7 is failing on main",
        "✅ 6 alerts opened and resolved while notifications could not be sent",
    ]
    lines = [line for line in town.slack.read()[1].splitlines() if line.startswith("•")]
    assert lines[0] == (
        "• acme/web · W0 was failing on main for 20m 02s (since 0000000 (run started by alice); E   cause 0)"
    )
    assert [line.split()[3] for line in lines] == [f"W{number}" for number in range(6)]
    digest = town.receiver.bodies[-1]
    assert (digest["event"], digest["alert"], len(digest["alerts"])) == ("resolved", None, 6)
    assert {alert["error_line"] for alert in digest["alerts"]} == {f"E   cause {number}" for number in range(6)}
    assert len(town.mail.messages) == 2
    folded = [each for alert in town.station.alerts() for each in alert.deliveries if each.state == "folded"]
    assert len(folded) == 3 * 11
    assert len({(each.channel, each.merged_into) for each in folded}) == 3


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_repeats_of_what_nobody_heard_of_are_one_message(town: Town) -> None:
    town.station.rule(RuleKind.CONSECUTIVE_FAILURES, 2, repeat_seconds=600, channels=("slack", "webhook"))
    town.goes_down()
    town.minutes(35, (0, lambda: town.station.breaks(1)))
    town.comes_back()
    town.receiver.posted.clear()
    town.minutes(70)
    mine = [(event, title) for event, title in town.posted() if "still" in title]
    assert mine[0] == ("firing", "[acme/web] W1 is still failing on main: 3 failed runs in a row")
    assert {event for event, _ in mine[1:]} == {"still_firing"}
    town.station.mends(1)
    town.station.run()
    assert [text[0] for text in town.slack.headlines()] == ["✅"] * len(town.slack.headlines())
    assert any("has recovered" in text for text in town.slack.replies())


def test_two_collectors_that_deliver_through_an_outage_send_each_message_once(town: Town, engine: Engine) -> None:
    other = Station(engine, town.clock, town.channels, new=False)
    town.goes_down()
    for number in range(7):
        town.station.breaks(number)
        town.station.evaluator.run()
        town.clock.forward(seconds=20)
        assert at_once(town.station.deliverer.run, other.deliverer.run) == []
        if number < 2:
            town.station.mends(number)
            town.station.evaluator.run()
    town.comes_back()
    for _ in range(20):
        town.clock.forward(seconds=60)
        assert at_once(town.station.deliverer.run, other.deliverer.run) == []
    found = sorted(text.partition(" for ")[0] for text in town.slack.headlines())
    assert found == sorted(
        [f"✅ acme/web · W{number} was failing on main" for number in (0, 1)]
        + [f"🔴 acme/web · W{number} is failing on main" for number in range(2, 7)]
    )
