"""A third failure in a row, told by webhook, becomes a message that names its cause. How soon is measured by
`python -m bench.alerts`, and here at length."""

from sqlalchemy import Engine

from bench.alerts import percentile
from tests.chaos.account import FULL, on
from tests.chaos.latency import CAUSE, line, name, trials

TRIALS = 100 if FULL else 2
# Of real GitHub an answer takes about that long.
LATENCY_SECONDS = 0.08 if FULL else 0.0


@on("postgresql")
def test_a_third_failure_is_told_once_in_its_turn_and_with_its_cause(engine: Engine, database_url: str) -> None:
    with line(engine, database_url, TRIALS, latency=LATENCY_SECONDS) as ours:
        found = list(trials(ours, TRIALS))
        taken = [each.text for each in ours.slack.taken]
    assert [f"scale/web · {name(place)} is failing on main" in text for place, text in enumerate(taken)] == [
        True
    ] * TRIALS
    for each in found:
        assert CAUSE in each.text
        assert "3 failed runs in a row" in each.text
        assert 0 <= each.stored <= each.applied <= each.told
    totals = [each.total for each in found]
    print(f"told after p50 {percentile(totals, 50):.2f} s, p99 {percentile(totals, 99):.2f} s, max {max(totals):.2f} s")
    if FULL:
        assert percentile(totals, 99) <= 2
