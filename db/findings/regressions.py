"""What became worse, since which run."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.insights.change_point import LEAST, slower_since, worse_since
from db.insights.significance import fisher_worse
from db.metrics import units
from db.metrics.scope import Scope
from db.queries import findings
from db.queries.findings import Decided, Key, Week
from db.queries.runs import RunRow

# Red Hat's Sippy: the last 7 days against the 30 before, p < 0.05, at least 5 points worse
# (github.com/openshift/sippy, "Component Readiness"); at least 3 failures.
RECENT, LOOK_BACK = timedelta(days=7), timedelta(days=37)
_P, _POINTS, _FAILURES = 0.05, 0.05, 3
# What is looked at closely: whose mean over some days is this much above an earlier one.
_HINT, _HINT_SECONDS = 1.12, 30.0
_MOST_RUNS, _MOST_WORKFLOWS = 160, 60


@dataclass(frozen=True)
class Regression:
    """`kind`: "success" (shares; `p_value` of Fisher's exact test) or "duration" (medians in seconds; `t` of Welch).
    `first_run` is the first that is part of the change. `text` says it in a sentence."""

    kind: str
    repo: str
    workflow: str
    workflow_id: int
    branch: str
    since: datetime
    first_run: RunRow
    before: float
    after: float
    sample_before: int
    sample_after: int
    p_value: float | None
    t: float | None
    text: str


def regressions(session: Session, scope: Scope, now: datetime) -> list[Regression]:
    """Success first, each kind by the size of the change. On default branches, of the last 37 days."""
    by_workflow: dict[Key, list[Week]] = defaultdict(list)
    scope = scope.whole_sequence()
    for week in findings.spans(session, scope, now, days=LOOK_BACK.days, step=1):
        by_workflow[week.repository_id, week.workflow_id].append(week)
    worse = [found for key, days in by_workflow.items() if (found := _worse(session, scope, key, days, now))]
    hints = sorted(
        (key for key, days in by_workflow.items() if _hint(days) > 1), key=lambda key: -_hint(by_workflow[key])
    )
    slower = [found for key in hints[:_MOST_WORKFLOWS] if (found := _slower(session, scope, key, now))]
    return [
        *sorted(worse, key=lambda each: each.after - each.before),
        *sorted(slower, key=lambda each: -each.after / each.before),
    ]


def _worse(session: Session, scope: Scope, key: Key, days: Sequence[Week], now: datetime) -> Regression | None:
    late = [day for day in days if day.span < RECENT.days]
    early = [day for day in days if day.span >= RECENT.days]
    failed, passed = sum(day.failed for day in late), sum(day.passed for day in late)
    failed_before, passed_before = sum(day.failed for day in early), sum(day.passed for day in early)
    if failed < _FAILURES or not passed_before + failed_before:
        return None
    rate, before = passed / (passed + failed), passed_before / (passed_before + failed_before)
    p = fisher_worse(failed, passed, failed_before, passed_before)
    if before - rate < _POINTS or p >= _P:
        return None
    runs = findings.list_decided(session, scope, key, now - RECENT, now, limit=2_000)
    first = runs[worse_since([run.failed for run in runs], 1 - before)] if runs else None
    told = f"Success rate {units.percent(rate)} in the last 7 days, {units.percent(before)} in the 30 days before"
    sizes = failed_before + passed_before, failed + passed
    return _regression(session, "success", key, first, (before, rate), sizes, told, p_value=p)


def _slower(session: Session, scope: Scope, key: Key, now: datetime) -> Regression | None:
    """Successful runs only: failures end early."""
    runs = [run for run in findings.list_decided(session, scope, key, now - LOOK_BACK, now, limit=_MOST_RUNS * 2)
            if not run.failed and run.duration_seconds is not None][-_MOST_RUNS:]  # fmt: skip
    if len(runs) < 2 * LEAST:
        return None
    step = slower_since([run.duration_seconds or 0.0 for run in runs])
    if step is None:
        return None
    told = (
        f"Median duration {units.duration(step.after)}, {units.duration(step.before)} before: "
        f"{step.after / step.before - 1:.0%} slower"
    )
    sizes = step.sample_before, step.sample_after
    return _regression(session, "duration", key, runs[step.index], (step.before, step.after), sizes, told, t=step.t)


def _regression(
    session: Session, kind: str, key: Key, first: Decided | None, change: tuple[float, float], sizes: tuple[int, int],
    text: str, *, p_value: float | None = None, t: float | None = None,
) -> Regression | None:  # fmt: skip
    found = findings.list_runs_by_id(session, [first.id]) if first else []
    if not found:
        return None
    run = found[0]
    return Regression(
        kind, run.repo, run.workflow, key[1], run.branch or units.NO_DATA, run.created_at, run, *change, *sizes,
        p_value, t, text,
    )  # fmt: skip


def _hint(days: Sequence[Week]) -> float:
    """The largest rise of the mean duration from the days before to the days since, over all cuts; 0 where none is
    large enough to look closer."""
    known = sorted((day for day in days if day.mean_seconds is not None and day.passed), key=lambda day: -day.span)
    best = 0.0
    for cut in range(1, len(known)):
        before, after = _mean(known[:cut]), _mean(known[cut:])
        if after - before > _HINT_SECONDS and after > before * _HINT:
            best = max(best, after / before)
    return best


def _mean(days: Sequence[Week]) -> float:
    return sum((day.mean_seconds or 0.0) * day.passed for day in days) / sum(day.passed for day in days)
