"""Alert rules: their fields and validation, and the built-in rule of ALERT_THRESHOLD. Pure."""

import dataclasses
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from core.text import CONTROL_CHARACTERS
from db.enums import RuleKind, RuleScope, Severity
from health.alerts.rules import targets
from health.alerts.rules.targets import MATCH_ALL, Patterns, matches
from health.alerts.rules.types import MAX_WINDOW, MIN_WINDOW, RULE_TYPES, RuleType, format_value

MAX_NAME_LENGTH = 200
MIN_REPEAT, MAX_REPEAT = 300.0, 30 * 86400.0


class InvalidRule(ValueError):
    """`field` has an invalid value; the message says what is allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Rule:
    """Times are seconds, shares 0 to 1. `id` is null until the rule is stored. Without `channels` all configured ones
    are used; without `repeat_seconds` an alert is notified once. Other fields that are null have the default of the
    rule type. Properties that a backtest reads for each run are cached.

    `teams`: keys of teams; the rule covers only what one of them owns, which is `owned`
    (health.teams.owners.owned_targets), read for an evaluation."""

    name: str
    kind: RuleKind
    open_at: float
    close_at: float | None = None
    window_seconds: float | None = None
    minimum: int | None = None
    objective: float | None = None
    per: RuleScope = RuleScope.WORKFLOW
    scope: Patterns = MATCH_ALL
    severity: Severity = Severity.WARNING
    channels: tuple[str, ...] = ()
    repeat_seconds: float | None = None
    enabled: bool = True
    built_in: bool = False
    id: int | None = None
    updated_at: datetime | None = None
    teams: tuple[str, ...] = ()
    owned: Mapping[str, Collection[str | None]] | None = dataclasses.field(default=None, compare=False, repr=False)

    @cached_property
    def rule_type(self) -> RuleType:
        return RULE_TYPES[self.kind]

    @cached_property
    def resolve_threshold(self) -> float:
        """An alert goes on firing while the value is at least this."""
        if self.kind is RuleKind.CONSECUTIVE_FAILURES:
            return 1.0
        return self.close_at if self.close_at is not None else self.open_at * self.rule_type.resolve_ratio

    @cached_property
    def effective_window(self) -> float:
        """Seconds; 0 for a rule type without a window."""
        return self.window_seconds or self.rule_type.window or 0.0

    @cached_property
    def min_samples(self) -> int:
        """The smallest sample that may open an alert."""
        return self.minimum if self.minimum is not None else self.rule_type.default_min_samples or 0

    @cached_property
    def budget(self) -> float:
        """The error budget: the share of completed runs that may fail."""
        return 1 - (self.objective or self.rule_type.objective or 0.0)

    @property
    def default_branch(self) -> bool:
        """Whether the rule is about the default branch of each repository, whatever its name."""
        return not self.scope.branches and not self.rule_type.any_branch

    @property
    def any_branch(self) -> bool:
        return "*" in self.scope.branches or (not self.scope.branches and self.rule_type.any_branch)

    @property
    def threshold(self) -> str:
        """At most 20 characters."""
        return format_value(self.kind, self.open_at)[:20]

    @property
    def is_limited(self) -> bool:
        """Whether the rule names repositories or teams."""
        return bool(self.scope.repos or self.teams)

    def covers_repository(self, repo: str) -> bool:
        """Whether the rule covers the repository, or a workflow of it. Without `owned`, a rule with teams covers
        nothing."""
        is_owned = not self.teams or repo in (self.owned or ())
        return is_owned and matches(self.scope.repos, repo, ignore_case=True)

    def covers(self, repo: str, workflow: str | None = None) -> bool:
        if not self.covers_repository(repo):
            return False
        if self.per is RuleScope.REPOSITORY:
            return not self.teams or None in (self.owned or {})[repo]
        is_owned = not self.teams or workflow in (self.owned or {})[repo]
        return is_owned and matches(self.scope.workflows, workflow)


def validate_rule(rule: Rule) -> Rule:
    """The rule with normalised name and channels; raises InvalidRule for the first invalid field."""
    _check_name(rule.name)
    spec = RULE_TYPES[rule.kind]
    _check_range("open_at", rule.kind, rule.open_at, spec.min_threshold, spec.max_threshold)
    if spec.unit == "runs" and rule.open_at != int(rule.open_at):
        raise InvalidRule("open_at", f"invalid value {rule.open_at:g}; expected a whole number of runs")
    _check_close_at(rule, spec)
    _check_sample(rule, spec)
    if rule.per not in spec.scopes:
        raise InvalidRule("per", f"a rule of this type applies to one {' or '.join(spec.scopes)}")
    if rule.per is RuleScope.REPOSITORY and rule.scope.workflows:
        raise InvalidRule("workflows", "a rule per repository does not accept workflows; omit them")
    if rule.scope.branches and not spec.allows_branches:
        raise InvalidRule("branches", "a rule of this type does not accept branches; omit them")
    for name in ("repos", "workflows", "branches"):
        check_patterns(name, getattr(rule.scope, name))
    if len(rule.teams) > targets.MAX_PATTERNS:
        raise InvalidRule("teams", f"at most {targets.MAX_PATTERNS} teams")
    if rule.repeat_seconds is not None and not MIN_REPEAT <= rule.repeat_seconds <= MAX_REPEAT:
        raise InvalidRule("repeat_seconds", "expected 300 seconds to 30 days, or null for no repeats")
    channels, teams = tuple(dict.fromkeys(rule.channels)), tuple(dict.fromkeys(rule.teams))
    return replace(rule, name=" ".join(rule.name.split()), channels=channels, teams=teams)


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME_LENGTH or CONTROL_CHARACTERS.search(name):
        raise InvalidRule("name", f"expected 1 to {MAX_NAME_LENGTH} printable characters")


def _check_range(field: str, kind: RuleKind, value: float, lowest: float, highest: float) -> None:
    if not math.isfinite(value) or not lowest <= value <= highest:
        allowed = f"{lowest:g} ({format_value(kind, lowest)}) to {highest:g} ({format_value(kind, highest)})"
        raise InvalidRule(field, f"invalid value {value:g}; expected {allowed}")


def _check_close_at(rule: Rule, spec: RuleType) -> None:
    if rule.close_at is None:
        return
    if not spec.allows_close_at:
        raise InvalidRule("close_at", "a rule of this type has no resolve threshold; omit it")
    if not 0 < rule.close_at <= rule.open_at:
        raise InvalidRule("close_at", f"invalid value {rule.close_at:g}; expected more than 0 and at most open_at")


def _check_sample(rule: Rule, spec: RuleType) -> None:
    defaults = {"window_seconds": spec.window, "minimum": spec.default_min_samples, "objective": spec.objective}
    for field, default in defaults.items():
        if getattr(rule, field) is not None and default is None:
            raise InvalidRule(field, "a rule of this type does not have this setting; omit it")
    if rule.window_seconds is not None and not MIN_WINDOW <= rule.window_seconds <= MAX_WINDOW:
        raise InvalidRule("window_seconds", "expected 600 seconds to 30 days")
    if rule.minimum is not None and not 1 <= rule.minimum <= 100_000:
        raise InvalidRule("minimum", f"expected 1 to 100000 {spec.sample_unit}")
    if rule.objective is not None and not 0.5 <= rule.objective <= 0.9999:
        raise InvalidRule("objective", "expected a success rate from 0.5 to 0.9999")


def check_patterns(field: str, values: Sequence[str]) -> None:
    """Raises InvalidRule for too many, empty, too long or unprintable patterns."""
    if len(values) > targets.MAX_PATTERNS:
        raise InvalidRule(field, f"at most {targets.MAX_PATTERNS} patterns")
    for pattern in values:
        if not pattern.strip() or len(pattern) > targets.MAX_LENGTH or CONTROL_CHARACTERS.search(pattern):
            raise InvalidRule(
                field, f"a pattern is empty, longer than {targets.MAX_LENGTH} characters or not printable"
            )


BUILT_IN_NAME = "ALERT_THRESHOLD"


@dataclass(frozen=True)
class Threshold:
    """ALERT_THRESHOLD. `3`: failed runs in a row; `20%`: a failure rate over the last 24 h."""

    kind: RuleKind
    value: float
    text: str


def parse_threshold(text: str) -> Threshold:
    """Raises ValueError with a message that states the expected form."""
    given = text.strip()
    if re.fullmatch(r"[1-9]\d{0,2}", given, re.ASCII):
        return Threshold(RuleKind.CONSECUTIVE_FAILURES, float(given), given)
    rate = re.fullmatch(r"(\d{1,3}(?:\.\d{1,2})?)\s*%", given, re.ASCII)
    if rate and 0 < float(rate[1]) <= 100:
        return Threshold(RuleKind.FAILURE_RATE, float(rate[1]) / 100, f"{rate[1]}%")
    raise ValueError(
        f"invalid value {given[:20]!r}; expected a whole number from 1 to 999 (failed runs in a row) or a percentage "
        "such as 20% (failure rate over the last 24 h)"
    )


def built_in(threshold: Threshold) -> Rule:
    """The rule for the default branches of all repositories: failures in a row of each workflow, or the failure rate of
    each repository."""
    rate = threshold.kind is RuleKind.FAILURE_RATE
    return Rule(
        name=BUILT_IN_NAME,
        kind=threshold.kind,
        open_at=threshold.value,
        per=RuleScope.REPOSITORY if rate else RuleScope.WORKFLOW,
        severity=Severity.CRITICAL,
        built_in=True,
    )
