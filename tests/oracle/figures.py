"""The figures of a list of runs, by the words of docs/metrics.md."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.oracle.stored import StoredRun

Found = dict[str, Any]
OUTCOMES = ("success", "failure", "cancelled", "skipped", "other", "in_progress")


@dataclass(frozen=True)
class Broken:
    """An episode: the run that began it, and for how long (null: open)."""

    first: StoredRun
    failed: datetime
    seconds: float | None


@dataclass(frozen=True)
class Filter:
    """Values of one field are alternatives; an empty field does not filter."""

    repos: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    conclusions: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    def holds(self, run: StoredRun) -> bool:
        return (
            self.is_of_sequence(run)
            and _among(run.branch, self.branches)
            and _among(run.event, self.events)
            and _among(run.actor, self.actors)
            and _among(run.conclusion, self.conclusions)
            and _among(run.status, self.statuses)
        )

    def is_of_sequence(self, run: StoredRun) -> bool:
        if (self.repos and run.repo not in self.repos) or (not self.repos and not run.monitored):
            return False
        return not self.workflows or run.workflow in self.workflows or str(run.workflow_id) in self.workflows


def _among(value: str | None, wanted: tuple[str, ...]) -> bool:
    return not wanted or value in wanted


def broken(runs: Iterable[StoredRun], asked: Filter, since: datetime, until: datetime, by: str | None) -> list[Broken]:
    """Episodes that begin in the window."""
    if by in ("actor", "runner"):
        return []
    sequences: dict[tuple[int, int, str | None], list[StoredRun]] = defaultdict(list)
    for run in runs:
        if not asked.is_of_sequence(run) or run.outcome not in ("success", "failure") or run.completed is None:
            continue
        # What was before is not known any more of other branches than default ones.
        if (
            (run.pruned and not run.on_default)
            or run.namesake
            or not (asked.branches or by == "branch" or run.on_default)
        ):
            continue
        if _among(run.branch, asked.branches):
            sequences[run.repository_id, run.workflow_id, run.branch].append(run)
    found = []
    for sequence in sequences.values():
        sequence.sort(key=lambda run: (run.created, run.id))
        before = "success"
        for place, run in enumerate(sequence):
            if run.outcome == "failure" and before == "success" and since <= run.created < until:
                ends = [later.completed for later in sequence[place + 1 :] if later.outcome == "success"]
                seconds = max((min(ends) - run.completed).total_seconds(), 0.0) if ends else None  # type: ignore[type-var,operator]
                if _among(run.event, asked.events) and _among(run.actor, asked.actors) and run.completed:
                    found.append(Broken(run, run.completed, seconds))
            before = run.outcome
    return found


def figures(runs: Sequence[StoredRun], episodes: Sequence[Broken], now: datetime) -> Found:
    number = {outcome: sum(run.outcome == outcome for run in runs) for outcome in OUTCOMES}
    decided = [run for run in runs if run.outcome in ("success", "failure")]
    passed = [run for run in decided if run.outcome == "success"]
    completed = len(runs) - number["in_progress"]
    without_cause = sum(run.outcome == "failure" and run.without_cause for run in runs)
    is_known = not number["failure"] or without_cause < number["failure"]
    infrastructure = sum(run.infrastructure for run in runs)
    firsts = [run.first for run in runs if run.first in ("success", "failure")]
    return {
        "runs": {"total": len(runs), "completed": completed, **number},
        "success_rate": _share(len(passed), len(decided)),
        "failure_rate": _share(number["failure"], len(decided)),
        "infrastructure_failures": infrastructure if is_known else None,
        "failures_without_cause": without_cause,
        "success_rate_without_infrastructure": _share(len(passed), len(decided) - infrastructure) if is_known else None,
        "failure_rate_without_infrastructure": _share(number["failure"] - infrastructure, len(decided) - infrastructure)
        if is_known
        else None,
        "duration_seconds": spread([run.duration for run in decided]),
        "success_duration_seconds": spread([run.duration for run in passed]),
        "queue_seconds": spread([run.queue for run in decided]),
        "rerun_rate": _share(sum(run.attempt > 1 and run.outcome != "in_progress" for run in runs), completed),
        "flaky_runs": sum(run.flaky for run in runs),
        "success_rate_first_attempt": _share(firsts.count("success"), len(firsts)),
        "recovery_seconds": recovery(episodes, now),
        "compute_seconds": sum(run.compute for run in runs),
        "wasted_seconds": sum(run.wasted for run in runs),
        "cost_usd": sum(run.cost for run in runs),
    }


def recovery(episodes: Sequence[Broken], now: datetime) -> Found:
    ended = [each.seconds for each in episodes if each.seconds is not None]
    ages = [max((now - each.failed).total_seconds(), 0.0) for each in episodes if each.seconds is None]
    of_ended = spread(ended)
    return {
        "mean": of_ended["mean"], "p50": of_ended["p50"], "open": len(ages), "episodes": len(episodes),
        "median_with_open": _median(ended, ages),
    }  # fmt: skip


def spread(values: Iterable[float | None]) -> dict[str, float | None]:
    known = sorted(value for value in values if value is not None)
    if not known:
        return dict.fromkeys(("mean", "p50", "p90", "p95"))
    return {"mean": sum(known) / len(known), **{f"p{each}": _at(known, each / 100) for each in (50, 90, 95)}}


def _at(ordered: list[float], fraction: float) -> float:
    place = (len(ordered) - 1) * fraction
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _median(ended: list[float], open_for: list[float]) -> float | None:
    """Kaplan-Meier: what is still open counts until it was seen last."""
    share = 1.0
    for length in sorted(set(ended)):
        lasting = sum(each >= length for each in ended) + sum(each >= length for each in open_for)
        share *= 1 - ended.count(length) / lasting
        if share <= 0.5 + 1e-12:
            return length
    return None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


KEYS: dict[str, Callable[[StoredRun], Any]] = {
    "repo": lambda run: (run.repo, None), "workflow": lambda run: (run.workflow, run.workflow_id),
    "branch": lambda run: (run.branch, None), "event": lambda run: (run.event, None),
    "actor": lambda run: (run.actor, None), "runner": lambda run: (run.runner, None),
}  # fmt: skip


def bucket(moment: datetime, interval: str) -> datetime:
    """The start of the hour, day or ISO week in UTC."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if interval == "hour":
        return hour
    day = hour.replace(hour=0)
    return day if interval == "day" else day - timedelta(days=day.weekday())
