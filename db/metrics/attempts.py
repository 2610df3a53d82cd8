"""What the attempts of a run say of it: re-runs, flakiness and the first result. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from db.metrics.outcome import outcome_of
from db.vocabulary import Conclusion, Outcome


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
