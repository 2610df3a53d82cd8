"""What is known to be complete, read from the tables."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from db.collection.sync_state import add_gap, record_heartbeat
from db.definitions.records import LogRecord, RepositoryRecord
from db.definitions.scope import Scope, Window
from db.engine import session_scope, write_scope
from db.enums import CompletenessState, LogState
from db.logs.log_writes import request_logs, store_log
from health.completeness.gaps import Gap
from health.completeness.repository_completeness import LogCounts, RepositoryCompleteness
from health.completeness.service import list_completeness, list_missing_numbers, read_completeness
from tests.builders import NOON, REPO, add_repository, job, run, store_jobs, store_runs
from tests.completeness_rows import add, backfill, mark_complete, run_gap

DAY = timedelta(days=1)
MONTH = Window(NOON - 30 * DAY, NOON + timedelta(minutes=1))


@pytest.fixture(autouse=True)
def _repository(engine: Engine) -> None:
    add_repository(engine)
    mark_complete(engine)


def one(engine: Engine) -> RepositoryCompleteness:
    with session_scope(engine) as session:
        (found,) = list_completeness(session)
        return found


def gaps(engine: Engine, window: Window | None = None) -> list[Gap]:
    with session_scope(engine) as session:
        return list(read_completeness(session, Scope(), window).gaps)


def kinds(engine: Engine, window: Window | None = None) -> list[str]:
    return [gap.kind for gap in gaps(engine, window)]


def test_a_repository_of_which_nothing_is_missing_is_complete(engine: Engine) -> None:
    store_runs(engine, run(1), run(2))
    store_jobs(engine, 1, job(1))
    store_jobs(engine, 2, job(2))
    found = one(engine)
    assert (found.state, found.gaps) == (CompletenessState.COMPLETE, ())
    assert (found.complete_since, found.covered_to) == (NOON - 30 * DAY, NOON)
    assert (found.runs, found.logs, found.runs_absent, found.active_backfill) == (2, LogCounts(), 0, None)


@pytest.mark.parametrize("unknown", ["complete_since", "synced_at"])
def test_a_repository_that_was_never_looked_through_is_catching_up(engine: Engine, unknown: str) -> None:
    mark_complete(engine, **{unknown: None})
    assert one(engine).state == CompletenessState.CATCHING_UP


def test_an_archived_repository_is_complete_under_its_own_name(engine: Engine) -> None:
    add_repository(engine, RepositoryRecord(1, "acme/web", "main", True, True, REPO.html_url))
    found = one(engine)
    assert (found.state, found.is_complete) == (CompletenessState.ARCHIVED, True)


def test_an_error_outdoes_everything_and_spoils_what_came_after_the_last_look(engine: Engine) -> None:
    mark_complete(engine, error="GitHub refuses it (403)", error_at=NOON)
    add(engine, run_gap(3, 4))
    found = one(engine)
    assert found.state == CompletenessState.FAILING
    assert found.gaps[0] == Gap("acme/web", "error", "GitHub refuses it (403)", since=NOON)
    assert kinds(engine, MONTH) == ["error", "run_numbers"]
    assert kinds(engine, Window(NOON - 30 * DAY, NOON - 20 * DAY)) == []


def test_run_numbers_that_are_still_asked_for_are_a_gap_and_absent_ones_are_not(engine: Engine) -> None:
    add(engine, run_gap(7, 7, "absent"))
    assert (one(engine).state, one(engine).runs_absent, kinds(engine)) == (CompletenessState.COMPLETE, 1, [])
    add(engine, run_gap(118, 121), run_gap(130, 130))
    found = one(engine)
    assert (found.state, found.runs_absent) == (CompletenessState.GAPS, 1)
    assert [gap.detail for gap in found.gaps] == [
        "5 runs of CI in 2 gaps between the numbers 118 and 130 are missing; they are being requested from GitHub"
    ]
    assert found.gaps == tuple(gaps(engine))


def test_the_missing_numbers_of_a_repository_are_listed_with_the_open_ones_first(engine: Engine) -> None:
    add(engine, run_gap(7, 7, "absent", days=0.5), run_gap(3, 4, days=2), run_gap(9, 9, workflow_id=77))
    with session_scope(engine) as session:
        found = list_missing_numbers(session, 1, limit=2)
        everything = list_missing_numbers(session, 1)
    assert [(each.workflow, each.first, each.last, each.state) for each in found] == [
        ("77", 9, 9, "open"), ("CI", 3, 4, "open"),
    ]  # fmt: skip
    assert everything[2].created_before - everything[2].created_after == timedelta(minutes=38)


def test_history_that_is_being_read_tells_how_far_it_is_and_how_long_it_takes(engine: Engine) -> None:
    add(engine, backfill())
    found = one(engine)
    assert found.state == CompletenessState.CATCHING_UP
    assert found.active_backfill is not None
    assert found.active_backfill.progress == 0.25
    assert found.active_backfill.seconds_left(NOON) == 1800
    (gap,) = found.gaps
    assert gap.detail == "history from 20 Aug 2026 to 4 Oct 2026 is still being synced: 400 of about 1,600 runs so far"
    assert (gap.since, gap.until) == (NOON - 90 * DAY, NOON - 45 * DAY)


def test_without_a_number_of_runs_history_is_measured_by_time(engine: Engine) -> None:
    add(engine, backfill(expected=None))
    found = one(engine).active_backfill
    assert found is not None
    assert found.progress == 0.25
    add(engine, backfill(until=NOON - 29 * DAY, cursor=NOON - 29 * DAY, expected=None))
    begun = one(engine).active_backfill
    assert begun is not None
    assert (begun.progress, begun.seconds_left(NOON)) == (0, None)


def test_more_runs_than_github_said_are_never_all_of_them(engine: Engine) -> None:
    add(engine, backfill(done=1700))
    found = one(engine).active_backfill
    assert found is not None
    assert found.progress == 0.99


def test_history_that_is_compared_once_more_is_no_longer_read(engine: Engine) -> None:
    add(engine, backfill(phase="verifying"))
    found = one(engine)
    assert (found.state, found.active_backfill) == (CompletenessState.CATCHING_UP, None)
    assert "being verified" in found.gaps[0].detail


def test_a_finished_history_is_no_gap(engine: Engine) -> None:
    add(engine, backfill(phase="done"))
    assert (one(engine).state, kinds(engine)) == (CompletenessState.COMPLETE, [])


def test_only_gaps_that_touch_the_window_concern_its_figures(engine: Engine) -> None:
    add(engine, backfill(), run_gap(3, 4, days=40), run_gap(8, 8, days=2))
    assert kinds(engine) == ["run_numbers", "history"]
    assert kinds(engine, Window(NOON - 10 * DAY, NOON)) == ["run_numbers"]
    assert kinds(engine, Window(NOON - 80 * DAY, NOON - 70 * DAY)) == ["history"]
    assert kinds(engine, Window(NOON - 1 * DAY + timedelta(hours=1), NOON)) == []


def test_runs_without_their_jobs_are_counted_now_not_as_last_noted(engine: Engine) -> None:
    with write_scope(engine) as session:
        add_gap(session, 1, "jobs", "9,999 runs still without their jobs")
        record_heartbeat(session, NOON + timedelta(hours=1), {})
    assert (one(engine).state, kinds(engine)) == (CompletenessState.COMPLETE, [])
    store_runs(engine, run(1), run(2, minutes=-60), run(3, status="in_progress", conclusion=None))
    found = one(engine)
    assert (found.state, found.runs_without_jobs) == (CompletenessState.CATCHING_UP, 2)
    assert found.gaps[0].detail.startswith("2 runs still without jobs")
    assert kinds(engine, Window(NOON - DAY, NOON - timedelta(minutes=30))) == ["jobs"]
    assert kinds(engine, Window(NOON - DAY, NOON - timedelta(minutes=90))) == []


def test_jobs_of_a_run_that_has_just_ended_are_on_their_way(engine: Engine) -> None:
    store_runs(engine, run(1, seconds=60))
    with write_scope(engine) as session:
        record_heartbeat(session, NOON + timedelta(minutes=2), {})
    assert one(engine).runs_without_jobs == 0
    with write_scope(engine) as session:
        record_heartbeat(session, NOON + timedelta(minutes=4), {})
    assert one(engine).runs_without_jobs == 1


def test_what_the_sync_noted_is_a_gap_at_the_times_it_names(engine: Engine) -> None:
    mark_complete(engine, gaps=[
        {"kind": "capped", "detail": "more than 1,000 runs in one second", "since": "2026-10-01T08:00:00+00:00",
         "until": "2026-10-01T08:00:01+00:00"},
        {"kind": "unreadable", "detail": "a run without a number"},
    ])  # fmt: skip
    assert one(engine).state == CompletenessState.GAPS
    assert kinds(engine) == ["capped", "unreadable"]
    assert kinds(engine, MONTH) == ["unreadable"]


def test_logs_that_could_not_be_had_are_counted_and_are_no_gap_of_the_figures(engine: Engine) -> None:
    store_runs(engine, run(1, conclusion="failure"))
    store_jobs(engine, 1, *[job(number, conclusion="failure") for number in range(1, 5)])
    with write_scope(engine) as session:
        for number, state in ((1, LogState.EXPIRED), (2, LogState.MISSING)):
            store_log(session, 1, LogRecord(number, 1, state), NOON)
        store_log(session, 1, LogRecord(3, 1, LogState.STORED, "text", 4, False, 1, ("text",), "text", "f"), NOON)
        request_logs(session, 1, 1, [4], NOON)
    found = one(engine)
    assert found.logs == LogCounts(pending=1, expired=1, missing=1)
    assert (found.logs.lost, found.state) == (2, CompletenessState.COMPLETE)


def test_the_number_of_questions_does_not_grow_with_the_repositories(engine: Engine) -> None:
    def asked() -> int:
        seen: list[str] = []

        def note(*given: Any) -> None:
            seen.append(given[2])

        event.listen(engine, "before_cursor_execute", note)
        with session_scope(engine) as session:
            list_completeness(session)
            read_completeness(session, Scope())
        event.remove(engine, "before_cursor_execute", note)
        return len(seen)

    before = asked()
    for number in range(2, 30):
        add_repository(engine, RepositoryRecord(number, f"acme/r{number}", "main", True, False, ""))
    assert asked() == before < 20


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_runs_without_their_jobs_are_found_without_reading_all_runs(engine: Engine) -> None:
    plans: list[str] = []

    def explain(*given: Any) -> None:
        connection, statement, values = given[0], given[2], given[3]
        if "details_pending = 1" in statement:
            rows = connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            plans.append(" ".join(row[3] for row in rows))

    event.listen(engine, "before_cursor_execute", explain)
    for window in None, MONTH:
        gaps(engine, window)
    event.remove(engine, "before_cursor_execute", explain)
    assert len(plans) == 2
    assert all("INDEX ix_runs_repository_id_details_pending" in plan for plan in plans)


def test_repositories_that_are_no_longer_monitored_are_not_listed(engine: Engine) -> None:
    add_repository(engine, RepositoryRecord(2, "acme/Api", "main", True, False, ""))
    with session_scope(engine) as session:
        assert [each.repo for each in list_completeness(session)] == ["acme/Api", "acme/web"]
    with write_scope(engine) as session:
        from db.repositories.repository_writes import get_repository

        get_repository(session, 2).monitored = False
    assert one(engine).repo == "acme/web"
