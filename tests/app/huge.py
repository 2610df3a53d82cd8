"""Runs of thousands of jobs, written by bulk statements: what stores runs one by one would take a minute."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert

from db.engine import write_scope
from db.models import Attempt, Job
from db.repositories.repository_writes import get_repository
from db.runs.run_writes import upsert_runs
from tests.app.seeding import add_repository, heartbeat, run

JOBS = 8_311
GREEN, MATRIX, DISTINCT, FEWER, STEPS, ATTEMPTS = range(500, 506)
SYSTEMS = ("ubuntu", "windows", "macos")
_ROWS = 1_000


def matrix(number: int) -> str:
    """The name of a matrix job, by the number of the leg."""
    return f"{('build', 'test', 'lint', 'call / e2e', 'package')[number % 5]} ({SYSTEMS[number % 3]}, {number})"


def distinct(number: int) -> str:
    """Of 500 characters that HTML writes with five each, like no other."""
    return f"job {number:05}".ljust(500, "&")


def huge_runs(engine: Engine) -> None:
    now = datetime.now(UTC)
    add_repository(engine, 1, "acme/web", now)
    huge_run(engine, GREEN, JOBS, now, conclusion="success")
    huge_run(engine, MATRIX, JOBS, now)
    huge_run(engine, DISTINCT, 4_000, now, name=distinct)
    huge_run(engine, FEWER, 831, now)
    huge_run(engine, STEPS, 8, now, steps=1_000, failed_step=417)
    huge_run(engine, ATTEMPTS, 1, now, attempts=50)
    heartbeat(engine, now)


def huge_run(
    engine: Engine, run_id: int, jobs: int, now: datetime, *, name: Callable[[int], str] = matrix, steps: int = 3,
    conclusion: str = "failure", attempts: int = 1, failed_step: int = 1,
) -> None:  # fmt: skip
    """Every fortieth job failed, unless the run succeeded. A run with a greater id began later."""
    began = now - timedelta(hours=4) + timedelta(minutes=run_id % 100)
    with write_scope(engine) as session:
        record = run(run_id, began, conclusion=conclusion, attempt=attempts, seconds=900)
        upsert_runs(session, get_repository(session, 1), [record])
    # The latest attempt is stored with the run.
    _put(engine, Attempt, ({"run_id": run_id, "attempt": each, "status": "completed", "conclusion": conclusion,
                            "started_at": began, "completed_at": now, "duration_seconds": 60.0, "queue_seconds": 1.0}
                           for each in range(1, attempts)))  # fmt: skip
    _put(engine, Job, (
        _job(run_id, attempt, number, name(number), began, _steps(began, steps, failed_step),
             failed=conclusion == "failure" and number % 40 == 7)
        for attempt in range(1, attempts + 1) for number in range(jobs)
    ))  # fmt: skip


def _put(engine: Engine, model: type[Any], rows: Iterable[dict[str, Any]]) -> None:
    listed = [{"repository_id": 1, **row} for row in rows]
    with write_scope(engine) as session:
        for first in range(0, len(listed), _ROWS):
            session.execute(insert(model.__table__), listed[first : first + _ROWS])


def _job(
    run_id: int, attempt: int, number: int, name: str, began: datetime, steps: list[dict[str, Any]], *, failed: bool
) -> dict[str, Any]:
    started = began + timedelta(seconds=5 + number % 60)
    seconds = 30.0 + number * 7 % 500
    return {
        "id": (run_id * 1_000 + attempt) * 100_000 + number, "run_id": run_id, "attempt": attempt, "name": name,
        "status": "completed", "conclusion": "failure" if failed else "success", "created_at": began,
        "started_at": started, "completed_at": started + timedelta(seconds=seconds), "duration_seconds": seconds,
        "queue_seconds": 5.0, "runner": f"GitHub Actions {number % 300}", "labels": ["ubuntu-latest"], "steps": steps,
        "copied": False, "phantom": False, "html_url": None,
    }  # fmt: skip


def _steps(began: datetime, steps: int, failed: int) -> list[dict[str, Any]]:
    times = {"started_at": began.isoformat(), "completed_at": (began + timedelta(seconds=1)).isoformat()}
    return [
        {"number": number, "name": f"Step {number}", "status": "completed",
         "conclusion": "failure" if number == failed else "success", **times}
        for number in range(1, steps + 1)
    ]  # fmt: skip
