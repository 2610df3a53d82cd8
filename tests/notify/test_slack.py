import json
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from health.alerts.channels.base import DeliveryFailed, Message
from health.alerts.channels.slack import SlackWebhookChannel, blocks
from tests.notify.servers import Slack, slack_server

NEWS = Message(
    subject="[acme/web] CI is failing on main",
    headline="acme/web · CI is failing on main",
    fields=(("Failing since", "3 min ago"), ("Success rate", "93.5%")),
    lines=("E   assert 3 == 4",),
    links=(("Dashboard", "http://localhost:8501/runs?repo=acme/web&branch=main"),),
)


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as server:
        yield server


def test_a_message_arrives_with_its_figures_and_links(slack: Slack) -> None:
    SlackWebhookChannel(slack.url).send(NEWS)
    (body,) = slack.received
    assert body["text"] == "[acme/web] CI is failing on main"
    assert body["blocks"][0]["text"]["text"] == "🔴 acme/web · CI is failing on main"
    assert [part["text"] for part in body["blocks"][1]["fields"]] == [
        "Failing since", "3 min ago", "Success rate", "93.5%",
    ]  # fmt: skip
    link = body["blocks"][-1]["elements"][0]["text"]
    assert link == "<http://localhost:8501/runs?repo=acme/web&amp;branch=main|Dashboard>"


def test_nothing_from_outside_pings_or_formats() -> None:
    nasty = "<!channel> *bold* `code` & <@U123>"
    message = Message(nasty, nasty, ((nasty, nasty),), (nasty,), ((nasty, "https://x.test/|<!here>"),))
    for block in blocks(message):
        parts = block.get("fields") or block.get("elements") or [block["text"]]
        for part in parts:
            assert part["type"] == "plain_text" or "<!" not in part["text"].replace("<https", "")


def test_the_subject_is_escaped_because_it_shows_in_notifications(slack: Slack) -> None:
    SlackWebhookChannel(slack.url).send(Message("<!channel> & co", "headline"))
    assert slack.received[0]["text"] == "&lt;!channel&gt; &amp; co"


@pytest.mark.parametrize("value", ["", "   ", "\ud800", "x" * 9000])
def test_values_that_slack_would_refuse_are_made_fit(slack: Slack, value: str) -> None:
    SlackWebhookChannel(slack.url).send(
        Message(value, value, ((value, value),) * 60, (value,) * 3, (("a", "javascript:x"),))
    )
    for block in slack.received[0]["blocks"]:
        for part in block.get("fields", [block.get("text")]):
            assert 1 <= len(part["text"]) <= 3000
    assert "javascript" not in json.dumps(slack.received)


def test_a_resolved_alert_is_marked_as_good_news() -> None:
    assert blocks(Message("s", "over", resolved=True))[0]["text"]["text"] == "✅ over"


@pytest.mark.parametrize(("given", "seconds"), [("17", 17), ("soon", 60), ("", 60), ("99999999", 3600)])
def test_being_asked_to_slow_down_names_the_time_to_wait(slack: Slack, given: str, seconds: int) -> None:
    slack.status, slack.headers = 429, {"Retry-After": given}
    with pytest.raises(DeliveryFailed, match="rate limit") as failed:
        SlackWebhookChannel(slack.url).send(NEWS)
    assert failed.value.retry_after == timedelta(seconds=seconds)
    assert not failed.value.permanent


@pytest.mark.parametrize(("status", "permanent"), [(404, True), (403, True), (400, True), (500, False), (503, False)])
def test_a_refusal_says_why_and_whether_trying_again_can_help(slack: Slack, status: int, permanent: bool) -> None:
    slack.status, slack.body = status, b"no_service\n"
    with pytest.raises(DeliveryFailed, match=f"{status}: no_service") as failed:
        SlackWebhookChannel(slack.url).send(NEWS)
    assert failed.value.permanent is permanent


def test_an_unreachable_slack_leaves_no_secret_in_error_or_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/services/s3cr3t-hook"
        with pytest.raises(DeliveryFailed, match="cannot be reached") as failed:
            SlackWebhookChannel(url).send(NEWS)
    assert "s3cr3t" not in str(failed.value)
    assert "s3cr3t" not in caplog.text


def test_an_answer_that_is_not_http_is_a_failed_delivery() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        channel = SlackWebhookChannel(f"http://127.0.0.1:{server.getsockname()[1]}/x")

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-nonsense\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(DeliveryFailed, match="cannot be reached"):
            channel.send(NEWS)
        thread.join()


def test_a_long_name_makes_no_text_that_slack_refuses(slack: Slack) -> None:
    """At most 4,000 characters in what can be edited (docs.slack.dev, "chat.update")."""
    SlackWebhookChannel(slack.url).send(replace(NEWS, subject="&" * 10_000, headline="<" * 10_000))
    (body,) = slack.received
    assert len(body["text"]) < 4_000
    assert body["text"].replace("&amp;", "") == "…"
