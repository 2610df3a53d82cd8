"""Queries of runs and their attempts."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import Outcome
from db.models import Attempt, Repository, Run, Workflow
from db.runs.cursors import decode_cursor, encode_cursor
from db.runs.job_queries import select_by_run
from db.runs.run_filters import in_scope, in_window, in_windows
from db.sql import contains_text


@dataclass(frozen=True)
class RunRow:
    """A run with the state of its latest attempt. `actor` started the run, and `triggering_actor` its latest attempt;
    `commit_author` and `commit_message` are those of the head commit. Unknown values are null."""

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
        """Returns the first line of the head commit's message."""
        return first_line(self.commit_message)

    @property
    def headline(self) -> str:
        """Returns the title of the run, or of its commit where the run's title is only the name of the workflow, which
        GitHub gives to runs that no commit or pull request started."""
        return run_title(self.title, self.workflow, self.commit_message)

    @property
    def rerun_by(self) -> str | None:
        """Returns the user that started the latest attempt; null for a first attempt and where it is unknown."""
        return self.triggering_actor if self.attempt > 1 else None

    @property
    def attribution(self) -> str:
        """Returns the author of the run's commit, or else the user that started the run, as text that follows the sha;
        empty where neither is known."""
        if self.commit_author:
            return f"by {self.commit_author}"
        return f"(run started by {self.actor})" if self.actor else ""


def first_line(message: str | None) -> str | None:
    """Returns the first line of a commit message; null for an empty one."""
    lines = (message or "").strip().splitlines()
    return lines[0].strip() if lines else None


def run_title(title: str, workflow: str, message: str | None) -> str:
    """Returns the run's title, or the commit's where the run's is only the name of its workflow."""
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
class RunOrder:
    """The order of a list of runs. Runs without a duration or queue time come last in either direction."""

    by: Literal["created", "duration", "queue"] = "created"
    descending: bool = True

    @property
    def _expression(self) -> ColumnElement[Any]:
        if self.by == "created":
            return Run.created_at.expression
        column = Run.duration_seconds if self.by == "duration" else Run.queue_seconds
        return func.coalesce(column, -1.0 if self.descending else _LAST)

    @property
    def key(self) -> list[ColumnElement[Any]]:
        """The expressions that determine the position of a run in the list."""
        return [self._expression, Run.id.expression]

    def directed(self, *, reverse: bool = False) -> list[ColumnElement[Any]]:
        return [column.desc() if self.descending != reverse else column.asc() for column in self.key]

    def after(self, cursor: str) -> ColumnElement[bool]:
        """The condition for the runs after the position of a cursor. Raises InvalidCursor."""
        kind = datetime if self.by == "created" else float
        return self.beyond(decode_cursor(cursor, kind, int))

    def beyond(self, position: Sequence[Any], *, reverse: bool = False) -> ColumnElement[bool]:
        """The condition for the runs after a position; before it with `reverse`."""
        key, bound = tuple_(*self.key), tuple_(*position)
        return key < bound if self.descending != reverse else key > bound

    def position(self, run: RunRow) -> tuple[Any, int]:
        if self.by == "created":
            return run.created_at, run.id
        seconds = run.duration_seconds if self.by == "duration" else run.queue_seconds
        return (-1.0 if self.descending else _LAST) if seconds is None else float(seconds), run.id


NEWEST_FIRST = RunOrder()
# After every duration, in seconds.
_LAST = 1e15


@dataclass(frozen=True)
class RunPage:
    """`next` continues after the last item, stable while newer runs arrive; null at the end."""

    items: list[RunRow]
    next: str | None


# The search term for flaky runs, of which an attempt failed and a later one passed.
FLAKY_FILTER = "is:flaky"
# The prefix of a commit's sha in a search: a word such as `defaced` is none.
SHA_PREFIX = re.compile(r"(?=.*[0-9])[0-9a-fA-F]{7,64}")
_WORKFLOW = func.coalesce(Workflow.name, Run.workflow_name).label("workflow")
_OWN_COLUMNS: dict[str, Any] = {"repo": Repository.full_name.label("repo"), "workflow": _WORKFLOW}
_COLUMNS: list[Any] = [_OWN_COLUMNS.get(name, getattr(Run, name, None)) for name in RunRow.__dataclass_fields__]


def list_runs(
    session: Session,
    scope: Scope,
    window: Window,
    *,
    limit: int = 50,
    cursor: str | None = None,
    text: str = "",
    flaky: bool = False,
    order: RunOrder = NEWEST_FIRST,
    parts: Sequence[Window] = (),
) -> RunPage:
    """Returns a page of runs, newest first unless `order` differs; with `flaky` only those that failed and then passed.
    `text` is searched in title, branch, actor and run number; seven or more hexadecimal digits, at least one of them
    decimal, are the prefix of a commit's sha, and `is:flaky` has the effect of `flaky`. `parts`: only runs in these
    parts of the window; all of it if empty. Raises InvalidCursor."""
    query = select_runs().where(*in_scope(session, scope), *_in_parts(window, parts), *text_conditions(text))
    if flaky:
        query = query.where(Run.flaky)
    if cursor:
        query = query.where(order.after(cursor))
    query = query.order_by(*order.directed()).limit(limit + 1)
    rows = [RunRow(*row) for row in session.execute(query)]
    more = len(rows) > limit
    items = rows[:limit]
    return RunPage(items, encode_cursor(*order.position(items[-1])) if more else None)


