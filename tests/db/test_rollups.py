"""Roll-ups are the rows added up, whatever happened to the rows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from db.collection.sync_state import sync_state
from db.definitions.records import RepositoryRecord, RunRecord
from db.definitions.scope import Scope, Window
from db.engine import session_scope, write_scope
from db.enums import GroupBy, Interval
from db.models import FailureEpisode, Rollup, RollupInvalidation, RollupState, Run
from db.repositories.repository_writes import limit_monitoring, upsert_repository
from db.runs.rollup_invalidation import invalidate_all, rollup_state
from db.runs.run_writes import mark_deleted
from health.completeness.gaps import Completeness
from health.metrics import service
from health.metrics.definitions.formulas import Metrics
from health.metrics.definitions.percentiles import UNKNOWN
from health.metrics.queries.failure_episodes import branch_episodes
from health.metrics.rollups.refresh import prune_hours
from health.retention import prune
from tests.builders import NOON, attempt, job, roll_up, run, store_jobs
from tests.db.history import LONG, OTHER, WHOLE_DAYS, fill, same, store
from tests.kept import Kept

SCOPES = [
    Scope(), Scope(repos=("acme/web",)), Scope(workflows=("CI",)), Scope(workflows=("6",)), Scope(events=("push",)),
    Scope(repos=("acme/api",), events=("pull_request",)), Scope(branches=("main",)), Scope(branches=("master",)),
]  # fmt: skip


@pytest.fixture
def history(engine: Engine, kept: Kept) -> Engine:
    kept.fill(engine, fill)
    return engine


def test_long_windows_are_read_from_rollups(history: Engine) -> None:
    with write_scope(history) as session:
        before = figures(session)
        assert before.runs.total > 500
        session.execute(delete(Run).where(Run.created_at < NOON - timedelta(days=10)))
        assert figures(session) == before
        session.rollback()


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_rollups_say_what_the_rows_say(history: Engine, scope: Scope) -> None:
    check(history, scope)


def test_they_do_after_every_kind_of_change(history: Engine) -> None:
    # Those that are made together have days of their own, so that none has the day of another one made again.
    for changes in (CHANGES[:3], CHANGES[3:6], *([each] for each in CHANGES[6:])):
        for change in changes:
            change(history)
        check(history, Scope())
        roll_up(history)
        check(history, Scope())
        check(history, Scope(branches=("main",)))


def test_a_change_in_the_hour_that_was_just_made_is_seen_before_its_rollups_are(history: Engine) -> None:
    store(history, 1, [run(77, minutes=-60 * 24 * 40), run(78, minutes=-60 * 24 * 3)])
    check(history, Scope(), recovery=False)
    check(history, Scope(repos=("acme/web",)), recovery=False)


def test_episodes_of_default_branches_are_those_of_the_runs_in_their_order(history: Engine) -> None:
    for change in CHANGES[:6]:
        change(history)
    roll_up(history)
    with session_scope(history) as session:
        columns = FailureEpisode.run_id, FailureEpisode.failed_at, FailureEpisode.seconds
        kept = sorted(tuple(row) for row in session.execute(select(*columns)))
        whole = Window(NOON - timedelta(days=400), NOON + timedelta(days=1))
        read = [each for each in branch_episodes(session, Scope(branches=("main", "master")), whole)
                if session.get_one(Run, (each.first.repository_id, each.first.id)).on_default_branch]  # fmt: skip
    assert len(kept) > 10
    assert kept == sorted((each.first.id, each.first.completed_at, each.seconds) for each in read)


def test_making_them_again_changes_nothing(history: Engine) -> None:
    before = _stored(history)
    with write_scope(history) as session:
        invalidate_all(session, NOON)
    roll_up(history)
    assert _stored(history) == before
    with session_scope(history) as session:
        assert session.scalar(select(func.count()).select_from(RollupInvalidation)) == 0


def test_a_change_while_they_are_made_marks_the_day_again(history: Engine) -> None:
    store(history, 1, [run(78, minutes=-60)])
    with session_scope(history) as session:
        mark = session.scalars(select(RollupInvalidation)).one()
        seen = mark.changes
    store(history, 1, [run(79, minutes=-60)])
    with session_scope(history) as session:
        assert session.scalars(select(RollupInvalidation)).one().changes == seen + 1


def test_pruned_days_keep_their_rollups(history: Engine) -> None:
    before = NOON - timedelta(days=60)
    with session_scope(history) as session:
        kept = figures(session)
    assert sum(prune(history, before, NOON)) > 50
    with write_scope(history) as session:
        assert figures(session) == kept
        invalidate_all(session, NOON)
    roll_up(history)
    with session_scope(history) as session:
        assert figures(session) == kept
        for repository_id in (1, 2):
            sync_state(session, repository_id).complete_since = LONG.since
        rows = service.snapshot(session, Scope(actors=("alice",)), WHOLE_DAYS)
        assert rows.data.complete_since == session.get_one(RollupState, 1).pruned_before
        assert service.snapshot(session, Scope(), WHOLE_DAYS).data.complete_since == LONG.since


def test_what_older_rollups_do_not_count_is_unknown_not_partial(history: Engine) -> None:
    border = datetime(2026, 9, 1, tzinfo=UTC)
    with write_scope(history) as session:
        rollup_state(session, NOON).complete_from = border
    with session_scope(history) as session:
        reaching = service.snapshot(session, Scope(), WHOLE_DAYS)
        later = service.snapshot(session, Scope(), Window(border, LONG.until))
        points = service.series(session, Scope(), WHOLE_DAYS, Interval.DAY)
        grouped = service.groups(session, Scope(), WHOLE_DAYS, GroupBy.WORKFLOW)
    assert reaching.success_rate is not None
    for unknown in (reaching, *(each.metrics for each in grouped)):
        assert unknown.success_duration_seconds == unknown.failure_duration_seconds == UNKNOWN
        assert (unknown.first_attempts, unknown.success_rate_first_attempt) == (None, None)
        assert (unknown.rerun_rate_without_approvals, unknown.flaky_rate_per_rerun) == (None, None)
        assert (unknown.cost_unknown_minutes, unknown.waste.defect_seconds) == (None, None)
    assert later.first_attempts is not None
    with_runs = [point for point in points if point.metrics.runs.total]
    assert {point.metrics.first_attempts is not None for point in with_runs if point.start >= border} == {True}
    assert {point.metrics.first_attempts is None for point in with_runs if point.start < border} == {True}


def test_hours_are_forgotten_after_five_weeks(history: Engine) -> None:
    later = NOON + timedelta(days=20)
    with session_scope(history) as session:
        hours = session.scalar(select(func.count()).where(Rollup.bucket < 2**32))
    prune_hours(history, later)
    with session_scope(history) as session:
        left = session.scalar(select(func.count()).where(Rollup.bucket < 2**32))
    assert 0 < (left or 0) < (hours or 0)
    check(history, Scope())


def figures(session: Session) -> Metrics:
    return replace(service.snapshot(session, Scope(), WHOLE_DAYS), data=Completeness(None, None))


def check(engine: Engine, scope: Scope, *, recovery: bool = True) -> None:
    """Every figure of a long window, against the rows: counts equal, percentiles within 1 %."""
    with session_scope(engine) as session:
        made, cells = _asked(session, scope)
    with Session(engine) as session:
        # Without its state no roll-up is used; the session is never committed.
        session.execute(delete(RollupState))
        raw, raw_cells = _asked(session, scope)
    assert cells == raw_cells
    assert len(made) == len(raw)
    for one, other in zip(made, raw, strict=True):
        same(one, other, recovery=recovery)


def _asked(session: Session, scope: Scope) -> tuple[list[Metrics], list[service.HourCell]]:
    found = [service.snapshot(session, scope, LONG)]
    for by in (GroupBy.REPO, GroupBy.WORKFLOW, GroupBy.EVENT):
        listed = service.groups(session, scope, LONG, by)
        found += [group.metrics for group in sorted(listed, key=lambda each: (str(each.key), each.workflow_id or 0))]
    for interval in (Interval.DAY, Interval.WEEK):
        found += [point.metrics for point in service.series(session, scope, LONG, interval)]
    return found, service.weekday_hours(session, scope, LONG)


def _stored(engine: Engine) -> list[tuple[object, ...]]:
    with session_scope(engine) as session:
        columns = Rollup.__table__.columns
        rows = [tuple(row) for row in session.execute(select(*columns).order_by(*Rollup.__table__.primary_key))]
        episodes = FailureEpisode.__table__
        return rows + [tuple(row) for row in session.execute(select(episodes).order_by(episodes.c.run_id))]


def _at(session: Session, *where: object) -> Run:
    return session.scalars(select(Run).where(*where).order_by(Run.created_at).offset(5).limit(1)).one()  # type: ignore[arg-type]


def _a_late_finish(engine: Engine) -> None:
    with session_scope(engine) as session:
        unfinished = _at(session, Run.outcome == "in_progress", Run.repository_id == 1)
    store(engine, 1, [_again(unfinished, conclusion="success", attempt=unfinished.attempt)])


def _a_rerun_that_succeeds(engine: Engine) -> None:
    with session_scope(engine) as session:
        failed = _at(session, Run.outcome == "failure", Run.on_default_branch, Run.repository_id == 1)
    store(engine, 1, [_again(failed, conclusion="success", attempt=failed.attempt + 1)])


def _a_success_that_fails_again(engine: Engine) -> None:
    with session_scope(engine) as session:
        passed = _at(session, Run.outcome == "success", Run.on_default_branch, Run.repository_id == 2)
    store(engine, 2, [_again(passed, conclusion="failure", attempt=passed.attempt + 1)])


def _its_jobs(engine: Engine) -> None:
    with session_scope(engine) as session:
        any_run = _at(session, Run.repository_id == 1, Run.attempt == 1)
    at = any_run.created_at
    store_jobs(engine, any_run.id, job(9, start=30, end=500, at=at), attempts=(attempt(1, "success"),))


def _an_old_run(engine: Engine) -> None:
    store(engine, 1, [run(5000, minutes=-149 * 24 * 60, conclusion="failure")])


def _a_deletion(engine: Engine) -> None:
    with write_scope(engine) as session:
        mark_deleted(session, 1, _at(session, Run.outcome == "in_progress", Run.repository_id == 1).id)


def _another_default_branch(engine: Engine) -> None:
    with write_scope(engine) as session:
        upsert_repository(session, RepositoryRecord(2, "acme/api", "main", True, False, ""))


def _fewer_repositories(engine: Engine) -> None:
    with write_scope(engine) as session:
        limit_monitoring(session, [1])


def _all_repositories(engine: Engine) -> None:
    with write_scope(engine) as session:
        upsert_repository(session, OTHER)


CHANGES: list[Callable[[Engine], None]] = [
    _a_late_finish, _a_rerun_that_succeeds, _a_success_that_fails_again, _its_jobs, _an_old_run, _a_deletion,
    _another_default_branch, _fewer_repositories, _all_repositories,
]  # fmt: skip


def _again(row: Run, *, conclusion: str, attempt: int) -> RunRecord:
    ended: datetime = row.updated_at + timedelta(hours=2)
    return run(
        row.id, minutes=(row.created_at - NOON) / timedelta(minutes=1), conclusion=conclusion, attempt=attempt,
        workflow_id=row.workflow_id, workflow_name=row.workflow_name, branch=row.branch, event=row.event,
        actor=row.actor, updated_at=ended,
    )  # fmt: skip
