"""What distinguishes the runs of a failure cause from the other runs of the same workflows. Pure.

A value, such as a runner, distinguishes a cause if it is over-represented among the runs with the cause: by one-sided
Fisher's exact test against the other runs at a level of 0.1 %, after Bonferroni's correction for the values of the
feature that occur with the cause; at least 1.5 times as frequent; and in at least five runs on which the value is
known. Repository, workflow, branch, event and hour are those of runs. Job name (without matrix values), runner, group,
label and matrix value are those of jobs: names are compared with those of all jobs without the cause, the others with
the jobs of the same name that do not have it. The jobs of a run are not independent, so that a run counts once on
either side, in equal parts for its jobs; parts are rounded against the conclusion. Actors are not compared.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from enum import StrEnum
from functools import cache
from math import ceil, floor

import numpy as np

from health.insights.statistics import fisher_exact_greater_many
from health.metrics.definitions.job_groups import group_name, matrix_values

MIN_RUNS = 5
MAX_DISTINCTIONS = 8
# Significant values of which those that occur together are merged.
_MAX_MERGED = 60
_LEVEL, _MIN_LIFT = 0.001, 1.5
# Parts of runs are sums of fractions.
_ROUNDING = 1e-9
# Names that GitHub gives to the runners of single jobs.
_HOSTED = ("GitHub Actions ", "Hosted Agent")


class Feature(StrEnum):
    """What is compared; the value is the name in texts."""

    REPOSITORY = "repository"
    WORKFLOW = "workflow"
    JOB = "job"
    BRANCH = "branch"
    EVENT = "event"
    HOUR = "hour"
    MATRIX = "matrix value"
    RUNNER = "runner"
    RUNNER_GROUP = "runner group"
    LABEL = "label"


_OF_RUNS = frozenset({Feature.REPOSITORY, Feature.WORKFLOW, Feature.BRANCH, Feature.EVENT, Feature.HOUR})


@dataclass(frozen=True)
class JobContext:
    """Where and when a job ran that passed or failed. `has_cause`: it failed with the cause. `created_at` is that of
    the run; `workflow` has the name of the repository, too. Unknown values are null or empty."""

    run_id: int
    job_id: int
    name: str
    has_cause: bool
    created_at: datetime
    branch: str | None
    event: str
    runner: str | None
    runner_group: str | None
    labels: tuple[str, ...]
    repository: str | None = None
    workflow: str | None = None


@dataclass(frozen=True)
class Distinction:
    """`values` always occur together in the jobs with the cause. `runs`: runs with the cause and these values, of the
    `known` runs with the cause of which the feature is known. `others_share`: the share of the other runs, `others`,
    with these values, from 0 to 1. `p_value` is corrected for the number of values."""

    feature: Feature
    values: tuple[str, ...]
    runs: int
    known: int
    others_share: float
    others: int
    p_value: float


@dataclass(frozen=True)
class _Side:
    """One side of the comparison: its runs with a known value, and by value their weights and their number."""

    runs: int
    weights: dict[str, float]
    counts: Counter[str]


@dataclass(frozen=True)
class _Candidate:
    """A value with its 2 × 2 table: runs with the cause and other runs, each with and without the value. `values`: the
    number of values of the feature that occur with the cause."""

    distinction: Distinction
    table: tuple[int, int, int, int]
    is_frequent: bool
    values: int


def distinctions(jobs: Sequence[JobContext], zone: tzinfo) -> list[Distinction]:
    """The distinctions of a cause, the most significant one first, at most eight. `zone`: the time zone of hours."""
    with_cause = [job for job in jobs if job.has_cause]
    if len({job.run_id for job in with_cause}) < MIN_RUNS:
        return []
    comparable = _comparable(jobs, with_cause)
    candidates = [
        candidate
        for feature in _compared_features(jobs)
        for candidate in _candidates(feature, with_cause, comparable[feature], zone)
    ]
    if not candidates:
        return []
    table = np.asarray([candidate.table for candidate in candidates], dtype=np.int64)
    p_values = fisher_exact_greater_many(*table.T)
    significant = [
        replace(candidate.distinction, p_value=float(p_value) * candidate.values)
        for candidate, p_value in zip(candidates, p_values, strict=True)
        if candidate.is_frequent and p_value * candidate.values <= _LEVEL
    ]
    significant.sort(key=lambda item: (item.p_value, -item.runs, item.others_share, item.feature, item.values))
    return _merged(significant[:_MAX_MERGED], with_cause, zone)[:MAX_DISTINCTIONS]


def feature_values(feature: Feature, job: JobContext, zone: tzinfo) -> tuple[str, ...]:
    """The values of a feature of a job; none if unknown."""
    values: Sequence[str | None] = ()
    match feature:
        case Feature.REPOSITORY:
            values = (job.repository,)
        case Feature.WORKFLOW:
            values = (job.workflow,)
        case Feature.JOB:
            values = (group_name(job.name),)
        case Feature.BRANCH:
            values = (job.branch,)
        case Feature.EVENT:
            values = (job.event,)
        case Feature.HOUR:
            values = (f"{job.created_at.astimezone(zone):%H}",)
        case Feature.MATRIX:
            values = matrix_values(job.name)
        case Feature.RUNNER:
            values = () if (job.runner or "").startswith(_HOSTED) else (job.runner,)
        case Feature.RUNNER_GROUP:
            values = (job.runner_group,)
        case Feature.LABEL:
            values = job.labels
    return tuple(dict.fromkeys(value for value in values if value))


def _compared_features(jobs: Sequence[JobContext]) -> list[Feature]:
    """All features, without the repository if each one has only one of the workflows."""
    workflows = {(job.repository, job.workflow) for job in jobs}
    is_same = len({repository for repository, _ in workflows}) == len(workflows)
    return [feature for feature in Feature if not (is_same and feature is Feature.REPOSITORY)]


def _comparable(jobs: Sequence[JobContext], with_cause: Sequence[JobContext]) -> dict[Feature, list[JobContext]]:
    """The jobs that the jobs with the cause are compared with, by feature."""
    group = cache(group_name)
    runs, names = {job.run_id for job in with_cause}, {group(job.name) for job in with_cause}
    of_runs = [job for job in jobs if job.run_id not in runs]
    without_cause = [job for job in jobs if not job.has_cause]
    of_jobs = [job for job in without_cause if group(job.name) in names]
    return {
        feature: of_runs if feature in _OF_RUNS else without_cause if feature is Feature.JOB else of_jobs
        for feature in Feature
    }


def _candidates(
    feature: Feature, with_cause: Sequence[JobContext], others: Sequence[JobContext], zone: tzinfo
) -> list[_Candidate]:
    """The values that occur in enough runs with the cause; none if there are too few runs on either side."""
    cause, other = _side(feature, with_cause, zone), _side(feature, others, zone)
    if min(cause.runs, other.runs) < MIN_RUNS:
        return []
    candidates: list[_Candidate] = []
    for value, count in cause.counts.items():
        if count < MIN_RUNS:
            continue
        weight, expected = cause.weights[value], other.weights.get(value, 0.0)
        share = min(expected / other.runs, 1.0)
        frequent, rounded = floor(weight + _ROUNDING), min(ceil(expected - _ROUNDING), other.runs)
        candidates.append(
            _Candidate(
                Distinction(feature, (value,), count, cause.runs, share, other.runs, 1.0),
                (frequent, cause.runs - frequent, rounded, other.runs - rounded),
                weight / cause.runs >= _MIN_LIFT * share,
                len(cause.counts),
            )
        )
    return candidates


def _side(feature: Feature, jobs: Sequence[JobContext], zone: tzinfo) -> _Side:
    """The runs of jobs with known values. Each run has the weight 1, in equal parts for its jobs."""
    by_run: dict[int, list[tuple[str, ...]]] = defaultdict(list)
    for job in jobs:
        if values := feature_values(feature, job, zone):
            by_run[job.run_id].append(values)
    weights: dict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    for of_jobs in by_run.values():
        for values in of_jobs:
            for value in values:
                weights[value] += 1 / len(of_jobs)
        counts.update({value for values in of_jobs for value in values})
    return _Side(len(by_run), weights, counts)


def _merged(items: Sequence[Distinction], with_cause: Sequence[JobContext], zone: tzinfo) -> list[Distinction]:
    """The distinctions, with one for the values of a feature that occur in the same jobs with the cause and equally
    often in the others, such as the labels of one runner."""
    jobs: dict[tuple[Feature, str], set[int]] = {(item.feature, item.values[0]): set() for item in items}
    for feature in {item.feature for item in items}:
        for job in with_cause:
            for value in feature_values(feature, job, zone):
                if (feature, value) in jobs:
                    jobs[feature, value].add(job.job_id)
    merged: dict[tuple[Feature, frozenset[int], float], Distinction] = {}
    for item in items:
        key = item.feature, frozenset(jobs[item.feature, item.values[0]]), round(item.others_share, 9)
        first = merged.get(key)
        merged[key] = replace(first, values=(*first.values, *item.values)) if first else item
    return list(merged.values())