def previous_cursor(
    session: Session,
    scope: Scope,
    window: Window,
    first: RunRow,
    *,
    limit: int = 50,
    text: str = "",
    order: RunOrder = NEWEST_FIRST,
    parts: Sequence[Window] = (),
) -> str | None:
    """Returns the cursor of the page of `limit` runs that ends before the run `first`; null where that is the first
    page."""
    where = [*in_scope(session, scope), *_in_parts(window, parts), *text_conditions(text)]
    before = order.beyond(order.position(first), reverse=True)
    query = select(*order.key).where(*where, before).order_by(*order.directed(reverse=True))
    position = session.execute(query.offset(limit).limit(1)).first()
    return encode_cursor(*position) if position else None


def count_rows(session: Session, scope: Scope, window: Window, *, text: str = "", parts: Sequence[Window] = ()) -> int:
    """Returns the number of runs of all pages of list_runs."""
    where = [*in_scope(session, scope), *_in_parts(window, parts), *text_conditions(text)]
    return session.scalar(select(func.count()).select_from(Run).where(*where)) or 0


def _in_parts(window: Window, parts: Sequence[Window]) -> list[ColumnElement[bool]]:
    """The range around all parts bounds the scan of an index, whatever the planner makes of the alternatives."""
    if not parts:
        return in_window(window)
    around = Window(
        max(window.since, min(part.since for part in parts)), min(window.until, max(part.until for part in parts))
    )
    return [*in_window(around), in_windows(Run.created_at, parts)]


def get_run(session: Session, run_id: int) -> RunRow | None:
    row = session.execute(select_runs().where(Run.id == run_id)).first()
    return RunRow(*row) if row else None


def list_runs_with_ids(session: Session, run_ids: Collection[int]) -> list[RunRow]:
    """Returns the stored runs with these ids, in no particular order."""
    return [RunRow(*row) for row in session.execute(select_runs().where(Run.id.in_(list(run_ids))))]


def list_attempts(session: Session, run_id: int) -> list[AttemptRow]:
    columns = [getattr(Attempt, name) for name in AttemptRow.__dataclass_fields__]
    query = select(*columns).where(*select_by_run(Attempt, run_id)).order_by(Attempt.attempt)
    return [AttemptRow(*row) for row in session.execute(query)]


def select_runs(*extra: Any) -> Select[Any]:
    """Returns a query for the columns of RunRow, followed by the extra ones."""
    return (
        select(*_COLUMNS, *extra)
        .select_from(Run)
        .join(Repository, Repository.id == Run.repository_id)
        .join(Workflow, (Workflow.repository_id == Run.repository_id) & (Workflow.id == Run.workflow_id), isouter=True)
    )


def text_conditions(text: str) -> list[ColumnElement[bool]]:
    terms = text.strip()[:200].split()
    words = " ".join(word for word in terms if word.lower() != FLAKY_FILTER)
    flaky: list[ColumnElement[bool]] = [Run.flaky.is_(True)] if len(terms) > len(words.split()) else []
    return [*flaky, *_word_conditions(words)]


def _word_conditions(words: str) -> list[ColumnElement[bool]]:
    if not words:
        return []
    if SHA_PREFIX.fullmatch(words):
        # The prefix of a sha is found by an index, whereas words need a scan of all runs.
        return [Run.head_sha.startswith(words.lower(), autoescape=True)]
    conditions = [contains_text(column, words) for column in (Run.title, Run.branch, Run.actor)]
    number = words.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 10:
        conditions.append(Run.run_number == int(number))
    return [or_(*conditions)]


def first_and_last_failure(session: Session, scope: Scope, window: Window) -> tuple[RunRow, RunRow] | None:
    """Returns the first and the last failed run created in the window; null where there is none."""
    where = [*in_scope(session, scope), Run.created_at >= window.since, Run.created_at < window.until]
    query = select_runs().where(*where, Run.outcome == Outcome.FAILURE)
    first = session.execute(query.order_by(Run.created_at, Run.id).limit(1)).first()
    last = session.execute(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(1)).first()
    return (RunRow(*first), RunRow(*last)) if first and last else None


def has_runs(session: Session) -> bool:
    """Returns whether any run of a monitored repository is stored."""
    query = select(Run.id).where(Run.repository_id.in_(select(Repository.id).where(Repository.monitored))).limit(1)
    return session.scalar(query) is not None
