"""The cause that an own rule names: in front of the other causes, and instead of that of the matched line. Pure.

The replaced cause is not stored. Until the log is extracted again, it is the cause that its line names in the excerpt,
or on its own."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from db.definitions.records import CauseRecord
from db.enums import CauseSource
from health.insights.causes.job_causes import (
    FailedJob,
    annotation_record,
    cause_of_text,
    cause_records,
    causes_of_log,
    combined,
)
from health.insights.causes.lines import display_line
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


def without_rules(causes: Causes, excerpt: Sequence[str] = ()) -> Causes:
    """The causes that the log or an annotation names; one that a rule replaced is the cause of its line. `excerpt`: of
    the log."""
    others = [cause for cause in causes if cause.source != CauseSource.RULE]
    restored = (_replaced(cause, excerpt, is_only=not others) for cause in causes if cause.source == CauseSource.RULE)
    return combined((cause for cause in restored if cause is not None), others)


def prepend(match: RuleMatch | None, causes: Causes, *, stored: Causes = ()) -> Causes:
    """The causes with that of a match in front, which replaces the cause of its line. `stored`: causes that can have
    the number of its line."""
    if match is None:
        return causes
    record = _record(match)
    if record.line_number is None:
        number = next((cause.line_number for cause in (*causes, *stored) if cause.line == record.line), None)
        record = replace(record, line_number=number)
    replaced = _same_line(record, causes)
    if replaced is None:
        return (record, *causes)
    if replaced.line_number is not None:
        record = replace(record, line_number=replaced.line_number)
    elif replaced.source == CauseSource.ANNOTATION and (place := annotated_place(replaced.line, replaced.subject)):
        record = replace(record, message=f"{place}: {record.line}")
    return (record, *(cause for cause in causes if cause is not replaced))


def needs_extraction(stored: Causes, current: Causes) -> bool:
    """Whether a rule that no longer applies replaced a cause of the log, so that only the log has it exactly."""
    applied = {(cause.line, cause.line_number) for cause in current if cause.source == CauseSource.RULE}
    return any(
        cause.source == CauseSource.RULE
        and cause.line_number is not None
        and (cause.line, cause.line_number) not in applied
        for cause in stored
    )


def replaced_annotation(line: str, message: str) -> tuple[str, str | None]:
    """The line and the place of an annotation that a rule replaced, by the line and the message of the rule's cause."""
    end = f": {line}"
    return line, message.removesuffix(end) if message.endswith(end) else None


def annotated_place(line: str, subject: str | None) -> str | None:
    """The place in a file of an annotation: a subject that its line does not have."""
    return subject if subject != cause_of_text(line).subject else None


def _same_line(record: CauseRecord, causes: Causes) -> CauseRecord | None:
    """The cause that the rule's cause replaces: that of the line with its number, or else with its text."""
    number, text = record.line_number, display_line(record.line)
    if number is not None and (same := next((cause for cause in causes if cause.line_number == number), None)):
        return same
    return next(
        (
            cause
            for cause in causes
            if cause.line == text and (number is None or cause.source != CauseSource.ANNOTATION)
        ),
        None,
    )


def _replaced(cause: CauseRecord, excerpt: Sequence[str], *, is_only: bool) -> CauseRecord | None:
    """The cause of the line that a rule matched. Null for a line that names none, unless it `is_only` of the job."""
    if cause.line_number is None:
        return annotation_record(*replaced_annotation(cause.line, cause.message))
    text = display_line(cause.line)
    extracted = causes_of_log([f"{line}\n" for line in excerpt], FailedJob()).causes
    named = next((other for other in extracted if other.line == text), None)
    if named is None:
        named = cause_of_text(text)
        if not is_only and (named.is_fallback or any(text in line for line in excerpt)):
            return None
    (record,) = cause_records([replace(named, line_number=1)], first_line=cause.line_number)
    return record


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
