"""The ledgers of several repositories together."""

from sqlalchemy import Engine

from db.definitions.records import RepositoryRecord
from db.engine import session_scope, write_scope
from db.enums import GapKind, LedgerState
from db.logs.log_writes import request_logs
from health.completeness.collection_status import list_ledger
from health.completeness.gaps import LogCounts
from health.completeness.status import incomplete_repositories, ledger_totals
from tests.builders import NOON, add_repository, job, run, store_jobs, store_runs
from tests.ledgers import add, complete, history, hole


def five(engine: Engine) -> None:
    """One in each state but archived, and one more with two gaps."""
    add_repository(engine)
    for number in range(2, 6):
        add_repository(engine, RepositoryRecord(number, f"acme/r{number}", "main", True, False, ""))
        complete(engine, number)
    complete(engine, error="blocked (451)")
    add(engine, history(repository_id=2), hole(3, 4, repository_id=3), hole(3, 4, repository_id=4))
    add(engine, hole(8, 9, repository_id=4, workflow_id=6), hole(7, 7, "absent", repository_id=5))


def test_every_state_and_kind_is_counted_also_those_that_are_not_there(engine: Engine) -> None:
    five(engine)
    store_runs(engine, run(1), run(2, conclusion="failure"))
    store_jobs(engine, 2, job(2, conclusion="failure"))
    with write_scope(engine) as session:
        request_logs(session, 1, 2, [2], NOON)
    with session_scope(engine) as session:
        found = ledger_totals(list_ledger(session), 2, NOON)
    assert found.states == {
        LedgerState.COMPLETE: 1, LedgerState.ARCHIVED: 0, LedgerState.NO_ACTIONS: 0, LedgerState.CATCHING_UP: 1,
        LedgerState.GAPS: 2, LedgerState.FAILING: 1,
    }  # fmt: skip
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
        found = incomplete_repositories(list_ledger(session))
    assert [each.repo for each in found] == ["acme/web", "acme/r4", "acme/r3", "acme/r2"]
