"""Collecting logs from a GitHub that is slow, broken, forbidding or out of what was asked for."""

import gzip
import itertools
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from collector.context import CollectorContext
from collector.github.errors import RateLimited
from collector.logs import fetch
from collector.logs.collect import LogCollector
from collector.progress import Progress
from db.collection.heartbeat_detail import HeartbeatDetail
from db.engine import session_scope, write_scope
from db.logs.log_queries import JobLogRow, list_logs
from db.logs.log_writes import request_logs
from db.models import JobCause, JobLog
from health.insights.causes.model import CauseClass
from health.insights.causes.rules import CauseRule
from health.insights.causes.stored_rules import add_rule
from tests.builders import ACTOR
from tests.collector.conftest import REPO, GitHub, jobs_of
from tests.collector.recordings import Recordings
from tests.collector.syncing import fetch_logs, make_client, sync
from tests.simulator.factories import JobPlan

LOST = "The self-hosted runner lost communication with the server."


class Said(Progress):
    """What is said for the log."""

    def __init__(self, engine: Engine, github: GitHub) -> None:
        super().__init__(engine, github.clock, HeartbeatDetail())
        self.lines: list[str] = []

    def log_line(self, line: str) -> None:
        self.lines.append(line)


def collector(
    engine: Engine, github: GitHub, collect: str = "failed", token: str = "good"
) -> tuple[LogCollector, Said]:
    said = Said(engine, github)
    client = make_client(github.url, github.clock, token)
    return LogCollector(CollectorContext(engine, client, said, github.clock), collect=collect), said


def add_run(engine: Engine, github: GitHub, *names: str, conclusion: str = "failure", hours: float = 1) -> int:
    """A run of jobs of these names, all of that conclusion, stored with its jobs."""
    plans = [JobPlan(name, conclusion) for name in names]
    created = github.clock() - timedelta(hours=hours)
    run = github.world.add_run(REPO, "CI", conclusion=conclusion, jobs=plans, created_at=created)
    for job in github.world.runs[run].attempts[-1].jobs:
        name = f"2026-11-18T12:00:00.0000000Z Complete job name: {job.name}"
        github.world.set_log(job.id, f"\ufeff{name}\r\nit is {job.id}\r\n")
    sync(engine, github.url, (REPO,), clock=github.clock)
    github.asked()
    return run


def rows(engine: Engine, run: int) -> list[JobLogRow]:
    with session_scope(engine) as session:
        return list_logs(session, run, 1)


def states(engine: Engine, run: int) -> list[str | None]:
    return [row.state for row in rows(engine, run)]


def log_requests(github: GitHub) -> list[str]:
    """The last parts of what was asked about logs, without the storage."""
    paths = [path for path in github.asked() if "/actions/" in path or "check-runs" in path]
    return [path.partition("/actions/")[2] or path.partition(f"{REPO}/")[2] for path in paths]


def test_many_failed_jobs_of_a_run_cost_one_request(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "build", "test / unit (3.12, py)", "deploy: production", "🐍 lint")
    assert fetch_logs(engine, github.url, clock=github.clock, collect="failed") == 4
    asked = log_requests(github)
    assert [path for path in asked if path.startswith("runs")] == [f"runs/{run}/attempts/1/logs"]
    assert not [path for path in asked if path.startswith("jobs")]
    for row in rows(engine, run):
        assert row.text == f"2026-11-18T12:00:00.0000000Z Complete job name: {row.name}\nit is {row.job_id}\n"


def test_all_logs_of_a_run_are_taken_out_of_one_archive_if_all_are_collected(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, *(f"job {number}" for number in range(130)), conclusion="success")
    assert fetch_logs(engine, github.url, clock=github.clock, collect="failed") == 0
    assert fetch_logs(engine, github.url, clock=github.clock, collect="all") == 130
    assert log_requests(github) == [f"runs/{run}/attempts/1/logs"]
    assert set(states(engine, run)) == {"stored"}
    assert all(f"it is {row.job_id}" in (row.text or "") for row in rows(engine, run))


