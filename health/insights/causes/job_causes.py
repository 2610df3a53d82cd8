"""The causes of a failed job as they are stored: of its log, of its annotations, or of a line that is stored without
its log. Pure."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from db.definitions.records import CauseRecord
from db.enums import CauseSource
from health.insights.causes.extraction import Extraction, cause_of_line, extract
from health.insights.causes.families.generic import CANCELED, CLOSING
from health.insights.causes.identity import fingerprint_of
from health.insights.causes.lines import ERROR_MARK
from health.insights.causes.model import CauseClass, FailureCause
from health.insights.causes.novelty import NONE_KNOWN, KnownLines
from health.insights.causes.repetitions import without_repetitions
from health.insights.causes.scan import StepSpan

# Stored causes of one job. Further ones, such as the failed tests of a broken build, are left out.
MAX_JOB_CAUSES = 20
# Characters of a stored subject or message.
_MAX_TEXT = 1_000


@dataclass(frozen=True)
class FailedJob:
    """A failed job whose log is searched. `repository` is owner/name; `step_name` and `step` (start and end) are those
    of the failed step, null if unknown. `known`: lines that successful logs of the job also have."""

    repository: str = ""
    name: str = ""
    step_name: str | None = None
    step: StepSpan | None = None
    known: KnownLines = NONE_KNOWN


def causes_of_log(
    lines: Iterable[str], job: FailedJob = FailedJob(), *, check: Callable[[], None] | None = None
) -> Extraction:
    """The causes in the log of a failed job, whose lines include their line breaks; without a failed step, or if no
    line has a time within it, the part up to the first closing error is searched. `check` as in `extract`."""
    lines = lines if isinstance(lines, Sequence) else list(lines)
    extraction = extract(lines, job.step, known=job.known, check=check)
    if job.step is not None and not extraction.end_number:
        extraction = extract(lines, None, known=job.known, check=check)
    return extraction


def cause_of_text(line: str) -> FailureCause:
    """The cause that an annotation, or a line that is stored without its log, names."""
    cause = cause_of_line(line)
    return replace(cause, kind=CauseClass.CANCELLED, tool="runner") if is_canceled(line) else cause


def cause_records(
    causes: Sequence[FailureCause], source: CauseSource = CauseSource.LOG, *, first_line: int | None = 1
) -> tuple[CauseRecord, ...]:
    """The causes to store, at most MAX_JOB_CAUSES: distinct ones, those that two failures can share first. `first_line`
    is the number in the log of the line that the causes count as 1; null if they are not lines of a log."""
    named: dict[str, CauseRecord] = {}
    unnamed: list[CauseRecord] = []
    for cause in without_repetitions(causes):
        record = _record(cause, source, first_line)
        if record.fingerprint is None:
            unnamed.append(record)
        else:
            named.setdefault(record.fingerprint, record)
    return tuple([*named.values(), *unnamed][:MAX_JOB_CAUSES])


def annotation_record(line: str, place: str | None) -> CauseRecord:
    """The cause that an annotation names. `place` is the file and line to which it belongs, as `src/a.py:12`, and is
    the subject; null if it names no file. The line number, which changes with the file, is not part of the identity."""
    cause = cause_of_text(line)
    if place is None:
        return _record(cause, CauseSource.ANNOTATION, None)
    path, _, number = place.rpartition(":")
    path = path if number.isdecimal() and path else place
    # A message that differs from the line is part of the identity.
    identified = replace(cause, subject=cause.subject or path, line=f"{path}: {line}")
    record = _record(replace(cause, subject=place), CauseSource.ANNOTATION, None)
    return replace(record, fingerprint=fingerprint_of(identified) if record.fingerprint else None)


def combined(*parts: Iterable[CauseRecord]) -> tuple[CauseRecord, ...]:
    """The causes of several sources in this order, at most MAX_JOB_CAUSES, without repetitions."""
    records: dict[tuple[str | None, ...], CauseRecord] = {}
    for record in itertools.chain(*parts):
        key = (record.fingerprint,) if record.fingerprint else (None, record.line)
        records.setdefault(key, record)
    return tuple(records.values())[:MAX_JOB_CAUSES]


def is_closing(line: str) -> bool:
    """Whether a line only reports an end without a reason. A cancellation is a reason."""
    marked = line if line.startswith(ERROR_MARK) else ERROR_MARK + line
    return bool(CLOSING.match(marked)) and not CANCELED.match(marked)


def is_canceled(line: str) -> bool:
    """Whether a line reports a cancellation."""
    return bool(CANCELED.match(line if line.startswith(ERROR_MARK) else ERROR_MARK + line))


def names_cause(line: str) -> bool:
    """Whether a line names a cause that two failures can share. Lines that only report an end or a cancellation do
    not."""
    return not is_closing(line) and not is_canceled(line)


def _record(cause: FailureCause, source: CauseSource, first_line: int | None) -> CauseRecord:
    return CauseRecord(
        kind=cause.kind.value,
        tool=cause.tool,
        subject=cause.subject[:_MAX_TEXT] if cause.subject else None,
        message=cause.message[:_MAX_TEXT],
        line=cause.line,
        line_number=None if first_line is None else cause.line_number + first_line - 1,
        source=source.value,
        fingerprint=fingerprint_of(cause) if names_cause(cause.line) else None,
    )
