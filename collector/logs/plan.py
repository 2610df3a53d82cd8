"""Which logs are fetched together, as the archive of a run's attempt, and which one by one. Pure."""

from collections import defaultdict
from collections.abc import Sequence

from db.queries.wanted_logs import WantedLog

# An archive costs one request instead of one a log, but holds the logs of all jobs.
ARCHIVE_FROM = 3
_WORTH = 10

Attempt = tuple[int, int]


def candidates(wanted: Sequence[WantedLog]) -> list[Attempt]:
    """Attempts (run, number), in the order given, of which enough logs are wanted for the first time. A log that was
    tried before was not in the archive, or there is none."""
    counted: dict[Attempt, int] = defaultdict(int)
    for each in wanted:
        if each.attempt_over and each.tries == 0:
            counted[each.run_id, each.attempt] += 1
    return [attempt for attempt, count in counted.items() if count >= ARCHIVE_FROM]


def worth_an_archive(wanted: int, finished: int) -> bool:
    """Not for three logs out of a hundred: the others would be downloaded for nothing."""
    return wanted >= ARCHIVE_FROM and wanted * _WORTH >= finished
