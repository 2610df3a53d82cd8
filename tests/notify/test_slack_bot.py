"""Slack by a bot: the opening, what follows in its thread, and what Slack says no to."""

import json
import logging
import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest

from health.alerts.channels.base import DeliveryContext, DeliveryFailed, Message, NotificationEvent, ThreadParent
from health.alerts.channels.slack_bot import SlackBotChannel
from tests.notify.web import TOKEN, Answer, SlackApi, as_read, slack_api

NEWS = Message(
    subject="[acme/web] CI is failing on <!channel>",
    headline="acme/web · CI is failing on <!channel>",
    fields=(("In a row", "3 failed runs in a row"), ("Error", "E   assert 3 == 4 <@U1>")),
    links=(("GitHub", "https://github.com/acme/web/actions/runs/3"),),
)
OVER = Message("[acme/web] CI recovered", "CI has recovered", (("Was failing for", "42m 00s"),), resolved=True)


@pytest.fixture
def slack() -> Iterator[SlackApi]:
    with slack_api() as found:
        yield found


@pytest.fixture
def bot(slack: SlackApi) -> SlackBotChannel:
    return SlackBotChannel(TOKEN, slack.channel, slack.url)


def after(receipt: dict[str, str], event: NotificationEvent = NotificationEvent.RESOLVED) -> DeliveryContext:
    return DeliveryContext(event, thread_parents=(ThreadParent(NEWS, receipt),))


def test_an_opening_is_posted_and_its_place_remembered(slack: SlackApi, bot: SlackBotChannel) -> None:
    receipt = bot.send(NEWS, DeliveryContext(NotificationEvent.FIRING))
    ((ts, posted),) = slack.messages.items()
    assert receipt.location == {"asked": "C0ALERTS", "channel": "C0ALERTS", "ts": ts}
    assert receipt.note is None
    assert as_read(posted).splitlines() == [
        "🔴 acme/web · CI is failing on <!channel>", "In a row", "3 failed runs in a row", "Error",
        "E   assert 3 == 4 <@U1>", "<https://github.com/acme/web/actions/runs/3|GitHub>",
    ]  # fmt: skip
    assert posted["text"] == "[acme/web] CI is failing on &lt;!channel&gt;"
    assert {part["type"] for part in (posted["blocks"][0]["text"], *posted["blocks"][1]["fields"])} == {"plain_text"}


def test_what_follows_stands_in_the_thread_and_the_opening_shows_the_end(slack: SlackApi, bot: SlackBotChannel) -> None:
    place = bot.send(NEWS, DeliveryContext(NotificationEvent.FIRING)).location
    still = Message("still", "CI is still failing")
    bot.send(still, after(place, NotificationEvent.STILL_FIRING))
    assert slack.headlines() == ["🔴 acme/web · CI is failing on <!channel>"]
    assert bot.send(OVER, after(place)).note is None
    assert [text.splitlines()[0] for text in slack.replies()] == ["🔴 CI is still failing", "✅ CI has recovered"]
    assert slack.headlines() == ["✅ Resolved: acme/web · CI is failing on <!channel>"]
    (opening,) = slack.messages.values()
    assert opening["text"] == "✅ Resolved: [acme/web] CI is failing on &lt;!channel&gt;"
    assert "E   assert 3 == 4" in as_read(opening)
    assert "CI has recovered" in as_read(opening)


def test_without_a_receipt_a_recovery_is_posted_plainly(slack: SlackApi, bot: SlackBotChannel) -> None:
    bot.send(
        OVER,
        DeliveryContext(NotificationEvent.RESOLVED, thread_parents=(ThreadParent(NEWS, {"message_id": "<mail@x>"}),)),
    )
    assert slack.headlines() == ["✅ CI has recovered"]
    assert [method for method, _ in slack.calls] == ["chat.postMessage"]


@pytest.mark.parametrize("word", ["message_not_found", "edit_window_closed", "cant_update_message", "ratelimited"])
def test_an_opening_that_cannot_be_marked_is_a_note_and_no_failure(
    slack: SlackApi, bot: SlackBotChannel, word: str
) -> None:
    place = bot.send(NEWS, DeliveryContext(NotificationEvent.FIRING)).location
    slack.instead["chat.update"] = Answer.error(word)
    note = bot.send(OVER, after(place)).note
    assert note is not None
    assert note.startswith("The first message could not be marked as resolved: ")
    assert len(slack.replies()) == 1


def test_an_opening_that_somebody_deleted_has_no_thread(slack: SlackApi, bot: SlackBotChannel) -> None:
    place = bot.send(NEWS, DeliveryContext(NotificationEvent.FIRING)).location
    slack.messages.clear()
    receipt = bot.send(OVER, after(place))
    assert slack.headlines() == ["✅ CI has recovered"]
    assert "message_not_found" in (receipt.note or "")


