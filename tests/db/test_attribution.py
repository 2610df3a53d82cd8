"""Which jobs and steps are slower since a moment."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from db.definitions.records import JobRecord, RunDetailsRecord
from db.definitions.scope import Window
from db.engine import session_scope, write_scope
from db.jobs.job_writes import store_run_details
from db.repositories.repository_writes import get_repository
from health.metrics import workflows
from tests.builders import NOON, add_repository, job, roll_up, run, store_runs
from tests.kept import Kept

HOURS = 40
CHANGE = NOON + timedelta(hours=24)


def _steps(at: Any, seconds: tuple[float, float]) -> tuple[dict[str, Any], ...]:
    found, begin = [], at
    for number, (name, length) in enumerate(zip(("checkout", "compile"), seconds, strict=True), 1):
        end = begin + timedelta(seconds=length)
        found.append({"number": number, "name": name, "status": "completed", "conclusion": "success",
                      "started_at": begin.isoformat(), "completed_at": end.isoformat()})  # fmt: skip
        begin = end
    return tuple(found)


def _jobs(number: int, conclusion: str) -> list[JobRecord]:
    at = NOON + timedelta(hours=number)
    compiling = 200.0 if at >= CHANGE else 80.0
    built = job(
        number * 10, at=at, start=0, end=10 + compiling, steps=_steps(at, (10.0, compiling)), conclusion=conclusion
    )
    lint = job(number * 10 + 1, name="lint", at=at, start=0, end=30, steps=_steps(at, (10.0, 20.0)))
    fresh = job(number * 10 + 2, name="scan", at=at, start=0, end=15, steps=())
    return [built, lint, fresh] if at >= CHANGE else [built, lint]


def _fill(engine: Engine) -> None:
    add_repository(engine)
    # Failures end early; they say nothing of how long it takes.
    ended = {number: "failure" if number % 9 == 0 else "success" for number in range(1, HOURS)}
    store_runs(engine, *(run(number, minutes=60 * number, conclusion=word) for number, word in ended.items()))
    with write_scope(engine) as session:
        details = [RunDetailsRecord(number, (), tuple(_jobs(number, word)), NOON) for number, word in ended.items()]
        store_run_details(session, get_repository(session, 1), details)
    roll_up(engine)


def test_the_job_and_the_step_that_take_longer_come_first(engine: Engine, kept: Kept) -> None:
    kept.fill(engine, _fill)
    window = Window(NOON, NOON + timedelta(hours=HOURS))
    with session_scope(engine) as session:
        found = workflows.slowdown(session, "acme/web", 5, "main", window, CHANGE)
    assert (found.runs_before, found.runs_after) == (23, 16)
    build, lint, scan = found.jobs
    assert (build.job, build.before, build.after, build.delta, build.change) == ("build", 90.0, 210.0, 120.0, 120 / 90)
    assert (lint.job, lint.delta) == ("lint", 0.0)
    assert (scan.job, scan.before, scan.delta, scan.runs_before, scan.runs_after) == ("scan", None, None, 0, 16)
    assert (found.steps[0].job, found.steps[0].step, found.steps[0].delta) == ("build", "compile", 120.0)
    assert {each.delta for each in found.steps[1:]} == {0.0}
    assert (build.trend[0], build.trend[-1]) == (90.0, 210.0)


def test_of_few_runs_no_change_is_told(engine: Engine, kept: Kept) -> None:
    kept.fill(engine, _fill)
    window = Window(CHANGE - timedelta(hours=3), NOON + timedelta(hours=HOURS))
    with session_scope(engine) as session:
        found = workflows.slowdown(session, "acme/web", 5, "main", window, CHANGE)
    build = next(each for each in found.jobs if each.job == "build")
    assert (build.before, build.after, build.delta) == (90.0, 210.0, None)
