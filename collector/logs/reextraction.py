"""Extracts the causes of stored logs again after a change of the extraction: in the background, newest logs first."""

import logging
import threading
import time
import zlib
from dataclasses import replace

from sqlalchemy import Engine

from collector.logs.annotations import Annotation
from collector.logs.budget import CpuBudget, CpuBudgetExceeded
from collector.logs.excerpt import LogExcerpt, excerpt_text
from collector.logs.fetch import annotation_causes, choose_causes
from core.work import report_progress
from db.definitions.records import CauseRecord
from db.engine import session_scope, write_scope
from db.enums import CauseSource
from db.logs.outdated_causes import ExtractedLog, OutdatedLog, log_content, outdated_logs, store_extracted
from health.insights.causes.extraction import CAUSE_VERSION
from health.insights.causes.job_causes import FailedJob, cause_of_text, cause_records, causes_of_log, combined
from health.insights.causes.known_lines import known_lines, sketched_job
from health.insights.causes.novelty import KnownLines
from health.insights.causes.rule_causes import (
    RULES_CPU_SECONDS,
    RULES_TOO_SLOW,
    Causes,
    annotated_place,
    replaced_annotation,
    with_rule,
    with_rule_in_excerpt,
)
from health.insights.causes.rules import RuleSet
from health.insights.causes.stored_rules import rule_set

logger = logging.getLogger(__name__)
# Logs of one transaction. Their texts are read one by one.
_BATCH = 50


def extract_outdated_causes(engine: Engine, stop: threading.Event, *, seconds: float) -> int:
    """Extracts causes of earlier versions again for about `seconds`; returns the number of logs that were processed, 0
    when all are up to date. May be interrupted and repeated at any time. Raises SQLAlchemyError."""
    deadline, total = time.monotonic() + seconds, 0
    while not stop.is_set():
        processed = _extract_batch(engine, stop, deadline)
        total += processed
        if not processed or time.monotonic() >= deadline:
            break
    return total


def _extract_batch(engine: Engine, stop: threading.Event, deadline: float) -> int:
    """The texts are read and searched outside of the transaction that writes."""
    with session_scope(engine) as session:
        logs, rules = outdated_logs(session, CAUSE_VERSION, limit=_BATCH), rule_set(session)
    extracted = []
    for log in logs:
        extracted.append(_extract(engine, log, rules))
        report_progress()
        if stop.is_set() or time.monotonic() >= deadline:
            break
    if extracted:
        with write_scope(engine) as session:
            store_extracted(session, CAUSE_VERSION, extracted)
    return len(extracted)


def _extract(engine: Engine, log: OutdatedLog, rules: RuleSet) -> ExtractedLog:
    if not log.failed:
        return ExtractedLog(log, ())
    text, known = _stored_text(engine, log) if log.has_text else None, _known_lines(engine, log)
    excerpt = _excerpt_of_text(log, text, known) if text is not None else None
    if text is None or excerpt is None:
        records = _with_rule(log, rules, None, _causes_without_text(log, known))
        return ExtractedLog(log, records, compared=bool(known))
    causes = choose_causes(excerpt, lambda: _stored_annotations(log))
    records = _with_rule(log, rules, text, causes)
    return ExtractedLog(log, records, (excerpt.first_line, excerpt.lines), compared=bool(known))


def _known_lines(engine: Engine, log: OutdatedLog) -> KnownLines:
    with session_scope(engine) as session:
        job = sketched_job(log.repository_id, log.workflow_id, log.job_name)
        return known_lines(session, job)


def _with_rule(log: OutdatedLog, rules: RuleSet, text: bytes | None, causes: Causes) -> Causes:
    job, check, stored = _failed_job(log), CpuBudget(RULES_CPU_SECONDS).check, [cause.line for cause in log.stored]
    try:
        if text is not None:
            return with_rule(rules, job, text.decode("utf-8", "replace"), causes, check=check) if rules else causes
        first_line = log.excerpt_first_line
        return with_rule_in_excerpt(rules, job, log.excerpt, first_line, causes, check=check, stored=stored)
    except CpuBudgetExceeded:
        logger.warning(RULES_TOO_SLOW, log.repo, log.job_id, RULES_CPU_SECONDS)
        return causes


def _stored_text(engine: Engine, log: OutdatedLog) -> bytes | None:
    """Null if the text was deleted or is damaged."""
    with session_scope(engine) as session:
        content = log_content(session, log)
    try:
        return zlib.decompress(content) if content is not None else None
    except zlib.error as error:
        logger.warning(
            "%s: the stored log of job %s is damaged (%s); its causes are those of its excerpt",
            log.repo,
            log.job_id,
            error,
        )
        return None


def _excerpt_of_text(log: OutdatedLog, text: bytes, known: KnownLines) -> LogExcerpt | None:
    """Null if the text cannot be searched."""
    try:
        return excerpt_text(text, replace(_failed_job(log), known=known), CpuBudget())
    except CpuBudgetExceeded:
        logger.warning(
            "%s: the causes of job %s are those of its excerpt: its log is too complex", log.repo, log.job_id
        )
        return None


def _failed_job(log: OutdatedLog) -> FailedJob:
    step = log.step
    return FailedJob(log.repo, log.job_name, step.name if step else None, step.span if step else None)


def _stored_annotations(log: OutdatedLog) -> list[Annotation]:
    """The stored annotations, with those that a rule replaced. A cause without a source is one if the excerpt does not
    have its line."""
    annotations = []
    for cause in log.stored:
        if cause.source == CauseSource.ANNOTATION:
            annotations.append(Annotation(cause.line, annotated_place(cause.line, cause.subject)))
        elif cause.replaces_annotation:
            annotations.append(Annotation(*replaced_annotation(cause.line, cause.message)))
        elif cause.source is None and log.line_number(cause.line) is None:
            annotations.append(Annotation(cause.line))
    # Only the first one may have no place; the cause of a rule is in front of it.
    return sorted(annotations, key=lambda annotation: annotation.place is not None)


def _causes_without_text(log: OutdatedLog, known: KnownLines) -> tuple[CauseRecord, ...]:
    """Of an annotation, else of the excerpt, else of the stored line."""
    annotations = _stored_annotations(log)
    first = log.stored[0] if log.stored else None
    is_logged = first is not None and (
        first.source == CauseSource.LOG or (first.source == CauseSource.RULE and not first.replaces_annotation)
    )
    if annotations and not is_logged:
        return annotation_causes(annotations)
    # The lines of an excerpt have no times, so that a step cannot be selected by its span.
    job = replace(_failed_job(log), step=None, known=known)
    causes = causes_of_log([f"{line}\n" for line in log.excerpt], job).causes
    line = next((cause.line for cause in log.stored if cause.source != CauseSource.RULE), None)
    records: tuple[CauseRecord, ...] = ()
    if causes and (line is None or not causes[0].is_fallback):
        records = cause_records(causes, first_line=log.excerpt_first_line)
    elif line is not None:
        records = cause_records([cause_of_text(line)], first_line=log.line_number(line))
    return combined(records, annotation_causes(annotations))
