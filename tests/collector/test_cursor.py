"""How deep a look goes, and how often."""

from dataclasses import replace
from datetime import timedelta

import pytest

from collector.sync.scan_plan import OVERLAP, RESCAN_LEVELS, RunCoverage, plan_scan
from tests.builders import NOON

BACKFILL = NOON - timedelta(days=30)
RECENTLY = NOON - timedelta(minutes=5)
LOOKED = {look.name: RECENTLY for look in RESCAN_LEVELS}
KNOWN = RunCoverage(BACKFILL, RECENTLY, LOOKED)


def looked(name: str, ago: timedelta) -> RunCoverage:
    return replace(KNOWN, rescanned_at={**LOOKED, name: NOON - ago})


def test_the_first_look_goes_back_to_the_beginning_of_the_history() -> None:
    walk = plan_scan(RunCoverage(None, None), BACKFILL, NOON)
    assert (walk.until, walk.is_initial, walk.is_incremental) == (BACKFILL, True, False)


def test_an_interrupted_first_look_is_not_begun_again() -> None:
    walk = plan_scan(RunCoverage(NOON - timedelta(days=4), RECENTLY), BACKFILL, NOON)
    assert (walk.is_initial, walk.until) == (False, NOON - timedelta(days=4))


def test_a_normal_look_ends_where_the_last_one_began_with_some_overlap() -> None:
    walk = plan_scan(KNOWN, BACKFILL, NOON)
    assert walk.is_incremental
    assert walk.until == RECENTLY - OVERLAP


@pytest.mark.parametrize(
    ("name", "every", "days", "looks"),
    [
        ("recent", timedelta(hours=1), 2, 1),
        ("wide", timedelta(hours=3), 6, 2),
        ("deep", timedelta(days=1), 30, 3),
    ],
)
def test_the_deeper_the_rarer_pages_are_read_again(name: str, every: timedelta, days: int, looks: int) -> None:
    assert plan_scan(looked(name, every - timedelta(minutes=1)), BACKFILL, NOON).is_incremental
    walk = plan_scan(looked(name, every), BACKFILL, NOON)
    assert walk.until == NOON - timedelta(days=days)
    assert len(walk.rescan_levels) == looks


def test_a_longer_history_is_not_a_matter_of_the_walk() -> None:
    assert plan_scan(KNOWN, NOON - timedelta(days=90), NOON).is_incremental


def test_after_a_long_pause_the_tail_is_read_as_far_as_needed() -> None:
    known = replace(KNOWN, covered_to=NOON - timedelta(days=20))
    assert plan_scan(known, BACKFILL, NOON).until == NOON - timedelta(days=20) - OVERLAP