def test_in_another_channel_than_the_opening_people_are_told_too(slack: SlackApi, bot: SlackBotChannel) -> None:
    place = bot.send(NEWS, DeliveryContext(NotificationEvent.FIRING)).location
    SlackBotChannel(TOKEN, "#alerts", slack.url).send(OVER, after(place))
    assert slack.headlines() == ["✅ Resolved: acme/web · CI is failing on <!channel>", "✅ CI has recovered"]


def test_the_end_of_many_openings_marks_them_all(slack: SlackApi, bot: SlackBotChannel) -> None:
    openings = tuple(
        ThreadParent(NEWS, bot.send(NEWS, DeliveryContext(NotificationEvent.FIRING)).location) for _ in range(2)
    )
    bot.send(OVER, DeliveryContext(NotificationEvent.RESOLVED, thread_parents=openings))
    assert [text[0] for text in slack.headlines()] == ["✅", "✅", "✅"]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("channel_not_found", "SLACK_CHANNEL"), ("not_in_channel", "invite the bot"), ("is_archived", "archived"),
        ("invalid_auth", "SLACK_BOT_TOKEN"), ("token_revoked", "SLACK_BOT_TOKEN"),
        ("account_inactive", "SLACK_BOT_TOKEN"), ("missing_scope", "chat:write"), ("invalid_blocks", ""),
    ],
)  # fmt: skip
def test_what_somebody_must_mend_is_not_tried_again(
    slack: SlackApi, bot: SlackBotChannel, word: str, hint: str
) -> None:
    slack.down = Answer.error(word)
    with pytest.raises(DeliveryFailed, match=f"^Slack reports {word}.*{hint}") as failed:
        bot.send(NEWS)
    assert failed.value.permanent


@pytest.mark.parametrize(
    "answer",
    [
        Answer.error("internal_error"), Answer.error("service_unavailable"), Answer.error("fatal_error"),
        Answer.error("a_word_of_next_year"), Answer(500, b"<html>upstream</html>"), Answer(200, b"<html>no JSON"),
        Answer(200, b"[1]"), Answer(200, b"null"), Answer(200, b"\xff\xfe"), Answer(503, b"\xff"),
        Answer.json({"ok": False, "error": "x" * 5000}), Answer.json({"ok": False}),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again(slack: SlackApi, bot: SlackBotChannel, answer: Answer) -> None:
    slack.down = answer
    with pytest.raises(DeliveryFailed) as failed:
        bot.send(NEWS)
    assert not failed.value.permanent
    assert len(str(failed.value)) < 300
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    "answer",
    [
        Answer.json({"ok": False, "error": "ratelimited"}, 429, **{"Retry-After": "17"}),
        Answer(200, b'{"ok": false, "error": "ratelimited"}', {"Retry-After": "17"}),
    ],
)
def test_being_asked_to_slow_down_names_the_time_to_wait(slack: SlackApi, bot: SlackBotChannel, answer: Answer) -> None:
    slack.down = answer
    with pytest.raises(DeliveryFailed, match="rate limit") as failed:
        bot.send(NEWS)
    assert failed.value.retry_after == timedelta(seconds=17)


def test_no_error_and_no_log_holds_the_token(
    slack: SlackApi, bot: SlackBotChannel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}/api/"
        with pytest.raises(DeliveryFailed, match=r"cannot be reached: .*refused") as unreachable:
            SlackBotChannel(TOKEN, "C1", gone).send(NEWS)
    slack.down = Answer(502, f"you sent {TOKEN}".encode())
    with pytest.raises(DeliveryFailed, match="502") as echoed:
        bot.send(NEWS)
    slack.down = Answer.error(f"bad {TOKEN}")
    with pytest.raises(DeliveryFailed) as named:
        bot.send(NEWS)
    assert "s3cr3t" not in f"{unreachable.value} {echoed.value} {named.value} {caplog.text}"


def test_whoever_redirects_elsewhere_does_not_get_the_token(slack: SlackApi, bot: SlackBotChannel) -> None:
    with slack_api() as elsewhere:
        seen: list[str | None] = []
        real = elsewhere.answer
        elsewhere.answer = lambda method, authorization, asked: (  # type: ignore[method-assign]
            seen.append(authorization) or real(method, authorization, asked)  # type: ignore[func-returns-value]
        )
        slack.down = Answer(302, b"", {"Location": f"{elsewhere.url}chat.postMessage"})
        with pytest.raises(DeliveryFailed):
            bot.send(NEWS)
    assert seen == [None]


def test_whose_token_it_is_can_be_asked_without_a_message(slack: SlackApi, bot: SlackBotChannel) -> None:
    assert bot.identify() == "health in Acme"
    with pytest.raises(DeliveryFailed, match="invalid_auth; check SLACK_BOT_TOKEN"):
        SlackBotChannel("xoxb-other", slack.channel, slack.url).identify()
    assert slack.messages == {}
    assert "chat" not in json.dumps([method for method, _ in slack.calls])
