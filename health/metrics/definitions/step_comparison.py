"""Steps of one job in several runs, and the steps that the runner adds. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.definitions.job_times import span_seconds
from db.enums import Conclusion
from health.metrics.definitions.job_figures import parse_time

# The names of steps that the runner adds to every job, or to every job with containers.
_HOUSEKEEPING = frozenset({"Set up job", "Complete job", "Initialize containers", "Stop containers"})
# Actions may have steps before and after their own, which GitHub names after it.
_AROUND = ("Pre ", "Post ")


@dataclass(frozen=True)
class StepState:
    """A step of one run. `delta_seconds` is its duration minus that in the first run; null where one is unknown."""

    conclusion: str | None
    seconds: float | None
    delta_seconds: float | None


@dataclass(frozen=True)
class ComparedStep:
    """A step with one state per run, null where the job of the run has no such step. `housekeeping`: see
    is_housekeeping."""

    name: str
    states: list[StepState | None]
    housekeeping: bool


def is_housekeeping(name: str, names: Collection[str]) -> bool:
    """Whether the runner added the step: set-up and clean-up of the job, and the `Pre` and `Post` steps of actions.
    `names`: the steps of the job."""
    if name in _HOUSEKEEPING:
        return True
    return any(name.startswith(prefix) and name.removeprefix(prefix) in names for prefix in _AROUND)


def compare_steps(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[ComparedStep]:
    """Returns the steps of a job in the order of the last run, followed by those that only earlier runs have. `runs`
    has the steps of the job in each run, empty where it has no such job. Steps of one name are matched in their
    order."""
    by_run = [_by_name(steps) for steps in runs]
    keys = dict.fromkeys(key for steps in reversed(by_run) for key in steps)
    names = {name for name, _ in keys}
    return [
        ComparedStep(key[0], _states([steps.get(key) for steps in by_run]), is_housekeeping(key[0], names))
        for key in keys
    ]


def _by_name(steps: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], Mapping[str, Any]]:
    """The steps by name and by the number of earlier steps of this name."""
    counts: dict[str, int] = {}
    named: dict[tuple[str, int], Mapping[str, Any]] = {}
    for step in steps:
        name = str(step.get("name") or "")
        named[name, counts.get(name, 0)] = step
        counts[name] = counts.get(name, 0) + 1
    return named


def _states(steps: Sequence[Mapping[str, Any] | None]) -> list[StepState | None]:
    seconds = [_seconds(step) if step else None for step in steps]
    return [
        StepState(step.get("conclusion"), value, None if value is None or seconds[0] is None else value - seconds[0])
        if step
        else None
        for step, value in zip(steps, seconds, strict=True)
    ]


def _seconds(step: Mapping[str, Any]) -> float | None:
    """Null for a skipped step, for which GitHub returns times as well."""
    if step.get("conclusion") == Conclusion.SKIPPED:
        return None
    return span_seconds(parse_time(step.get("started_at")), parse_time(step.get("completed_at")))
