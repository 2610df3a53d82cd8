"""Alerts from rule to message, over real SMTP and HTTP: one when it starts, one when it is over, none between."""

import email
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.definitions.records import RepositoryRecord
from db.definitions.scope import Scope, Window
from db.engine import write_scope
from db.enums import RuleKind
from db.repositories.repository_writes import get_repository
from db.runs.run_writes import set_default_branch
from health.alerts.channels.email import EmailChannel
from health.alerts.channels.slack import SlackWebhookChannel
from health.alerts.evaluation import Evaluator
from health.alerts.notifications.delivery import Dispatcher
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.measures import Measurement
from health.alerts.rules.rules import built_in, parse_threshold
from health.alerts.rules.transitions import condition_met
from health.alerts.storage.alert_queries import list_alerts
from health.alerts.storage.alert_writes import AlertScope, open_alert, resolve_alert
from health.metrics import service
from health.metrics.definitions.catalogue import display
from tests.builders import NOON, add_repository, run, store_runs
from tests.collector.conftest import Clock
from tests.notify.servers import mail_server
from tests.receivers import Received, slack_stand_in
from tests.writers import at_once


class Mails(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.received: list[Any] = []

    def handle_message(self, message: Any) -> None:
        self.received.append(email.message_from_bytes(message.as_bytes(), policy=default))


@pytest.fixture
def slack() -> Iterator[Received]:
    with slack_stand_in() as received:
        yield received


@pytest.fixture
def mails() -> Iterator[tuple[Mails, int]]:
    handler = Mails()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, port
    controller.stop()


class Station:
    """Rules and delivery over one database."""

    def __init__(self, engine: Engine, clock: Clock, channels: dict[str, Any], threshold: str = "3") -> None:
        self.engine, self.clock = engine, clock
        self.evaluator = Evaluator(engine, parse_threshold(threshold), list(channels), "http://dash:8501", clock)
        self.deliverer = Dispatcher(engine, channels, clock)

    def run(self) -> tuple[int, int, int]:
        evaluated = self.evaluator.run()
        return evaluated.opened, evaluated.resolved, self.deliverer.run()

    def alerts(self) -> Any:
        with Session(self.engine) as session:
            return list_alerts(session)


@pytest.fixture
def station(engine: Engine, clock: Clock, slack: Received) -> Station:
    add_repository(engine)
    clock.forward(hours=1)
    return Station(engine, clock, {"slack": SlackWebhookChannel(slack.url)})


def fail(number: int, minutes: float, **changed: Any) -> Any:
    return run(number, minutes=minutes, conclusion="failure", **changed)


def test_one_message_opens_and_one_closes_however_many_runs_fail(
    engine: Engine, station: Station, slack: Received
) -> None:
    store_runs(engine, run(1), fail(2, 1), fail(3, 2))
    assert station.run() == (0, 0, 0)
    store_runs(engine, fail(4, 3))
    assert station.run() == (1, 0, 1)
    for number in range(5, 9):
        store_runs(engine, fail(number, number))
        assert station.run() == (0, 0, 0)
    store_runs(engine, run(9, minutes=30))
    assert station.run() == (0, 1, 1)
    assert station.run() == (0, 0, 0)
    assert len(slack.bodies) == 2
    opening, closing = (json.dumps(body, ensure_ascii=False) for body in slack.bodies)
    assert "acme/web · CI is failing on main" in opening
    assert f"{2:040x}"[:7] in opening
    assert "3 failed runs in a row" in opening
    assert "http://dash:8501/run?run_id=4" in opening
    assert "has recovered" in closing


def test_two_who_evaluate_at_once_tell_people_once(engine: Engine, station: Station, slack: Received) -> None:
    store_runs(engine, *(fail(number, number) for number in range(1, 5)))
    assert at_once(station.evaluator.run, station.evaluator.run, station.evaluator.run) == []
    assert [(alert.state, len(alert.deliveries)) for alert in station.alerts()] == [("firing", 1)]


def test_a_second_firing_alert_about_the_same_cannot_be_opened(engine: Engine, station: Station) -> None:
    scope = AlertScope(1, None, RuleKind.FAILURE_RATE)
    with write_scope(engine) as session:
        first = open_alert(session, scope, "20%", AlertDetail(), station.clock())
    with pytest.raises(IntegrityError), write_scope(engine) as session:
        open_alert(session, scope, "20%", AlertDetail(), station.clock())
    with write_scope(engine) as session:
        resolve_alert(session, first, AlertDetail(), station.clock())
        open_alert(session, scope, "20%", AlertDetail(), station.clock())


@pytest.mark.parametrize("noise", ["cancelled", "skipped", "neutral"])
def test_noise_neither_opens_nor_closes(engine: Engine, station: Station, noise: str) -> None:
    store_runs(engine, fail(1, 1), fail(2, 2), run(3, minutes=3, conclusion=noise), fail(4, 4, branch="feature"))
    assert station.run() == (0, 0, 0)
    store_runs(engine, fail(5, 5))
    assert station.run() == (1, 0, 1)
    store_runs(engine, run(6, minutes=6, conclusion=noise))
    assert station.run() == (0, 0, 0)


def test_the_figures_in_the_message_are_the_strings_of_ui_and_api(
    engine: Engine, station: Station, slack: Received
) -> None:
    store_runs(engine, run(1, seconds=272), fail(2, 1), fail(3, 2), fail(4, 3))
    station.run()
    now = station.clock()
    with Session(engine) as session:
        scope = Scope(repos=("acme/web",), workflows=("5",))
        written = display(service.snapshot(session, scope, Window(now - timedelta(days=30), now)))
    text = slack.text(0)
    assert f"Success rate, 30 days\n{written['success_rate']}\n" in text
    assert f"Median duration, 30 days\n{written['success_duration_p50']}\n" in text
    assert written["success_rate"] == "25.0%"


def test_names_from_github_ping_nobody_and_format_nothing(engine: Engine, station: Station, slack: Received) -> None:
    store_runs(
        engine, *(fail(n, n, title="<!channel> *now* <http://evil|click> @here", actor="<!here>") for n in (1, 2, 3))
    )
    station.run()
    elements = slack.elements(0)
    formatted = [each["text"] for each in elements if each["type"] == "mrkdwn"]
    assert any("<!channel> *now*" in each["text"] for each in elements if each["type"] == "plain_text")
    assert not any("channel" in text or "evil" in text for text in formatted)
    assert "<!" not in slack.bodies[0]["text"]


def test_a_failed_delivery_is_tried_again_and_sent_once(engine: Engine, station: Station, slack: Received) -> None:
    slack.answer(500)
    store_runs(engine, fail(1, 1), fail(2, 2), fail(3, 3))
    assert station.run() == (1, 0, 0)
    assert station.run() == (0, 0, 0)
    slack.answer(200)
    station.clock.forward(seconds=20)
    assert station.run() == (0, 0, 1)
    station.clock.forward(hours=2)
    assert station.run() == (0, 0, 0)
    assert [each.state for each in station.alerts()[0].deliveries] == ["sent"]


def test_slacks_retry_after_is_kept(engine: Engine, station: Station, slack: Received) -> None:
    slack.answer(429, {"Retry-After": "90"})
    store_runs(engine, fail(1, 1), fail(2, 2), fail(3, 3))
    station.run()
    slack.answer(200)
    station.clock.forward(seconds=80)
    assert station.run()[2] == 0
    station.clock.forward(seconds=15)
    assert station.run()[2] == 1


def test_a_message_nobody_takes_for_a_day_is_dead_and_says_why(
    engine: Engine, station: Station, slack: Received
) -> None:
    slack.answer(500, body="upstream")
    store_runs(engine, fail(1, 1), fail(2, 2), fail(3, 3))
    station.run()
    for _ in range(60):
        station.clock.forward(minutes=30)
        station.deliverer.run()
    delivery = station.alerts()[0].deliveries[0]
    assert delivery.state == "dead"
    assert "upstream" in delivery.error


def test_a_message_that_slack_will_never_take_is_dead_at_once_and_says_why(
    engine: Engine, station: Station, slack: Received
) -> None:
    slack.answer(404, body="no_service")
    store_runs(engine, fail(1, 1), fail(2, 2), fail(3, 3))
    assert station.run() == (1, 0, 0)
    delivery = station.alerts()[0].deliveries[0]
    assert delivery.state == "dead"
    assert "no_service" in delivery.error
    assert "hooks" not in delivery.error
    slack.answer(200)
    station.clock.forward(hours=2)
    assert station.run() == (0, 0, 0)


def test_a_program_without_the_channel_leaves_its_messages_to_others_for_a_day(
    engine: Engine, station: Station, slack: Received
) -> None:
    slack.answer(500)
    store_runs(engine, fail(1, 1), fail(2, 2), fail(3, 3))
    assert station.run() == (1, 0, 0)
    without = Dispatcher(engine, {}, station.clock)
    station.clock.forward(hours=23)
    assert without.run() == 0
    assert station.alerts()[0].deliveries[0].state == "pending"
    station.clock.forward(hours=2)
    assert without.run() == 0
    delivery = station.alerts()[0].deliveries[0]
    assert (delivery.state, delivery.error) == ("dead", "The channel is no longer configured.")


def test_a_mail_that_the_server_refuses_for_good_is_dead_at_once(engine: Engine, clock: Clock) -> None:
    add_repository(engine)
    clock.forward(hours=1)
    with mail_server() as server:
        server.refuse = ("gone@example.com",)
        channel = EmailChannel(f"smtp://127.0.0.1:{server.port}", "health@example.com", ("gone@example.com",))
        station = Station(engine, clock, {"email": channel})
        store_runs(engine, fail(1, 1), fail(2, 2), fail(3, 3))
        assert station.run() == (1, 0, 0)
    delivery = station.alerts()[0].deliveries[0]
    assert (delivery.state, "550" in delivery.error) == ("dead", True)


def test_email_reaches_every_recipient_as_text_and_html(engine: Engine, clock: Clock, mails: tuple[Mails, int]) -> None:
    handler, port = mails
    add_repository(engine)
    channel = EmailChannel(f"smtp://127.0.0.1:{port}", "health@example.com", ("a@example.com", "b@example.com"))
    station = Station(engine, clock, {"email": channel})
    store_runs(engine, *(fail(n, -n, title="<b>bold</b>\r\nBcc: x@evil") for n in (1, 2, 3)))
    assert station.run() == (1, 0, 1)
    message = handler.received[0]
    assert message["X-RcptTo"] == "a@example.com, b@example.com"
    assert "failing on main" in message["Subject"]
    assert message["Bcc"] is None
    plain = message.get_body(("plain",)).get_content()
    rich = message.get_body(("html",)).get_content()
    assert "First bad commit:" in plain
    assert "&lt;b&gt;bold&lt;/b&gt;" in rich


def test_a_failure_rate_opens_with_enough_runs_and_closes_when_clearly_better(
    engine: Engine, clock: Clock, slack: Received
) -> None:
    add_repository(engine)
    clock.forward(hours=1)
    station = Station(engine, clock, {"slack": SlackWebhookChannel(slack.url)}, threshold="50%")
    store_runs(engine, fail(1, 1), fail(2, 2), fail(3, 3))
    assert station.run() == (0, 0, 0)
    store_runs(engine, run(4, minutes=4), run(5, minutes=5))
    assert station.run() == (1, 0, 1)
    store_runs(engine, run(6, minutes=6), run(7, minutes=7))
    assert station.run() == (0, 0, 0)
    store_runs(engine, run(8, minutes=8))
    assert station.run() == (0, 1, 1)
    assert "High failure rate: acme/web (main)" in slack.text(0).replace("\u200b", "")


def test_another_kind_of_threshold_closes_the_old_alerts_quietly(
    engine: Engine, station: Station, slack: Received
) -> None:
    store_runs(engine, fail(1, 1), fail(2, 2), fail(3, 3))
    station.run()
    other = Station(engine, station.clock, {"slack": SlackWebhookChannel(slack.url)}, threshold="90%")
    other.run()
    assert [alert.state for alert in station.alerts()] == ["resolved"]
    assert len(slack.bodies) == 1


@pytest.mark.parametrize("text", ["0", "-1", "abc", "3.5", "0%", "101%", "", "1000", "٣"])
def test_an_unusable_threshold_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="20%"):
        parse_threshold(text)


