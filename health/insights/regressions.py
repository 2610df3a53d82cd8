"""Regressions of default branches: workflows that fail more often or became slower, with the first affected run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import case, select
from sqlalchemy.orm import Session

from core import formatting
from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope
from db.enums import Outcome
from db.models import Run
from db.runs.run_filters import in_scope
from db.runs.run_queries import RunRow
from db.sql import epoch_seconds
from health.insights import finding_queries
from health.insights.change_points import (
    FALSE_DISCOVERY_RATE,
    LOOK_BACK_DAYS,
    SuccessChanges,
    find_duration_steps,
    locate_drop,
    success_changes,
)
from health.insights.statistics import RunSequences, benjamini_hochberg
from health.metrics.definitions.percentiles import Ints, ratio

# Repository and workflow.
Key = tuple[int, int]
_BATCH_SIZE = 20_000


@dataclass(frozen=True)
class DecidedRuns:
    """`keys` are the workflows of `runs`, in order; `ids` are the run ids of its rows."""

    keys: list[Key]
    ids: Ints
    runs: RunSequences


def read_decided_runs(session: Session, scope: Scope, since: datetime, until: datetime) -> DecidedRuns:
    """The completed runs of the default branches, created in [since, until), read by one statement. They take 48 bytes
    per run and are sorted here: columns of numbers sort ten times as fast as rows in a database."""
    parts = [np.zeros((3, 0), dtype=np.int64)]
    measures = [np.zeros((3, 0))]
    for rows in _batches(session, scope, since, until):
        repositories, workflows, ids, *rest = zip(*rows, strict=True)
        parts.append(np.asarray((repositories, workflows, ids), dtype=np.int64))
        # Unknown durations become NaN.
        measures.append(np.asarray(rest, dtype=np.float64))
    repository, workflow, run = np.concatenate(parts, axis=1)
    created, failed, seconds = np.concatenate(measures, axis=1)
    order = np.lexsort((run, created, workflow, repository))
    repository, workflow = repository[order], workflow[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (repository[1:] != repository[:-1]) | (workflow[1:] != workflow[:-1])
    keys = list(zip(repository[new].tolist(), workflow[new].tolist(), strict=True))
    starts = np.append(np.nonzero(new)[0], len(order)).astype(np.int64)
    return DecidedRuns(keys, run[order], RunSequences(starts, created[order], failed[order] > 0, seconds[order]))


def _batches(session: Session, scope: Scope, since: datetime, until: datetime) -> Iterator[Any]:
    failed = case((Run.outcome == Outcome.FAILURE, 1), else_=0)
    query = (
        select(Run.repository_id, Run.workflow_id, Run.id, epoch_seconds(Run.created_at), failed, Run.duration_seconds)
        .where(
            *in_scope(session, scope),
            Run.on_default_branch,
            Run.outcome.in_(DECIDED),
            Run.created_at >= since,
            Run.created_at < until,
        )
        .execution_options(yield_per=_BATCH_SIZE)
    )
    # Bypasses the unit of work: the query may return hundreds of thousands of rows.
    yield from session.connection().execute(query).partitions()


LOOK_BACK = timedelta(days=LOOK_BACK_DAYS)
# Regressions over weeks are evaluated in this interval, not after every run.
EVALUATION_INTERVAL = timedelta(minutes=10)
# Dates of a change are given to the day; a range shorter than this is not mentioned.
_DATE_PRECISION = timedelta(days=1)


@dataclass(frozen=True)
class Regression:
    """`kind` is "success" (`before` and `after` are success rates, `p_value` is that of Fisher's exact test) or
    "duration" (medians in seconds; `t` is the difference in standard errors). `first_run` is the most probable first
    run of the change; with 90 % probability the change began between `since_earliest` and `since_latest`. `text`
    describes the change."""

    kind: str
    repo: str
    workflow: str
    workflow_id: int
    branch: str
    since: datetime
    since_earliest: datetime
    since_latest: datetime
    first_run: RunRow
    before: float
    after: float
    sample_before: int
    sample_after: int
    p_value: float | None
    t: float | None
    text: str

    @property
    def date_range_text(self) -> str:
        """When the change began, to the day; empty if `since` is that precise."""
        if self.since_latest - self.since_earliest <= _DATE_PRECISION:
            return ""
        return (
            f"since about {_format_day(self.since)} "
            f"({_format_day(self.since_earliest)} to {_format_day(self.since_latest)})"
        )


@dataclass(frozen=True)
class SuccessScan:
    """The changes of the success rates of a scope's workflows. `threshold` is the largest p-value that is significant
    among all workflows, including those outside of the scope."""

    decided: DecidedRuns
    changes: SuccessChanges
    threshold: float

    def describe(self, index: int) -> str:
        """The success rates of the recent window and of the days before, as text."""
        days = int(self.changes.days[index])
        after, before = rates(self.changes, index)
        return (
            f"{formatting.percent(after)} in the last {days} days, "
            f"{formatting.percent(before)} in the {LOOK_BACK_DAYS - days} days before"
        )


def evaluation_time(now: datetime) -> datetime:
    """The latest time at which regressions are evaluated: a multiple of 10 minutes in UTC. The API and the dashboard
    both use it, so that they report the same regressions and one result serves many requests."""
    return now - (now - datetime.min.replace(tzinfo=UTC)) % EVALUATION_INTERVAL


def regressions(session: Session, scope: Scope, now: datetime) -> list[Regression]:
    """The regressions from the last 37 days: first success rates, then durations, each by the size of the change."""
    scope = scope.for_sequences()
    scan = scan_success(session, scope, now)
    worse, slower = list(_success_regressions(session, scan)), list(_duration_regressions(session, scan.decided))
    return [
        *sorted(worse, key=lambda regression: regression.after - regression.before),
        *sorted(slower, key=lambda regression: -regression.after / regression.before),
    ]


def scan_success(session: Session, scope: Scope, now: datetime) -> SuccessScan:
    """The changes of the scope's workflows. The threshold is that of all monitored repositories, so that a narrower
    scope reports the same workflows."""
    decided = read_decided_runs(session, scope, now - LOOK_BACK, now)
    changes = success_changes(decided.runs, now.timestamp())
    own = dict(zip(decided.keys, changes.p_value.tolist(), strict=True))
    unrestricted = replace(scope, repos=(), workflows=())
    p_values = own if scope == unrestricted else _cached_p_values(session, unrestricted, now) | own
    return SuccessScan(decided, changes, benjamini_hochberg(list(p_values.values()), FALSE_DISCOVERY_RATE))


# The p-values of all workflows, by database and scope, so that narrow scopes do not read all runs every time.
_P_VALUE_CACHE: WeakKeyDictionary[object, dict[Scope, tuple[datetime, dict[Key, float]]]] = WeakKeyDictionary()
_P_VALUE_CACHE_SIZE = 64
_lock = Lock()


def _cached_p_values(session: Session, unrestricted_scope: Scope, now: datetime) -> dict[Key, float]:
    database = session.get_bind()
    with _lock:
        by_scope = _P_VALUE_CACHE.setdefault(database, {})
        cached_at, p_values = by_scope.get(unrestricted_scope, (None, {}))
    if cached_at is not None and abs(now - cached_at) < EVALUATION_INTERVAL:
        return p_values
    decided = read_decided_runs(session, unrestricted_scope, now - LOOK_BACK, now)
    changes = success_changes(decided.runs, now.timestamp())
    p_values = dict(zip(decided.keys, changes.p_value.tolist(), strict=True))
    with _lock:
        if len(by_scope) >= _P_VALUE_CACHE_SIZE:
            by_scope.clear()
        by_scope[unrestricted_scope] = now, p_values
    return p_values


def rates(changes: SuccessChanges, index: int) -> tuple[float | None, float | None]:
    """The success rates of the recent window and of the days before, from 0 to 1; null without runs."""
    passed, before = int(changes.passed[index]), int(changes.passed_before[index])
    return (
        ratio(passed, passed + int(changes.failed[index])),
        ratio(before, before + int(changes.failed_before[index])),
    )


@dataclass(frozen=True)
class _ChangePoint:
    """`first`, `earliest` and `latest` are indexes of runs in the sequence of the workflow; `before` and `after` are
    values, with the number of runs that they are based on."""

    workflow_index: int
    first: int
    earliest: int
    latest: int
    before: float
    after: float
    sample_before: int
    sample_after: int
    text: str
    p_value: float | None = None
    t: float | None = None


def _success_regressions(session: Session, scan: SuccessScan) -> Iterator[Regression]:
    decided, changes = scan.decided, scan.changes
    for number in np.nonzero(changes.is_worse(scan.threshold))[0].tolist():
        since = locate_drop(decided.runs.workflow(number))
        after, before = rates(changes, number)
        if since is None or after is None or before is None:
            continue
        sizes = (
            int(changes.failed_before[number] + changes.passed_before[number]),
            int(changes.failed[number] + changes.passed[number]),
        )
        text, p_value = f"Success rate {scan.describe(number)}", float(changes.p_value[number])
        change = _ChangePoint(
            number, since.first, since.earliest, since.latest, before, after, *sizes, text, p_value=p_value
        )
        yield from _regression(session, "success", decided, change)


def _duration_regressions(session: Session, decided: DecidedRuns) -> Iterator[Regression]:
    """Of successful runs only, because failed runs end early."""
    timed = ~decided.runs.failed & (decided.runs.seconds > 0)
    passed = DecidedRuns(decided.keys, decided.ids[timed], decided.runs.where(timed))
    for number, step in find_duration_steps(passed.runs).items():
        text = (
            f"Median duration {formatting.duration(step.before)} → {formatting.duration(step.after)} "
            f"({step.after / step.before - 1:.0%} slower)"
        )
        change = _ChangePoint(
            number,
            step.index,
            step.earliest,
            step.latest,
            step.before,
            step.after,
            step.sample_before,
            step.sample_after,
            text,
            t=step.t,
        )
        yield from _regression(session, "duration", passed, change)


def _regression(session: Session, kind: str, decided: DecidedRuns, change: _ChangePoint) -> Iterator[Regression]:
    """Empty if the first run has been deleted meanwhile."""
    start, created = decided.runs.starts[change.workflow_index], decided.runs.created
    earliest, latest = (
        datetime.fromtimestamp(float(created[start + index]), UTC) for index in (change.earliest, change.latest)
    )
    for run in finding_queries.list_runs_by_id(session, [int(decided.ids[start + change.first])]):
        regression = Regression(
            kind=kind,
            repo=run.repo,
            workflow=run.workflow,
            workflow_id=decided.keys[change.workflow_index][1],
            branch=run.branch or formatting.NO_DATA,
            since=run.created_at,
            since_earliest=earliest,
            since_latest=latest,
            first_run=run,
            before=change.before,
            after=change.after,
            sample_before=change.sample_before,
            sample_after=change.sample_after,
            p_value=change.p_value,
            t=change.t,
            text=change.text,
        )
        dates = regression.date_range_text
        yield replace(regression, text=f"{change.text}; {dates}") if dates else regression


def _format_day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b}"
