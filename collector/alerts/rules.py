"""When something is wrong, and when it is over. Pure."""

import re
from dataclasses import dataclass

from db.vocabulary import RuleKind

# A rate rule closes only when clearly better, or it would open and close with every run.
CLOSE_AT = 0.8
MINIMUM_DECIDED = 5


@dataclass(frozen=True)
class Threshold:
    """`3`: that many failed runs in a row; `20%`: a failure rate over the last 24 h."""

    kind: RuleKind
    value: float
    text: str


def parse_threshold(text: str) -> Threshold:
    given = text.strip()
    if re.fullmatch(r"[1-9]\d{0,2}", given, re.ASCII):
        return Threshold(RuleKind.CONSECUTIVE_FAILURES, float(given), given)
    rate = re.fullmatch(r"(\d{1,3}(?:\.\d{1,2})?)\s*%", given, re.ASCII)
    if rate and 0 < float(rate[1]) <= 100:
        return Threshold(RuleKind.FAILURE_RATE, float(rate[1]) / 100, f"{rate[1]}%")
    raise ValueError(
        f"given was {given[:20]!r}; allowed are a whole number from 1 to 999 (failed runs in a row) or a percentage "
        "such as 20% (failure rate over the last 24 h)"
    )


def fires_in_a_row(threshold: Threshold, failures: int, *, firing: bool) -> bool:
    """Opens at the threshold; once open, only a success (no failures left in a row) closes it."""
    return failures > 0 if firing else failures >= threshold.value


def fires_on_rate(threshold: Threshold, decided: int, failed: int, *, firing: bool) -> bool:
    """Opens at the threshold with at least 5 decided runs; closes below four fifths of it. With too few runs to
    say, nothing changes while there are still failures among them."""
    if decided < MINIMUM_DECIDED:
        return firing and failed > 0
    rate = failed / decided
    return rate >= threshold.value * CLOSE_AT if firing else rate >= threshold.value
