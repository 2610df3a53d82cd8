"""Minutes, money and queues: what runners do, and what of it was in vain."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from db import analytics
from db.metrics.distribution import ratio
from db.metrics.facts import Facts, no_facts
from db.metrics.scope import Scope
from db.metrics.usage import SUMS, Usage, busiest_hours, label_of, most_at_once, waits_by_hour
from db.metrics.usage import waits_by_label as waits_of
from db.metrics.window import LENGTHS, Window
from db.queries import usage as queries
from db.queries.facts import facts, repository_names, workflow_names
from db.queries.grouping import Question
from db.vocabulary import GroupBy, Interval


class SpendBy(StrEnum):
    REPO = "repo"
    WORKFLOW = "workflow"
    RUNNER = "runner"


@dataclass(frozen=True)
class Spend:
    """`key` is a repository, a workflow's name (with `repo` and `workflow_id`), or a runner's labels, null where a job
    has none. `runs` is null by runner: one run uses several. `minutes` are rounded up for each job. `share` is of the
    cost of all, of their minutes where nothing costs; `change` is the cost (or minutes) relative to the window before,
    null where that is not known to be complete."""

    key: str | None
    repo: str | None
    workflow_id: int | None
    runs: int | None
    jobs: int
    minutes: int
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float
    share: float | None
    change: float | None


@dataclass(frozen=True)
class Spending:
    """`since`: where minutes (of runners: everything) are only of the jobs of runs created since then, because the
    others are deleted or too many to read; else null."""

    items: list[Spend]
    since: datetime | None


@dataclass(frozen=True)
class SpendPoint:
    """`partial` marks a bucket that the window cuts short."""

    start: datetime
    partial: bool
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float


@dataclass(frozen=True)
class LabelWaits:
    """How long jobs waited for a runner with these labels (null: jobs without labels), in seconds, of the `jobs` whose
    wait is known. A job that never started waited until it ended."""

    label: str | None
    jobs: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class QueueCell:
    """Jobs of a runner label that were queued in one hour of the day, UTC. Seconds; null where none began."""

    label: str | None
    hour: int
    jobs: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class RunnerQueue:
    """Jobs of a runner's labels: how long they waited for it. `busiest_hour` begins the single hour in which most of
    them were queued, `busiest_jobs`; at most `peak` of them were running at once in it."""

    label: str | None
    jobs: int
    p50: float | None
    p95: float | None
    busiest_hour: datetime | None
    busiest_jobs: int
    peak: int | None


@dataclass(frozen=True)
class Queues:
    """The label with most jobs first; cells for each label and hour of the day that has jobs. `since`: where only the
    jobs of runs created since then were read, because there are too many."""

    runners: list[RunnerQueue]
    cells: list[QueueCell]
    since: datetime | None


@dataclass(frozen=True)
class Waste:
    """Seconds of a workflow's jobs: of the latest attempts of runs that failed or were cancelled, and of attempts that
    were run again. `share` of its compute time."""

    repo: str
    workflow: str
    workflow_id: int
    failed_seconds: float
    cancelled_seconds: float
    superseded_seconds: float
    wasted_seconds: float
    share: float | None


@dataclass(frozen=True)
class Wasted:
    """The most wasted first; the sums are of all of them."""

    items: list[Waste]
    failed_seconds: float
    cancelled_seconds: float
    superseded_seconds: float
    compute_seconds: float
    since: datetime | None


@dataclass(frozen=True)
class _Spent:
    runs: int | None
    jobs: int
    minutes: int
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float

    def worth(self, *, money: bool) -> float:
        return self.cost_usd if money else float(self.minutes)


# Labels whose busiest hour is looked at.
_LOOKED_AT = 8
_REASONS = ("failed", "cancelled", "superseded")
_HOUR = 3600


def spend(session: Session, scope: Scope, window: Window, by: SpendBy) -> Spending:
    """The most expensive first, where nothing costs the most minutes."""
    before = window.before()
    now, since = _spent(session, scope, window, by)
    comparable = since is None and analytics.was_collected(session, scope, window, by_sums=True)
    then = _spent(session, scope, before, by)[0] if comparable else {}
    money = any(each.cost_usd for each in now.values())
    total = sum(each.worth(money=money) for each in now.values())
    name = _naming(session, by)
    items = [
        Spend(
            *name(key), **vars(each), share=ratio(each.worth(money=money), total),
            change=_change(each.worth(money=money), then[key].worth(money=money)) if key in then else None,
        )
        for key, each in now.items()
    ]  # fmt: skip
    items.sort(key=lambda each: (-each.cost_usd, -each.minutes, each.key or "", each.workflow_id or 0))
    return Spending(items, since)


def spend_series(session: Session, scope: Scope, window: Window, interval: Interval) -> list[SpendPoint]:
    """One point a bucket, also where nothing ran."""
    question = Question(scope, window, interval=interval, histograms=(), recoveries=False)
    found, empty = facts(session, question), no_facts()
    points = []
    for start in window.buckets(interval):
        used = found.get((None, start), empty)
        partial = start < window.since or start + LENGTHS[interval] > window.until
        points.append(SpendPoint(start, partial, used.compute_seconds, used.wasted_seconds, used.cost_usd))
    return points


def queues(session: Session, scope: Scope, window: Window) -> Queues:
    """By the labels of runners. The busiest hour is looked at for the 8 of them with most jobs."""
    used = queries.waits(session, scope, window)
    jobs: Counter[str] = Counter()
    for key, row in zip(used.usage.keys, used.usage.sums, strict=True):
        jobs[key.label] += int(row[SUMS.index("jobs")])
    labels = sorted(jobs, key=lambda label: (-jobs[label], label))
    hours = busiest_hours(used.usage)
    load = _load(session, scope, {label: hours[label] for label in labels[:_LOOKED_AT] if label in hours})
    whole, by_hour = waits_of(used.usage, labels), waits_by_hour(used.usage, labels)
    runners = [
        RunnerQueue(label or None, jobs[label], wait.p50, wait.p95, *load.get(label, (None, 0, None)))
        for label, wait in zip(labels, whole, strict=True)
    ]
    cells = [
        QueueCell(label or None, hour, wait.jobs, wait.p50, wait.p95)
        for label, listed in zip(labels, by_hour, strict=True) for hour, wait in enumerate(listed) if wait.jobs
    ]  # fmt: skip
    return Queues(runners, cells, used.since)


def waits_by_label(session: Session, scope: Scope, window: Window) -> list[LabelWaits]:
    """Of the jobs of runs created in the window; the label with most jobs first. Compare with `week_before(window)`:
    waits depend on the weekday and the hour."""
    usage = queries.waits(session, scope, window).usage
    labels = sorted({key.label for key in usage.keys})
    found = [
        LabelWaits(label or None, wait.jobs, wait.p50, wait.p95)
        for label, wait in zip(labels, waits_of(usage, labels), strict=True) if wait.jobs
    ]  # fmt: skip
    return sorted(found, key=lambda each: (-each.jobs, each.label or ""))


def week_before(window: Window) -> Window:
    """The same weekdays and hours (UTC) a week earlier."""
    return Window(window.since - timedelta(days=7), window.until - timedelta(days=7))


def wasted(session: Session, scope: Scope, window: Window) -> Wasted:
    """By workflow; those that wasted nothing are left out."""
    used = queries.sums(session, scope, window, GroupBy.WORKFLOW)
    name, items = _naming(session, SpendBy.WORKFLOW), []
    total = dict.fromkeys(SUMS, 0.0)
    for key, added in _by(used.usage, SpendBy.WORKFLOW).items():
        total = {column: total[column] + added[column] for column in SUMS}
        failed, cancelled, superseded = (added[reason] for reason in _REASONS)
        if in_vain := failed + cancelled + superseded:
            workflow, repo, workflow_id = name(key)
            share = ratio(in_vain, added["compute"])
            waste = Waste(repo or "", workflow or "", workflow_id or 0, failed, cancelled, superseded, in_vain, share)
            items.append(waste)
    items.sort(key=lambda each: (-each.wasted_seconds, each.repo, each.workflow, each.workflow_id))
    return Wasted(items, total["failed"], total["cancelled"], total["superseded"], total["compute"], used.since)


def _spent(session: Session, scope: Scope, window: Window, by: SpendBy) -> tuple[dict[Any, _Spent], datetime | None]:
    """Money and seconds of runs are those of every other figure; jobs and minutes, and all of runners, are of jobs."""
    group = None if by is SpendBy.RUNNER else GroupBy(by)
    used = queries.sums(session, scope, window, group)
    added = _by(used.usage, by)
    if group is None:
        return {key: _of_jobs(each) for key, each in added.items()}, used.since
    found = facts(session, Question(scope, window, group, histograms=(), recoveries=False))
    nothing = dict.fromkeys(SUMS, 0.0)
    spent = {key: _of_runs(each, added.get(key, nothing)) for (key, _), each in found.items()}
    return {key: each for key, each in spent.items() if each.runs}, used.since


def _of_jobs(added: Mapping[str, float]) -> _Spent:
    in_vain = sum(added[reason] for reason in _REASONS)
    return _Spent(None, int(added["jobs"]), int(added["minutes"]), added["compute"], in_vain, added["cost"])


def _of_runs(of_runs: Facts, added: Mapping[str, float]) -> _Spent:
    return _Spent(
        sum(of_runs.outcomes.values()), int(added["jobs"]), int(added["minutes"]), of_runs.compute_seconds,
        of_runs.wasted_seconds, of_runs.cost_usd,
    )  # fmt: skip


def _by(usage: Usage, by: SpendBy) -> dict[Any, dict[str, float]]:
    """The sums of each group, by their names."""
    found: dict[Any, dict[str, float]] = {}
    for key, row in zip(usage.keys, usage.sums.tolist(), strict=True):
        place = {
            SpendBy.REPO: key.repository_id,
            SpendBy.WORKFLOW: (key.repository_id, key.workflow_id),
            SpendBy.RUNNER: key.label,
        }[by]
        sums = found.setdefault(place, dict.fromkeys(SUMS, 0.0))
        for name, value in zip(SUMS, row, strict=True):
            sums[name] += value
    return found


def _naming(session: Session, by: SpendBy) -> Callable[[Any], tuple[str | None, str | None, int | None]]:
    """Key, repository and workflow id as Spend has them."""
    if by is SpendBy.RUNNER:
        return lambda key: (key or None, None, None)
    repositories = repository_names(session)
    if by is SpendBy.REPO:
        return lambda key: (repositories.get(key), None, None)
    workflows = workflow_names(session)
    return lambda key: (workflows.get(key, str(key[1])), repositories.get(key[0]), key[1])


def _change(now: float, before: float) -> float | None:
    return (now - before) / before if before else None


def _load(session: Session, scope: Scope, hours: Mapping[str, int]) -> dict[str, tuple[datetime, int, int]]:
    """Of each label its busiest hour, how many jobs were queued in it, and how many at most ran at once."""
    moments = {hour: datetime.fromtimestamp(hour * _HOUR, UTC) for hour in hours.values()}
    jobs: dict[str, list[queries.Busy]] = defaultdict(list)
    for job in queries.busy_jobs(session, scope, sorted(moments.values())):
        jobs[label_of(job.labels)].append(job)
    found = {}
    for label, hour in hours.items():
        since, until = hour * _HOUR, (hour + 1) * _HOUR
        queued = sum(since <= job.queued < until for job in jobs[label] if job.queued is not None)
        ran = [(job.started, job.ended) for job in jobs[label] if job.started is not None]
        found[label] = moments[hour], queued, most_at_once(ran, since, until)
    return found
