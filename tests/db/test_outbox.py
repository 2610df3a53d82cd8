"""The outbox as it is stored, on both databases: claims, folds, and channels that fail."""

import sqlite3
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.engine import write_scope
from db.enums import RuleKind
from db.migrate import downgrade, upgrade
from db.models import ChannelState, Notification
from health.alerts.rules.detail import AlertDetail
from health.alerts.storage.alert_writes import (
    AlertScope,
    acknowledge,
    mark_notified,
    open_alert,
    resolve_alert,
    set_silenced_until,
)
from health.alerts.storage.outbox import (
    CLAIM_DURATION,
    ClaimedNotification,
    claim_due_notifications,
    enqueue,
    mark_failed,
    mark_sent,
)
from tests.builders import ACTOR, NOON, add_repository
from tests.writers import at_once

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


class Box:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def alert(self, number: int) -> int:
        with write_scope(self.engine) as session:
            scope = AlertScope(1, 5, RuleKind.CONSECUTIVE_FAILURES, "main", 1, target=f"{number}")
            return open_alert(session, scope, "3", AlertDetail(), NOON)

    def put(self, reason: str, *alerts: int, now: datetime = NOON, channel: str = "slack") -> int:
        with write_scope(self.engine) as session:
            lead = min(alerts) if alerts else None
            enqueue(session, lead, reason, {channel: {"subject": reason}}, now, alert_ids=alerts)
            if reason == "resolved":
                for each in alerts:
                    resolve_alert(session, each, AlertDetail(), now)
            return max(session.scalars(select(Notification.id)))

    def claim(self, now: datetime = NOON, *channels: str) -> list[ClaimedNotification]:
        with write_scope(self.engine) as session:
            return claim_due_notifications(session, now, channels or ("slack", "email"))

    def one(self, now: datetime = NOON) -> ClaimedNotification:
        with write_scope(self.engine) as session:
            (found,) = claim_due_notifications(session, now, ["slack", "email"], limit=1)
            return found

    def fail(self, claimed: ClaimedNotification, now: datetime, **more: Any) -> None:
        with write_scope(self.engine) as session:
            mark_failed(session, claimed, "down", now, **more)

    def delete(self, number: int) -> None:
        with write_scope(self.engine) as session:
            session.delete(session.get_one(Notification, number))

    def sent(self, claimed: ClaimedNotification, now: datetime, receipt: dict[str, Any] | None = None) -> None:
        with write_scope(self.engine) as session:
            mark_sent(session, claimed.id, now, receipt=receipt)

    def states(self) -> dict[int, tuple[str, int | None]]:
        with Session(self.engine) as session:
            return {row.id: (row.state, row.merged_into) for row in session.scalars(select(Notification))}


@pytest.fixture
def box(engine: Engine) -> Box:
    add_repository(engine)
    return Box(engine)


def test_two_programs_never_get_the_same_message(box: Box) -> None:
    for number in range(6):
        box.put("first", box.alert(number))
    found: list[ClaimedNotification] = []
    assert at_once(*[lambda: found.extend(box.claim())] * 3) == []
    assert sorted(each.id for each in found) == sorted(box.states())


def test_what_is_folded_is_kept_and_points_to_what_carries_it(box: Box) -> None:
    alert = box.alert(1)
    opening, repeat, ending = (box.put(reason, alert) for reason in ("first", "repeat", "resolved"))
    claimed = box.one()
    assert (claimed.id, [each.id for each in claimed.superseded]) == (ending, [opening, repeat])
    assert box.states() == {opening: ("folded", ending), repeat: ("folded", ending), ending: ("pending", None)}
    box.fail(claimed, NOON)
    again = box.one(NOON + 15 * SECOND)
    assert [each.message["subject"] for each in again.superseded] == ["first", "repeat"]
    box.sent(again, NOON + 15 * SECOND)
    assert box.states()[ending] == ("sent", None)
    assert box.claim(NOON + HOUR) == []


def test_a_digest_carries_what_its_parts_carried(box: Box) -> None:
    rows = [box.put(reason, alert) for alert in map(box.alert, range(3)) for reason in ("first", "resolved")]
    box.fail(box.one(), NOON)
    rows += [box.put(reason, alert) for alert in map(box.alert, range(3, 6)) for reason in ("first", "resolved")]
    claimed = box.one(NOON + 15 * SECOND)
    assert claimed.id == rows[-1]
    assert [each.id for each in claimed.superseded] == rows[:-1]
    assert set(box.states().values()) == {("folded", rows[-1]), ("pending", None)}


def test_a_program_that_dies_after_folding_loses_nothing(box: Box) -> None:
    alert = box.alert(1)
    box.put("first", alert)
    ending = box.put("resolved", alert)
    box.one()
    assert box.claim(NOON + CLAIM_DURATION - SECOND) == []
    again = box.one(NOON + CLAIM_DURATION)
    assert (again.id, len(again.superseded), again.tries) == (ending, 1, 2)


