"""The completeness of several repositories together."""

from sqlalchemy import Engine

from db.definitions.records import RepositoryRecord
from db.engine import session_scope, write_scope
from db.enums import CompletenessState, GapKind
from db.logs.log_writes import request_logs
from health.completeness.repository_completeness import LogCounts, completeness_totals, incomplete_repositories
from health.completeness.service import list_completeness
from tests.builders import NOON, add_repository, job, run, store_jobs, store_runs
from tests.completeness_rows import add, backfill, mark_complete, run_gap


def five(engine: Engine) -> None:
    """One in each state but archived, and one more with two gaps."""
    add_repository(engine)
    for number in range(2, 6):
        add_repository(engine, RepositoryRecord(number, f"acme/r{number}", "main", True, False, ""))
        mark_complete(engine, number)
    mark_complete(engine, error="blocked (451)")
    add(engine, backfill(repository_id=2), run_gap(3, 4, repository_id=3), run_gap(3, 4, repository_id=4))
    add(engine, run_gap(8, 9, repository_id=4, workflow_id=6), run_gap(7, 7, "absent", repository_id=5))


def test_every_state_and_kind_is_counted_also_those_that_are_not_there(engine: Engine) -> None:
    five(engine)
    store_runs(engine, run(1), run(2, conclusion="failure"))
    store_jobs(engine, 2, job(2, conclusion="failure"))
    with write_scope(engine) as session:
        request_logs(session, 1, 2, [2], NOON)
    with session_scope(engine) as session:
        found = completeness_totals(list_completeness(session), 2, NOON)
    assert found.states == {
        CompletenessState.COMPLETE: 1,
        CompletenessState.ARCHIVED: 0,
        CompletenessState.NO_ACTIONS: 0,
        CompletenessState.CATCHING_UP: 1,
        CompletenessState.GAPS: 2,
        CompletenessState.FAILING: 1,
    }
    assert found.gaps == {
        GapKind.ERROR: 1, GapKind.CAPPED: 0, GapKind.UNREADABLE: 2, GapKind.RUN_NUMBERS: 3, GapKind.HISTORY: 1,
        GapKind.JOBS: 1, GapKind.JOB_LISTS: 0,
    }  # fmt: skip
    assert (found.unresolved, found.runs, found.runs_without_jobs) == (2, 2, 1)
    assert (found.run_numbers_missing, found.run_numbers_absent) == (6, 1)
    assert found.logs == LogCounts(pending=1)
    assert found.backfill is not None
    assert found.backfill.share == 0.25


def test_the_worst_trouble_comes_first_and_what_is_complete_is_none(engine: Engine) -> None:
    five(engine)
    with session_scope(engine) as session:
        found = incomplete_repositories(list_completeness(session))
    assert [each.repo for each in found] == ["acme/web", "acme/r4", "acme/r3", "acme/r2"]
