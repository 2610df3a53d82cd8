"""How deep a look goes, and how often."""

from dataclasses import replace
from datetime import timedelta

from collector.sync.cursor import OVERLAP, Known, plan
from tests.builders import NOON

BACKFILL = NOON - timedelta(days=30)
KNOWN = Known(BACKFILL, NOON - timedelta(minutes=5), NOON - timedelta(minutes=5), NOON - timedelta(minutes=5))


def test_the_first_look_goes_back_to_the_beginning_of_the_history() -> None:
    walk = plan(Known(None, None, None, None), BACKFILL, NOON)
    assert (walk.until, walk.first, walk.plain) == (BACKFILL, True, False)


def test_an_interrupted_first_look_begins_again() -> None:
    assert plan(replace(KNOWN, covered_to=None), BACKFILL, NOON).first


def test_a_normal_look_ends_where_the_last_one_began_with_some_overlap() -> None:
    walk = plan(KNOWN, BACKFILL, NOON)
    assert walk.plain
    assert walk.until == NOON - timedelta(minutes=5) - OVERLAP


def test_after_an_hour_three_days_and_after_a_day_a_month_are_read_again() -> None:
    hour = plan(replace(KNOWN, relooked_at=NOON - timedelta(hours=1)), BACKFILL, NOON)
    assert (hour.until, hour.relook, hour.deep) == (NOON - timedelta(days=3), True, False)
    day = plan(replace(KNOWN, relooked_deep_at=NOON - timedelta(days=1)), BACKFILL, NOON)
    assert (day.until, day.relook, day.deep) == (BACKFILL, True, True)


def test_a_longer_history_is_read_when_it_is_asked_for() -> None:
    assert plan(KNOWN, NOON - timedelta(days=90), NOON).first


def test_a_history_that_github_cuts_short_is_not_read_again_at_every_poll() -> None:
    assert plan(replace(KNOWN, capped=True), NOON - timedelta(days=90), NOON).plain


def test_after_a_long_pause_the_tail_is_read_as_far_as_needed() -> None:
    known = replace(KNOWN, covered_to=NOON - timedelta(days=20))
    assert plan(known, BACKFILL, NOON).until == NOON - timedelta(days=20) - OVERLAP
