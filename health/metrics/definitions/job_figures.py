"""Figures of the jobs and steps of some runs, by name. Pure."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from db.definitions.attempts import DECIDED, outcome_of
from db.definitions.job_times import span_seconds
from db.definitions.prices import EMPTY_PRICE_LIST, PriceList, Pricing, billed_minutes
from db.enums import Outcome
from health.metrics.definitions.critical_path import critical_path
from health.metrics.definitions.percentiles import percentile_of_list, ratio


class JobFact(NamedTuple):
    """Columns of a stored job; spans in seconds."""

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


class Sample(NamedTuple):
    """One job, or one step with its `name`, `number` and `start`. `seconds` is its duration, null where it is not
    known."""

    run_id: int
    outcome: Outcome
    seconds: float | None
    number: int = 0
    name: str = ""
    start: datetime | None = None


class StepFact(NamedTuple):
    """Columns of a stored job with its steps (timed_steps)."""

    run_id: int
    attempt: int
    name: str
    status: str
    conclusion: str | None
    copied: bool
    phantom: bool
    steps: Sequence[Sample]


@dataclass(frozen=True)
class JobFigures:
    """Figures of the jobs of one name. A job counts once a run, by the latest attempt in which it ran itself. Durations
    are in seconds, of decided jobs that started. `durations` and `queue_times` are the numbers of values behind the
    percentiles. `change` is p50 relative to `before_p50`, that of the previous period (0.25: a quarter slower). Cost
    and compute time are those of all attempts; `unpriced_minutes` have no known price and are not in the cost. The job
    is on the critical path of `critical_share` of the completed runs; `exclusive_seconds` is the median of its
    exclusive time there. Both are null without critical paths. `jobs` is the number of different names of jobs behind
    these figures: more than 1 for the jobs of a matrix together."""

    name: str
    runs: int
    failed: int
    failure_rate: float | None
    durations: int
    p50: float | None
    p95: float | None
    queue_p50: float | None
    queue_p95: float | None
    queue_times: int
    before_p50: float | None
    change: float | None
    cost_usd: float
    unpriced_minutes: int
    compute_seconds: float
    critical_share: float | None
    exclusive_seconds: float | None
    jobs: int = 1


@dataclass(frozen=True)
class StepFigures:
    """Figures of the steps of one name in the jobs of one name, as in JobFigures. `number` is the position of the step
    in the newest of these jobs."""

    job: str
    name: str
    number: int
    runs: int
    failed: int
    failure_rate: float | None
    durations: int
    p50: float | None
    p95: float | None
    before_p50: float | None
    change: float | None


@dataclass(frozen=True)
class _CommonFigures:
    runs: int
    failed: int
    failure_rate: float | None
    durations: int
    p50: float | None
    p95: float | None
    before_p50: float | None
    change: float | None


_Fact = TypeVar("_Fact", JobFact, StepFact)
# Jobs and steps with these outcomes are not samples.
_NEVER_RAN = (Outcome.SKIPPED,)


def job_figures(
    facts: Iterable[JobFact],
    before: Iterable[JobFact],
    *,
    decided_runs: Collection[int],
    private: bool,
    free_runs: Collection[int] = (),
    prices: PriceList = EMPTY_PRICE_LIST,
    row_name: Callable[[str], str] = str,
) -> list[JobFigures]:
    """Returns the figures by job name, the most compute time first. `before` are jobs of the previous period. Critical
    paths are those of `decided_runs`. GitHub bills nothing for `free_runs`. `row_name` returns the name of the row of a
    job (health.metrics.definitions.job_groups.row_names)."""
    own = _own_facts(facts)
    all_attempts = _by_name(own, row_name)
    previous = _by_name(_latest_attempts(_own_facts(before)), row_name)
    exclusive_times, paths = _critical_path_times(own, decided_runs, row_name)
    pricing = Pricing(prices)
    rows = []
    for name, jobs in _by_name(_latest_attempts(own), row_name).items():
        common = _common_figures(_job_samples(jobs), _job_samples(previous.get(name, ())))
        queue_times = [fact.queue_seconds for fact in jobs if fact.has_started and fact.queue_seconds is not None]
        queue_p50, queue_p95 = _percentiles(queue_times)
        started = [fact for fact in all_attempts[name] if fact.has_started]
        cost, unpriced_minutes = _bill(started, pricing, private=private, free_runs=free_runs)
        figures = JobFigures(
            name=name,
            **vars(common),
            queue_p50=queue_p50,
            queue_p95=queue_p95,
            queue_times=len(queue_times),
            cost_usd=cost,
            unpriced_minutes=unpriced_minutes,
            compute_seconds=sum(fact.duration_seconds or 0.0 for fact in started),
            critical_share=ratio(len(exclusive_times[name]), paths),
            exclusive_seconds=_percentiles(exclusive_times[name])[0],
            jobs=len({fact.name for fact in jobs}),
        )
        rows.append(figures)
    return sorted(rows, key=lambda row: (-row.compute_seconds, row.name))


def _bill(
    facts: Iterable[JobFact], pricing: Pricing, *, private: bool, free_runs: Collection[int]
) -> tuple[float, int]:
    """Returns US dollars, and the minutes without a known price (db.definitions.prices.bill)."""
    cost, unpriced = 0.0, 0
    for fact in facts:
        minutes, billed = billed_minutes(fact.duration_seconds or 0.0), private and fact.run_id not in free_runs
        usd = pricing.usd_per_minute(tuple(fact.labels), fact.runner, fact.runner_group, billed=billed)
        if usd is None:
            unpriced += minutes
        else:
            cost += minutes * usd
    return cost, unpriced


def step_figures(
    facts: Iterable[StepFact], before: Iterable[StepFact], row_name: Callable[[str], str] = str
) -> list[StepFigures]:
    """Returns the figures by job and step name, the most time first. `before` are jobs of the previous period; both
    must have the newest runs first. `row_name` as in job_figures."""
    current, previous = _samples_by_step(facts, row_name), _samples_by_step(before, row_name)
    rows = [
        StepFigures(job, name, samples[0].number, **vars(_common_figures(samples, previous.get((job, name), ()))))
        for (job, name), samples in current.items()
    ]
    return sorted(rows, key=lambda row: (-(row.p50 or 0.0) * row.runs, row.job, row.number, row.name))


def _own_facts(facts: Iterable[_Fact]) -> list[_Fact]:
    """Removes copies, phantoms and jobs that never ran."""
    return [
        fact
        for fact in facts
        if not fact.copied and not fact.phantom and outcome_of(fact.status, fact.conclusion) not in _NEVER_RAN
    ]


def _latest_attempts(own: Sequence[_Fact]) -> list[_Fact]:
    """Returns the jobs of the latest attempt of each run and job name."""
    last: dict[tuple[int, str], int] = {}
    for fact in own:
        key = fact.run_id, fact.name
        last[key] = max(last.get(key, 0), fact.attempt)
    return [fact for fact in own if fact.attempt == last[fact.run_id, fact.name]]


def _by_name(facts: Iterable[_Fact], row_name: Callable[[str], str]) -> dict[str, list[_Fact]]:
    by_name: dict[str, list[_Fact]] = defaultdict(list)
    for fact in facts:
        by_name[row_name(fact.name)].append(fact)
    return by_name


def _critical_path_times(
    own: Iterable[JobFact], decided_runs: Collection[int], row_name: Callable[[str], str]
) -> tuple[dict[str, list[float]], int]:
    """Returns, by name of the row, the exclusive times in seconds on critical paths, and the number of paths."""
    by_run: dict[int, list[JobFact]] = defaultdict(list)
    selected = set(decided_runs)
    for fact in own:
        if fact.run_id in selected:
            by_run[fact.run_id].append(fact)
    times: dict[str, list[float]] = defaultdict(list)
    paths = 0
    for jobs in by_run.values():
        last = max(job.attempt for job in jobs)
        seconds: dict[str, float] = defaultdict(float)
        for critical in critical_path(job for job in jobs if job.attempt == last):
            seconds[row_name(critical.name)] += critical.exclusive_seconds
        paths += bool(seconds)
        for name, exclusive in seconds.items():
            times[name].append(exclusive)
    return times, paths


def _job_samples(facts: Iterable[JobFact]) -> list[Sample]:
    return [
        Sample(
            fact.run_id, outcome_of(fact.status, fact.conclusion), fact.duration_seconds if fact.has_started else None
        )
        for fact in facts
    ]


def _samples_by_step(facts: Iterable[StepFact], row_name: Callable[[str], str]) -> dict[tuple[str, str], list[Sample]]:
    by_step: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for fact in _latest_attempts(_own_facts(facts)):
        job = row_name(fact.name)
        for step in fact.steps:
            if step.outcome not in _NEVER_RAN:
                by_step[job, step.name].append(step)
    return by_step


def timed_steps(run_id: int, steps: Iterable[Mapping[str, Any]]) -> list[Sample]:
    """Parses steps of a run in the form of GitHub's API. They are parsed once: a run of thousands of jobs has a hundred
    thousand of them."""
    samples = []
    for step in steps:
        start, end = parse_time(step.get("started_at")), parse_time(step.get("completed_at"))
        outcome = outcome_of(step.get("status") or "", step.get("conclusion"))
        name, number = str(step.get("name") or ""), step.get("number") or 0
        samples.append(Sample(run_id, outcome, span_seconds(start, end), number, name, start))
    return samples


# The steps of a run begin and end in the same seconds.
@lru_cache(maxsize=20_000)
def parse_time(text: str | None) -> datetime | None:
    """Parses a time of GitHub's API; UTC where it has no zone."""
    time = datetime.fromisoformat(text) if text else None
    return time.replace(tzinfo=UTC) if time and time.tzinfo is None else time


def _common_figures(samples: Sequence[Sample], before: Sequence[Sample]) -> _CommonFigures:
    outcomes = [sample.outcome for sample in samples]
    decided = sum(outcome in DECIDED for outcome in outcomes)
    failed = outcomes.count(Outcome.FAILURE)
    durations = _decided_durations(samples)
    p50, p95 = _percentiles(durations)
    earlier = _percentiles(_decided_durations(before))[0]
    change = (p50 - earlier) / earlier if p50 is not None and earlier else None
    runs = len({sample.run_id for sample in samples})
    return _CommonFigures(runs, failed, ratio(failed, decided), len(durations), p50, p95, earlier, change)


def _decided_durations(samples: Iterable[Sample]) -> list[float]:
    return [sample.seconds for sample in samples if sample.outcome in DECIDED and sample.seconds is not None]


def _percentiles(values: Iterable[float]) -> list[float | None]:
    """Returns p50 and p95."""
    known = sorted(values)
    return [percentile_of_list(known, fraction) for fraction in (0.5, 0.95)]
