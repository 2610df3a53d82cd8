"""The rule types: what each measures, its defaults and its settings. UI, API and docs take their texts from here.
Pure."""

from dataclasses import dataclass
from enum import StrEnum

from core import formatting
from db.enums import RuleKind, RuleScope
from health.insights.change_points import MIN_DROP, MIN_INCREASE, MIN_STREAKS

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
MIN_WINDOW, MAX_WINDOW = 10 * _MINUTE, 30 * _DAY
_WORKFLOW_OR_REPOSITORY = (RuleScope.WORKFLOW, RuleScope.REPOSITORY)
# The short window of a burn rate is a twelfth of the long one: Google, "The Site Reliability Workbook", chapter 5.
SHORT_WINDOW_DIVISOR = 12


class Unit(StrEnum):
    RUNS = "runs"
    SHARE = "share"
    SECONDS = "seconds"
    FACTOR = "factor"


@dataclass(frozen=True)
class RuleType:
    """`resolve_ratio`: an alert resolves below this share of the threshold, unless the rule sets `close_at`, which
    `allows_close_at` permits. `window` in seconds and `default_min_samples` in `sample_unit`; null: a rule of this type
    has none. `any_branch`: a rule that names no branch is about all of them, not about the default branch."""

    label: str
    description: str
    unit: Unit
    default_threshold: float
    min_threshold: float
    max_threshold: float
    resolve_ratio: float = 0.8
    allows_close_at: bool = True
    window: float | None = None
    default_min_samples: int | None = None
    sample_unit: str = "completed runs"
    objective: float | None = None
    scopes: tuple[RuleScope, ...] = (RuleScope.WORKFLOW,)
    any_branch: bool = False
    # False: rules of this type are about default branches, or about all branches together.
    allows_branches: bool = True
    # Seconds between two evaluations; longer where the value changes slowly and its queries cost more.
    evaluation_interval: float = 0.0


RULE_TYPES: dict[RuleKind, RuleType] = {
    RuleKind.CONSECUTIVE_FAILURES: RuleType(
        "Failed runs in a row",
        "The last completed runs of a workflow on a branch all failed; resolves with the next success",
        Unit.RUNS,
        3,
        1,
        999,
        allows_close_at=False,
    ),
    RuleKind.FAILURE_RATE: RuleType(
        "Failure rate",
        "Failed ÷ completed runs created in the window",
        Unit.SHARE,
        0.2,
        0.0001,
        1.0,
        window=_DAY,
        default_min_samples=5,
        scopes=_WORKFLOW_OR_REPOSITORY,
    ),
    RuleKind.SUCCESS_REGRESSION: RuleType(
        "Success regression",
        "The success rate over the last 7, 14 or 21 days is lower than in the days before by at least this many "
        "percentage points, and the difference is significant (Fisher's exact test, corrected for all workflows)",
        Unit.SHARE,
        MIN_DROP,
        0.01,
        1.0,
        resolve_ratio=0.5,
        default_min_samples=MIN_STREAKS,
        sample_unit="streaks of failures",
        allows_branches=False,
        evaluation_interval=300,
    ),
    RuleKind.DURATION_REGRESSION: RuleType(
        "Duration regression",
        "Successful runs became slower from one run on, by at least this share and by at least 1 minute",
        Unit.SHARE,
        MIN_INCREASE,
        MIN_INCREASE,
        100.0,
        resolve_ratio=0.5,
        allows_branches=False,
        evaluation_interval=300,
    ),
    RuleKind.QUEUE_TIME: RuleType(
        "Queue time",
        "95th percentile of the queue times of jobs queued in the window, for the runner label with the longest ones; "
        "opens when a quarter of its jobs waited at least this long",
        Unit.SECONDS,
        10 * _MINUTE,
        1,
        7 * _DAY,
        window=_HOUR,
        default_min_samples=5,
        sample_unit="jobs",
        scopes=_WORKFLOW_OR_REPOSITORY,
        any_branch=True,
        evaluation_interval=30,
    ),
    RuleKind.STUCK_RUN: RuleType(
        "Stuck run",
        "A run has not finished this long after it started",
        Unit.SECONDS,
        2 * _HOUR,
        _MINUTE,
        35 * _DAY,
        resolve_ratio=1.0,
        allows_close_at=False,
        any_branch=True,
        evaluation_interval=30,
    ),
    RuleKind.MISSING_RUN: RuleType(
        "Missing scheduled run",
        "A scheduled run (`on.schedule`) has not started this long after its due time",
        Unit.SECONDS,
        _HOUR,
        10 * _MINUTE,
        7 * _DAY,
        resolve_ratio=1.0,
        allows_close_at=False,
        allows_branches=False,
        evaluation_interval=60,
    ),
    RuleKind.FLAKY_RATE: RuleType(
        "Flaky runs",
        "Runs that failed and then passed in a re-run ÷ completed runs created in the window",
        Unit.SHARE,
        0.05,
        0.001,
        1.0,
        window=14 * _DAY,
        default_min_samples=3,
        sample_unit="flaky runs",
        any_branch=True,
        evaluation_interval=300,
    ),
    RuleKind.ERROR_BUDGET: RuleType(
        "Error-budget burn",
        "The burn rate of the error budget reaches this factor over both the window and its last twelfth",
        Unit.FACTOR,
        6,
        0.1,
        1000,
        window=6 * _HOUR,
        default_min_samples=10,
        objective=0.9,
        scopes=_WORKFLOW_OR_REPOSITORY,
        evaluation_interval=30,
    ),
    RuleKind.COLLECTOR_STALE: RuleType(
        "Stale data",
        "A repository has not been synced for this long; its other alerts may be late",
        Unit.SECONDS,
        _HOUR,
        5 * _MINUTE,
        30 * _DAY,
        resolve_ratio=1.0,
        allows_close_at=False,
        scopes=(RuleScope.REPOSITORY,),
        any_branch=True,
        allows_branches=False,
        evaluation_interval=30,
    ),
}


def format_value(kind: RuleKind, value: float) -> str:
    """A value in the unit of the rule type: 3, 20%, 10m 00s, 6×."""
    match RULE_TYPES[kind].unit:
        case Unit.RUNS:
            return f"{value:g}"
        case Unit.SHARE:
            return f"{round(value * 100, 2):g}%"
        case Unit.SECONDS:
            return formatting.duration(value)
        case Unit.FACTOR:
            return f"{round(value, 1):g}×"
