"""How long jobs wait for a runner, as a measure. Pure."""

from collections.abc import Mapping, Sequence

from db.alerting.judge import NOTHING, Measure
from db.alerting.rule import Rule
from db.insights.waits import LEAST_SHARE, LEAST_WAITED
from db.metrics.distribution import percentile_of


def longest_wait(rule: Rule, by_label: Mapping[str, Sequence[float]]) -> tuple[str, Measure]:
    """The label whose jobs waited longest, and their 95th percentile; `by_label` holds waits in seconds, ascending. It
    is certain when a quarter of the jobs, and five of them (or as many as the rule asks for), waited as long as the
    rule allows: the percentile of few jobs is one machine that was started."""
    enough = {label: waits for label, waits in by_label.items() if len(waits) >= max(rule.least, 1)}
    known = enough or {label: waits for label, waits in by_label.items() if waits}
    if not known:
        return "", NOTHING
    label = max(known, key=lambda name: (percentile_of(known[name], 0.95) or 0.0, name))
    waits = known[label]
    waited = sum(seconds >= rule.open_at for seconds in waits)
    certain = waited >= LEAST_SHARE * len(waits) and waited >= min(LEAST_WAITED, max(rule.least, 1))
    return label, Measure(percentile_of(waits, 0.95), len(waits), certain=certain)
