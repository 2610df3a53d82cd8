"""What goes out next by a channel, and what is folded into what."""

from datetime import timedelta

from health.alerts.rules.transitions import GROUP_THRESHOLD
from health.alerts.storage.outbox_plan import DispatchPlan, PendingNotification, plan_dispatch
from tests.builders import NOON


def row(number: int, reason: str, *alerts: int, **more: object) -> PendingNotification:
    values = {"is_first": reason == "first"} | more
    return PendingNotification(number, reason, frozenset(alerts), NOON, **values)  # type: ignore[arg-type]


def planned(*rows: PendingNotification, failing: bool = False) -> DispatchPlan:
    return plan_dispatch(rows, NOON, channel_failing=failing)


def test_what_goes_on_goes_first_and_the_newest_of_it() -> None:
    rows = row(1, "first", 1), row(2, "resolved", 9), row(3, "first", 3), row(4, "test"), row(5, "resolved", 8)
    assert planned(*rows) == DispatchPlan({}, (), (4, 3, 1, 5, 2))


def test_what_is_not_due_waits() -> None:
    later = PendingNotification(1, "first", frozenset({1}), NOON + timedelta(seconds=1))
    assert planned(later, row(2, "first", 2)).send_order == (2,)


def test_an_opening_and_its_repeats_are_folded_into_the_end() -> None:
    rows = row(1, "first", 7), row(2, "repeat", 7), row(3, "repeat", 7), row(4, "resolved", 7)
    assert planned(*rows) == DispatchPlan({1: 4, 2: 4, 3: 4}, (), (4,))


def test_repeats_of_a_late_opening_are_folded_into_the_newest() -> None:
    rows = row(1, "first", 7), row(2, "repeat", 7), row(3, "repeat", 7), row(4, "first", 8)
    assert planned(*rows) == DispatchPlan({1: 3, 2: 3}, (), (4, 3))


def test_what_was_told_together_is_folded_together() -> None:
    assert planned(row(1, "first", 1, 2, 3), row(2, "resolved", 1, 2, 3)).merges == {1: 2}
    singly = [row(number, "first", number) for number in (1, 2, 3)]
    assert planned(*singly, row(9, "resolved", 1, 2)).merges == {1: 9, 2: 9}
    assert planned(row(1, "first", 1, 2), row(2, "resolved", 2)).merges == {}


def test_more_than_a_storm_of_what_came_and_went_is_one_digest() -> None:
    rows = [row(n, "first" if n % 2 else "resolved", (n + 1) // 2) for n in range(1, 2 * GROUP_THRESHOLD + 1)]
    each = planned(*rows)
    assert len(each.send_order) == GROUP_THRESHOLD
    more = planned(*rows, row(98, "first", 50), row(99, "resolved", 50))
    assert more.send_order == (99,)
    assert set(more.merges.values()) == {99}
    assert set(more.merges) == {*range(1, 2 * GROUP_THRESHOLD + 1), 98}


def test_a_digest_takes_in_what_comes_after_it() -> None:
    digest = row(10, "resolved", 1, episode_count=GROUP_THRESHOLD + 1, is_first=True)
    assert planned(digest, row(11, "first", 2), row(12, "resolved", 2)).merges == {10: 12, 11: 12}
    assert planned(digest, row(12, "resolved", 2)).merges == {}


def test_ends_of_what_was_told_are_no_digest() -> None:
    assert planned(*(row(n, "resolved", n) for n in range(1, 20))).merges == {}


def test_nothing_is_said_about_an_alert_that_is_being_told() -> None:
    flying = row(1, "first", 7, in_flight=True, tries=1)
    found = planned(flying, row(2, "resolved", 7), row(3, "first", 8))
    assert (found.merges, found.send_order) == ({}, (3,))


def test_what_ended_without_a_message_is_not_told_as_news() -> None:
    assert planned(row(1, "first", 7, is_obsolete=True), row(2, "first", 8)) == DispatchPlan({}, (1,), (2,))
    assert planned(row(1, "first", 7, is_obsolete=True), row(2, "resolved", 7)).obsolete == ()


def test_a_channel_that_fails_is_tried_with_the_best_message_until_that_may_be_to_blame() -> None:
    rows = row(1, "resolved", 1), row(2, "first", 2), row(3, "first", 3, tries=7)
    assert planned(*rows, failing=True).send_order == (3, 2, 1)
    stubborn = row(1, "resolved", 1), row(2, "first", 2), row(3, "first", 3, tries=8)
    assert planned(*stubborn, failing=True).send_order == (2, 1, 3)
    assert planned(*stubborn, failing=False).send_order == (3, 2, 1)
