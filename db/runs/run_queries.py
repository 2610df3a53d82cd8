"""Reading runs, their attempts and jobs."""

import base64
import binascii
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import Outcome, Status
from db.models import Attempt, Job, Repository, Run, Workflow
from db.runs.run_filters import in_scope, in_window
from db.sql import contains_text


@dataclass(frozen=True)
class RunRow:
    """A run with the state of its latest attempt. `actor` started it, `triggering_actor` started the latest attempt;
    `commit_author` and `commit_message` are those of the head commit. Null: unknown."""

    id: int
    repo: str
    workflow: str
    workflow_id: int
    run_number: int
    attempt: int
    title: str
    event: str
    branch: str | None
    head_sha: str
    actor: str | None
    status: str
    conclusion: str | None
    outcome: str
    flaky: bool
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    queue_seconds: float | None
    html_url: str
    triggering_actor: str | None
    commit_author: str | None
    commit_message: str | None

    @property
    def commit_title(self) -> str | None:
        """The first line of the head commit's message."""
        return first_line(self.commit_message)

    @property
    def headline(self) -> str:
        """What the run is about. GitHub titles runs that no commit or pull request started by their workflow: for
        those the commit's title says more."""
        return run_title(self.title, self.workflow, self.commit_message)

    @property
    def rerun_by(self) -> str | None:
        """Who started the latest attempt; null for a first attempt and where it is unknown."""
        return self.triggering_actor if self.attempt > 1 else None

    @property
    def attribution(self) -> str:
        """Who stands behind the run's commit, as words to follow its sha: the author, else who started the run, which
        need not be the same person; empty where neither is known."""
        if self.commit_author:
            return f"by {self.commit_author}"
        return f"(run started by {self.actor})" if self.actor else ""


def first_line(message: str | None) -> str | None:
    """The title of a commit message; null where there is none."""
    lines = (message or "").strip().splitlines()
    return lines[0].strip() if lines else None


def run_title(title: str, workflow: str, message: str | None) -> str:
    """The run's title, or the commit's where the run's is only the name of its workflow."""
    return (first_line(message) or title) if title in (workflow, "") else title


@dataclass(frozen=True)
class AttemptRow:
    attempt: int
    status: str
    conclusion: str | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    queue_seconds: float | None
    actor: str | None


@dataclass(frozen=True)
class JobSummary:
    """A job without its steps. `end_unknown`: GitHub never closed this job of a finished attempt. Its `status` stays
    what GitHub says; it is not running, and how long it took and how it ended is not known."""

    id: int
    attempt: int
    name: str
    status: str
    conclusion: str | None
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    queue_seconds: float | None
    runner: str | None
    runner_group: str | None
    labels: list[str]
    copied: bool
    phantom: bool
    has_started: bool
    html_url: str | None
    end_unknown: bool = False

    @property
    def display_state(self) -> str:
        """Conclusion, status or `end_unknown`."""
        return self.conclusion or ("end_unknown" if self.end_unknown else self.status)


Steps = list[dict[str, Any]]


@dataclass(frozen=True)
class JobRow(JobSummary):
    """A job with its steps, as GitHub lists them."""

    steps: Steps = field(default_factory=list)


@dataclass(frozen=True)
class JobPage:
    """`next` continues after the last item; null at the end."""

    items: list[JobRow]
    next: int | None


@dataclass(frozen=True)
class RunPage:
    """`next` continues after the last item, stable while newer runs arrive; null at the end."""

    items: list[RunRow]
    next: str | None


class InvalidCursor(ValueError):
    """The cursor was not made by this API."""


# In a search: runs of which an attempt failed and a later one passed.
FLAKY_FILTER = "is:flaky"
_MAX_TIME = datetime.max.replace(tzinfo=UTC)
_SHA = re.compile(r"(?=.*[0-9])[0-9a-fA-F]{7,64}")
_WORKFLOW = func.coalesce(Workflow.name, Run.workflow_name).label("workflow")
_OWN_COLUMNS: dict[str, Any] = {"repo": Repository.full_name.label("repo"), "workflow": _WORKFLOW}
_COLUMNS: list[Any] = [_OWN_COLUMNS.get(name, getattr(Run, name, None)) for name in RunRow.__dataclass_fields__]


