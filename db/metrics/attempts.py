"""What the attempts of a run say of it: re-runs, flakiness and the first result. Pure."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from db.metrics.outcome import outcome_of
from db.vocabulary import Conclusion, Outcome


class Waste(StrEnum):
    """Why the compute of an attempt served nothing. FLAKY: it failed and a later attempt succeeded. CANCELLED: it was
    cancelled. SUPERSEDED: it was re-run although it had not failed, or while nothing is known of its failure yet.
    DEFECT: it failed and no later attempt succeeded, so it found something; counted beside the others, not waste."""

    FLAKY = "flaky"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    DEFECT = "defect"


class AttemptState(NamedTuple):
    """One attempt of a run, with GitHub's words."""

    attempt: int
    status: str
    conclusion: str | None

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.status, self.conclusion)


def first_outcome(attempts: Iterable[AttemptState], latest: int) -> Outcome | None:
    """Outcome of attempt 1 where a later attempt exists; null where attempt 1 is the latest or its end is not known."""
    if latest <= 1:
        return None
    known = (each.outcome for each in attempts if each.attempt == 1 and each.outcome is not Outcome.IN_PROGRESS)
    return next(known, None)


def reruns(attempts: Iterable[AttemptState], latest: int) -> int:
    """Later attempts except those that an approval created: approving a fork's pull request makes another attempt of
    one that concluded action_required, and repeats nothing. Attempts that are not known count as re-runs."""
    approvals = sum(each.attempt < latest and each.conclusion == Conclusion.ACTION_REQUIRED for each in attempts)
    return max(latest - 1 - approvals, 0)


def failed_then_rerun(attempts: Iterable[AttemptState], latest: int) -> bool:
    return any(each.attempt < latest and each.outcome is Outcome.FAILURE for each in attempts)


def is_flaky(attempts: Sequence[AttemptState]) -> bool:
    """An attempt failed and a later attempt of the same run succeeded."""
    failed = False
    for each in sorted(attempts):
        if failed and each.outcome is Outcome.SUCCESS:
            return True
        failed = failed or each.outcome is Outcome.FAILURE
    return False


def waste_reasons(attempts: Iterable[AttemptState], latest: int) -> dict[int, Waste]:
    """By number, of the attempts that failed, were cancelled or were superseded; one reason each. An earlier attempt
    that is not known was superseded, by whatever it ended with."""
    outcomes = {each.attempt: each.outcome for each in attempts}
    last_success = max((number for number, outcome in outcomes.items() if outcome is Outcome.SUCCESS), default=0)
    running = outcomes.get(latest) is Outcome.IN_PROGRESS
    found = {}
    for number in range(1, latest + 1):
        outcome = outcomes.get(number)
        if outcome is Outcome.FAILURE and number < last_success:
            found[number] = Waste.FLAKY
        elif outcome is Outcome.FAILURE and (number == latest or not running):
            found[number] = Waste.DEFECT
        elif outcome is Outcome.CANCELLED:
            found[number] = Waste.CANCELLED
        elif number < latest:
            found[number] = Waste.SUPERSEDED
    return found
