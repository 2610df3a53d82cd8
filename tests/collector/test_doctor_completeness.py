"""What the doctor says of what is stored."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update

from collector.bootstrap import make_client
from collector.doctor.checks import doctor
from collector.doctor.completeness import check_completeness
from collector.doctor.environment import DoctorCheck
from collector.settings import CollectorSettings
from db.collection.sync_state import record_heartbeat
from db.definitions.records import LogRecord, RepositoryRecord
from db.engine import write_scope
from db.enums import ErrorCode, LogState
from db.logs.log_writes import store_log
from db.models import Claim, JobLog
from db.repositories.repository_writes import record_target
from health.log_search.index import index_logs
from tests.builders import NOON, add_repository, job, run, store_jobs, store_runs
from tests.collector.servers import StandIn, as_json
from tests.completeness_rows import add, backfill, delivery, mark_complete, run_gap

REFUSED = "GitHub refuses it (403): Resource not accessible"
LATER = NOON + timedelta(seconds=30)


def at_work(engine: Engine, ago: timedelta = timedelta(seconds=30)) -> None:
    with write_scope(engine) as session:
        record_heartbeat(session, LATER - ago, {"state": "idle", "poll_seconds": 300})


def repository(engine: Engine, number: int = 1, **state: object) -> None:
    add_repository(engine, RepositoryRecord(number, f"acme/r{number}", "main", True, False, ""))
    mark_complete(engine, number, **state)


def checks(engine: Engine) -> dict[str, DoctorCheck]:
    """In their order, by name."""
    return {check.name: check for check in check_completeness(engine, LATER)}


def test_an_empty_database_is_no_fault(engine: Engine) -> None:
    assert checks(engine) == {
        "Collector": DoctorCheck("Collector", None, "has not run yet; start it with python -m collector"),
        "Completeness": DoctorCheck("Completeness", None, "nothing is stored yet; wait for the collector's first sync"),
    }


def test_where_everything_is_complete_one_sentence_says_so(engine: Engine) -> None:
    repository(engine)
    at_work(engine)
    found = checks(engine)
    assert list(found) == ["Collector", "Completeness"]
    assert found["Collector"] == DoctorCheck("Collector", True, "running, last seen 30 s ago")
    assert found["Completeness"].ok
    assert found["Completeness"].detail.startswith("Data is complete since 19 Oct 2026, last sync 30 s ago. ")


def test_repositories_with_trouble_are_told_the_worst_first_with_what_to_do(engine: Engine) -> None:
    for number in range(1, 6):
        repository(engine, number)
    at_work(engine)
    mark_complete(engine, 5, error=REFUSED, error_code="forbidden", error_at=NOON)
    add(engine, backfill(repository_id=1), run_gap(118, 121, repository_id=2), run_gap(3, 4, repository_id=3))
    add(engine, run_gap(8, 9, repository_id=3), run_gap(7, 7, "absent", repository_id=4))
    with write_scope(engine) as session:
        record_target(session, "acme/gone", None, "/repos/acme/gone not found (404)", NOON, code=ErrorCode.NOT_FOUND)
    found = checks(engine)
    assert found["Completeness"].ok is False
    assert found["Completeness"].detail.startswith(
        "2 of 6 repositories cannot be synced, 2 have gaps, 1 is catching up."
    )
    assert list(found)[2:] == [f"Data of acme/{name}" for name in ("gone", "r5", "r2", "r3", "r1")]
    assert [check.ok for check in found.values()][2:] == [False, False, None, None, None]
    assert found["Data of acme/gone"].detail == (
        "/repos/acme/gone not found (404). Check the name in GITHUB_REPOS and whether the token can access the "
        "repository. If the repository was deleted, remove it from GITHUB_REPOS."
    )
    assert found["Data of acme/r5"].detail.startswith(
        f"The last sync, 30 s ago, failed: {REFUSED}. Grant the token permission to read Actions"
    )
    assert "Run numbers 118–121 of CI between" in found["Data of acme/r2"].detail
    assert "requested again for seven hours" in found["Data of acme/r2"].detail
    assert found["Data of acme/r3"].detail.endswith("(And 1 more.)")
    assert "400 of about 1,600 runs so far" in found["Data of acme/r1"].detail


def test_an_owner_that_is_not_there_comes_with_what_to_do(engine: Engine) -> None:
    at_work(engine)
    with write_scope(engine) as session:
        error = "organisation or user acme not found, or the token has no access"
        record_target(session, "acme/*", None, error, NOON, code=ErrorCode.OWNER_NOT_FOUND)
    assert checks(engine)["Data of acme/*"].detail.endswith(
        "or the token has no access. Check the name in GITHUB_REPOS and whether the token can access its repositories."
    )


def test_of_many_ten_are_named(engine: Engine) -> None:
    for number in range(1, 15):
        repository(engine, number, error=REFUSED, error_code="forbidden", error_at=NOON)
    at_work(engine)
    found = checks(engine)
    assert len([name for name in found if name.startswith("Data of ")]) == 10
    assert found["Data"] == DoctorCheck("Data", None, "and 4 more; GET /api/repositories lists all of them")


def test_gaps_alone_are_told_and_are_nothing_that_somebody_must_do(engine: Engine) -> None:
    repository(engine)
    at_work(engine)
    add(engine, run_gap(3, 4))
    found = checks(engine)
    assert found["Completeness"].ok is None
    assert found["Completeness"].detail.startswith("The repository has gaps.")


def test_what_a_collector_that_is_gone_could_not_read_is_no_fault_of_today(engine: Engine) -> None:
    repository(engine, error=REFUSED, error_code="forbidden", error_at=NOON)
    at_work(engine, timedelta(hours=3))
    found = checks(engine)
    assert found["Collector"] == DoctorCheck(
        "Collector", None, "is not running, last seen 3 h ago; start it and check its log"
    )
    assert [check.ok for check in found.values()] == [None, None, None]
    at_work(engine)
    assert [check.ok for check in checks(engine).values()] == [True, False, False]


def test_collectors_that_share_the_work_are_named(engine: Engine) -> None:
    repository(engine)
    at_work(engine)
    held = [("liveness", "a/1", "a/1"), ("liveness", "b/2", "b/2"), ("repository", "acme/r1", "b/2")]
    add(engine, *[Claim(kind=kind, name=name, holder=holder, expires_at=LATER) for kind, name, holder in held])
    told = "running, last seen 30 s ago; 2 collectors share the repositories: a/1 (0 repositories), b/2 (1 repository)"
    assert checks(engine)["Collector"].detail == told


def test_deliveries_that_could_not_be_applied_are_told_where_webhooks_are_used(engine: Engine) -> None:
    assert "Deliveries" not in checks(engine)
    add(engine, delivery("a", "applied"))
    assert checks(engine)["Deliveries"] == DoctorCheck("Deliveries", True, "last delivery 30 s ago, 0 pending")
    add(engine, delivery("b", "failed"), delivery("c"))
    found = checks(engine)["Deliveries"]
    assert found.ok is None
    assert "1 pending; 1 from the last 7 days could not be applied" in found.detail


@pytest.mark.parametrize(("error", "code"), [(None, 0), (REFUSED, 1)])
def test_the_doctor_prints_them_and_ends_by_them(
    engine: Engine, database_url: str, error: str | None, code: int
) -> None:
    repository(engine, error=error, error_at=NOON)
    with write_scope(engine) as session:
        record_heartbeat(session, datetime.now(UTC), {"state": "idle"})
    answers = {"/rate_limit": as_json({}), "/repos/acme/r1": as_json({"id": 1, "full_name": "acme/r1"})}
    answers["/repos/acme/r1/actions/runs"] = as_json({"total_count": 0, "workflow_runs": []})
    missing = as_json({"message": "Not Found"}, 404)
    lines: list[str] = []
    with StandIn(lambda asked: answers.get(asked.path.partition("?")[0], missing)).serve() as url:
        settings = CollectorSettings.load(
            github_api_url=url, github_repos="acme/r1", github_token="good", database_url=database_url
        )
        assert doctor(settings, make_client(settings), lines.append) == code
    (told,) = [line for line in lines if "Completeness" in line]
    assert told.startswith("FAIL" if error else "ok  ")
    assert any("Data of acme/r1" in line for line in lines) == bool(error)


def test_the_search_index_and_damaged_logs_are_checks(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(1, conclusion="failure"))
    store_jobs(engine, 1, job(10, conclusion="failure"), job(11, conclusion="failure"))
    with write_scope(engine) as session:
        for job_id in (10, 11):
            store_log(session, 1, LogRecord(job_id, 1, LogState.STORED, "boom"), NOON)
        session.execute(update(JobLog).where(JobLog.job_id == 10).values(content=b"damaged"))
    assert checks(engine)["Log search"] == DoctorCheck("Log search", True, "2 logs; 2 logs not indexed yet")
    index_logs(engine, seconds=20)
    result = checks(engine)
    assert result["Log search"] == DoctorCheck("Log search", True, "1 log")
    assert result["Damaged logs"].ok is None
    assert result["Damaged logs"].detail.startswith("1 log cannot be read: acme/web, run 1, job 10; ")
