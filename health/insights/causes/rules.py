"""Own rules: users name the cause of a failure by a text or an expression in the output of the failed step. Pure.

The rules of a log are tried in the order of their ids, the oldest first, and the first that matches names its cause.
Texts and expressions (RE2) match within lines and ignore case, as in the log search."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase

from core.regular_expressions import Expression, InvalidExpression
from core.text import CONTROL_CHARACTERS
from health.insights.causes.identity import LENGTH
from health.insights.causes.lines import display_line
from health.insights.causes.model import CauseClass
from health.insights.causes.step_output import NumberedLine, StepOutput
from health.log_search.query import InvalidQuery, LogQuery
from health.log_search.trigrams import Trigrams, fold, searchable_text
from health.metrics.definitions.job_groups import group_name

# Every rule is tried with every failed job.
MAX_RULES = 100
MAX_NAME_LENGTH = 200
# Globs of one field, and the characters of each.
MAX_GLOBS, MAX_GLOB_LENGTH = 50, 200
# The tool of a cause that an own rule names.
TOOL = "rule"
# Instructions of a compiled expression, each of which may take time for each byte.
_MAX_PROGRAM = 2_000
# Expressions are matched in parts of about this number of bytes, so that the work can be interrupted in between.
_PART_BYTES = 1 << 13


class InvalidCauseRule(ValueError):
    """`field` has an invalid value; the message is one line that states what is allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class CauseRule:
    """A failed job whose failed step prints a line with `pattern` fails because of `name`, of the class `kind`.
    `repositories`, `jobs` and `steps` are globs (`*`, `?`, `[abc]`; `*` also matches slashes); without any, all match.
    A job matches by its name with or without the values of its matrix. `id` is null until the rule is stored.
    `applied_at`: when the collector had applied the last change to the stored logs; null while that is in progress."""

    name: str
    pattern: str
    kind: CauseClass
    is_expression: bool = False
    repositories: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    enabled: bool = True
    id: int | None = None
    created_at: datetime | None = None
    created_by: str | None = None
    updated_at: datetime | None = None
    applied_at: datetime | None = None

    def covers(self, repo: str, job: str, step: str | None) -> bool:
        """`step`: the name of the failed step; an unknown one matches only a rule for all steps."""
        return self.covers_repository(repo) and self.covers_job(job) and _matches(self.steps, step)

    def covers_repository(self, repo: str) -> bool:
        return _matches(self.repositories, repo.lower(), ignore_case=True)

    def covers_job(self, job: str) -> bool:
        return _matches(self.jobs, job) or _matches(self.jobs, group_name(job))


def _matches(globs: Sequence[str], name: str | None, *, ignore_case: bool = False) -> bool:
    if not globs or "*" in globs:
        return True
    return name is not None and any(fnmatchcase(name, glob.lower() if ignore_case else glob) for glob in globs)


def validate_rule(rule: CauseRule) -> CauseRule:
    """The rule with a normalised name and without repeated globs; raises InvalidCauseRule for the first invalid
    field."""
    if not rule.name.strip() or len(rule.name) > MAX_NAME_LENGTH or CONTROL_CHARACTERS.search(rule.name):
        raise InvalidCauseRule("name", f"expected 1 to {MAX_NAME_LENGTH} printable characters")
    _Matcher(rule)
    for name in ("repositories", "jobs", "steps"):
        _check_globs(name, getattr(rule, name))
    return replace(
        rule,
        name=" ".join(rule.name.split()),
        repositories=tuple(dict.fromkeys(rule.repositories)),
        jobs=tuple(dict.fromkeys(rule.jobs)),
        steps=tuple(dict.fromkeys(rule.steps)),
    )


def _check_globs(name: str, globs: Sequence[str]) -> None:
    if len(globs) > MAX_GLOBS:
        raise InvalidCauseRule(name, f"expected at most {MAX_GLOBS} patterns; got {len(globs)}")
    for glob in globs:
        if not glob.strip() or len(glob) > MAX_GLOB_LENGTH or CONTROL_CHARACTERS.search(glob):
            raise InvalidCauseRule(name, f"each pattern must have 1 to {MAX_GLOB_LENGTH} printable characters")


