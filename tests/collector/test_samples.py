"""Sketches of successful logs: fetched with requests to spare, made of logs that are stored, bounded, and applied."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, delete, func, select, update

from collector.bootstrap import make_client as make_service_client
from collector.bootstrap import make_collector
from collector.context import CollectorContext
from collector.github.errors import RateLimited
from collector.logs import samples
from collector.logs.collect import LogCollector
from collector.logs.reextraction import extract_outdated_causes
from collector.logs.samples import SampleCollector
from collector.progress import Progress
from collector.settings import CollectorSettings
from collector.tasks import CollectorTasks
from core.clock import utc_now
from db.collection.heartbeat_detail import HeartbeatDetail
from db.engine import session_scope, write_scope
from db.logs import log_sketches
from db.logs.log_sketches import SuccessfulJob, sketches_of
from db.models import CauseAlias, JobLog, LogSketch, Repository, Run
from health.insights.causes import known_lines
from health.insights.causes.extraction import CAUSE_VERSION
from health.insights.causes.known_lines import sketched_job
from health.insights.causes.novelty import NONE_KNOWN, encode, job_name_hash, sketch
from health.retention import prune_logs
from tests.collector.conftest import REPO, GitHub
from tests.collector.syncing import fetch_logs, make_client, sync
from tests.simulator.app import create_app, running
from tests.simulator.factories import JobPlan
from tests.simulator.world import EditableWorld

ID = 1001
NOISE = "ERROR: could not connect to 10.0.0.{n}:5432, waiting"
END = "##[error]Process completed with exit code 1.\n"
REAL = "2 of 31 checks: failure"


def add(github: GitHub, conclusion: str, *lines: str, days: float = 1, branch: str = "main", job: str = "it") -> int:
    """A run with one job; returns the id of the job."""
    created = github.clock() - timedelta(days=days)
    plans = [JobPlan(job, conclusion)]
    run = github.world.add_run(REPO, "CI", conclusion=conclusion, jobs=plans, created_at=created, branch=branch)
    (made,) = github.world.runs[run].attempts[-1].jobs
    github.world.set_log(made.id, "\n".join(("##[group]Run ./it.sh", "##[endgroup]", *lines)) + "\n")
    return made.id


@pytest.fixture
def failed(engine: Engine, github: GitHub) -> int:
    """The failed job: its log has noise that is in the log of a successful job of the same name, which is not
    stored."""
    add(github, "success", NOISE.format(n=4), "31 of 31 checks", days=2)
    add(github, "success", NOISE.format(n=5), REAL, days=1.5, branch="topic")
    job = add(github, "failure", NOISE.format(n=7), REAL, END)
    sync(engine, github.url, (REPO,), clock=github.clock)
    assert fetch_logs(engine, github.url, clock=github.clock) == 1
    github.asked()
    return job


def sampler(engine: Engine, github: GitHub, *, has_backlog: bool = False, is_enabled: bool = True) -> SampleCollector:
    client = make_client(github.url, github.clock)
    client.get("/rate_limit")
    github.asked()
    context = CollectorContext(engine, client, Progress(engine, github.clock, HeartbeatDetail()), github.clock)
    return SampleCollector(context, lambda: has_backlog, is_enabled=is_enabled)


def requests(github: GitHub) -> list[str]:
    return [path for path in github.asked() if path.endswith("/logs") and not path.startswith("/_logs")]


def error_line(engine: Engine, job: int) -> tuple[str | None, int | None]:
    with session_scope(engine) as session:
        log = session.get_one(JobLog, (ID, job))
        return log.error_line, log.cause_version


def sketches(engine: Engine) -> int:
    with session_scope(engine) as session:
        return session.scalar(select(func.count()).select_from(LogSketch)) or 0


def test_a_successful_log_is_sketched_with_one_request_and_the_failed_one_is_read_again(
    engine: Engine, github: GitHub, failed: int
) -> None:
    assert error_line(engine, failed)[0] == NOISE.format(n=7)
    taker = sampler(engine, github)
    assert taker.run({ID: REPO}) == 1
    assert len(requests(github)) == 1
    assert error_line(engine, failed)[1] is None
    with session_scope(engine) as session:
        (row,) = session.scalars(select(LogSketch)).all()
        # The newer one of the branch topic would hide the cause.
        assert session.get_one(Run, (ID, row.run_id)).on_default_branch
        assert session.get(JobLog, (ID, row.job_id)) is None
        assert len(row.content) < 100
    assert taker.run({ID: REPO}) == 0
    assert requests(github) == []
    # The extraction in the background compares it. The noise is not another name of the cause.
    assert extract_outdated_causes(engine, threading.Event(), seconds=60) == 1
    assert error_line(engine, failed) == (REAL, CAUSE_VERSION)
    with session_scope(engine) as session:
        assert session.scalars(select(CauseAlias)).all() == []
    # A later version of the extraction does not undo it, even if the text was deleted in the meantime.
    assert sum(prune_logs(engine, github.clock() + timedelta(days=100))) == 1
    with write_scope(engine) as session:
        session.execute(update(JobLog).values(cause_version=CAUSE_VERSION - 1))
        session.execute(update(LogSketch).values(created_at=github.clock() - timedelta(days=90)))
    assert extract_outdated_causes(engine, threading.Event(), seconds=60) == 1
    assert error_line(engine, failed) == (REAL, CAUSE_VERSION)
    # A later failure is compared at once.
    later = add(github, "failure", NOISE.format(n=8), REAL, END, days=0.1)
    sync(engine, github.url, (REPO,), clock=github.clock)
    fetch_logs(engine, github.url, clock=github.clock)
    assert error_line(engine, later)[0] == REAL


@pytest.mark.parametrize(
    "reason", ["backlog", "disabled", "half of the limit", "bytes", "requests", "other repository"]
)
def test_nothing_is_requested_that_is_not_to_spare(
    engine: Engine, github: GitHub, failed: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = github.app.state.budget
    if reason == "half of the limit":
        budget.used = budget.limit // 2 + 10
    taker = sampler(engine, github, has_backlog=reason == "backlog", is_enabled=reason != "disabled")
    if reason == "bytes":
        taker._budget.spend(samples.HOURLY_BYTES)
    for _ in range(int(budget.limit * samples.HOURLY_SHARE) if reason == "requests" else 0):
        taker._budget.spend(1)
    assert taker.run({} if reason == "other repository" else {ID: REPO}) == 0
    assert requests(github) == []
    github.clock.forward(hours=1)
    assert taker.run({ID: REPO}) == (reason not in ("backlog", "disabled"))


def test_a_log_that_cannot_be_read_is_requested_again_the_next_day(engine: Engine, github: GitHub, failed: int) -> None:
    github.world.faults.add("jobs/.*/logs", status=410)
    taker = sampler(engine, github)
    for hours in (0, 1, 22):
        github.clock.forward(hours=hours)
        assert taker.run({ID: REPO}) == 0
    assert len(requests(github)) == 1
    github.clock.forward(hours=2)
    assert taker.run({ID: REPO}) == 1


def test_a_sample_that_is_older_than_a_week_is_read_once(engine: Engine, github: GitHub) -> None:
    add(github, "success", NOISE.format(n=4), days=9)
    add(github, "failure", NOISE.format(n=7), REAL, END, days=0.1)
    sync(engine, github.url, (REPO,), clock=github.clock)
    fetch_logs(engine, github.url, clock=github.clock)
    taker = sampler(engine, github)
    for expected in (1, 0):
        assert taker.run({ID: REPO}) == expected
        assert len(requests(github)) == expected
        github.clock.forward(hours=25)


def test_a_rate_limit_passes_up(engine: Engine, github: GitHub, failed: int) -> None:
    github.world.faults.add("jobs/.*/logs", status=429, headers={"retry-after": "600"})
    with pytest.raises(RateLimited):
        sampler(engine, github).run({ID: REPO})


def test_of_a_long_log_the_start_is_read(
    engine: Engine, github: GitHub, failed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in github.world.runs.values():
        for job in run.attempts[-1].jobs:
            github.world.set_log(job.id, "error: a\n" + "x\n" * 400_000 + "error: of the end\n")
    monkeypatch.setattr(samples, "MAX_SAMPLE_BYTES", 70_000)
    assert sampler(engine, github).run({ID: REPO}) == 1
    with session_scope(engine) as session:
        (row,) = session.scalars(select(LogSketch)).all()
        known = known_lines.known_lines(session, sketched_job(ID, row.workflow_id, "it"))
    assert "error: a" in known
    assert "error: of the end" not in known


def test_logs_that_are_stored_anyway_are_sketched(engine: Engine, github: GitHub) -> None:
    for days in (2, 2.01, 1):
        add(github, "success", NOISE.format(n=4), days=days)
    add(github, "cancelled", NOISE.format(n=4), days=3)
    sync(engine, github.url, (REPO,), clock=github.clock)
    assert fetch_logs(engine, github.url, clock=github.clock, collect="all") == 4
    assert sketches(engine) == 2
    job = add(github, "failure", NOISE.format(n=7), REAL, END, days=0.1)
    sync(engine, github.url, (REPO,), clock=github.clock)
    fetch_logs(engine, github.url, clock=github.clock, collect="all")
    assert error_line(engine, job)[0] == REAL


def test_sketches_are_bounded_by_job_and_in_total_and_removed_with_their_repository(
    engine: Engine, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(engine, github.url, (REPO,), clock=github.clock)
    job = sketched_job(ID, 7, "it")

    def stored() -> Iterator[bytes]:
        with session_scope(engine) as session:
            yield from sketches_of(session, job)

    def put(day: int, content: bytes, name: str = "it") -> None:
        with write_scope(engine) as session:
            sample = SuccessfulJob(day, day, datetime(2026, 11, day, 12, tzinfo=UTC))
            known_lines.store(session, sketched_job(ID, 7, name), sample, content)

    for day in (10, 12, 11, 13, 13):
        put(day, b"%d" % day)
    assert list(stored()) == [b"13", b"12", b"11"]
    monkeypatch.setattr(log_sketches, "MAX_TOTAL", 5)
    for number in range(4):
        put(14, b"new", f"job {'abcd'[number]}")
    assert sketches(engine) == 5
    assert list(stored()) == [b"13"]
    with write_scope(engine) as session:
        session.execute(delete(Repository).where(Repository.id == ID))
    assert sketches(engine) == 0


def test_only_logs_near_the_first_sketch_of_their_job_are_read_again(
    engine: Engine, github: GitHub, failed: int
) -> None:
    old = add(github, "failure", NOISE.format(n=7), REAL, END, days=20)
    other = add(github, "failure", NOISE.format(n=7), REAL, END, job="unit")
    sync(engine, github.url, (REPO,), clock=github.clock)
    fetch_logs(engine, github.url, clock=github.clock)
    with session_scope(engine) as session:
        workflow = session.scalars(select(Run.workflow_id)).first() or 0
    job = sketched_job(ID, workflow, "it")
    lines = encode(sketch([NOISE]))
    for expected, day, content in ((0, 0, encode(NONE_KNOWN)), (1, 1, lines), (0, 2, lines)):
        with write_scope(engine) as session:
            sample = SuccessfulJob(day, day, github.clock() - timedelta(days=day))
            assert known_lines.store(session, job, sample, content) == expected
    assert error_line(engine, failed)[1] is None
    assert error_line(engine, old)[1] is not None
    assert error_line(engine, other)[1] is not None


def test_a_log_is_read_again_only_for_a_sketch_that_remains(engine: Engine, github: GitHub, failed: int) -> None:
    lines = encode(sketch([NOISE]))
    for expected, day, content in ((0, 0, b""), (0, 1, b""), (0, 2, b""), (0, 3, lines), (0, 4, lines)):
        assert put_sketch(engine, github, days=day, content=content or encode(NONE_KNOWN)) == expected
    assert error_line(engine, failed)[1] is not None
    with write_scope(engine) as session:
        session.execute(delete(LogSketch))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_sketches, "MAX_TOTAL", 1)
        assert put_sketch(engine, github, days=0, content=lines, name="unit") == 0
        assert put_sketch(engine, github, days=3, content=lines) == 0
    assert sketches(engine) == 1
    assert error_line(engine, failed)[1] is not None


@pytest.mark.parametrize("by", ["collection", "extraction"])
def test_a_log_that_was_compared_is_not_read_again_for_the_first_sketch_after_others_are_gone(
    engine: Engine, github: GitHub, failed: int, by: str
) -> None:
    assert put_sketch(engine, github, days=2) == 1
    if by == "collection":
        add(github, "failure", NOISE.format(n=7), REAL, END, days=0.1)
        sync(engine, github.url, (REPO,), clock=github.clock)
        assert fetch_logs(engine, github.url, clock=github.clock) == 1
        with write_scope(engine) as session:
            session.execute(delete(JobLog).where(JobLog.job_id == failed))
    else:
        assert extract_outdated_causes(engine, threading.Event(), seconds=60) == 1
    with write_scope(engine) as session:
        session.execute(delete(LogSketch))
    assert put_sketch(engine, github, days=1) == 0


def put_sketch(
    engine: Engine, github: GitHub, *, days: int, content: bytes = encode(sketch([NOISE])), name: str = "it"
) -> int:
    """Stores a sketch of a job of the workflow CI, of a run of some days ago; returns the number of affected logs."""
    with write_scope(engine) as session:
        workflow = session.scalars(select(Run.workflow_id)).first() or 0
        sample = SuccessfulJob(days + 1, days + 1, github.clock() - timedelta(days=days))
        return known_lines.store(session, sketched_job(ID, workflow, name), sample, content)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("build 9f8a7c6d5e4f", "build 0a1b2c3d4e5f", True),
        ("deploy 2026-11-18", "deploy 2026-11-19", True),
        ("e2e (run 11236784732)", "e2e (run 12007373278)", True),
        ("test (3.11)", "test (3.12)", False),
        ("shard 1/8", "shard 2/8", False),
        ("feedback", "facade12", False),
    ],
)
def test_which_jobs_are_the_same(one: str, other: str, same: bool) -> None:
    assert (job_name_hash(one) == job_name_hash(other)) is same
    assert len(job_name_hash(one)) == 32


def test_a_pass_that_ends_early_leaves_a_backlog(engine: Engine, github: GitHub, failed: int) -> None:
    client = make_client(github.url, github.clock)
    context = CollectorContext(engine, client, Progress(engine, github.clock, HeartbeatDetail()), github.clock)
    collector = LogCollector(context, collect="failed")
    assert collector.has_backlog
    collector.run(until=github.clock() + timedelta(minutes=1))
    assert not collector.has_backlog
    collector.run(until=github.clock())
    assert collector.has_backlog


def test_the_service_samples_when_no_failed_log_is_pending(engine: Engine) -> None:
    world = EditableWorld(utc_now)
    world.add_repository(REPO)
    world.add_workflow(REPO, "CI")
    for hours, conclusion in ((2, "success"), (1, "failure")):
        world.add_run(REPO, "CI", conclusion=conclusion, created_at=utc_now() - timedelta(hours=hours))
    with running(create_app(world, tokens={"good"})) as url:
        settings = CollectorSettings(
            github_api_url=url, github_repos=REPO, github_token="good",
            database_url=engine.url.render_as_string(hide_password=False),
        )  # fmt: skip
        tasks = CollectorTasks(make_collector(settings, engine, make_service_client(settings)))
        tasks.renew_claims()
        tasks.sync_runs()
        tasks.sample_logs()
        assert sketches(engine) == 0
        tasks.fetch_jobs()
        tasks.sample_logs()
        assert sketches(engine) == 1
