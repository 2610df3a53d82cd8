"""An account that changes: first synced, run again, corrected late, deleted, rebuilt, pruned."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select

from db.definitions.records import (
    AttemptRecord,
    JobRecord,
    RepositoryRecord,
    RunDetailsRecord,
    RunRecord,
    WorkflowRecord,
)
from db.engine import session_scope, write_scope
from db.jobs.job_writes import store_run_details
from db.models import Job, JobCause, Run
from db.repositories.repository_writes import get_repository, limit_monitoring, upsert_repository, upsert_workflows
from db.runs.rollup_invalidation import invalidate_all
from db.runs.run_writes import mark_deleted, upsert_runs
from health.metrics.rollups.refresh import prune_hours, refresh_rollups
from health.retention import prune

DAYS, RETENTION = 150, timedelta(days=70)
REPOSITORIES = {
    1: ("acme/web", "main", {5: "CI", 6: "Deploy"}), 2: ("acme/api", "master", {7: "CI"}),
    3: ("acme/left", "main", {8: "CI", 9: "Nightly"}),
}  # fmt: skip
CONCLUSIONS = ["success"] * 7 + ["failure"] * 3 + ["timed_out", "cancelled", "skipped", "neutral", "stale"]
EVENTS = ("push", "push", "pull_request", "schedule")
ACTORS = ("alice", "bob", "carol[bot]", None)
BRANCHES = ("main", "main", "main", "master", "feature/ü", "release/1", None)
LABELS = (("ubuntu-latest",), ("self-hosted", "gpu"), ("windows-latest",))
AHEAD_OF_ROLLUPS = "late changes, roll-ups not made yet"
_HOUR = timedelta(hours=1)


class Account:
    """`now` is the end of what it did; `step` makes the next change and says what it was."""

    def __init__(self, engine: Engine, now: datetime, seed: str, runs: int = 420) -> None:
        self.engine, self.now, self.pruned_before = engine, now, None  # type: datetime | None
        self._chance, self._number, self._runs = random.Random(seed), 0, runs
        self._causes = random.Random(f"causes {seed}")

    def phases(self) -> Iterator[str]:
        steps: dict[str, Callable[[], None]] = {
            "first sync": self._first_sync, "re-runs running": self._rerun, "re-runs over": self._finish,
            "late changes": self._change_late, "deletions": self._delete, "rebuilt": self._rebuild,
            "another week": self._move_on, "fewer repositories": self._monitor_less, "pruned": self._prune,
        }  # fmt: skip
        for name, step in steps.items():
            step()
            self._add_causes()
            if name == "late changes":
                yield AHEAD_OF_ROLLUPS
            self.roll_up()
            yield name

    def _add_causes(self) -> None:
        """Of two thirds of the failed jobs. A later cause of a job may be infrastructure as well."""
        with write_scope(self.engine) as session:
            query = select(Job, Run.created_at).join(
                Run, (Run.repository_id == Job.repository_id) & (Run.id == Job.run_id)
            )
            query = query.where(Job.conclusion == "failure", ~Job.copied).order_by(Job.id)
            known = set(session.scalars(select(JobCause.job_id)))
            for job, created_at in session.execute(query).all():
                if job.id in known:
                    continue
                kinds = self._causes.choice(([], ["infrastructure"], ["infrastructure", "test"], ["test"],
                                             ["test", "infrastructure"], ["infrastructure"]))  # fmt: skip
                for position, kind in enumerate(kinds):
                    session.add(JobCause(
                        repository_id=job.repository_id, job_id=job.id, position=position, run_id=job.run_id, kind=kind,
                        tool="t", message="m", line="l", line_number=1, source="log", created_at=created_at,
                    ))  # fmt: skip

    def roll_up(self) -> None:
        for _ in refresh_rollups(self.engine, self.now):
            pass

    def _first_sync(self) -> None:
        for repository_id, (name, branch, workflows) in REPOSITORIES.items():
            with write_scope(self.engine) as session:
                upsert_repository(session, RepositoryRecord(repository_id, name, branch, repository_id == 2, False, ""))
                records = [WorkflowRecord(each, title, f"{each}.yml", "active") for each, title in workflows.items()]
                upsert_workflows(session, repository_id, records)
            self._add(repository_id, [self._age() for _ in range(self._runs // 3)])

    def _age(self) -> timedelta:
        return self._chance.random() ** 1.5 * timedelta(days=DAYS)

    def _add(self, repository_id: int, ages: list[timedelta]) -> None:
        records, details = [], []
        for age in ages:
            record = self._record(repository_id, age)
            records.append(record)
            if self._chance.random() < 0.8:
                details.append(self._details(record))
        self._store(repository_id, records, details)

    def _store(self, repository_id: int, records: list[RunRecord], details: list[RunDetailsRecord]) -> None:
        with write_scope(self.engine) as session:
            repository = get_repository(session, repository_id)
            upsert_runs(session, repository, records)
            store_run_details(session, repository, details)

    def _record(self, repository_id: int, age: timedelta) -> RunRecord:
        self._number += 1
        chance = self._chance
        conclusion = chance.choice(CONCLUSIONS) if chance.random() > 0.06 else None
        workflow_id, workflow = chance.choice(list(REPOSITORIES[repository_id][2].items()))
        created = (self.now - age).replace(microsecond=0)
        event = chance.choice(EVENTS)
        return RunRecord(
            id=repository_id * 100_000 + self._number, workflow_id=workflow_id, workflow_name=workflow,
            run_number=self._number, attempt=1, title="t", event=event, branch=chance.choice(BRANCHES),
            head_sha=f"{self._number:040x}", actor=chance.choice(ACTORS),
            status="completed" if conclusion else "in_progress", conclusion=conclusion, created_at=created,
            started_at=created + timedelta(seconds=chance.choice([0, 0, 40])),
            updated_at=created + chance.choice([0.02, 0.2, 1, 9]) * _HOUR, html_url="",
            from_fork=event == "pull_request" and chance.random() < 0.3,
        )  # fmt: skip

    def _details(self, record: RunRecord, known: Sequence[Job] = ()) -> RunDetailsRecord:
        """Two jobs; one of an earlier attempt may be listed again in the place of the first."""
        start = record.started_at or record.created_at
        attempt = AttemptRecord(
            record.attempt, record.status, record.conclusion, start, record.updated_at, record.actor
        )
        jobs = [self._job(record, name, start) for name in ("build", "test")]
        for job in known:
            if (
                job.attempt < record.attempt
                and job.conclusion in ("success", "failure")
                and self._chance.random() < 0.5
            ):
                jobs[0] = self._listed_again(job, record.attempt)
        return RunDetailsRecord(record.id, (attempt,), tuple(jobs), record.updated_at + _HOUR, record.attempt)

    def _listed_again(self, job: Job, attempt: int) -> JobRecord:
        return JobRecord(
            id=self._job_id(), attempt=attempt, name=job.name, status=job.status, conclusion=job.conclusion,
            created_at=job.created_at, started_at=job.started_at, completed_at=job.completed_at, runner=job.runner,
            labels=tuple(job.labels), steps=tuple(job.steps), html_url=None,
        )  # fmt: skip

    def _job_id(self) -> int:
        self._number += 1
        return self._number

    def _job(self, record: RunRecord, name: str, start: datetime) -> JobRecord:
        begun = start + timedelta(seconds=self._chance.choice([1, 5, 30, 600]))
        ended = begun + timedelta(seconds=self._chance.choice([3, 60, 61, 400, 5000]))
        over = record.status == "completed"
        good = record.conclusion == "success" or self._chance.random() < 0.5
        return JobRecord(
            id=self._job_id(), attempt=record.attempt, name=name, status="completed" if over else "in_progress",
            conclusion=("success" if good else "failure") if over else None, created_at=start, started_at=begun,
            completed_at=ended if over else None, runner="GitHub Actions 1", labels=self._chance.choice(LABELS),
            steps=({"number": 1, "name": "Set up job", "status": "completed"},), html_url=None,
        )  # fmt: skip

    def _some(self, number: int, *where: Any) -> list[Run]:
        with session_scope(self.engine) as session:
            found = list(session.scalars(select(Run).where(*where).order_by(Run.id)))
        return self._chance.sample(found, min(number, len(found)))

    def _rerun(self) -> None:
        for row in self._some(40, Run.status == "completed"):
            self._advance(row, row.attempt + 1, None, self.now - self._age() / 20)

    def _finish(self) -> None:
        for row in self._some(60, Run.status == "in_progress"):
            self._advance(row, row.attempt, self._chance.choice(CONCLUSIONS), max(row.updated_at, self.now - 2 * _HOUR))

    def _advance(self, row: Run, attempt: int, conclusion: str | None, at: datetime) -> None:
        at = max(at, row.updated_at + timedelta(seconds=1)).replace(microsecond=0)
        started = at - timedelta(minutes=20) if attempt > row.attempt else row.started_at
        record = RunRecord(
            id=row.id, workflow_id=row.workflow_id, workflow_name=row.workflow_name, run_number=row.run_number,
            attempt=attempt, title=row.title, event=row.event, branch=row.branch, head_sha=row.head_sha,
            actor=row.actor, status="completed" if conclusion else "in_progress", conclusion=conclusion,
            created_at=row.created_at, started_at=started, updated_at=at, html_url="",
            from_fork=row.event == "pull_request" and not row.on_default_branch and row.branch in ("main", "master"),
        )  # fmt: skip
        with session_scope(self.engine) as session:
            query = select(Job).where(Job.repository_id == row.repository_id, Job.run_id == row.id).order_by(Job.id)
            known = session.scalars(query).all()
        self._store(row.repository_id, [record], [self._details(record, known)])

    def _change_late(self) -> None:
        """Old runs turn up, finish, and pass when they are run again; jobs arrive where none were known."""
        for repository_id in REPOSITORIES:
            self._add(repository_id, [self._age() for _ in range(8)])
        for row in self._some(15, Run.outcome == "failure"):
            self._advance(row, row.attempt + 1, "success", self.now - self._age() / 3)
        for row in self._some(15, Run.outcome == "success"):
            self._advance(row, row.attempt + 1, "failure", self.now - self._age() / 3)

    def _delete(self) -> None:
        """On GitHub, while they ran and when they were over."""
        for row in self._some(12, Run.status == "in_progress") + self._some(6, Run.status == "completed"):
            with write_scope(self.engine) as session:
                mark_deleted(session, row.repository_id, row.id)

    def _rebuild(self) -> None:
        with write_scope(self.engine) as session:
            invalidate_all(session, self.now)

    def _move_on(self) -> None:
        self.now += timedelta(days=9)
        for repository_id in REPOSITORIES:
            self._add(repository_id, [self._chance.random() * timedelta(days=9) for _ in range(25)])
        self.roll_up()
        prune_hours(self.engine, self.now)

    def _monitor_less(self) -> None:
        with write_scope(self.engine) as session:
            limit_monitoring(session, [1, 2])

    def _prune(self) -> None:
        before = self.now - RETENTION
        self.pruned_before = before.replace(hour=0, minute=0, second=0, microsecond=0)
        for _ in prune(self.engine, before, self.now):
            pass