def trigram_alternatives(rule: CauseRule) -> list[Trigrams]:
    """What the log search index requires of a matching log, as LogQuery.alternatives."""
    return LogQuery(rule.pattern, is_expression=rule.is_expression, case_sensitive=False).alternatives


def rule_fingerprint(rule_id: int) -> str:
    """The fingerprint of the causes that a rule names: it does not change with the name of the rule."""
    return hashlib.sha256(f"{TOOL} {rule_id}".encode()).hexdigest()[:LENGTH]


@dataclass(frozen=True)
class RuleMatch:
    """The first matching line of the failed step. `line_number` counts from 1; null for a line that is no line of the
    log. `line` is as causes show it."""

    rule: CauseRule
    line: str
    line_number: int | None


class RuleSet:
    """Enabled rules, compiled, the oldest first."""

    def __init__(self, rules: Iterable[CauseRule]) -> None:
        """Rules that this version does not accept are left out."""
        self._matchers = list(_compile(sorted(rules, key=lambda rule: rule.id or 0)))

    def __bool__(self) -> bool:
        return bool(self._matchers)

    @property
    def rules(self) -> list[CauseRule]:
        return [matcher.rule for matcher in self._matchers]

    def covering(self, repo: str, job: str, step: str | None) -> "RuleSet":
        """The rules that apply to the failed step of a job of a repository. Empty (false) if its log need not be
        read."""
        selected = RuleSet(())
        selected._matchers = [matcher for matcher in self._matchers if matcher.rule.covers(repo, job, step)]
        return selected

    def matching(self, text: str, check: Callable[[], None]) -> "RuleSet":
        """The rules that match anywhere in a log. All others do not match the output of a step, which takes more time
        to select."""
        log = StepOutput(((None, searchable_text(text)),))
        selected = RuleSet(())
        selected._matchers = [matcher for matcher in self._matchers if matcher.position(log, check) >= 0]
        return selected

    def match(self, output: StepOutput, check: Callable[[], None]) -> RuleMatch | None:
        """The first rule that matches the output. `check` is called between parts of the work and may raise to
        interrupt it."""
        for matcher in self._matchers:
            line = matcher.first_line(output, check)
            if line is not None:
                return RuleMatch(matcher.rule, display_line(line[1]), line[0])
        return None


def _compile(rules: Iterable[CauseRule]) -> Iterator["_Matcher"]:
    for rule in rules:
        if rule.enabled:
            try:
                yield _Matcher(rule)
            except InvalidCauseRule:
                continue


@dataclass
class _Matcher:
    """Raises InvalidCauseRule for an invalid pattern."""

    rule: CauseRule
    _needle: str = field(init=False, default="")
    _expression: Expression | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        try:
            LogQuery(self.rule.pattern, is_expression=self.rule.is_expression, case_sensitive=False)
            if not self.rule.is_expression:
                self._needle = fold(self.rule.pattern)
                return
            self._expression = Expression(self.rule.pattern, case_sensitive=False)
        except (InvalidQuery, InvalidExpression) as error:
            raise InvalidCauseRule("pattern", str(error)) from None
        if self._expression.program_size > _MAX_PROGRAM:
            raise InvalidCauseRule(
                "pattern", "the expression is too complex; shorten it or lower the numbers of its repetitions"
            )

    def first_line(self, output: StepOutput, check: Callable[[], None]) -> NumberedLine | None:
        """The first matching line."""
        position = self.position(output, check)
        if position < 0:
            return None
        return output.at_character(position) if self._expression is None else output.at_byte(position)

    def position(self, output: StepOutput, check: Callable[[], None]) -> int:
        """Of the first match: in `folded` of a text, in `encoded` of an expression; -1 without one."""
        check()
        if self._expression is None:
            return output.folded.find(self._needle)
        return _first_match(self._expression, output.encoded, check)


def _first_match(expression: Expression, data: bytes, check: Callable[[], None]) -> int:
    """The first byte of the first match that is not empty; -1 without one."""
    start = 0
    while start < len(data):
        check()
        end = data.find(b"\n", start + _PART_BYTES)
        part = data[start : end + 1 if end >= 0 else len(data)]
        for first, last in expression.spans(part):
            if last > first:
                return start + first
        start += len(part)
    return -1
