"""What fails and then passes on the same code."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.analytics import was_collected
from db.findings.days import by_day
from db.insights.significance import wilson_lower
from db.metrics.distribution import ratio
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.queries import facts, findings
from db.queries.findings import FlakyRun
from db.queries.grouping import Question
from db.vocabulary import GroupBy, Outcome

# Called flaky with so many distinct runs in so many days.
CALLED_AT, CALLED_WITHIN = 3, timedelta(days=14)
MOST_RUNS, MOST_FOR_JOBS = 5_000, 1_000


@dataclass(frozen=True)
class FlakyJob:
    name: str
    runs: int


@dataclass(frozen=True)
class FlakyWorkflow:
    """`rate`: flaky runs of `decided` ones; `lower_bound` of its 95 % interval, by which it is ranked. `same_commit`:
    commits of the last 14 days on which one run failed and another passed. `called`: flaky at least three times in
    14 days. `jobs`: which of them failed at first. `by_day`: flaky runs on each day of the window. `before`: flaky runs
    of the period before, null where that was not collected."""

    repo: str
    workflow: str
    workflow_id: int
    flaky_runs: int
    decided: int
    rate: float | None
    lower_bound: float
    called: bool
    same_commit: int
    jobs: list[FlakyJob]
    last_at: datetime
    last_run_id: int
    by_day: list[int]
    wasted_seconds: float
    before: int | None


def flaky(session: Session, scope: Scope, window: Window) -> list[FlakyWorkflow]:
    """The surest first. Of more than 5,000 flaky runs the newest are looked at."""
    found = findings.list_flaky(session, scope, window, limit=MOST_RUNS)
    if not found:
        return []
    grouped: dict[tuple[int, int], list[FlakyRun]] = defaultdict(list)
    for run in found:
        grouped[run.repository_id, run.workflow_id].append(run)
    ended = facts.outcomes(session, Question(scope, window, GroupBy.WORKFLOW))
    decided = {key: counts[Outcome.SUCCESS] + counts[Outcome.FAILURE] for (key, _), counts in ended.items()}
    lately = Window(max(window.since, window.until - CALLED_WITHIN), window.until)
    commits = findings.same_commit(session, scope, lately)
    jobs = _jobs(session, found)
    before = _before(session, scope, window)
    repos, names = facts.repository_names(session), facts.workflow_names(session)
    listed = [
        _workflow(runs, window, decided.get(key, 0), commits.get(key, 0), jobs[key],
                  (repos.get(key[0], ""), names.get(key, str(key[1]))), before[key] if before is not None else None)
        for key, runs in grouped.items()
    ]  # fmt: skip
    return sorted(listed, key=lambda each: (-each.lower_bound, each.repo, each.workflow))


def _workflow(
    runs: Sequence[FlakyRun],
    window: Window,
    decided: int,
    commits: int,
    jobs: Counter[str],
    name: tuple[str, str],
    before: int | None,
) -> FlakyWorkflow:
    whole = max(decided, len(runs))
    recent = sum(1 for run in runs if run.created_at >= window.until - CALLED_WITHIN)
    return FlakyWorkflow(
        repo=name[0],
        workflow=name[1],
        workflow_id=runs[0].workflow_id,
        flaky_runs=len(runs),
        decided=whole,
        rate=ratio(len(runs), whole),
        lower_bound=wilson_lower(len(runs), whole),
        called=recent >= CALLED_AT,
        same_commit=commits,
        jobs=[FlakyJob(*each) for each in jobs.most_common(10)],
        last_at=runs[0].created_at,
        last_run_id=runs[0].id,
        by_day=by_day((run.created_at for run in runs), window),
        wasted_seconds=sum(run.wasted_seconds for run in runs),
        before=before,
    )


def _before(session: Session, scope: Scope, window: Window) -> Counter[tuple[int, int]] | None:
    """Flaky runs by workflow; null where they were not collected."""
    if not was_collected(session, scope, window):
        return None
    found = findings.list_flaky(session, scope, window.before(), limit=MOST_RUNS)
    return Counter((run.repository_id, run.workflow_id) for run in found)


def _jobs(session: Session, found: Sequence[FlakyRun]) -> dict[tuple[int, int], Counter[str]]:
    """How many runs each job made flaky, by workflow."""
    newest = found[:MOST_FOR_JOBS]
    workflow_of = {(run.repository_id, run.id): (run.repository_id, run.workflow_id) for run in newest}
    counted: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for repository_id, run_id, name in set(findings.flaky_jobs(session, newest)):
        counted[workflow_of[repository_id, run_id]][name] += 1
    return counted