def test_the_end_waits_for_an_opening_that_is_on_its_way(box: Box) -> None:
    alert, other = box.alert(1), box.alert(2)
    box.put("first", alert)
    opening = box.one()
    box.put("resolved", alert)
    box.put("first", other)
    assert [each.reason for each in box.claim()] == ["first"]
    box.sent(opening, NOON, {"ts": "1.2"})
    (ending,) = box.claim()
    assert (ending.reason, ending.superseded) == ("resolved", ())
    assert [(each.id, each.receipt) for each in ending.first_notifications] == [(opening.id, {"ts": "1.2"})]


def test_the_opening_of_what_was_told_together_is_found_from_any_of_it(box: Box) -> None:
    first, second = box.alert(1), box.alert(2)
    box.put("first", first, second)
    with write_scope(box.engine) as session:
        mark_notified(session, [first, second], NOON, group_id=first)
    box.sent(box.one(), NOON, {"ts": "1.2"})
    box.put("repeat", second)
    assert [each.receipt for each in box.one().first_notifications] == [{"ts": "1.2"}]


def test_the_opening_that_a_repeat_carried_is_the_repeat(box: Box) -> None:
    alert = box.alert(1)
    box.put("first", alert)
    repeat = box.put("repeat", alert)
    box.sent(box.one(), NOON, {"ts": "3.4"})
    box.put("resolved", alert)
    assert [(each.id, each.receipt) for each in box.one().first_notifications] == [(repeat, {"ts": "3.4"})]


def test_a_channel_that_fails_is_left_alone_and_the_others_are_not(box: Box) -> None:
    for number in range(5):
        box.put("first", box.alert(number))
    mail = box.put("first", box.alert(9), channel="email")
    box.fail(box.one(), NOON)
    assert [each.id for each in box.claim()] == [mail]
    trials = []
    # What is tried at any other second is found by the next of these, and makes the list another one.
    for seconds in (quarter + k for quarter in range(15, 3600, 15) for k in (-1, 0)):
        for claimed in box.claim(NOON + seconds * SECOND, "slack"):
            trials.append(seconds)
            box.fail(claimed, NOON + seconds * SECOND)
    assert trials == [15, 45, 105, 225, 465, 945, 1905]


def test_the_time_that_a_channel_names_is_that_of_all_its_messages(box: Box) -> None:
    for number in range(3):
        box.put("first", box.alert(number))
    box.fail(box.one(), NOON, retry_after=90 * SECOND)
    assert box.claim(NOON + 89 * SECOND) == []
    trial = box.one(NOON + 90 * SECOND)
    assert box.claim(NOON + 90 * SECOND) == []
    box.sent(trial, NOON + 91 * SECOND)
    assert len(box.claim(NOON + 91 * SECOND)) == 2


def test_a_trial_that_dies_lets_another_one_try(box: Box) -> None:
    for number in range(2):
        box.put("first", box.alert(number))
    box.fail(box.one(), NOON)
    box.one(NOON + 15 * SECOND)
    assert box.claim(NOON + 15 * SECOND + CLAIM_DURATION - SECOND) == []
    box.one(NOON + 15 * SECOND + CLAIM_DURATION)


def test_a_test_that_somebody_asks_for_goes_at_once_and_ends_the_waiting(box: Box) -> None:
    box.put("first", box.alert(1))
    for seconds in (0, 15, 45, 105, 225):
        box.fail(box.one(NOON + seconds * SECOND), NOON + seconds * SECOND)
    now = NOON + 230 * SECOND
    box.put("test", now=now)
    failed = box.one(now)
    assert failed.reason == "test"
    box.fail(failed, now)
    with Session(box.engine) as session:
        state = session.get_one(ChannelState, "slack")
        assert (state.failures, state.circuit_open_until, state.failing_since) == (5, NOON + 465 * SECOND, NOON)
    box.put("test", now=now)
    box.sent(box.one(now), now)
    assert sorted(each.reason for each in box.claim(now)) == ["first", "test"]


def test_one_message_that_a_channel_never_takes_holds_up_the_others_for_moments_only(box: Box) -> None:
    poison = box.put("first", box.alert(1))
    delays = []
    for number in range(2, 40):
        now = NOON + number * 60 * SECOND
        newer = box.put("first", box.alert(number), now=now)
        for second in range(0, 60, 5):
            for claimed in box.claim(now + second * SECOND, "slack"):
                if claimed.id == poison:
                    box.fail(claimed, now + second * SECOND)
                else:
                    delays.append(second)
                    assert claimed.id == newer
                    box.sent(claimed, now + second * SECOND)
    assert len(delays) == 38
    # Before any other message went out, nobody could know that the channel is well.
    assert max(delays) < 60
    assert max(delays[2:]) <= 15


