"""What changed from one run to others: jobs, durations, runners, commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db.queries.runs import RunRow


class CannotCompare(ValueError):
    """Which runs cannot be compared, and why, in one line."""


@dataclass(frozen=True)
class JobState:
    """A job in one run, by the latest attempt in which it ran itself. `delta_seconds`: its duration less that in the
    first of the runs."""

    job_id: int
    attempt: int
    conclusion: str | None
    duration_seconds: float | None
    queue_seconds: float | None
    labels: list[str]
    html_url: str | None
    delta_seconds: float | None


@dataclass(frozen=True)
class ComparedJob:
    """One state a run, null where it has no such job. Against the first run: `appeared` and `vanished` in the last one;
    `labels_changed` and `conclusion_changed` in any."""

    name: str
    states: list[JobState | None]
    appeared: bool
    vanished: bool
    labels_changed: bool
    conclusion_changed: bool


@dataclass(frozen=True)
class ComparedRun:
    """`delta_seconds`: its duration less that of the first of the runs. `compare_url` shows on GitHub what was committed
    from the first to it; null where they are of the same commit or of different repositories."""

    run: RunRow
    delta_seconds: float | None
    queue_delta_seconds: float | None
    compare_url: str | None


@dataclass(frozen=True)
class RunComparison:
    """In the order that was asked for; all deltas are against the first. Jobs that changed most come first."""

    runs: list[ComparedRun]
    jobs: list[ComparedJob]


@dataclass(frozen=True)
class Commit:
    """As the first run of it told; `runs` are those of the repository on the branch, oldest first."""

    sha: str
    title: str
    author: str | None
    created_at: datetime
    url: str | None
    runs: list[int]


@dataclass(frozen=True)
class SinceGreen:
    """`green` is null where there is no earlier success to compare with. `commits` are those that had runs on the
    branch since then, newest first, its own among them; `more` where there are others."""

    green: RunRow | None
    comparison: RunComparison | None
    commits: list[Commit]
    more: bool


def last_green(session: Session, run: RunRow) -> RunRow | None:
    """The newest success of the same workflow and branch created before it; of the default branch where its own has
    none."""
    raise NotImplementedError


def compare_runs(session: Session, runs: Sequence[int]) -> RunComparison:
    """Of 2 to 5 run ids. Raises CannotCompare."""
    raise NotImplementedError


def since_green(session: Session, run: RunRow) -> SinceGreen:
    raise NotImplementedError
