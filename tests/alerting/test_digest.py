"""A digest is made of data, so that no label of a message can break it."""

from dataclasses import replace
from typing import Any

import pytest

from health.alerts.channels.base import Message
from health.alerts.notifications.render import delivery_message
from health.alerts.rules.detail import AlertDetail
from health.alerts.storage.outbox import ClaimedNotification, SupersededNotification
from tests.builders import NOON

DIGEST = {"first_bad_commit": "abc1234 by Ann", "error_line": "E   boom", "alerts_url": "http://dash/alerts"}


def data(number: int, **values: Any) -> dict[str, Any]:
    alert = {"id": number, "first_bad_commit": None, "error_line": None, **values}
    return {"severity": "critical", "rule": None, "alerts": [alert]}


def episode(number: int, first: Message) -> tuple[SupersededNotification, SupersededNotification]:
    end = Message("", "", resolved=True, episode_summary=f"W{number} was failing", data=data(number))
    ids = frozenset({number})
    return (
        SupersededNotification(10 * number, "first", first.to_dict(), ids),
        SupersededNotification(10 * number + 1, "resolved", end.to_dict(), ids),
    )


def delivered(*firsts: Message) -> Message:
    rows = [row for number, first in enumerate(firsts, 1) for row in episode(number, first)]
    last = rows.pop()
    claimed = ClaimedNotification(
        last.id, "slack", "resolved", last.message, 1, NOON, alert_ids=last.alert_ids, superseded=tuple(rows)
    )
    return delivery_message(claimed, NOON)


@pytest.mark.parametrize("label", ["First bad commit", "Another label"])
def test_a_digest_names_commit_and_error_whatever_their_labels(label: str) -> None:
    first = Message(
        "",
        "",
        ((label, "abc1234 by Ann: change"), ("Cause", "E   boom")),
        links=(("See", "http://dash/alerts?alert=1"),),
    )
    digest = delivered(*[replace(first, data={**data(number), "digest": DIGEST}) for number in (1, 2)])
    assert digest.lines == tuple(f"• W{number} was failing (since abc1234 by Ann; E   boom)" for number in (1, 2))
    assert digest.links == (("Alerts", "http://dash/alerts"),)
    assert digest.data["severity"] == "critical"


def test_a_digest_of_messages_that_an_older_version_stored_names_commit_and_error() -> None:
    known = {"first_bad_commit": {"sha": "abc1234def"}, "error_line": "E   boom"}
    digest = delivered(Message("", "", data=data(1, **known)), Message("", ""))
    assert digest.lines == ("• W1 was failing (since abc1234; E   boom)", "• W2 was failing")
    assert digest.links == ()


def test_a_stored_detail_keeps_nulls_and_keys_of_other_versions() -> None:
    stored = {"branch": None, "since": "2026-11-18T12:00:00+00:00", "failures": 3, "of_tomorrow": 1}
    detail = AlertDetail.from_dict(stored)
    assert (detail.since, detail.failures, detail.value) == (NOON, 3, None)
    assert detail.to_dict() == stored
