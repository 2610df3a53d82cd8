"""Which jobs and steps changed most at a moment. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from db.definitions.job_times import outcome_of, span_seconds
from db.definitions.scope import Window
from db.enums import Outcome
from health.metrics.definitions.distribution import percentile
from health.metrics.definitions.job_figures import JobFact, StepFact

# Medians of fewer on a side say little: the change is null.
LEAST = 5
_BINS = 16


class Sample(NamedTuple):
    """How long a job, or a step of it, took once; `step` is empty for the job itself. `late`: in a run that was created
    since the change, whenever the job began."""

    job: str
    step: str
    at: datetime
    seconds: float
    late: bool


@dataclass(frozen=True)
class Changed:
    """Medians in seconds, null where it did not run; `delta` of them, null with fewer than LEAST runs on a side.
    `trend`: the median of each sixteenth of the window, oldest first, null where nothing ran."""

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
        """Relative to before: 0.25 is a quarter slower."""
        return self.delta / self.before if self.delta is not None and self.before else None


def job_samples(facts: Iterable[JobFact], *, late: bool) -> Iterator[Sample]:
    """Of jobs that succeeded: failures end early."""
    for fact in facts:
        own = not fact.copied and not fact.phantom
        if own and fact.started_at and fact.duration_seconds is not None and _passed(fact.status, fact.conclusion):
            yield Sample(fact.name, "", fact.started_at, fact.duration_seconds, late)


def step_samples(facts: Iterable[StepFact], *, late: bool) -> Iterator[Sample]:
    for fact in facts:
        if fact.copied or fact.phantom:
            continue
        for step in fact.steps:
            start, end = (_moment(step.get(name)) for name in ("started_at", "completed_at"))
            seconds = span_seconds(start, end)
            if start and seconds is not None and _passed(step.get("status") or "", step.get("conclusion")):
                yield Sample(fact.name, str(step.get("name") or ""), start, seconds, late)


def attribute(samples: Iterable[Sample], window: Window) -> list[Changed]:
    """The largest rise of the median first, then those of too few runs."""
    of_name: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        of_name[sample.job, sample.step].append(sample)
    found = [_changed(job, step, listed, window) for (job, step), listed in of_name.items()]
    return sorted(found, key=lambda each: (each.delta is None, -(each.delta or 0.0), each.job, each.step))


def _changed(job: str, step: str, listed: Sequence[Sample], window: Window) -> Changed:
    before = sorted(sample.seconds for sample in listed if not sample.late)
    after = sorted(sample.seconds for sample in listed if sample.late)
    old, new = percentile(before, 0.5), percentile(after, 0.5)
    enough = len(before) >= LEAST and len(after) >= LEAST
    delta = new - old if enough and old is not None and new is not None else None
    return Changed(job, step, old, new, delta, len(before), len(after), _trend(listed, window))


def _trend(listed: Sequence[Sample], window: Window) -> list[float | None]:
    bins: list[list[float]] = [[] for _ in range(_BINS)]
    for sample in listed:
        place = int((sample.at - window.since) / window.span * _BINS)
        bins[min(max(place, 0), _BINS - 1)].append(sample.seconds)
    return [percentile(sorted(each), 0.5) for each in bins]


def _passed(status: str, conclusion: str | None) -> bool:
    return outcome_of(status, conclusion) is Outcome.SUCCESS


def _moment(text: str | None) -> datetime | None:
    moment = datetime.fromisoformat(text) if text else None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
