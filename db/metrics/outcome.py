"""What a conclusion means for the figures: the one place that says so."""

from db.vocabulary import Conclusion, Outcome, Status

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


def outcome_of(status: str, conclusion: str | None) -> Outcome:
    """Values that do not exist today count as OTHER: they are shown, never in a rate."""
    if status != Status.COMPLETED:
        return Outcome.IN_PROGRESS
    return _BY_CONCLUSION.get(conclusion or "", Outcome.OTHER)
