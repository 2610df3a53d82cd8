"""The chain of jobs that decided how long a run took. Pure.

GitHub's API does not say which job needs which, so the chain is read from the times: a job that needs others is created
when the last of them ends (docs.github.com, "jobs.<job_id>.needs"). Going back from the job that ended last, the one
before it in the chain is the one whose end came latest before it was created, within what GitHub takes to create a job.
A job that was created with the run was not waiting for another one, however long it waited for a runner. The longest
path through timed activities is that of J. E. Kelley, "Critical-Path Planning and Scheduling: Mathematical Basis",
Operations Research 9 (1961).

Figures of the jobs and steps of some runs, by name. Pure.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from db.definitions.job_times import DECIDED, outcome_of, span_seconds
from db.definitions.prices import EMPTY_PRICE_LIST, PriceList, Runner, bill
from db.enums import Conclusion, Outcome
from health.metrics.definitions.distribution import nan_to_none, percentiles, ratio

# GitHub writes whole seconds, its clocks disagree by one, and it needs a few seconds to create the next job.
_MAX_EARLY_START, _MAX_LATE_START = timedelta(seconds=2), timedelta(seconds=30)


class TimedJob(Protocol):
    """A job as it is stored."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def conclusion(self) -> str | None: ...
    @property
    def created_at(self) -> datetime | None: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def completed_at(self) -> datetime | None: ...
    @property
    def copied(self) -> bool: ...
    @property
    def phantom(self) -> bool: ...
    @property
    def has_started(self) -> bool: ...


@dataclass(frozen=True)
class CriticalJob:
    """It waited `queue_seconds` for a runner, then ran `seconds`, from `start` to `end`. `exclusive_seconds`: how long
    no other job of the run was running meanwhile, so what the run would have won if this job had taken no time."""

    job_id: int
    name: str
    start: datetime
    end: datetime
    queue_seconds: float
    seconds: float
    exclusive_seconds: float


@dataclass(frozen=True)
class _FinishedJob:
    job: TimedJob
    created: datetime
    start: datetime
    end: datetime


def critical_path(jobs: Iterable[TimedJob]) -> list[CriticalJob]:
    """Of the jobs of one attempt, the first of the chain first; empty where none has ended. Copies, phantoms,
    skipped jobs and those that no runner took do not count."""
    ended = sorted(_own_jobs(jobs), key=lambda each: (each.end, each.job.id))
    if not ended:
        return []
    ends = [each.end for each in ended]
    chain: list[_FinishedJob] = []
    place = len(ended) - 1
    while place >= 0 and (not chain or ends[place] >= chain[-1].created - _MAX_LATE_START):
        chain.append(ended[place])
        # Strictly down the list, so that it comes to an end whatever the clocks say.
        place = min(bisect_right(ends, ended[place].created + _MAX_EARLY_START) - 1, place - 1)
    running = _JobOverlap(ended)
    return [_critical_job(each, running) for each in reversed(chain)]


def _own_jobs(jobs: Iterable[TimedJob]) -> Iterable[_FinishedJob]:
    for job in jobs:
        start, end = job.started_at, job.completed_at
        counts = not job.copied and not job.phantom and job.conclusion != Conclusion.SKIPPED and job.has_started
        if counts and start is not None and end is not None and start <= end:
            yield _FinishedJob(job, min(job.created_at or start, start), start, end)


def _critical_job(each: _FinishedJob, running: "_JobOverlap") -> CriticalJob:
    job = each.job
    queued, ran = (each.start - each.created).total_seconds(), (each.end - each.start).total_seconds()
    return CriticalJob(job.id, job.name, each.start, each.end, queued, ran, running.exclusive_seconds(each))


class _JobOverlap:
    """When which job ran, to ask how long one of them ran alone."""

    def __init__(self, jobs: Iterable[_FinishedJob]) -> None:
        self._spans = sorted((each.start, each.end, each.job.id) for each in jobs)
        self._starts = [start for start, _, _ in self._spans]
        # The two latest ends among the spans up to each place, with their jobs: one of them may be the one in question.
        self._latest: list[tuple[tuple[datetime, int], ...]] = [()]
        for _, end, job_id in self._spans:
            self._latest.append(tuple(sorted((*self._latest[-1], (end, job_id)), reverse=True)[:2]))

    def exclusive_seconds(self, job: _FinishedJob) -> float:
        """Seconds of its span in which none of the others ran."""
        first = bisect_left(self._starts, job.start)
        earlier = [end for end, job_id in self._latest[first] if job_id != job.job.id]
        alone, reached = 0.0, max([job.start, *earlier[:1]])
        for place in range(first, len(self._spans)):
            begin, stop, job_id = self._spans[place]
            if begin >= job.end or reached >= job.end:
                break
            if job_id != job.job.id:
                alone += max((begin - reached).total_seconds(), 0.0)
                reached = max(reached, stop)
        return alone + max((job.end - reached).total_seconds(), 0.0)


