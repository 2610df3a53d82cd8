"""The kinds of rules: what each measures, its usual thresholds, and what can be set. UI, API and docs take the words
from here."""

from dataclasses import dataclass
from enum import StrEnum

from core import formatting
from db.enums import RuleKind, RuleScope

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
SHORTEST_WINDOW, LONGEST_WINDOW = 10 * _MINUTE, 30 * _DAY
_BOTH = (RuleScope.WORKFLOW, RuleScope.REPOSITORY)
# The short window of a burn rate is a twelfth of the long one: Google, "The Site Reliability Workbook", chapter 5.
SHORT_SHARE = 12


class Unit(StrEnum):
    RUNS = "runs"
    SHARE = "share"
    SECONDS = "seconds"
    FACTOR = "factor"


@dataclass(frozen=True)
class Kind:
    """`close_share` of the threshold that opens is where it closes unless a rule says otherwise; `closes`: whether a
    rule may say. `window` in seconds, `minimum` of what `sample` says: null where a rule has none. `any_branch`: a rule
    that names no branch means all of them, not the default branch."""

    label: str
    meaning: str
    unit: Unit
    open_at: float
    lowest: float
    highest: float
    close_share: float = 0.8
    closes: bool = True
    window: float | None = None
    minimum: int | None = None
    sample: str = "decided runs"
    objective: float | None = None
    scopes: tuple[RuleScope, ...] = (RuleScope.WORKFLOW,)
    any_branch: bool = False
    # Whether a rule may name branches; the others are about default branches.
    branches: bool = True
    # Seconds between two looks: what changes slowly and costs more is looked at less often.
    every: float = 0.0


KINDS: dict[RuleKind, Kind] = {
    RuleKind.CONSECUTIVE_FAILURES: Kind(
        "Failed runs in a row", "The last decided runs of a workflow on a branch all failed; closes with the next "
        "success", Unit.RUNS, 3, 1, 999, closes=False,
    ),
    RuleKind.FAILURE_RATE: Kind(
        "Failure rate", "Failed ÷ decided runs created in the window", Unit.SHARE, 0.2, 0.0001, 1.0, window=_DAY,
        minimum=5, scopes=_BOTH,
    ),
    RuleKind.SUCCESS_REGRESSION: Kind(
        "Success regression", "The success rate of the last 7, 14 or 21 days is worse than that of the days before by "
        "so many points, and not by chance (Fisher's exact test, among all workflows)", Unit.SHARE, 0.05, 0.01, 1.0,
        close_share=0.5, minimum=3, sample="streaks of failures", branches=False, every=300,
    ),
    RuleKind.DURATION_REGRESSION: Kind(
        "Duration regression", "Runs take longer since one of them, by at least this share and a minute",
        Unit.SHARE, 0.2, 0.2, 100.0, close_share=0.5, branches=False, every=300,
    ),
    RuleKind.QUEUE_TIME: Kind(
        "Queue time", "The 95th percentile of the waits of jobs queued in the window, of the runner label whose jobs "
        "waited longest; opens when a quarter of them waited so long", Unit.SECONDS, 10 * _MINUTE, 1, 7 * _DAY,
        window=_HOUR, minimum=5, sample="jobs", scopes=_BOTH, any_branch=True, every=30,
    ),
    RuleKind.STUCK_RUN: Kind(
        "Stuck run", "A run has not ended this long after it started", Unit.SECONDS, 2 * _HOUR, _MINUTE, 35 * _DAY,
        close_share=1.0, closes=False, any_branch=True, every=30,
    ),
    RuleKind.MISSING_RUN: Kind(
        "Missing scheduled run", "A run that `on.schedule` promises did not come within this time", Unit.SECONDS,
        _HOUR, 10 * _MINUTE, 7 * _DAY, close_share=1.0, closes=False, branches=False, every=60,
    ),
    RuleKind.FLAKY_RATE: Kind(
        "Flaky runs", "Runs that failed and then passed when run again ÷ decided runs created in the window",
        Unit.SHARE, 0.05, 0.001, 1.0, window=14 * _DAY, minimum=3, sample="flaky runs", any_branch=True, every=300,
    ),
    RuleKind.ERROR_BUDGET: Kind(
        "Error-budget burn", "Failures use up the error budget so many times as fast as the objective allows, over the "
        "window and over its last twelfth", Unit.FACTOR, 6, 0.1, 1000, window=6 * _HOUR, minimum=10, objective=0.9,
        scopes=_BOTH, every=30,
    ),
    RuleKind.COLLECTOR_STALE: Kind(
        "Stale data", "A repository was not read for this long, so that its alerts may be late", Unit.SECONDS, _HOUR,
        5 * _MINUTE, 30 * _DAY, close_share=1.0, closes=False, scopes=(RuleScope.REPOSITORY,), any_branch=True,
        branches=False, every=30,
    ),
}  # fmt: skip


def written(kind: RuleKind, value: float) -> str:
    """A value of this kind for people: 3, 20%, 10m 00s, 6×."""
    match KINDS[kind].unit:
        case Unit.RUNS:
            return f"{value:g}"
        case Unit.SHARE:
            return f"{round(value * 100, 2):g}%"
        case Unit.SECONDS:
            return formatting.duration(value)
        case Unit.FACTOR:
            return f"{round(value, 1):g}×"
