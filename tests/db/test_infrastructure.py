"""Which failed runs are infrastructure failures, and the rates without them, on both databases. tests/oracle compares
the counts of a changing account by filter, bucket and group."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from db.definitions.records import AttemptRecord, JobRecord, LogRecord, WorkflowRecord
from db.definitions.scope import Scope, Window
from db.engine import session_scope, write_scope
from db.enums import GroupBy, Interval
from db.logs.log_writes import store_log
from db.models import JobLog
from health.insights.causes.extraction import CAUSE_VERSION
from health.insights.causes.model import CauseClass
from health.insights.causes.queries import causes as causes_of
from health.metrics import service
from health.metrics.definitions.catalogue import FIGURES
from health.metrics.definitions.failure_counts import INFRASTRUCTURE, RemainingRates, rates_without_infrastructure
from health.metrics.definitions.formulas import Metrics
from health.retention import prune
from tests.builders import NOON, REPO, WORKFLOW, add_repository, attempt, job, run, store_jobs, store_runs
from tests.causes import store_causes

DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))
TEST = "test"


def figures(engine: Engine, scope: Scope = Scope(), window: Window = DAY) -> Metrics:  # noqa: B008
    with session_scope(engine) as session:
        return service.snapshot(session, scope, window, failures=service.read_failures(session, scope, window))


def failed(job_id: int, name: str = "build", **changed: object) -> JobRecord:
    return job(job_id, name=name, conclusion="failure", **changed)


def test_the_class_is_that_of_the_causes() -> None:
    assert CauseClass.INFRASTRUCTURE == INFRASTRUCTURE


@pytest.mark.parametrize(
    ("success", "failure", "infrastructure", "expected"),
    [
        (90, 10, 0, (0.9, 0.1)),
        (90, 10, 4, (90 / 96, 6 / 96)),
        (90, 10, 10, (1.0, 0.0)),
        (0, 3, 3, (None, None)),
        (0, 0, 0, (None, None)),
        (90, 10, None, (None, None)),
        # A run can change between the statements.
        (9, 1, 2, (1.0, 0.0)),
    ],
)
def test_rates_are_of_the_runs_that_remain(
    success: int, failure: int, infrastructure: int | None, expected: tuple[float | None, float | None]
) -> None:
    assert rates_without_infrastructure(success, failure, infrastructure) == RemainingRates(*expected)


BOTH_FAIL = (failed(1, "a"), failed(2, "b"))
CANCELLED = (job(1, name="a", conclusion="cancelled"), job(2, name="b", conclusion="success"))


@pytest.mark.parametrize(
    ("jobs", "causes", "expected"),
    [
        (BOTH_FAIL, {1: [INFRASTRUCTURE], 2: [INFRASTRUCTURE, TEST]}, (1, 0)),
        (BOTH_FAIL, {1: [INFRASTRUCTURE], 2: [TEST]}, (0, 0)),
        (BOTH_FAIL, {1: [INFRASTRUCTURE], 2: [TEST, INFRASTRUCTURE]}, (0, 0)),
        (BOTH_FAIL, {1: [INFRASTRUCTURE]}, (0, 0)),
        (BOTH_FAIL, {}, (None, 1)),
        ((failed(1), job(2, name="b", conclusion="cancelled")), {1: [INFRASTRUCTURE], 2: [TEST]}, (1, 0)),
        (CANCELLED, {1: [INFRASTRUCTURE]}, (1, 0)),
        (CANCELLED, {1: ["timeout"]}, (0, 0)),
        (CANCELLED, {}, (None, 1)),
        ((), {}, (None, 1)),
    ],
    ids=[
        "every job", "one is a test", "the first cause of a job decides", "one has no cause", "no cause",
        "a cancelled job beside a failed one", "no runner took the job", "the time limit", "cancelled without a cause",
        "no jobs",
    ],
)  # fmt: skip
def test_each_failed_job_has_to_fail_by_infrastructure(
    engine: Engine, jobs: tuple[JobRecord, ...], causes: dict[int, list[str]], expected: tuple[int | None, int]
) -> None:
    add_repository(engine)
    store_runs(engine, run(100, conclusion="failure"), run(101, minutes=1))
    store_jobs(engine, 100, *jobs, attempts=(attempt(1, "failure"),))
    store_causes(engine, causes)
    current = figures(engine)
    assert (current.infrastructure_failures, current.failures_without_cause) == expected
    assert current.success_rate == 0.5
    assert current.success_rate_without_infrastructure == {1: 1.0, 0: current.success_rate, None: None}[expected[0]]
    assert current.failure_rate_without_infrastructure == {1: 0.0, 0: current.failure_rate, None: None}[expected[0]]


def rerun(engine: Engine, conclusion: str, *jobs: JobRecord, causes: dict[int, list[str]]) -> Metrics:
    """Attempt 1 failed with the jobs 1 (a) and 2 (b); these are the jobs of attempt 2."""
    add_repository(engine)
    store_runs(engine, run(100, attempt=2, conclusion=conclusion))
    attempts: tuple[AttemptRecord, ...] = (attempt(1, "failure"), attempt(2, conclusion, start=100, end=200))
    store_jobs(engine, 100, *BOTH_FAIL, *jobs, attempts=attempts)
    store_causes(engine, causes)
    return figures(engine)


def later(job_id: int, name: str, conclusion: str) -> JobRecord:
    return job(job_id, name=name, attempt=2, conclusion=conclusion, start=100, end=180)


def test_a_run_that_passed_when_it_was_run_again_is_a_success(engine: Engine) -> None:
    passed = later(3, "a", "success"), later(4, "b", "success")
    current = rerun(engine, "success", *passed, causes={1: [INFRASTRUCTURE], 2: [INFRASTRUCTURE]})
    assert (current.runs.success, current.infrastructure_failures, current.failures_without_cause) == (1, 0, 0)
    assert current.success_rate == current.success_rate_without_infrastructure == 1.0


def test_a_job_that_may_fail_makes_no_infrastructure_failure(engine: Engine) -> None:
    again = later(3, "a", "failure"), later(4, "b", "success")
    current = rerun(engine, "success", *again, causes={3: [INFRASTRUCTURE]})
    assert (current.runs.failure, current.infrastructure_failures, current.failures_without_cause) == (0, 0, 0)


def test_the_latest_attempt_decides(engine: Engine) -> None:
    again = later(3, "a", "success"), later(4, "b", "failure")
    current = rerun(engine, "failure", *again, causes={1: [INFRASTRUCTURE], 2: [INFRASTRUCTURE], 4: [TEST]})
    assert (current.infrastructure_failures, current.success_rate_without_infrastructure) == (0, 0.0)


def test_causes_of_an_earlier_attempt_are_not_those_of_the_latest(engine: Engine) -> None:
    again = later(3, "a", "failure"), later(4, "b", "success")
    current = rerun(engine, "failure", *again, causes={1: [INFRASTRUCTURE], 2: [INFRASTRUCTURE]})
    assert (current.infrastructure_failures, current.failures_without_cause) == (None, 1)
    line = "The runner has received a shutdown signal"
    with write_scope(engine) as session:
        record = LogRecord(1, 100, "stored", line, error_line=line, fingerprint="f", cause_version=CAUSE_VERSION)
        store_log(session, 1, record, NOON)
    with session_scope(engine) as session:
        listed = causes_of(session, Scope(), DAY, NOON)
    # The Failures page shows both numbers.
    assert (listed.looked_at, listed.unnamed) == (1, 1)


def test_nothing_is_counted_while_causes_of_stored_logs_are_not_extracted(engine: Engine) -> None:
    again = later(3, "a", "failure"), later(4, "b", "success")
    rerun(engine, "failure", *again, causes={1: [TEST], 2: [TEST], 3: [INFRASTRUCTURE]})
    with write_scope(engine) as session:
        # An earlier version stored this log.
        store_log(session, 1, LogRecord(1, 100, "stored", "a line", error_line="a line", fingerprint="f"), NOON)
        session.execute(update(JobLog).values(cause_version=None, fetched_at=NOON))
    with session_scope(engine) as session:
        assert causes_of(session, Scope(), DAY, NOON).unnamed is None
    current = figures(engine)
    assert (current.infrastructure_failures, current.failures_without_cause) == (None, None)
    assert (current.success_rate_without_infrastructure, current.failure_rate) == (None, 1.0)
    with write_scope(engine) as session:
        session.execute(update(JobLog).values(cause_version=CAUSE_VERSION))
    current = figures(engine)
    assert (current.infrastructure_failures, current.failures_without_cause) == (1, 0)


def test_an_infrastructure_failure_after_another_one_counts(engine: Engine) -> None:
    again = later(3, "a", "failure"), later(4, "b", "success")
    current = rerun(engine, "failure", *again, causes={1: [TEST], 2: [TEST], 3: [INFRASTRUCTURE]})
    assert (current.infrastructure_failures, current.success_rate_without_infrastructure) == (1, None)


@pytest.mark.parametrize(("kind", "expected"), [(INFRASTRUCTURE, 1), (TEST, 0)])
def test_a_failed_job_that_is_listed_again_has_the_cause_of_its_original(
    engine: Engine, kind: str, expected: int
) -> None:
    """Only job `a` was run again; GitHub lists the failed `b` of attempt 1 again."""
    again = later(3, "a", "failure"), failed(4, "b", attempt=2)
    current = rerun(engine, "failure", *again, causes={1: [TEST], 2: [kind], 3: [INFRASTRUCTURE]})
    assert (current.infrastructure_failures, current.failures_without_cause) == (expected, 0)


def test_totals_series_and_groups_agree_with_the_filters(engine: Engine) -> None:
    """Three infrastructure failures on two days, in two workflows and on two branches."""
    deploy = {"workflow_id": 6, "workflow_name": "Deploy", "event": "schedule"}
    add_repository(engine, REPO, WORKFLOW, WorkflowRecord(6, "Deploy", "deploy.yml", "active"))
    runs = {
        100: run(100, conclusion="failure"), 101: run(101, minutes=1, conclusion="failure", branch="feature"),
        102: run(102, minutes=-24 * 60, conclusion="timed_out", **deploy),
        103: run(103, minutes=2, conclusion="failure"),
    }  # fmt: skip
    store_runs(engine, *runs.values(), *(run(200 + number, minutes=3 + number) for number in range(4)))
    for run_id in runs:
        store_jobs(engine, run_id, failed(run_id - 99), attempts=(attempt(1, "failure"),))
    store_causes(engine, {1: [INFRASTRUCTURE], 2: [INFRASTRUCTURE], 3: [INFRASTRUCTURE], 4: [TEST]})
    window = Window(NOON - timedelta(days=3), NOON + timedelta(days=1))
    filters = {
        Scope(): 3, Scope(branches=("main",)): 2, Scope(branches=("feature",)): 1, Scope(events=("schedule",)): 1,
        Scope(workflows=("6",)): 1, Scope(repos=("acme/web",)): 3, Scope(repos=("acme/none",)): 0,
        Scope(actors=("bob",)): 0, Scope(conclusions=("timed_out",)): 1,
        Scope(runners=("ubuntu-latest",)): 3, Scope(outcomes=("success",)): 0,
    }  # fmt: skip
    for scope, expected in filters.items():
        assert figures(engine, scope, window).infrastructure_failures == expected
    with Session(engine) as session:
        failures = service.read_failures(session, Scope(), window)
        points = service.series(session, Scope(), window, Interval.DAY, failures=failures)
        assert [point.metrics.infrastructure_failures for point in points] == [0, 0, 1, 2, 0]
        assert points[3].metrics.success_rate_without_infrastructure == 4 / 5
        by_workflow = service.groups(session, Scope(), window, GroupBy.WORKFLOW, failures=failures)
        assert {group.workflow_id: group.metrics.infrastructure_failures for group in by_workflow} == {5: 2, 6: 1}
        largest = service.largest_groups(session, Scope(), window, GroupBy.BRANCH, limit=1, failures=failures)
        assert largest.rest is not None
        assert largest.groups[0].metrics.infrastructure_failures == 2
        assert largest.rest.infrastructure_failures == 1
        assert service.snapshot(session, Scope(), window).infrastructure_failures is None


def test_a_change_compares_the_runs_that_remain(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(100, conclusion="failure"), *(run(200 + number, minutes=number) for number in range(11)))
    store_jobs(engine, 100, failed(1), attempts=(attempt(1, "failure"),))
    store_causes(engine, {1: [INFRASTRUCTURE]})
    with session_scope(engine) as session:
        failures = service.read_period_failures(session, Scope(), DAY)
        compared = service.compare(session, Scope(), DAY, failures=failures)
    figure = FIGURES["success_rate_without_infrastructure"]
    assert figure.proportion is not None
    assert (figure.proportion(compared.current), compared.previous.infrastructure_failures) == ((11, 11), 0)
    assert compared.previous.failures_without_cause == 0


@pytest.mark.parametrize("others", [True, False], ids=["with the other causes", "infrastructure alone"])
def test_without_a_known_cause_the_infrastructure_failures_are_unknown(engine: Engine, others: bool) -> None:
    """Two days, two branches and two periods: nothing is known of one of each. A day without failures has none."""
    add_repository(engine)
    runs = run(100, conclusion="failure", branch="feature"), run(101, minutes=-24 * 60, conclusion="failure")
    store_runs(engine, *runs, run(102, minutes=-10 * 24 * 60, conclusion="failure"), run(103, minutes=-48 * 60))
    for run_id in (100, 101, 102):
        store_jobs(engine, run_id, failed(run_id - 99), attempts=(attempt(1, "failure"),))
    window = Window(NOON - timedelta(days=4), NOON + timedelta(days=1))

    def numbers() -> list[tuple[int | None, int | None]]:
        with session_scope(engine) as session:
            failures = service.read_failures(session, Scope(), window, others=others)
            before = service.read_failures(session, Scope(), window.before(), others=others)
            compared = service.compare(session, Scope(), window, failures=service.PeriodFailures(failures, before))
            points = service.series(session, Scope(), window, Interval.DAY, failures=failures)
            groups = service.groups(session, Scope(), window, GroupBy.BRANCH, failures=failures)
        by_branch = {group.key: group.metrics for group in groups}
        listed = [compared.current, compared.previous, *(point.metrics for point in points[2:5])]
        listed += [by_branch["main"], by_branch["feature"]]
        return [(metrics.infrastructure_failures, metrics.failures_without_cause) for metrics in listed]

    unknown = (None, 1)
    assert numbers() == [(None, 2), unknown, (0, 0), unknown, unknown, unknown, unknown]
    store_causes(engine, {1: [TEST]})
    if others:
        assert numbers() == [(0, 1), unknown, (0, 0), unknown, (0, 0), unknown, (0, 0)]
    else:
        assert numbers() == [(0, None), unknown, *[(0, None)] * 5]


def test_figures_are_unknown_where_runs_are_deleted(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(99, minutes=-60 * 24 * 40, conclusion="failure"), run(100, conclusion="failure"), run(101))
    for run_id in (99, 100):
        store_jobs(engine, run_id, failed(run_id - 98), attempts=(attempt(1, "failure"),))
    store_causes(engine, {1: [INFRASTRUCTURE], 2: [INFRASTRUCTURE]})
    for _ in prune(engine, NOON - timedelta(days=30), NOON):
        pass
    long = Window(NOON - timedelta(days=50), NOON + timedelta(days=1))
    current = figures(engine, window=long)
    assert (current.runs.failure, current.success_rate) == (2, 1 / 3)
    assert current.infrastructure_failures is current.failures_without_cause is None
    assert current.success_rate_without_infrastructure is current.failure_rate_without_infrastructure is None
    assert figures(engine).infrastructure_failures == 1
    with session_scope(engine) as session:
        failures = service.read_failures(session, Scope(), long)
        points = service.series(session, Scope(), long, Interval.DAY, failures=failures)
    numbers = {point.start.date(): point.metrics.infrastructure_failures for point in points}
    assert numbers[(NOON - timedelta(days=40)).date()] is None
    assert numbers[NOON.date()] == 1