class JobFact(NamedTuple):
    """A job as it is stored; spans in seconds."""

    run_id: int
    attempt: int
    name: str
    status: str
    conclusion: str | None
    copied: bool
    phantom: bool
    id: int
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    queue_seconds: float | None
    has_started: bool
    runner: str | None
    runner_group: str | None
    labels: Sequence[str]


class StepFact(NamedTuple):
    """A job with its steps as GitHub told them."""

    run_id: int
    attempt: int
    name: str
    status: str
    conclusion: str | None
    copied: bool
    phantom: bool
    steps: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class JobFigures:
    """Jobs of one name. A job counts once a run, by the latest attempt in which it ran itself; times in seconds, of
    decided jobs that started. `change` is p50 relative to `before_p50`, that of the window before (0.25: a quarter
    slower). Cost and compute are of all attempts; `unpriced_minutes` have no known price and are not in the cost.
    `critical_share` of the decided runs had it on their critical path, where `exclusive_seconds` is its median time
    alone; both null where there is none."""

    name: str
    runs: int
    failed: int
    failure_rate: float | None
    p50: float | None
    p95: float | None
    queue_p50: float | None
    queue_p95: float | None
    before_p50: float | None
    change: float | None
    cost_usd: float
    unpriced_minutes: int
    compute_seconds: float
    critical_share: float | None
    exclusive_seconds: float | None


@dataclass(frozen=True)
class StepFigures:
    """Steps of one name in jobs of one name, as JobFigures. `number` is its place in the newest of these jobs."""

    job: str
    name: str
    number: int
    runs: int
    failed: int
    failure_rate: float | None
    p50: float | None
    p95: float | None
    before_p50: float | None
    change: float | None


class _JobSample(NamedTuple):
    run_id: int
    outcome: Outcome
    seconds: float | None
    number: int = 0


@dataclass(frozen=True)
class _CommonFigures:
    runs: int
    failed: int
    failure_rate: float | None
    p50: float | None
    p95: float | None
    before_p50: float | None
    change: float | None


_Fact = TypeVar("_Fact", JobFact, StepFact)
# What never ran is no sample.
_NEVER_RAN = (Outcome.SKIPPED,)


def job_figures(
    facts: Iterable[JobFact],
    before: Iterable[JobFact],
    *,
    decided_runs: Collection[int],
    private: bool,
    free_runs: Collection[int] = (),
    prices: PriceList = EMPTY_PRICE_LIST,
) -> list[JobFigures]:
    """The most time spent first. `before` are jobs of the window before; critical paths are those of `decided_runs`.
    `free_runs` are those for which GitHub bills nothing."""
    own = _own_facts(facts)
    of_name, then = _by_name(own), _by_name(_latest_attempts(_own_facts(before)))
    alone, paths = _critical_path_times(own, decided_runs)
    found = []
    for name, ran in _by_name(_latest_attempts(own)).items():
        timed = _common_figures(_job_samples(ran), _job_samples(then.get(name, ())))
        queue_p50, queue_p95 = _percentiles(fact.queue_seconds for fact in ran if fact.has_started)
        started = [fact for fact in of_name[name] if fact.has_started]
        bills = [
            bill(
                fact.duration_seconds,
                Runner(fact.labels, fact.runner, fact.runner_group),
                private=private,
                free=fact.run_id in free_runs,
                prices=prices,
            )
            for fact in started
        ]
        figures = JobFigures(
            name=name, **vars(timed), queue_p50=queue_p50, queue_p95=queue_p95,
            cost_usd=sum(each.usd for each in bills),
            unpriced_minutes=sum(each.unpriced_minutes for each in bills),
            compute_seconds=sum(fact.duration_seconds or 0.0 for fact in started),
            critical_share=ratio(len(alone[name]), paths),
            exclusive_seconds=_percentiles(alone[name])[0],
        )  # fmt: skip
        found.append(figures)
    return sorted(found, key=lambda each: (-each.compute_seconds, each.name))