def test_what_waits_behind_a_dead_channel_is_given_up_after_a_day_too(box: Box) -> None:
    for number in range(3):
        box.put("first", box.alert(number))
    for hours in range(26):
        for claimed in box.claim(NOON + hours * HOUR):
            box.fail(claimed, NOON + hours * HOUR)
    assert {state for state, _ in box.states().values()} == {"dead"}
    with Session(box.engine) as session:
        assert set(session.scalars(select(Notification.error))) == {"down"}


def test_a_refusal_for_good_says_that_the_channel_answers(box: Box) -> None:
    for number in range(3):
        box.put("first", box.alert(number))
    box.fail(box.one(), NOON)
    box.fail(box.one(NOON + 15 * SECOND), NOON + 15 * SECOND, permanent=True)
    assert len(box.claim(NOON + 15 * SECOND)) == 2


def test_what_ended_quietly_before_anybody_could_be_told_is_kept_and_not_sent(box: Box) -> None:
    alert = box.alert(1)
    opening = box.put("first", alert)
    with write_scope(box.engine) as session:
        resolve_alert(session, alert, AlertDetail(), NOON)
    assert box.claim() == []
    assert box.states() == {opening: ("folded", None)}
    with Session(box.engine) as session:
        assert "Not sent: meanwhile the alert was silenced" in (session.get_one(Notification, opening).note or "")


def test_an_older_version_knows_no_folded_messages(box: Box) -> None:
    rows = [box.put(reason, alert) for alert in (box.alert(1), box.alert(2)) for reason in ("first", "resolved")]
    second, first = box.claim()
    box.sent(second, NOON, {"ts": "1"})
    assert first.id == rows[1]
    downgrade(box.engine, "0008")
    upgrade(box.engine)
    assert {number: state for number, (state, _) in box.states().items()} == {
        rows[0]: "dead", rows[1]: "pending", rows[2]: "sent", rows[3]: "sent",
    }  # fmt: skip


def test_who_fails_after_its_claim_ran_out_takes_nothing_back(box: Box) -> None:
    box.put("first", box.alert(1))
    slow, again = box.one(), box.one(NOON + CLAIM_DURATION)
    box.fail(slow, NOON + CLAIM_DURATION + SECOND)
    assert box.claim(NOON + CLAIM_DURATION + 30 * SECOND) == []
    box.sent(again, NOON + CLAIM_DURATION + SECOND)
    box.fail(slow, NOON + CLAIM_DURATION + SECOND, permanent=True)
    assert box.states() == {again.id: ("sent", None)}
    with Session(box.engine) as session:
        assert session.get_one(ChannelState, "slack").failures == 0


def test_who_is_done_after_its_claim_ran_out_says_so(box: Box) -> None:
    alert = box.alert(1)
    box.put("first", alert)
    slow = box.one()
    box.put("resolved", alert)
    end = box.one(NOON + CLAIM_DURATION)
    assert [each.id for each in end.superseded] == [slow.id]
    box.sent(slow, NOON + CLAIM_DURATION + SECOND)
    assert box.states() == {slow.id: ("sent", None), end.id: ("pending", None)}


def test_what_is_silenced_while_it_waits_is_not_told(box: Box) -> None:
    quiet, loud = box.alert(1), box.alert(2)
    waits, goes = box.put("first", quiet), box.put("first", loud)
    with write_scope(box.engine) as session:
        set_silenced_until(session, quiet, NOON + HOUR)
    assert [each.id for each in box.claim()] == [goes]
    assert box.states()[waits] == ("folded", None)
    assert box.put("first", quiet) in [each.id for each in box.claim(NOON + HOUR)]


def test_who_acknowledged_while_a_repeat_waits_does_not_get_it_but_hears_the_opening(box: Box) -> None:
    known, new = box.alert(1), box.alert(2)
    repeat, opening, also = box.put("repeat", known), box.put("first", new), box.put("repeat", new)
    with write_scope(box.engine) as session:
        for each in (known, new):
            assert acknowledge(session, each, "ann", "", NOON, actor=ACTOR)
    assert [each.id for each in box.claim()] == [opening]
    assert box.states() == {repeat: ("folded", None), opening: ("pending", None), also: ("folded", None)}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_more_may_wait_than_a_query_can_name(box: Box) -> None:
    alert = box.alert(1)
    with box.engine.connect() as connection:
        most = connection.connection.driver_connection
        assert most is not None
        most.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 500)
    with write_scope(box.engine) as session:
        for _ in range(600):
            enqueue(session, alert, "repeat", {"slack": {"subject": "repeat"}}, NOON, alert_ids=[alert])
    (claimed,) = box.claim()
    assert len(claimed.superseded) == 599


def test_a_message_that_was_deleted_meanwhile_is_not_reported_as_given_up(box: Box) -> None:
    box.put("first", box.alert(1))
    claimed = box.one()
    box.delete(claimed.id)
    with write_scope(box.engine) as session:
        assert mark_failed(session, claimed, "down", NOON) is None
    assert box.states() == {}