def end_unknown() -> ColumnElement[bool]:
    """Of a job, joined to its run: its attempt is over and it is not, and GitHub is not asked for its end any more."""
    over = or_(Job.attempt < Run.attempt, and_(Run.status == Status.COMPLETED, ~Run.details_pending))
    return and_(Job.status != Status.COMPLETED, over)


RUN_OF_JOB = and_(Run.repository_id == Job.repository_id, Run.id == Job.run_id)


def _job_columns(row: type[JobSummary]) -> list[Any]:
    return [
        end_unknown().label(name) if name == "end_unknown" else getattr(Job, name) for name in row.__dataclass_fields__
    ]


def list_runs(
    session: Session, scope: Scope, window: Window, *, limit: int = 50, cursor: str | None = None, text: str = "",
    flaky: bool = False,
) -> RunPage:  # fmt: skip
    """Newest first; `flaky`: only those that failed and then passed. `text` looks in title, branch, actor and run
    number; seven or more hexadecimal digits with a number among them are the start of a commit's sha, and `is:flaky`
    is the same as `flaky`."""
    query = select_runs().where(*in_scope(session, scope), *in_window(window), *text_conditions(text))
    if flaky:
        query = query.where(Run.flaky)
    if cursor:
        query = query.where(tuple_(Run.created_at, Run.id) < tuple_(*_decode(cursor)))
    query = query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit + 1)
    rows = [RunRow(*row) for row in session.execute(query)]
    more = len(rows) > limit
    items = rows[:limit]
    return RunPage(items, _encode(items[-1]) if more else None)


def count_rows(session: Session, scope: Scope, window: Window, *, text: str = "") -> int:
    where = [*in_scope(session, scope), *in_window(window), *text_conditions(text)]
    return session.scalar(select(func.count()).select_from(Run).where(*where)) or 0


def get_run(session: Session, run_id: int) -> RunRow | None:
    row = session.execute(select_runs().where(Run.id == run_id)).first()
    return RunRow(*row) if row else None


def list_runs_with_ids(session: Session, run_ids: Collection[int]) -> list[RunRow]:
    """Those that are known."""
    return [RunRow(*row) for row in session.execute(select_runs().where(Run.id.in_(list(run_ids))))]


def list_attempts(session: Session, run_id: int) -> list[AttemptRow]:
    columns = [getattr(Attempt, name) for name in AttemptRow.__dataclass_fields__]
    query = select(*columns).where(*_select_by_run(Attempt, run_id)).order_by(Attempt.attempt)
    return [AttemptRow(*row) for row in session.execute(query)]


def list_jobs(session: Session, run_id: int, attempt: int) -> list[JobRow]:
    """Jobs of one attempt with their steps, copies and phantoms included and marked, in the order they began."""
    return sorted(
        (JobRow(*row) for row in session.execute(_jobs_of_attempt(JobRow, run_id, attempt))), key=_start_order
    )


def list_job_summaries(session: Session, run_id: int, attempt: int) -> list[JobSummary]:
    """As list_jobs, without the steps, which are most of the stored data of a job."""
    rows = session.execute(_jobs_of_attempt(JobSummary, run_id, attempt))
    return sorted((JobSummary(*row) for row in rows), key=_start_order)


def list_jobs_page(
    session: Session, run_id: int, attempt: int, *, limit: int, after: int | None = None,
    conclusions: Collection[str] = (),
) -> JobPage:  # fmt: skip
    """At most `limit` jobs of one attempt with their steps, by ascending id, those with an id above `after`. Without
    `conclusions`: of any, and jobs that are not over."""
    query = _jobs_of_attempt(JobRow, run_id, attempt)
    if after is not None:
        query = query.where(Job.id > after)
    if conclusions:
        query = query.where(Job.conclusion.in_(list(conclusions)))
    rows = [JobRow(*row) for row in session.execute(query.order_by(Job.id).limit(limit + 1))]
    items = rows[:limit]
    return JobPage(items, items[-1].id if len(rows) > limit else None)