def step_figures(facts: Iterable[StepFact], before: Iterable[StepFact]) -> list[StepFigures]:
    """The most time spent first. The newest runs come first in both."""
    now, then = _samples_by_step(facts), _samples_by_step(before)
    found = [
        StepFigures(
            job=job, name=name, number=samples[0].number, **vars(_common_figures(samples, then.get((job, name), ())))
        )
        for (job, name), samples in now.items()
    ]
    return sorted(found, key=lambda each: (-(each.p50 or 0.0) * each.runs, each.job, each.number, each.name))


def _own_facts(facts: Iterable[_Fact]) -> list[_Fact]:
    return [
        fact for fact in facts
        if not fact.copied and not fact.phantom and outcome_of(fact.status, fact.conclusion) not in _NEVER_RAN
    ]  # fmt: skip


def _latest_attempts(own: Sequence[_Fact]) -> list[_Fact]:
    """Of each run and name those of the latest attempt."""
    last: dict[tuple[int, str], int] = {}
    for fact in own:
        key = fact.run_id, fact.name
        last[key] = max(last.get(key, 0), fact.attempt)
    return [fact for fact in own if fact.attempt == last[fact.run_id, fact.name]]


def _by_name(facts: Iterable[_Fact]) -> dict[str, list[_Fact]]:
    found: dict[str, list[_Fact]] = defaultdict(list)
    for fact in facts:
        found[fact.name].append(fact)
    return found


def _critical_path_times(own: Iterable[JobFact], decided_runs: Collection[int]) -> tuple[dict[str, list[float]], int]:
    """Of each name on critical paths its time alone there, and how many paths there are."""
    of_run: dict[int, list[JobFact]] = defaultdict(list)
    wanted = set(decided_runs)
    for fact in own:
        if fact.run_id in wanted:
            of_run[fact.run_id].append(fact)
    alone: dict[str, list[float]] = defaultdict(list)
    paths = 0
    for jobs in of_run.values():
        last = max(job.attempt for job in jobs)
        path = {link.name: link for link in critical_path(job for job in jobs if job.attempt == last)}
        paths += bool(path)
        for name, link in path.items():
            alone[name].append(link.exclusive_seconds)
    return alone, paths


def _job_samples(facts: Iterable[JobFact]) -> list[_JobSample]:
    return [
        _JobSample(
            fact.run_id, outcome_of(fact.status, fact.conclusion), fact.duration_seconds if fact.has_started else None
        )
        for fact in facts
    ]


def _samples_by_step(facts: Iterable[StepFact]) -> dict[tuple[str, str], list[_JobSample]]:
    found: dict[tuple[str, str], list[_JobSample]] = defaultdict(list)
    for fact in _latest_attempts(_own_facts(facts)):
        for sample, name in _step_samples(fact):
            found[fact.name, name].append(sample)
    return found


def _step_samples(fact: StepFact) -> Iterator[tuple[_JobSample, str]]:
    for step in fact.steps:
        outcome = outcome_of(step.get("status") or "", step.get("conclusion"))
        if outcome not in _NEVER_RAN:
            seconds = span_seconds(_parse_time(step.get("started_at")), _parse_time(step.get("completed_at")))
            yield _JobSample(fact.run_id, outcome, seconds, step.get("number") or 0), str(step.get("name") or "")


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _common_figures(samples: Sequence[_JobSample], before: Sequence[_JobSample]) -> _CommonFigures:
    outcomes = [sample.outcome for sample in samples]
    decided = sum(outcome in DECIDED for outcome in outcomes)
    failed = outcomes.count(Outcome.FAILURE)
    p50, p95 = _percentiles(_decided_durations(samples))
    earlier = _percentiles(_decided_durations(before))[0]
    change = (p50 - earlier) / earlier if p50 is not None and earlier else None
    runs = len({sample.run_id for sample in samples})
    return _CommonFigures(runs, failed, ratio(failed, decided), p50, p95, earlier, change)


def _decided_durations(samples: Iterable[_JobSample]) -> Iterator[float | None]:
    return (sample.seconds for sample in samples if sample.outcome in DECIDED)


def _percentiles(values: Iterable[float | None]) -> list[float | None]:
    """p50 and p95 of those that are known."""
    known = np.sort(np.asarray([value for value in values if value is not None], dtype=np.float64))
    return nan_to_none(percentiles(known, np.asarray([len(known)]), (0.5, 0.95))[0])