def test_a_clock_that_never_stands_still_leaves_no_repository_out(engine: Engine, github: GitHub) -> None:
    add_run(engine, github, "build")
    ticks = itertools.count()

    def ticking() -> datetime:
        return github.clock() + timedelta(microseconds=next(ticks))

    assert fetch_logs(engine, github.url, clock=ticking) == 1


def test_few_logs_are_fetched_one_by_one(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "build", "test")
    assert fetch_logs(engine, github.url, clock=github.clock) == 2
    assert not [path for path in log_requests(github) if path.startswith("runs")]
    assert states(engine, run) == ["stored", "stored"]


def test_jobs_that_an_archive_cannot_tell_apart_are_fetched_one_by_one(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "test / x", "test: x", "test _ y", "test y", "lint", conclusion="timed_out")
    for job in github.world.runs[run].attempts[-1].jobs[:2]:
        github.world.set_log(job.id, f"it is {job.id}")
    assert fetch_logs(engine, github.url, clock=github.clock) == 5
    asked = log_requests(github)
    assert len([path for path in asked if path.startswith("runs")]) == 1
    assert len([path for path in asked if path.startswith("jobs")]) == 2
    assert all(f"it is {row.job_id}" in (row.text or "") for row in rows(engine, run))


@pytest.mark.parametrize("status", [404, 500, 502, 200])
def test_without_a_usable_archive_each_log_is_fetched_on_its_own(engine: Engine, github: GitHub, status: int) -> None:
    run = add_run(engine, github, "build", "test", "lint")
    github.world.faults.add("runs/.*/logs", status=status, times=2)
    github.asked()
    made, said = collector(engine, github)
    assert made.run() == 3
    assert states(engine, run) == ["stored"] * 3
    assert len(said.lines) == (0 if status == 404 else 1)
    assert len([path for path in log_requests(github) if path.startswith("jobs")]) == 3