def has_jobs(session: Session, run_id: int, attempt: int) -> bool:
    query = select(Job.id).where(*_select_by_run(Job, run_id), Job.attempt == attempt).limit(1)
    return session.scalar(query) is not None


def job_steps(session: Session, run_id: int, job_ids: Collection[int]) -> dict[int, Steps]:
    """The steps of these jobs of a run, by the id of the job."""
    query = select(Job.id, Job.steps).where(*_select_by_run(Job, run_id), Job.id.in_(list(job_ids)))
    return {row.id: row.steps for row in session.execute(query)}


def _jobs_of_attempt(row: type[JobSummary], run_id: int, attempt: int) -> Select[Any]:
    query = select(*_job_columns(row)).join(Run, RUN_OF_JOB)
    return query.where(*_select_by_run(Job, run_id), Job.attempt == attempt)


def _start_order(job: JobSummary) -> tuple[datetime, int]:
    return job.started_at or _MAX_TIME, job.id


def select_runs(*extra: Any) -> Select[Any]:
    """The columns of RunRow, then the extra ones."""
    return (
        select(*_COLUMNS, *extra)
        .select_from(Run)
        .join(Repository, Repository.id == Run.repository_id)
        .join(Workflow, (Workflow.repository_id == Run.repository_id) & (Workflow.id == Run.workflow_id), isouter=True)
    )


def _select_by_run(model: Any, run_id: int) -> Sequence[Any]:
    """By the repository too: it leads every index."""
    owner = select(Run.repository_id).where(Run.id == run_id).limit(1).scalar_subquery()
    return model.repository_id == owner, model.run_id == run_id


def text_conditions(text: str) -> list[ColumnElement[bool]]:
    given = text.strip()[:200].split()
    words = " ".join(word for word in given if word.lower() != FLAKY_FILTER)
    flaky: list[ColumnElement[bool]] = [Run.flaky.is_(True)] if len(given) > len(words.split()) else []
    return [*flaky, *_word_conditions(words)]


def _word_conditions(words: str) -> list[ColumnElement[bool]]:
    if not words:
        return []
    if _SHA.fullmatch(words):
        # By an index of its own, where words are looked for in run after run.
        return [Run.head_sha.startswith(words.lower(), autoescape=True)]
    found = [contains_text(column, words) for column in (Run.title, Run.branch, Run.actor)]
    number = words.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 10:
        found.append(Run.run_number == int(number))
    return [or_(*found)]


def _encode(row: RunRow) -> str:
    return base64.urlsafe_b64encode(f"{row.created_at.isoformat()}|{row.id}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, int]:
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        created_at, _, run_id = plain.partition("|")
        moment = datetime.fromisoformat(created_at)
        number = int(run_id)
    except (ValueError, binascii.Error):
        raise InvalidCursor("cursor is not one that this API gave; start again without it") from None
    if moment.tzinfo is None or not 0 <= number < 2**63:
        raise InvalidCursor("cursor is not one that this API gave; start again without it")
    return moment, number


def first_and_last_failure(session: Session, scope: Scope, window: Window) -> tuple[RunRow, RunRow] | None:
    """The first and the last failed run that were created then; null where none was."""
    where = [*in_scope(session, scope), Run.created_at >= window.since, Run.created_at < window.until]
    query = select_runs().where(*where, Run.outcome == Outcome.FAILURE)
    first = session.execute(query.order_by(Run.created_at, Run.id).limit(1)).first()
    last = session.execute(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(1)).first()
    return (RunRow(*first), RunRow(*last)) if first and last else None


def has_runs(session: Session) -> bool:
    """Is there a run of a monitored repository at all?"""
    query = select(Run.id).where(Run.repository_id.in_(select(Repository.id).where(Repository.monitored))).limit(1)
    return session.scalar(query) is not None
