"""The cause that an own rule names, in front of those that the log names. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from db.definitions.records import CauseRecord
from db.enums import CauseSource
from health.insights.causes.job_causes import FailedJob
from health.insights.causes.rules import TOOL, RuleMatch, RuleSet, rule_fingerprint
from health.insights.causes.step_output import output_of_lines, step_output

Causes = tuple[CauseRecord, ...]
# CPU time for the rules of one log, in seconds, and what is logged beyond it: repository, job and limit. The causes are
# then those without rules.
RULES_CPU_SECONDS = 1.0
RULES_TOO_SLOW = (
    "%s: rules for failure causes are not applied to the log of job %s: they took more than %g s of CPU time; simplify "
    "their expressions"
)


def match_log(
    rules: RuleSet, job: FailedJob, text: str, others: Iterable[str], check: Callable[[], None]
) -> RuleMatch | None:
    """The first rule that matches the output of the failed step in a log, or else one of the `others`: lines of other
    sources, such as annotations. `check` may raise to interrupt the work."""
    covering = rules.covering(job.repository, job.name, job.step_name)
    if not covering:
        return None
    lines = list(others)
    candidates = covering.matching("\n".join((text, *lines)), check)
    if not candidates:
        return None
    return candidates.match(step_output(text.splitlines(), job.step, check).with_lines(lines), check)


def with_rule(rules: RuleSet, job: FailedJob, text: str, causes: Causes, *, check: Callable[[], None]) -> Causes:
    """The causes of a failed job with that of the first rule that matches its log or their lines in front."""
    return prepend(match_log(rules, job, text, (cause.line for cause in causes), check), causes)


def match_excerpt(
    rules: RuleSet, job: FailedJob, excerpt: Sequence[str], first_line: int | None, others: Iterable[str],
    check: Callable[[], None],
) -> RuleMatch | None:  # fmt: skip
    """As match_log, for the excerpt of a log. `first_line`: the number of its first line."""
    covering = rules.covering(job.repository, job.name, job.step_name)
    return covering.match(output_of_lines(excerpt, first_line or 1).with_lines(others), check) if covering else None


def with_rule_in_excerpt(
    rules: RuleSet, job: FailedJob, excerpt: Sequence[str], first_line: int | None, causes: Causes,
    *, check: Callable[[], None], stored: Iterable[str] = (),
) -> Causes:  # fmt: skip
    """As with_rule, for a log whose text is deleted: what a rule matched before may be part of `stored` only.
    `first_line`: the number of the excerpt's first line."""
    others = [*(cause.line for cause in causes), *stored]
    return prepend(match_excerpt(rules, job, excerpt, first_line, others, check), causes)


def without_rules(causes: Causes) -> Causes:
    """The causes that the log, or an annotation, names."""
    return tuple(cause for cause in causes if cause.source != CauseSource.RULE)


def prepend(match: RuleMatch | None, causes: Causes, *, stored: Causes = ()) -> Causes:
    """The causes with that of a match in front. `stored`: causes that can have the number of its line."""
    if match is None:
        return causes
    record = _record(match)
    if record.line_number is None:
        number = next((cause.line_number for cause in (*causes, *stored) if cause.line == record.line), None)
        record = replace(record, line_number=number)
    return (record, *causes)


def _record(match: RuleMatch) -> CauseRecord:
    rule = match.rule
    return CauseRecord(
        kind=rule.kind.value,
        tool=TOOL,
        subject=rule.name,
        message=match.line,
        line=match.line,
        line_number=match.line_number,
        source=CauseSource.RULE.value,
        fingerprint=rule_fingerprint(rule.id or 0),
        rule_id=rule.id,
    )
