"""Which of two states comes later, where no time tells."""

from db.vocabulary import Status

# A job waits for an approval before it is queued.
_ORDER = (Status.REQUESTED, Status.PENDING, Status.WAITING, Status.QUEUED, Status.IN_PROGRESS, Status.COMPLETED)
_RANKS: dict[str, int] = {str(status): place for place, status in enumerate(_ORDER)}


def status_rank(status: str) -> int:
    """A status that GitHub invents later comes before it is running."""
    return _RANKS.get(status, _RANKS[Status.PENDING])
