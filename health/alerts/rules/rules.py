"""A rule: what is measured where, and from which value on somebody is told.

ALERT_THRESHOLD, and the rule that it stands for.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from db.enums import RuleKind, RuleScope, Severity
from health.alerts.rules import targets
from health.alerts.rules.targets import EVERYWHERE, Patterns, matches
from health.alerts.rules.types import KINDS, LONGEST_WINDOW, SHORTEST_WINDOW, Kind, written

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
LONGEST_NAME = 200
SHORTEST_REPEAT, LONGEST_REPEAT = 300.0, 30 * 86400.0


class BadRule(ValueError):
    """`field` cannot be used as it is; the message says what is allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Rule:
    """Times in seconds, shares from 0 to 1. `id` is null until it is stored. No `channels`: all that are configured.
    `repeat_seconds` null: told once. What is null or empty otherwise is the kind's usual value."""

    name: str
    kind: RuleKind
    open_at: float
    close_at: float | None = None
    window_seconds: float | None = None
    minimum: int | None = None
    objective: float | None = None
    per: RuleScope = RuleScope.WORKFLOW
    scope: Patterns = EVERYWHERE
    severity: Severity = Severity.WARNING
    channels: tuple[str, ...] = ()
    repeat_seconds: float | None = None
    enabled: bool = True
    built_in: bool = False
    id: int | None = None
    updated_at: datetime | None = None

    @property
    def spec(self) -> Kind:
        return KINDS[self.kind]

    @property
    def closes_at(self) -> float:
        """It goes on firing while the value is at least this."""
        if self.kind is RuleKind.CONSECUTIVE_FAILURES:
            return 1.0
        return self.close_at if self.close_at is not None else self.open_at * self.spec.close_share

    @property
    def window(self) -> float:
        """Seconds; 0 for a kind without one."""
        return self.window_seconds or self.spec.window or 0.0

    @property
    def least(self) -> int:
        """The smallest sample that may open an alert."""
        return self.minimum if self.minimum is not None else self.spec.minimum or 0

    @property
    def budget(self) -> float:
        """The share of decided runs that may fail."""
        return 1 - (self.objective or self.spec.objective or 0.0)

    @property
    def default_branch(self) -> bool:
        """Is it about the default branch of each repository, whatever that is called?"""
        return not self.scope.branches and not self.spec.any_branch

    @property
    def any_branch(self) -> bool:
        return "*" in self.scope.branches or (not self.scope.branches and self.spec.any_branch)

    @property
    def threshold(self) -> str:
        """At most 20 characters."""
        return written(self.kind, self.open_at)[:20]

    def covers(self, repo: str, workflow: str | None = None) -> bool:
        return matches(self.scope.repos, repo, fold=True) and (
            self.per is RuleScope.REPOSITORY or matches(self.scope.workflows, workflow)
        )


def checked(rule: Rule) -> Rule:
    """The rule with its text tidied; raises BadRule for the first thing that cannot be used."""
    _check_name(rule.name)
    spec = KINDS[rule.kind]
    _between("open_at", rule.kind, rule.open_at, spec.lowest, spec.highest)
    if spec.unit == "runs" and rule.open_at != int(rule.open_at):
        raise BadRule("open_at", f"given was {rule.open_at:g}; allowed is a whole number of runs")
    _check_closing(rule, spec)
    _check_sample(rule, spec)
    if rule.per not in spec.scopes:
        raise BadRule("per", f"a rule of this kind is about one {' or '.join(spec.scopes)}")
    if rule.per is RuleScope.REPOSITORY and rule.scope.workflows:
        raise BadRule("workflows", "a rule about whole repositories cannot name workflows; leave them out")
    if rule.scope.branches and not spec.branches:
        raise BadRule("branches", "a rule of this kind names no branches; leave them out")
    for field in ("repos", "workflows", "branches"):
        check_patterns(field, getattr(rule.scope, field))
    if rule.repeat_seconds is not None and not SHORTEST_REPEAT <= rule.repeat_seconds <= LONGEST_REPEAT:
        raise BadRule("repeat_seconds", "allowed are 300 seconds to 30 days, or null for no repeats")
    return replace(rule, name=" ".join(rule.name.split()), channels=tuple(dict.fromkeys(rule.channels)))


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > LONGEST_NAME or _CONTROL.search(name):
        raise BadRule("name", f"allowed are 1 to {LONGEST_NAME} printable characters")


def _between(field: str, kind: RuleKind, value: float, lowest: float, highest: float) -> None:
    if not math.isfinite(value) or not lowest <= value <= highest:
        allowed = f"{lowest:g} ({written(kind, lowest)}) to {highest:g} ({written(kind, highest)})"
        raise BadRule(field, f"given was {value:g}; allowed is {allowed}")


def _check_closing(rule: Rule, spec: Kind) -> None:
    if rule.close_at is None:
        return
    if not spec.closes:
        raise BadRule("close_at", "a rule of this kind closes by itself; leave it out")
    if not 0 < rule.close_at <= rule.open_at:
        raise BadRule("close_at", f"given was {rule.close_at:g}; allowed is more than 0 and at most open_at")


def _check_sample(rule: Rule, spec: Kind) -> None:
    for field, usual in (
        ("window_seconds", spec.window), ("minimum", spec.minimum), ("objective", spec.objective),
    ):  # fmt: skip
        if getattr(rule, field) is not None and usual is None:
            raise BadRule(field, "a rule of this kind has none; leave it out")
    if rule.window_seconds is not None and not SHORTEST_WINDOW <= rule.window_seconds <= LONGEST_WINDOW:
        raise BadRule("window_seconds", "allowed are 600 seconds to 30 days")
    if rule.minimum is not None and not 1 <= rule.minimum <= 100_000:
        raise BadRule("minimum", f"allowed are 1 to 100000 {spec.sample}")
    if rule.objective is not None and not 0.5 <= rule.objective <= 0.9999:
        raise BadRule("objective", "allowed is a success rate from 0.5 to 0.9999")


def check_patterns(field: str, listed: Sequence[str]) -> None:
    """Raises BadRule."""
    if len(listed) > targets.MOST:
        raise BadRule(field, f"at most {targets.MOST} patterns")
    for each in listed:
        if not each.strip() or len(each) > targets.LONGEST or _CONTROL.search(each):
            raise BadRule(field, f"a pattern is empty, longer than {targets.LONGEST} characters or not printable")


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
