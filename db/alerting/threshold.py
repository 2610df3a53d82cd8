"""ALERT_THRESHOLD, and the rule that it stands for."""

import re
from dataclasses import dataclass

from db.alerting.rule import Rule
from db.vocabulary import RuleKind, RuleScope, Severity

BUILT_IN_NAME = "ALERT_THRESHOLD"


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


def built_in(threshold: Threshold) -> Rule:
    """For the default branches of all repositories: each workflow by itself, or the rate of a whole repository."""
    rate = threshold.kind is RuleKind.FAILURE_RATE
    return Rule(
        name=BUILT_IN_NAME,
        kind=threshold.kind,
        open_at=threshold.value,
        per=RuleScope.REPOSITORY if rate else RuleScope.WORKFLOW,
        severity=Severity.CRITICAL,
        built_in=True,
    )
