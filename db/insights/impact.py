"""How much something that needs attention matters now: a sum of bounded terms. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from math import log2, log10

from db.vocabulary import Severity

# Points of each term at most.
BASE = {Severity.CRITICAL: 50.0, Severity.WARNING: 35.0, Severity.INFO: 15.0}
FRESH, ACTIVITY, STREAK, ACKNOWLEDGED = 30.0, 20.0, 10.0, -60.0
TONES = {Severity.CRITICAL: "red", Severity.WARNING: "orange", Severity.INFO: "blue"}
# Half of what is fresh after so long; a workflow of 1,000 runs a week, or 32 failures in a row, has all points.
_HALF_LIFE = timedelta(days=2)
_BUSY, _LONG = 1_000, 32
# A run that fails once has failed; a branch is broken when the next one fails too.
_BROKEN_FROM = 2
# No run for so long, and for so many of its usual pauses: nobody works on it.
_QUIET, _PAUSES = timedelta(days=7), 3


@dataclass(frozen=True)
class Impact:
    """`runs_a_week`: of what is affected, in the last 7 days. `failures` in a row, 0 for what does not fail."""

    severity: Severity
    age: timedelta
    runs_a_week: int
    failures: int = 0
    acknowledged: bool = False

    @property
    def score(self) -> float:
        """0 to 110, one decimal: severity + how new it is + how much runs there + failures in a row − 60 where somebody
        knows of it."""
        fresh: float = FRESH * 0.5 ** (max(self.age, timedelta()) / _HALF_LIFE)
        activity = ACTIVITY * min(log10(1 + self.runs_a_week) / log10(1 + _BUSY), 1.0)
        streak = STREAK * min(log2(max(self.failures, 1)) / log2(_LONG), 1.0)
        known = ACKNOWLEDGED if self.acknowledged else 0.0
        return round(max(BASE[self.severity] + fresh + activity + streak + known, 0.0), 1)


def severity_of_streak(failures: int, span: timedelta, idle: timedelta) -> Severity:
    """Of failures in a row, from the first to the last of which `span` passed; `idle`: since the last one. One failure
    is a warning. So is a branch on which nothing ran for a week and three of its usual pauses."""
    if failures < _BROKEN_FROM:
        return Severity.INFO if idle >= _QUIET else Severity.WARNING
    pause = span / (failures - 1)
    return Severity.WARNING if idle >= max(_QUIET, _PAUSES * pause) else Severity.CRITICAL
