"""Any window has the runs that were created in it, or says which of them it lacks."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.collection.sync_state import sync_state
from db.definitions.scope import Scope, Window
from db.engine import session_scope, write_scope
from db.enums import GroupBy, Interval
from db.models import RollupState, Run
from db.repositories.repository_writes import limit_monitoring
from health.completeness.gaps import Completeness, Gap
from health.metrics import capacity, cost, service
from health.metrics.definitions.losses import PRUNED, UNCOUNTED, Losses, LostWindow, merge_windows, with_losses
from health.retention import prune
from tests.builders import NOON, job, roll_up, run, store_jobs
from tests.db.history import fill, store
from tests.kept import Kept

DAY = timedelta(days=1)
MIDNIGHT = datetime(2026, 11, 18, tzinfo=UTC)
BORDER = MIDNIGHT - 35 * DAY
SCOPES = [Scope(), Scope(repos=("acme/web",)), Scope(branches=("main",)), Scope(events=("push",), workflows=("CI",))]


@pytest.fixture
def history(engine: Engine, kept: Kept) -> Engine:
    kept.fill(engine, fill)
    return engine


@pytest.fixture
def pruned(history: Engine) -> Engine:
    """Of the last 60 days every run is there, of those before only sums of days."""
    with write_scope(history) as session:
        for repository_id in (1, 2):
            sync_state(session, repository_id).complete_since = NOON - 150 * DAY
    assert sum(prune(history, NOON - 60 * DAY, NOON)) > 50
    return history


def total(session: Session, window: Window, scope: Scope = Scope()) -> int:  # noqa: B008 - it is frozen
    return service.snapshot(session, scope, window).runs.total


def lost(data: Completeness) -> list[Gap]:
    return [gap for gap in data.gaps if gap.kind in (PRUNED, UNCOUNTED)]


@pytest.mark.parametrize("scope", SCOPES, ids=str)
@pytest.mark.parametrize(
    "window",
    [
        Window(MIDNIGHT - 90 * DAY, MIDNIGHT - 84 * DAY),
        Window(BORDER - 10 * DAY, BORDER + 10 * DAY),
        Window(BORDER - timedelta(days=9, minutes=7), BORDER + timedelta(hours=7, minutes=13)),
        Window(BORDER - 2 * DAY, BORDER),
        Window(BORDER, BORDER + 2 * DAY),
    ],
    ids=str,
)
def test_hours_of_any_age_add_up_to_the_whole(history: Engine, scope: Scope, window: Window) -> None:
    with session_scope(history) as session:
        points = service.series(session, scope, window, Interval.HOUR)
        spent = cost.cost_series(session, scope, window, Interval.HOUR)
        whole = service.snapshot(session, scope, window)
    assert sum(point.metrics.runs.total for point in points) == whole.runs.total
    assert sum(point.metrics.runs.failure for point in points) == whole.runs.failure
    assert sum(point.metrics.recovery_seconds.open for point in points) == whole.recovery_seconds.open
    assert sum(point.compute_seconds for point in spent) == pytest.approx(whole.compute_seconds)
    assert not any(lost(point.metrics.data) for point in points)


def test_an_hour_holds_its_own_runs_whatever_their_age(history: Engine) -> None:
    window = Window(BORDER - 30 * DAY, BORDER + 5 * DAY)
    with session_scope(history) as session:
        points = service.series(session, Scope(), window, Interval.HOUR)
        created = session.scalars(select(Run.created_at)).all()
    for point in points:
        assert point.metrics.runs.total == sum(point.start <= at < point.start + timedelta(hours=1) for at in created)


def test_a_window_that_cuts_a_deleted_day_says_what_it_lacks(pruned: Engine) -> None:
    since, until = MIDNIGHT - 100 * DAY + timedelta(hours=10, minutes=30), MIDNIGHT - 80 * DAY + timedelta(hours=13)
    with session_scope(pruned) as session:
        data = service.snapshot(session, Scope(repos=("acme/web",)), Window(since, until)).data
        inside = service.snapshot(session, Scope(), Window(since + timedelta(hours=13, minutes=30), until)).data
    head, tail = lost(data)
    assert (head.kind, head.repo, head.since, head.until) == ("pruned", "acme/web", since, MIDNIGHT - 99 * DAY)
    assert (tail.since, tail.until) == (MIDNIGHT - 80 * DAY, until)
    assert "RETENTION_DAYS" in head.detail
    assert data.complete_since == until
    assert [(gap.repo, gap.since) for gap in lost(inside)] == [("*", MIDNIGHT - 80 * DAY)]


def test_deleted_days_as_a_whole_lack_nothing(pruned: Engine, kept: Kept) -> None:
    windows = [
        Window(MIDNIGHT - 100 * DAY, MIDNIGHT - 80 * DAY),
        Window(MIDNIGHT - 81 * DAY, MIDNIGHT - 80 * DAY),
        Window(MIDNIGHT - 75 * DAY, NOON),
    ]
    with session_scope(pruned) as session:
        after = [service.snapshot(session, Scope(), window) for window in windows]
    assert [(lost(each.data), each.data.complete_since) for each in after] == [([], NOON - 150 * DAY)] * 3
    kept.fill(pruned, fill)
    with session_scope(pruned) as session:
        assert [each.runs.total for each in after] == [total(session, window) for window in windows]
    assert all(each.runs.total for each in after)


def test_what_only_rows_can_answer_lacks_all_deleted_runs(pruned: Engine) -> None:
    window = Window(MIDNIGHT - 100 * DAY, NOON)
    with session_scope(pruned) as session:
        edge = session.get_one(RollupState, 1).pruned_before
        hourly = service.series(session, Scope(), Window(MIDNIGHT - 62 * DAY, NOON), Interval.HOUR)[0].metrics.data
        answers = [
            service.snapshot(session, Scope(actors=("alice",)), window).data,
            service.groups(session, Scope(), window, GroupBy.BRANCH)[0].metrics.data,
        ]
    assert [(gap.since, gap.until) for gap in lost(hourly)] == [(MIDNIGHT - 62 * DAY, edge)]
    for data in answers:
        assert [(gap.kind, gap.since, gap.until) for gap in lost(data)] == [("pruned", window.since, edge)]
        assert data.complete_since == edge


def test_a_branch_that_is_default_in_some_repositories_is_lost_in_the_others(pruned: Engine) -> None:
    window = Window(MIDNIGHT - 100 * DAY, MIDNIGHT - 80 * DAY)
    with session_scope(pruned) as session:
        found = service.snapshot(session, Scope(branches=("main",)), window)
        ours = service.snapshot(session, Scope(repos=("acme/web",), branches=("main",)), window)
    assert [gap.repo for gap in lost(found.data)] == ["acme/api"]
    assert lost(ours.data) == []
    assert found.runs == ours.runs
    assert found.runs.total > 3


def test_a_period_before_that_is_cut_is_not_compared_with(pruned: Engine) -> None:
    with session_scope(pruned) as session:
        whole = Window(MIDNIGHT - 40 * DAY, MIDNIGHT)
        cut = Window(NOON - 40 * DAY, NOON)
        assert service.compare(session, Scope(), whole).comparable
        assert not service.compare(session, Scope(), cut).comparable
        assert service.was_collected(session, Scope(), whole, rollups_suffice=True)
        assert not service.was_collected(session, Scope(), whole)


def test_minutes_say_since_when_they_are_counted(pruned: Engine) -> None:
    with session_scope(pruned) as session:
        cut = cost.cost_by_group(session, Scope(), Window(NOON - 90 * DAY, NOON), cost.CostGroupBy.REPO)
        whole = cost.cost_by_group(session, Scope(), Window(MIDNIGHT - 90 * DAY, NOON), cost.CostGroupBy.REPO)
        by_event = cost.cost_by_group(session, Scope(events=("push",)), Window(MIDNIGHT - 90 * DAY, NOON),
                                  cost.CostGroupBy.RUNNER)  # fmt: skip
        edge = session.get_one(RollupState, 1).pruned_before
    assert (cut.since, whole.since, by_event.since) == (MIDNIGHT - 89 * DAY, None, edge)


def test_sums_over_all_follow_the_monitored_repositories_on_deleted_days(pruned: Engine) -> None:
    window = Window(MIDNIGHT - 140 * DAY, MIDNIGHT - 70 * DAY)
    with session_scope(pruned) as session:
        both, one = total(session, window), total(session, window, Scope(repos=("acme/web",)))
    assert both > one > 10
    with write_scope(pruned) as session:
        limit_monitoring(session, [1])
    with session_scope(pruned) as session:
        assert total(session, window) == one
    roll_up(pruned)
    with session_scope(pruned) as session:
        assert total(session, window) == one


def test_a_late_change_of_a_deleted_day_does_not_hide_its_sums(pruned: Engine) -> None:
    window = Window(MIDNIGHT - 100 * DAY, MIDNIGHT - 80 * DAY)
    with session_scope(pruned) as session:
        before = total(session, window)
    store(pruned, 1, [run(9_999, minutes=-90 * 24 * 60)])
    with session_scope(pruned) as session:
        assert total(session, window) == before
    roll_up(pruned)
    with session_scope(pruned) as session:
        assert total(session, window) == before


def test_sums_of_an_earlier_version_say_what_they_do_not_count(history: Engine) -> None:
    with write_scope(history) as session:
        state = session.get_one(RollupState, 1)
        state.complete_from = state.pruned_before = MIDNIGHT - 60 * DAY
    with session_scope(history) as session:
        old = service.snapshot(session, Scope(), Window(MIDNIGHT - 70 * DAY, NOON)).data
        new = service.snapshot(session, Scope(), Window(MIDNIGHT - 60 * DAY, NOON)).data
    assert [(gap.kind, gap.until) for gap in lost(old)] == [("uncounted", MIDNIGHT - 60 * DAY)]
    assert lost(new) == []


def test_losses_before_the_known_history_are_none() -> None:
    losses = Losses((LostWindow(Window(NOON - 9 * DAY, NOON - 8 * DAY)),))
    known = Completeness(NOON - 8 * DAY, NOON)
    assert with_losses(known, losses) == known
    earlier = Completeness(NOON - 9 * DAY, NOON)
    assert with_losses(earlier, losses).complete_since == NOON - 8 * DAY


def test_adjacent_losses_are_one() -> None:
    one, two = Window(NOON, NOON + DAY), Window(NOON + DAY, NOON + 2 * DAY)
    apart = Window(NOON + 3 * DAY, NOON + 4 * DAY)
    assert merge_windows([apart, two, one, one]) == (Window(NOON, NOON + 2 * DAY), apart)


def test_waits_of_deleted_days_stay(pruned: Engine) -> None:
    """One whole day whose runs are there, by labels."""
    store_jobs(pruned, 1000, job(7, at=NOON))
    with session_scope(pruned) as session:
        assert capacity.queues(session, Scope(), Window(NOON - 150 * DAY, NOON)).since == MIDNIGHT - 149 * DAY
