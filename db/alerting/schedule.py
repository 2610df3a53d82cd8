"""When a scheduled run was due. Pure. GitHub's schedules are UTC (docs.github.com, "Events that trigger workflows")."""

from collections.abc import Iterable
from datetime import datetime

from cronsim import CronSim, CronSimError


def last_due(crons: Iterable[str], before: datetime) -> datetime | None:
    """The latest time before that at which one of the lines holds; lines that are none are left out."""
    return max((due for line in crons if (due := _last(line, before))), default=None)


def _last(line: str, before: datetime) -> datetime | None:
    try:
        return next(CronSim(line, before, reverse=True), None)
    except CronSimError:
        return None
