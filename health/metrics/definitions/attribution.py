"""Jobs and steps whose durations changed most at a given time. Pure."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from db.definitions.attempts import outcome_of
from db.definitions.scope import Window
from db.enums import Outcome
from health.metrics.definitions.job_figures import JobFact, StepFact
from health.metrics.definitions.percentiles import percentile_of_list

# Runs before and after that a change of medians needs.
MIN_RUNS = 5
# Parts of the window for the trend.
_BINS = 16


class DurationSample(NamedTuple):
    """The duration of one job or step; `step` is empty for the job itself. `after_change`: its run was created after
    the change, whenever the job started. `job` is the name of the job's row
    (health.metrics.definitions.job_groups.row_names)."""

    job: str
    step: str
    at: datetime
    seconds: float
    after_change: bool
    run_id: int


@dataclass(frozen=True)
class DurationDelta:
    """Median durations of a job or step in seconds, null where it did not run. `delta` is their difference, null with
    fewer than MIN_RUNS runs before or after. `runs_before` and `runs_after` count jobs, and so a re-run and each job of
    a matrix that has one row. `trend` has the median of each sixteenth of the window, oldest first, null
    where nothing ran."""

    job: str
    step: str
    before: float | None
    after: float | None
    delta: float | None
    runs_before: int
    runs_after: int
    trend: list[float | None]

    @property
    def change(self) -> float | None:
        """The change relative to `before`: 0.25 is a quarter slower."""
        return self.delta / self.before if self.delta is not None and self.before else None


def job_samples(
    facts: Iterable[JobFact], row_name: Callable[[str], str], *, after_change: bool
) -> Iterator[DurationSample]:
    """Yields the durations of jobs that succeeded; failures end early."""
    for fact in facts:
        is_own = not fact.copied and not fact.phantom
        if (
            is_own
            and fact.started_at
            and fact.duration_seconds is not None
            and outcome_of(fact.status, fact.conclusion) is Outcome.SUCCESS
        ):
            name = row_name(fact.name)
            yield DurationSample(name, "", fact.started_at, fact.duration_seconds, after_change, fact.run_id)


def step_samples(
    facts: Iterable[StepFact], row_name: Callable[[str], str], *, after_change: bool
) -> Iterator[DurationSample]:
    """Yields the durations of steps that succeeded."""
    for fact in facts:
        if fact.copied or fact.phantom:
            continue
        job = row_name(fact.name)
        for step in fact.steps:
            if step.outcome is Outcome.SUCCESS and step.start and step.seconds is not None:
                yield DurationSample(job, step.name, step.start, step.seconds, after_change, fact.run_id)


def rank_duration_deltas(samples: Iterable[DurationSample], window: Window) -> list[DurationDelta]:
    """Returns the largest rise of the median first; jobs and steps with too few runs come last."""
    by_name: dict[tuple[str, str], list[DurationSample]] = defaultdict(list)
    for sample in samples:
        by_name[sample.job, sample.step].append(sample)
    deltas = [_duration_delta(job, step, group, window) for (job, step), group in by_name.items()]
    return sorted(deltas, key=lambda item: (item.delta is None, -(item.delta or 0.0), item.job, item.step))


def duration_trends(
    samples: Iterable[DurationSample], window: Window, names: Collection[tuple[str, str]]
) -> dict[tuple[str, str], list[float | None]]:
    """Returns, by job and step, the median of each sixteenth of the window, oldest first, null where nothing ran. Only
    the jobs and steps of `names` have one."""
    by_name: dict[tuple[str, str], list[DurationSample]] = {name: [] for name in names}
    for sample in samples:
        listed = by_name.get((sample.job, sample.step))
        if listed is not None:
            listed.append(sample)
    return {name: _trend(group, window) for name, group in by_name.items()}


def _duration_delta(job: str, step: str, samples: Sequence[DurationSample], window: Window) -> DurationDelta:
    before = sorted(sample.seconds for sample in samples if not sample.after_change)
    after = sorted(sample.seconds for sample in samples if sample.after_change)
    old, new = percentile_of_list(before, 0.5), percentile_of_list(after, 0.5)
    enough = all(
        len({sample.run_id for sample in samples if sample.after_change is side}) >= MIN_RUNS for side in (False, True)
    )
    delta = new - old if enough and old is not None and new is not None else None
    return DurationDelta(job, step, old, new, delta, len(before), len(after), _trend(samples, window))


def _trend(samples: Sequence[DurationSample], window: Window) -> list[float | None]:
    bins: list[list[float]] = [[] for _ in range(_BINS)]
    width = window.span / _BINS
    for sample in samples:
        index = (sample.at - window.since) // width
        bins[min(max(index, 0), _BINS - 1)].append(sample.seconds)
    return [percentile_of_list(sorted(seconds), 0.5) if seconds else None for seconds in bins]
