"""Does a rule fire? Pure: a measure, two thresholds and a smallest sample."""

from typing import NamedTuple

from db.alerting.rule import Rule
from db.vocabulary import RuleKind


class Measure(NamedTuple):
    """What a rule sees of one place at one moment. `value` null: nothing to say. `sample`: on how many runs it stands.
    `recent`: for a burn rate, that of the short window; null where nothing was decided in it. `certain`: for a
    regression, that it is not by chance."""

    value: float | None
    sample: int = 0
    recent: float | None = None
    certain: bool = True


NOTHING = Measure(None)


def fires(rule: Rule, measure: Measure, *, firing: bool) -> bool:
    """Opens at one threshold, closes below another, so that it does not open and close with every run. With too small
    a sample to say, nothing changes while there is still something bad in it."""
    if measure.value is None:
        return False
    if measure.sample < rule.least:
        return firing and measure.value > 0
    if rule.kind is RuleKind.ERROR_BUDGET:
        return _burns(rule, measure.value, measure.recent, firing=firing)
    if firing:
        return measure.value >= rule.closes_at
    return measure.certain and measure.value >= rule.open_at


def _burns(rule: Rule, long: float, short: float | None, *, firing: bool) -> bool:
    """Both windows: the long one says that it matters, the short one that it still goes on (Google, "The Site
    Reliability Workbook", chapter 5, "Multiwindow, Multi-Burn-Rate Alerts"). Without a decided run in the short one
    nothing opens, and what is open goes on by the long one."""
    limit = rule.closes_at if firing else rule.open_at
    if short is None:
        return firing and long >= limit
    return long >= limit and short >= limit
