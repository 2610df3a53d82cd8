"""Outcomes of runs and attempts, re-runs, flakiness and waste. Pure."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from db.enums import Conclusion, Outcome, Status

_BY_CONCLUSION: dict[str, Outcome] = {
    Conclusion.SUCCESS: Outcome.SUCCESS,
    Conclusion.FAILURE: Outcome.FAILURE,
    Conclusion.TIMED_OUT: Outcome.FAILURE,
    Conclusion.STARTUP_FAILURE: Outcome.FAILURE,
    Conclusion.CANCELLED: Outcome.CANCELLED,
    Conclusion.SKIPPED: Outcome.SKIPPED,
}

DECIDED = (Outcome.SUCCESS, Outcome.FAILURE)
FAILED_CONCLUSIONS = tuple(name for name, outcome in _BY_CONCLUSION.items() if outcome is Outcome.FAILURE)


@lru_cache(maxsize=1_000)
def outcome_of(status: str, conclusion: str | None) -> Outcome:
    """Outcome of a run or attempt. Unknown conclusions are OTHER: they are shown, but not part of a rate."""
    if status != Status.COMPLETED:
        return Outcome.IN_PROGRESS
    return _BY_CONCLUSION.get(conclusion or "", Outcome.OTHER)


def conclusions_of(outcome: Outcome) -> tuple[str, ...]:
    """The known conclusions with this outcome; none for IN_PROGRESS."""
    return tuple(name for name in Conclusion if outcome_of(Status.COMPLETED, name) is outcome)


class WasteReason(StrEnum):
    """Why the compute of an attempt was wasted. FLAKY: it failed and a later attempt succeeded. CANCELLED: it was
    cancelled. SUPERSEDED: it was re-run without a failure, or the reason of its failure is not known yet. DEFECT: it
    failed and no later attempt succeeded, so it detected a defect; it is counted separately and is not waste."""

    FLAKY = "flaky"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    DEFECT = "defect"


class AttemptState(NamedTuple):
    """One attempt of a run, with GitHub's status and conclusion."""

    attempt: int
    status: str
    conclusion: str | None

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.status, self.conclusion)


def first_outcome(attempts: Iterable[AttemptState], latest: int) -> Outcome | None:
    """Outcome of attempt 1 if a later attempt exists; null if attempt 1 is the latest or its end is not known."""
    if latest <= 1:
        return None
    outcomes = (state.outcome for state in attempts if state.attempt == 1)
    return next((outcome for outcome in outcomes if outcome is not Outcome.IN_PROGRESS), None)


def reruns(attempts: Iterable[AttemptState], latest: int) -> int:
    """Number of later attempts except those that an approval created: the approval of a fork's pull request creates an
    attempt after one that concluded action_required and repeats nothing. Unknown attempts count as re-runs."""
    approvals = sum(state.attempt < latest and state.conclusion == Conclusion.ACTION_REQUIRED for state in attempts)
    return max(latest - 1 - approvals, 0)


def failed_then_rerun(attempts: Iterable[AttemptState], latest: int) -> bool:
    return any(state.attempt < latest and state.outcome is Outcome.FAILURE for state in attempts)


def is_flaky(attempts: Sequence[AttemptState]) -> bool:
    """An attempt failed and a later attempt of the same run succeeded."""
    failed = False
    for state in sorted(attempts):
        if failed and state.outcome is Outcome.SUCCESS:
            return True
        failed = failed or state.outcome is Outcome.FAILURE
    return False


def waste_reasons(attempts: Iterable[AttemptState], latest: int) -> dict[int, WasteReason]:
    """Reason by number of the attempts that failed, were cancelled or were superseded. An unknown earlier attempt
    counts as superseded."""
    outcomes = {state.attempt: state.outcome for state in attempts}
    last_success = max((number for number, outcome in outcomes.items() if outcome is Outcome.SUCCESS), default=0)
    running = outcomes.get(latest) is Outcome.IN_PROGRESS
    reasons: dict[int, WasteReason] = {}
    for number in range(1, latest + 1):
        outcome = outcomes.get(number)
        if outcome is Outcome.FAILURE and number < last_success:
            reasons[number] = WasteReason.FLAKY
        elif outcome is Outcome.FAILURE and (number == latest or not running):
            reasons[number] = WasteReason.DEFECT
        elif outcome is Outcome.CANCELLED:
            reasons[number] = WasteReason.CANCELLED
        elif number < latest:
            reasons[number] = WasteReason.SUPERSEDED
    return reasons