def test_rules_have_a_wider_gate_for_closing() -> None:
    rate, row = built_in(parse_threshold("20%")), built_in(parse_threshold("3"))
    assert condition_met(rate, Measurement(0.2, 10), firing=False)
    assert not condition_met(rate, Measurement(1.0, 4), firing=False)
    assert condition_met(rate, Measurement(0.17, 100), firing=True)
    assert not condition_met(rate, Measurement(0.15, 100), firing=True)
    assert condition_met(row, Measurement(1, 1), firing=True)
    assert not condition_met(row, Measurement(2, 2), firing=False)


def test_a_failed_run_that_is_run_again_has_not_recovered_yet(
    engine: Engine, clock: Clock, station: Station, slack: Received
) -> None:
    single = Station(engine, clock, {"slack": SlackWebhookChannel(slack.url)}, threshold="1")
    store_runs(engine, run(1), fail(2, 1))
    assert single.run() == (1, 0, 1)
    again = {"attempt": 2, "started_at": NOON + timedelta(minutes=5), "updated_at": NOON + timedelta(minutes=5)}
    store_runs(engine, run(2, minutes=1, status="in_progress", conclusion=None, **again))
    assert single.run() == (0, 0, 0)
    store_runs(engine, run(2, minutes=1, conclusion="cancelled", **again))
    assert single.run() == (0, 0, 0)
    store_runs(engine, run(2, minutes=1, conclusion="failure", **again | {"attempt": 3}))
    assert single.run() == (0, 0, 0)
    store_runs(engine, run(2, minutes=1, **again | {"attempt": 4}))
    assert single.run() == (0, 1, 1)
    assert "has recovered" in slack.text(1)


def test_a_success_from_before_is_no_recovery(engine: Engine, station: Station, slack: Received) -> None:
    """The branch is not the default one any more; the new one passed long ago."""
    store_runs(engine, run(1), run(2, branch="trunk"), fail(3, 1), fail(4, 2), fail(5, 3))
    assert station.run() == (1, 0, 1)
    add_repository(engine, RepositoryRecord(1, "acme/web", "trunk", True, False, ""))
    with write_scope(engine) as session:
        set_default_branch(session, get_repository(session, 1))
    assert station.run() == (0, 1, 0)
    assert len(slack.bodies) == 1


def test_failures_of_the_second_in_which_the_last_success_began_count(engine: Engine, station: Station) -> None:
    """GitHub gives times to the second, and two merges can come within one: the later run has the larger id."""
    store_runs(engine, run(1), fail(2, 0), fail(3, 0))
    assert station.run() == (0, 0, 0)
    store_runs(engine, fail(4, 0))
    assert station.run() == (1, 0, 1)