def test_an_archive_beyond_the_limit_is_left(engine: Engine, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    run = add_run(engine, github, "build", "test", "lint")
    monkeypatch.setattr(fetch, "MAX_ARCHIVE_BYTES", 100)
    made, said = collector(engine, github)
    assert made.run() == 3
    assert states(engine, run) == ["stored"] * 3
    assert len(said.lines) == 1
    assert "larger than 100 bytes" in said.lines[0]


def test_of_an_archive_that_has_expired_no_log_is_asked_for_but_the_causes_are_kept(
    engine: Engine, github: GitHub
) -> None:
    run = add_run(engine, github, "build", "test", "lint")
    github.world.runs[run].attempts[-1].cause = "runner_lost"
    github.world.expire_logs(run)
    assert fetch_logs(engine, github.url, clock=github.clock) == 0
    asked = log_requests(github)
    assert not [path for path in asked if path.startswith("jobs")]
    assert len([path for path in asked if "annotations" in path]) == 3
    assert states(engine, run) == ["expired"] * 3
    assert all("lost communication" in (row.error_line or "") for row in rows(engine, run))
    assert fetch_logs(engine, github.url, clock=github.clock) == 0
    assert log_requests(github) == []


def test_why_a_job_failed_is_known_even_if_its_log_never_comes(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "build")
    github.world.runs[run].attempts[-1].cause = "runner_lost"
    github.world.faults.add("jobs/.*/logs", status=404, times=100)
    seen = []
    for wait in (0, 21, 61, 301, 3_601, 3_601):
        github.clock.forward(seconds=wait)
        fetch_logs(engine, github.url, clock=github.clock)
        seen += states(engine, run)
    assert seen == ["pending"] * 4 + ["missing"] * 2
    assert len([path for path in log_requests(github) if "annotations" in path]) == 1
    with Session(engine) as session:
        (kept,) = session.scalars(select(JobLog)).all()
    assert "lost communication" in (kept.error_line or "")
    assert kept.fingerprint


def test_a_missing_log_that_is_asked_for_a_day_later_is_fetched_if_it_is_there(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "build")
    github.world.faults.add("jobs/.*/logs", status=404, times=5)
    for _ in range(5):
        fetch_logs(engine, github.url, clock=github.clock)
        github.clock.forward(hours=2)
    assert states(engine, run) == ["missing"]
    github.clock.forward(days=1)
    with write_scope(engine) as session:
        request_logs(session, 1001, run, jobs_of(github), github.clock())
    made, _ = collector(engine, github, "none")
    assert made.run_requested() == 1
    assert states(engine, run) == ["stored"]


def test_an_address_that_is_too_old_is_asked_for_again_at_once(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "build")
    github.world.faults.add("^/_logs/", status=403)
    assert fetch_logs(engine, github.url, clock=github.clock) == 1
    assert len([path for path in log_requests(github) if path.startswith("jobs")]) == 2
    assert states(engine, run) == ["stored"]


@pytest.mark.parametrize("sent", [None, b"2026-11-18T12:00:00.0000000Z half a l"])
def test_a_download_that_breaks_off_is_repeated_and_no_half_log_is_kept(
    engine: Engine, github: GitHub, sent: bytes | None
) -> None:
    run = add_run(engine, github, "build")
    github.world.faults.drop_connection("^/_logs/", sent=sent)
    assert fetch_logs(engine, github.url, clock=github.clock) == 1
    assert "it is" in (rows(engine, run)[0].text or "")


def test_a_broken_archive_download_is_repeated(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "build", "test", "lint")
    github.world.faults.drop_connection("^/_logs/", sent=b"PK\x03\x04")
    assert fetch_logs(engine, github.url, clock=github.clock) == 3
    assert [path for path in log_requests(github) if "annot" not in path] == [f"runs/{run}/attempts/1/logs"] * 2
    assert states(engine, run) == ["stored"] * 3


def test_while_storage_is_down_a_log_stays_wanted_and_one_line_says_so(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "build", "test")
    github.world.faults.add("^/_logs/", status=503, times=4)
    made, said = collector(engine, github)
    assert made.run() == 0
    assert states(engine, run) == ["pending", "pending"]
    assert len(said.lines) == 1
    assert said.lines[0].endswith("(and 1 more)")
    github.clock.forward(minutes=1)
    assert made.run() == 2


def test_a_token_that_may_not_read_logs_is_spoken_of_once_and_tried_every_hour(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, *(f"job {number}" for number in range(12)), conclusion="timed_out")
    refusal = '{"message": "Must have admin rights"}'
    github.world.faults.add("actions/(jobs|runs)/.*/logs", status=403, body=refusal, times=500)
    made, said = collector(engine, github)
    for _ in range(5):
        assert made.run() == 0
        github.clock.forward(minutes=5)
    assert len(log_requests(github)) == 1
    assert len(said.lines) == 1
    assert "Must have admin rights" in said.lines[0]
    assert "token" in said.lines[0]
    assert states(engine, run) == [None] * 12
    github.clock.forward(minutes=40)
    assert made.run() == 0
    assert len(log_requests(github)) == 1
    assert len(said.lines) == 1
    github.world.faults.clear()
    github.clock.forward(hours=1)
    assert made.run() == 12


def test_a_token_that_is_no_longer_good_makes_no_log_missing(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "build")
    made, said = collector(engine, github, token="stolen")
    for _ in range(6):
        assert made.run() == 0
        github.clock.forward(hours=2)
    assert states(engine, run) == [None]
    assert "GITHUB_TOKEN" in said.lines[0]


def test_a_rate_limit_passes_up_and_what_came_before_it_is_stored(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "build", "test", "lint", conclusion="success")
    github.world.faults.add("runs/.*/logs", status=429, headers={"retry-after": "60"})
    made, _ = collector(engine, github, "all")
    with pytest.raises(RateLimited):
        made.run()
    assert states(engine, run) == [None] * 3
    github.clock.forward(minutes=2)
    assert made.run() == 3


def test_background_work_ends_when_its_time_is_over_and_goes_on_next_time(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "build", "test")
    made, _ = collector(engine, github)
    assert made.run(until=github.clock()) == 0
    assert states(engine, run) == [None, None]
    assert made.run(until=github.clock() + timedelta(minutes=1)) == 2


def test_background_work_leaves_the_last_part_of_the_limit_to_runs_and_jobs(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "build", "test")
    budget = github.app.state.budget
    budget.used = budget.limit - 400
    made, _ = collector(engine, github)
    made._client.get("/rate_limit")
    later: datetime = github.clock() + timedelta(minutes=5)
    assert made.run(until=later) == 0
    assert log_requests(github) == []
    with write_scope(engine) as session:
        request_logs(session, 1001, run, jobs_of(github)[:1], github.clock())
    assert made.run_requested() == 1
    github.clock.forward(hours=2)
    assert made.run(until=github.clock() + timedelta(minutes=5)) == 1


def test_a_token_never_reaches_the_storage(engine: Engine, github: GitHub) -> None:
    add_run(engine, github, "build", "test", "lint")
    add_run(engine, github, "build")
    assert fetch_logs(engine, github.url, clock=github.clock) == 4
    stored = [each for each in github.app.state.requests if each.path.startswith("/_logs/")]
    assert len(stored) == 2
    assert not [each for each in stored if "authorization" in each.headers]


@pytest.fixture
def packed_storage(github: GitHub) -> Iterator[Recordings]:
    """A storage of its own that answers as the test says."""
    recordings = Recordings()
    with recordings.serve() as url:
        recordings.asked.append(url)
        yield recordings


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_logs_may_come_packed(engine: Engine, github: GitHub, packed_storage: Recordings, encoding: str) -> None:
    run = add_run(engine, github, "build")
    body = b"\xef\xbb\xbfline one\r\nboom\r\n"
    packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    packed_storage.answers["/log"] = (200, {"Content-Encoding": encoding, "Content-Type": "text/plain"}, packed)
    address = f"{packed_storage.asked[0]}/log"
    github.world.faults.add("jobs/.*/logs", status=302, headers={"location": address}, body="")
    assert fetch_logs(engine, github.url, clock=github.clock) == 1
    assert rows(engine, run)[0].text == "line one\nboom\n"


def test_a_log_of_eight_megabytes_in_any_script_is_kept_whole(engine: Engine, github: GitHub) -> None:
    run = add_run(engine, github, "build")
    text = "🚀 ünï\n" * 600_000
    github.world.set_log(jobs_of(github)[0], text)
    assert fetch_logs(engine, github.url, clock=github.clock) == 1
    assert rows(engine, run)[0].text == text


def test_an_own_rule_names_the_cause_of_a_new_log(
    engine: Engine, github: GitHub, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with write_scope(engine) as session:
        rule = CauseRule("No quota", "it is", CauseClass.RESOURCES, jobs=("a*",))
        rule_id = add_rule(session, rule, github.clock(), by=None, actor=ACTOR)
    run = add_run(engine, github, "a", "b")
    fetch_logs(engine, github.url, clock=github.clock)
    with session_scope(engine) as session:
        first = select(JobCause).where(JobCause.run_id == run, JobCause.position == 0)
        causes = {row.job_id: row for row in session.scalars(first)}
    job_id = github.world.runs[run].attempts[-1].jobs[0].id
    named = causes[job_id]
    assert (named.kind, named.tool, named.subject, named.source, named.rule_id) == (
        "resources", "rule", "No quota", "rule", rule_id
    )  # fmt: skip
    assert named.line == f"it is {job_id}"
    assert all(row.source != "rule" for row in causes.values() if row is not named)
    # Rules that take too long do not prevent that a log is stored.
    monkeypatch.setattr("collector.logs.own_rules.RULES_CPU_SECONDS", -1.0)
    later = add_run(engine, github, "a", hours=0.5)
    fetch_logs(engine, github.url, clock=github.clock)
    assert states(engine, later) == ["stored"]
    assert "simplify their expressions" in caplog.text
