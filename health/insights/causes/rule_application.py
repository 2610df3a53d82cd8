"""Applies changes of own rules to the stored failures: in the background, newest first, in small batches.

The other causes of a job stay as they are, so that no log is extracted again. New logs have the rules applied before
they are stored."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, select, tuple_, update
from sqlalchemy.orm import Session

from db.definitions.records import CauseRecord
from db.definitions.scope import Window
from db.engine import session_scope, write_scope
from db.logs.cause_writes import JobCauses, replace_causes
from db.logs.log_queries import readable_text
from db.logs.pending_logs import failed_step
from db.models import JobCause, JobLog
from db.sql import execute, key_table
from health.insights.causes import rule_queries as queries
from health.insights.causes.job_causes import FailedJob, cause_of_text, cause_records
from health.insights.causes.rule_causes import Causes, with_rule, with_rule_in_excerpt, without_rules
from health.insights.causes.rule_queries import Key
from health.insights.causes.rules import CauseRule, RuleSet, rule_fingerprint
from health.insights.causes.stored_rules import is_deleted, mark_applied, rule_set, unapplied_rules

# Logs that are read at once.
_BATCH = 32
# A program may still store a log with the rules that it read before the change.
START_DELAY_SECONDS = 5.0
# CPU time for one log.
_CPU_SECONDS = 1.0
_LIST_SECONDS = 60.0
_ALL_TIME = Window(datetime(2008, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
_FIELDS = tuple(CauseRecord.__dataclass_fields__)


class _TimeUp(Exception):
    pass


@dataclass
class _Work:
    """The application of one state of a rule. `named`: jobs whose cause it names now."""

    rule: CauseRule
    keys: list[Key]
    named: frozenset[Key]
    position: int = 0


@dataclass
class RuleApplication:
    """Only the leader runs it, but nothing depends on that: repeated work has no effect. `delay` in seconds."""

    engine: Engine
    clock: Callable[[], datetime]
    delay: float = START_DELAY_SECONDS
    _noticed: dict[CauseRule, float] = field(default_factory=dict)
    _work: _Work | None = None

    def run(self, *, seconds: float) -> int:
        """Applies unapplied rules for about `seconds`; returns the number of jobs whose causes changed. Raises
        SQLAlchemyError."""
        deadline, changed = time.monotonic() + seconds, 0
        while (work := self._next_work()) is not None:
            while work.position < len(work.keys):
                changed += self._apply_batch(work)
                if time.monotonic() >= deadline:
                    return changed
            with write_scope(self.engine) as session:
                mark_applied(session, work.rule, self.clock())
            self._work = None
        return changed

    @property
    def is_pending(self) -> bool:
        """Whether the last run left work, or a rule is too new to be applied."""
        return bool(self._noticed)

    def _next_work(self) -> _Work | None:
        """The oldest change that is due. A rule that was changed again while it is applied starts from the newest
        log."""
        with session_scope(self.engine) as session:
            unapplied = unapplied_rules(session)
            noticed = time.monotonic()
            self._noticed = {rule: self._noticed.get(rule, noticed) for rule in unapplied}
            if self._work is not None and self._work.rule in self._noticed:
                return self._work
            due = [rule for rule in unapplied if noticed - self._noticed[rule] >= self.delay]
            self._work = _start(session, due[0]) if due else None
        return self._work

    def _apply_batch(self, work: _Work) -> int:
        """Texts are read and causes are written in separate transactions, so that matching holds no lock."""
        keys = work.keys[work.position : work.position + _BATCH]
        with session_scope(self.engine) as session:
            rules = rule_set(session)
            rows = queries.read_logs(session, keys)
            stored = _stored_causes(session, keys)
        changes = []
        for key, row in rows.items():
            changed = _changed_causes(work, rules, row, stored[key])
            if changed is not None:
                changes.append((row, stored[key], changed))
        if changes:
            with write_scope(self.engine) as session:
                _write(session, changes)
        work.position += len(keys)
        return len(changes)


def _start(session: Session, rule: CauseRule) -> _Work:
    """Lists the jobs that the rule may affect: those that it names, and those whose log may match."""
    named = select(JobCause.repository_id, JobCause.job_id).where(
        JobCause.fingerprint == rule_fingerprint(rule.id or 0), JobCause.rule_id == rule.id
    )
    keys = [(row[0], row[1]) for row in execute(session, named.order_by(JobCause.created_at.desc()))]
    is_named = frozenset(keys)
    if rule.enabled and not is_deleted(rule):
        keys += queries.stored_logs(session, rule, _ALL_TIME)
        keys += queries.excerpts(session, rule, _ALL_TIME, seconds=_LIST_SECONDS)
    return _Work(rule, list(dict.fromkeys(keys)), is_named)


def _changed_causes(work: _Work, rules: RuleSet, row: Row[Any], stored: Causes) -> Causes | None:
    """The causes of a job with the current rules; null if they are the stored ones."""
    step = failed_step(row.steps)
    job = FailedJob(row.repo, row.job, step.name if step else None, step.span if step else None)
    is_covered = work.rule.enabled and work.rule.covers(job.repository, job.name, job.step_name)
    if not is_covered and (row.repository_id, row.job_id) not in work.named:
        return None
    causes = stored or _cause_of_line(row)
    end = time.thread_time() + _CPU_SECONDS

    def check() -> None:
        if time.thread_time() > end:
            raise _TimeUp

    try:
        current = _with_rule(rules, job, row, causes, check)
    except _TimeUp:
        return None
    return None if current == causes else current


def _with_rule(rules: RuleSet, job: FailedJob, row: Row[Any], causes: Causes, check: Callable[[], None]) -> Causes:
    others, stored = without_rules(causes), [cause.line for cause in causes]
    text = readable_text(row.content)
    if text is not None:
        return with_rule(rules, job, text, others, check=check)
    excerpt = row.excerpt or ()
    current = with_rule_in_excerpt(rules, job, excerpt, row.excerpt_first_line, others, check=check, stored=stored)
    number = next((cause.line_number for cause in causes if current and cause.line == current[0].line), None)
    if current and current[0].line_number is None and number is not None:
        return (replace(current[0], line_number=number), *current[1:])
    return current


def _cause_of_line(row: Row[Any]) -> Causes:
    """Of a log whose causes are not extracted yet, the cause of its error line."""
    if not row.error_line:
        return ()
    (cause,) = cause_records([cause_of_text(row.error_line)], first_line=None)
    return (replace(cause, fingerprint=row.fingerprint),)


def _stored_causes(session: Session, keys: Sequence[Key]) -> defaultdict[Key, Causes]:
    wanted = key_table(keys)
    of_key = (JobCause.repository_id == wanted.c.repository_id) & (JobCause.job_id == wanted.c.id)
    columns = [getattr(JobCause, name) for name in _FIELDS]
    query = select(JobCause.repository_id, JobCause.job_id, *columns).join(wanted, of_key).order_by(JobCause.position)
    causes: defaultdict[Key, Causes] = defaultdict(tuple)
    for repository_id, job_id, *values in execute(session, query):
        causes[repository_id, job_id] += (CauseRecord(*values),)
    return causes


def _write(session: Session, changes: Sequence[tuple[Row[Any], Causes, Causes]]) -> None:
    """Skips jobs whose log or causes were stored again since they were read."""
    keys = [(row.repository_id, row.job_id) for row, _, _ in changes]
    locked = select(JobLog.repository_id, JobLog.job_id, JobLog.fetched_at).where(
        tuple_(JobLog.repository_id, JobLog.job_id).in_(keys)
    )
    fetched = {(row[0], row[1]): row[2] for row in execute(session, locked.with_for_update())}
    stored = _stored_causes(session, keys)
    unchanged = [
        (row, causes)
        for row, before, causes in changes
        if fetched.get((row.repository_id, row.job_id)) == row.fetched_at
        and stored[row.repository_id, row.job_id] == before
    ]
    if not unchanged:
        return
    replace_causes(
        session,
        [JobCauses(row.repository_id, row.job_id, row.run_id, row.created_at, causes) for row, causes in unchanged],
    )
    session.execute(
        update(JobLog),
        [
            {
                "repository_id": row.repository_id,
                "job_id": row.job_id,
                "error_line": causes[0].line if causes else None,
                "fingerprint": causes[0].fingerprint if causes else None,
            }
            for row, causes in unchanged
        ],
    )
