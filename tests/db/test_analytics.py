"""The facade over a small history that can be counted by hand."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from db.collection.sync_state import sync_state
from db.definitions.records import RepositoryRecord, WorkflowRecord
from db.definitions.scope import Scope, Window
from db.engine import write_scope
from db.enums import GroupBy, Interval
from db.repositories.repository_writes import limit_monitoring
from db.runs.cursors import InvalidCursor
from db.runs.run_lists import recent_outcomes
from db.runs.run_queries import list_runs
from health.metrics import service
from health.metrics.definitions.formulas import PassCounts
from health.metrics.workflow_health import list_workflows, workflow_histories
from tests.builders import NOON, REPO, WORKFLOW, add_repository, run, store_runs
from tests.kept import Kept

OTHER = RepositoryRecord(2, "acme/api", "main", True, False, "")
DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))


def fill(engine: Engine) -> None:
    add_repository(engine, REPO, WORKFLOW, WorkflowRecord(6, "Deploy", "d.yml", "active"))
    add_repository(engine, OTHER, WorkflowRecord(7, "CI", "ci.yml", "active"))
    store_runs(
        engine,
        run(1, minutes=-60),
        run(2, minutes=-50, conclusion="failure"),
        run(3, minutes=-40, conclusion="failure"),
        run(4, minutes=-20, seconds=120),
        run(5, minutes=-10, branch="feature", event="pull_request", conclusion="cancelled", actor="bob"),
        run(6, minutes=-5, workflow_id=6, workflow_name="Deploy", conclusion="failure"),
        run(7, minutes=-2, status="in_progress", conclusion=None),
    )
    store_runs(engine, run(20, minutes=-30, workflow_id=7), repository_id=2)


@pytest.fixture
def session(engine: Engine, kept: Kept) -> Iterator[Session]:
    kept.fill(engine, fill)
    with Session(engine) as opened:
        yield opened


def test_a_snapshot_counts_each_run_once(session: Session) -> None:
    found = service.snapshot(session, Scope(), DAY)
    assert (found.runs.total, found.runs.success, found.runs.failure) == (8, 3, 3)
    assert (found.runs.cancelled, found.runs.in_progress) == (1, 1)
    assert found.success_rate == 0.5
    assert found.duration_seconds.p50 == 60


def test_recovery_is_of_default_branches_and_counts_what_is_still_broken(session: Session) -> None:
    found = service.snapshot(session, Scope(), DAY).recovery_seconds
    assert found.mean == (30 * 60 + 60)
    assert found.open == 1


def test_recovery_is_not_changed_by_a_filter_on_conclusions(session: Session) -> None:
    found = service.snapshot(session, Scope(conclusions=("failure",)), DAY).recovery_seconds
    assert found.mean == 30 * 60 + 60


def test_an_episode_is_over_when_the_success_came_after_the_window(session: Session) -> None:
    early = Window(NOON - timedelta(minutes=55), NOON - timedelta(minutes=35))
    found = service.snapshot(session, Scope(), early).recovery_seconds
    assert (found.open, found.mean) == (0, 30 * 60 + 60)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(repos=("acme/api",)), {20}),
        (Scope(workflows=("CI",)), {1, 2, 3, 4, 5, 7, 20}),
        (Scope(workflows=("6",)), {6}),
        (Scope(workflows=("6", "CI"), repos=("acme/web",)), {1, 2, 3, 4, 5, 6, 7}),
        (Scope(branches=("feature",)), {5}),
        (Scope(events=("pull_request",)), {5}),
        (Scope(actors=("bob",)), {5}),
        (Scope(conclusions=("failure", "cancelled")), {2, 3, 5, 6}),
        (Scope(statuses=("in_progress",)), {7}),
        (Scope(repos=("acme/nothing",)), set()),
    ],
)
def test_scopes_narrow(session: Session, scope: Scope, expected: set[int]) -> None:
    assert {each.id for each in list_runs(session, scope, DAY).items} == expected
    assert service.snapshot(session, scope, DAY).runs.total == len(expected)


def test_a_repository_no_longer_monitored_counts_only_when_named(engine: Engine, session: Session) -> None:
    with write_scope(engine) as writing:
        limit_monitoring(writing, [1])
    assert service.snapshot(session, Scope(), DAY).runs.total == 7
    assert service.snapshot(session, Scope(repos=("acme/api",)), DAY).runs.total == 1


def test_a_series_has_a_point_for_every_bucket(session: Session) -> None:
    points = service.series(session, Scope(), DAY, Interval.HOUR)
    assert len(points) == 24
    assert sum(point.metrics.runs.total for point in points) == 8
    empty = points[0].metrics
    assert (empty.runs.total, empty.success_rate, empty.duration_seconds.p50) == (0, None, None)


def test_the_sum_of_groups_is_the_snapshot(session: Session) -> None:
    total = service.snapshot(session, Scope(), DAY).runs.total
    for by in GroupBy:
        assert sum(group.metrics.runs.total for group in service.groups(session, Scope(), DAY, by)) == total
    by_workflow = service.groups(session, Scope(), DAY, GroupBy.WORKFLOW)
    assert [(each.repo, each.key, each.metrics.runs.total) for each in by_workflow] == [
        ("acme/web", "CI", 6), ("acme/api", "CI", 1), ("acme/web", "Deploy", 1),
    ]  # fmt: skip


def test_what_is_broken_names_the_first_bad_run(session: Session) -> None:
    streaks = service.failing_streaks(session, Scope(), NOON)
    assert [(each.workflow, each.length, each.first_failure.id) for each in streaks] == [("Deploy", 1, 6)]


def test_the_last_runs_of_all_workflows_are_one_statement(session: Session) -> None:
    statements: list[str] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *given: statements.append(given[2]))
    window = Window(DAY.since, NOON - timedelta(minutes=3))
    found = recent_outcomes(session, Scope(), window, [(1, 5), (1, 6), (2, 7), (2, 8)], limit=3)
    assert len([each for each in statements if "FROM runs" in each]) == 1
    assert {key: each.runs for key, each in found.items()} == {
        (1, 5): [(3, "failure"), (4, "success"), (5, "cancelled")], (1, 6): [(6, "failure")], (2, 7): [(20, "success")],
    }  # fmt: skip
    assert found[1, 5].last_at == NOON - timedelta(minutes=10)
    assert recent_outcomes(session, Scope(), window, []) == {}


def test_workflows_are_listed_broken_ones_first(session: Session) -> None:
    failing = {(streak.repo, streak.workflow_id) for streak in service.failing_streaks(session, Scope(), NOON)}
    listed = list_workflows(session, Scope(), DAY, NOON, failing=failing)
    assert [(each.repo, each.workflow, each.path in failing) for each in listed] == [
        ("acme/web", "Deploy", True), ("acme/web", "CI", False), ("acme/api", "CI", False),
    ]  # fmt: skip
    histories = workflow_histories(session, Scope(), DAY, listed)
    assert [outcome for _, outcome in histories[listed[1].path].recent_outcomes] == [
        "success", "failure", "failure", "success", "cancelled", "in_progress",
    ]  # fmt: skip


def test_a_comparison_knows_when_the_earlier_period_is_not_complete(session: Session) -> None:
    assert not service.compare(session, Scope(), DAY).comparable


def test_pages_neither_repeat_nor_skip_while_runs_arrive(engine: Engine, session: Session) -> None:
    first = list_runs(session, Scope(), DAY, limit=3)
    store_runs(engine, run(999, minutes=10))
    seen, cursor = [each.id for each in first.items], first.next
    while cursor:
        page = list_runs(session, Scope(), DAY, limit=3, cursor=cursor)
        seen += [each.id for each in page.items]
        cursor = page.next
    assert seen == [7, 6, 5, 4, 20, 3, 2, 1]


@pytest.mark.parametrize("cursor", ["x", "", "MjAyNg", "////", "ÿ", "bm90aGluZ3xhdA"])
def test_a_foreign_cursor_is_refused(session: Session, cursor: str) -> None:
    if not cursor:
        assert list_runs(session, Scope(), DAY, cursor=cursor).items
        return
    with pytest.raises(InvalidCursor):
        list_runs(session, Scope(), DAY, cursor=cursor)


@pytest.mark.parametrize(
    ("text", "expected"), [("bob", {5}), ("#4", {4}), ("FEATURE", {5}), ("%", set()), ("_", set())]
)
def test_search_takes_text_as_text(session: Session, text: str, expected: set[int]) -> None:
    assert {each.id for each in list_runs(session, Scope(), DAY, text=text).items} == expected


def test_search_finds_a_commit_by_the_start_of_its_sha(session: Session) -> None:
    sha = f"{20:040x}"
    assert {each.id for each in list_runs(session, Scope(), DAY, text=sha).items} == {20}


def test_a_commit_passed_when_all_of_its_runs_in_the_window_did(engine: Engine) -> None:
    add_repository(engine)
    add_repository(engine, OTHER)
    store_runs(
        engine,
        run(1, head_sha="a" * 40), run(2, minutes=5, head_sha="a" * 40, conclusion="failure"),
        run(3, head_sha="b" * 40), run(4, minutes=5, head_sha="b" * 40, conclusion="cancelled"),
        run(5, head_sha="c" * 40, conclusion="cancelled"), run(6, head_sha="d" * 40, status="queued", conclusion=None),
        run(7, minutes=-60 * 24 * 3, head_sha="b" * 40, conclusion="failure"),
    )  # fmt: skip
    store_runs(engine, run(8, head_sha="a" * 40), repository_id=2)
    with Session(engine) as session:
        found = service.snapshot(session, Scope(), DAY)
        assert (found.commits, found.success_rate_by_commit) == (PassCounts(2, 3), pytest.approx(2 / 3))
        narrow = service.snapshot(session, Scope(repos=("acme/web",), conclusions=("success",)), DAY)
        assert narrow.commits == PassCounts(2, 2)
        assert service.snapshot(session, Scope(), DAY, commits=False).commits is None
        assert service.snapshot(session, Scope(), Window(NOON - timedelta(days=36), NOON)).commits is None
        points = service.series(session, Scope(), DAY, Interval.DAY)
        assert {point.metrics.success_rate_by_commit for point in points} == {None}


def hourly_runs(engine: Engine) -> None:
    add_repository(engine)
    edge = timedelta(hours=12)
    records = [
        run(number, minutes=-60 * number, seconds=150 if timedelta(hours=number) < edge else 100)
        for number in range(1, 24 * 65)
    ]
    store_runs(engine, *records)
    with write_scope(engine) as opened:
        state = sync_state(opened, 1)
        state.synced_at, state.complete_since = NOON, NOON - timedelta(days=65)


@pytest.mark.parametrize("days", [7, 28])
def test_the_change_of_durations_is_of_all_runs_of_both_periods(engine: Engine, kept: Kept, days: int) -> None:
    """Whole days are in roll-ups, the hours at the ends of a window in rows: those alone take half as long again."""
    kept.fill(engine, hourly_runs)
    window = Window(NOON - timedelta(days=days, minutes=17), NOON + timedelta(minutes=43))
    with Session(engine) as opened:
        changed = service.compare(opened, Scope(), window).duration_change
    assert changed is not None
    assert (changed.ratio, changed.workflows, changed.share) == (pytest.approx(1.0, abs=0.011), 1, 1.0)
