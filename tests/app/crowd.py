"""200 repositories with a thousand workflows, some with long, foreign or hostile names."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, insert, select

from db.collection.sync_state import sync_state
from db.definitions.records import RepositoryRecord, WorkflowRecord
from db.engine import write_scope
from db.enums import LogState, Outcome
from db.models import Job, JobLog, Run
from db.repositories.repository_writes import get_repository, upsert_repository, upsert_workflows
from db.runs.run_writes import upsert_runs
from tests.app.seeding import heartbeat, run

REPOSITORIES = 200
NAMES = (
    "CI", "🚀 Release ✨", "אוטומציה של בדיקות", "<script>alert(1)</script>",
    "Deploy to production with a name that nobody would type but somebody did, on a Friday, before the holidays",
)  # fmt: skip


def crowd(engine: Engine) -> None:
    """Five workflows per repository; every seventh is failing."""
    now = datetime.now(UTC).replace(microsecond=0)
    with write_scope(engine) as session:
        for number in range(1, REPOSITORIES + 1):
            name = f"acme/service-{number:03d}" if number % 20 else f"acme/{'a-very-long-name-' * 5}{number}"
            record = RepositoryRecord(number, name, "main", False, False, f"https://github.com/{name}")
            workflows = [WorkflowRecord(number * 10 + k, each, f".github/{k}.yml", "active")
                         for k, each in enumerate(NAMES)]  # fmt: skip
            upsert_repository(session, record)
            upsert_workflows(session, number, workflows)
            state = sync_state(session, number)
            state.complete_since, state.synced_at = now - timedelta(days=70), now
            runs = [
                run(number * 10 + k, now - timedelta(minutes=90 + k), repo=number, workflow_id=number * 10 + k,
                    workflow_name=each, title=each, branch="main", actor=None,
                    conclusion="failure" if (number * 5 + k) % 7 == 0 else "success")
                for k, each in enumerate(NAMES)
            ]  # fmt: skip
            upsert_runs(session, get_repository(session, number), runs)
    heartbeat(engine, now)


def fail_differently(engine: Engine, now: datetime) -> None:
    """A failed job for each failed run, with a distinct cause."""
    letters = "bcdfghjklmnpqrstvwxz"
    with write_scope(engine) as session:
        failed = session.execute(select(Run.repository_id, Run.id).where(Run.outcome == Outcome.FAILURE)).all()
        for number, (repository_id, run_id) in enumerate(failed):
            word = letters[number % 20] * 5 + letters[number // 20] * 5
            owner = {"repository_id": repository_id, "run_id": run_id}
            session.execute(insert(Job.__table__), {
                **owner, "id": run_id, "attempt": 1, "name": "test", "status": "completed", "conclusion": "failure",
                "labels": [], "steps": [], "copied": False, "phantom": False,
            })  # fmt: skip
            session.execute(insert(JobLog.__table__), {
                **owner, "job_id": run_id, "state": LogState.EXPIRED, "error_line": f"{word}Error: no {word * 2}",
                "fingerprint": word, "truncated": False, "tries": 1, "requested_at": now,
            })  # fmt: skip
