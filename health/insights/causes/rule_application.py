"""Applies changes of own rules to the stored failures: in the background, newest first, in small batches.

The other causes of a job stay as they are. A log is extracted again in the background if a rule no longer replaces one
of its causes. New logs have the rules applied before they are stored."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Engine, Row, func, select, true, update
from sqlalchemy.orm import Session

from db.definitions.scope import Window
from db.engine import session_scope, write_scope
from db.logs.cause_writes import JobCauses, replace_causes
from db.models import JobCause, JobLog, Run
from db.sql import execute, is_one_of
from db.time_limit import TimeLimitExceeded
from health.insights.causes import rule_queries as queries
from health.insights.causes.rule_causes import (
    RULES_CPU_SECONDS,
    RULES_TOO_SLOW,
    Causes,
    needs_extraction,
    prepend,
    without_rules,
)
from health.insights.causes.rule_queries import Key
from health.insights.causes.rules import CauseRule, RuleSet, rule_fingerprint
from health.insights.causes.stored_rules import is_deleted, mark_applied, rule_set, unapplied_rules

logger = logging.getLogger(__name__)
# Logs whose jobs are compared with the rule at once, and logs that are read at once.
_KEYS, _BATCH = 512, 32
# A program may still store a log with the rules that it read before the change.
START_DELAY_SECONDS = 5.0
# Logs without a text are listed by time, because the list of all of them can take too long.
_SHORTEST_WINDOW = timedelta(hours=1)
_ALL_TIME = Window(datetime(2008, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
# A log, its stored causes and its causes with the current rules.
Change = tuple[Row[Any], Causes, Causes]


class _TimeUp(Exception):
    pass


@dataclass
class _Work:
    """The application of one state of a rule. `named`: jobs whose cause it names now. `windows`: their logs without a
    text are not listed yet, the newest last. `listed`: logs that may match. `selected`: those of them that the rule
    names or covers."""

    rule: CauseRule
    named: frozenset[Key]
    windows: list[Window]
    listed: deque[Key] = field(default_factory=deque)
    selected: deque[Key] = field(default_factory=deque)
    _seen: set[Key] = field(default_factory=set)

    @property
    def is_complete(self) -> bool:
        return not (self.windows or self.listed or self.selected)

    @property
    def is_active(self) -> bool:
        """False for a rule that names no cause any more."""
        return self.rule.enabled and not is_deleted(self.rule)

    def add(self, keys: Iterable[Key]) -> None:
        new = [key for key in dict.fromkeys(keys) if key not in self._seen]
        self._seen.update(new)
        self.listed.extend(new)

    def select(self, session: Session) -> None:
        """Selects some of the listed logs."""
        keys = [self.listed.popleft() for _ in range(min(_KEYS, len(self.listed)))]
        covered = set(queries.covered_jobs(session, self.rule, keys, true())) if self.is_active else set()
        self.selected.extend(key for key in keys if key in covered or key in self.named)

    def list_window(self, session: Session) -> None:
        """Lists the logs of the newest window; halves it if that takes too long."""
        window = self.windows.pop()
        try:
            annotated = queries.annotated_logs(session, self.rule, window)
            self.add([*annotated, *queries.excerpts(session, self.rule, window)])
        except TimeLimitExceeded:
            if window.span <= _SHORTEST_WINDOW:
                self.windows.append(window)
            else:
                middle = window.since + window.span / 2
                self.windows += [Window(window.since, middle), Window(middle, window.until)]


@dataclass
class RuleApplication:
    """Only the leader runs it, but nothing depends on that: repeated work has no effect. `delay` in seconds."""

    engine: Engine
    clock: Callable[[], datetime]
    stop: threading.Event = field(default_factory=threading.Event)
    delay: float = START_DELAY_SECONDS
    _noticed: dict[CauseRule, float] = field(default_factory=dict)
    _work: _Work | None = None

    def run(self, *, seconds: float) -> int:
        """Applies unapplied rules for about `seconds`; returns the number of jobs whose causes changed. Raises
        SQLAlchemyError."""
        deadline, changed = time.monotonic() + seconds, 0
        while not self.stop.is_set() and (work := self._next_work()) is not None:
            while not work.is_complete:
                changed += self._advance(work, deadline)
                if self.stop.is_set() or time.monotonic() >= deadline:
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

    def _advance(self, work: _Work, deadline: float) -> int:
        """Lists and selects logs until there are some to read, and reads one batch; returns the number of jobs whose
        causes changed."""
        while not work.selected and not work.is_complete:
            with session_scope(self.engine) as session:
                if work.listed:
                    work.select(session)
                else:
                    work.list_window(session)
            if time.monotonic() >= deadline:
                break
        return self._apply_batch(work, deadline) if work.selected else 0

    def _apply_batch(self, work: _Work, deadline: float) -> int:
        """Texts are read and causes are written in separate transactions, so that matching holds no lock. At least one
        log is read, whatever the time."""
        keys = [work.selected[position] for position in range(min(_BATCH, len(work.selected)))]
        with session_scope(self.engine) as session:
            rules = rule_set(session)
            rows, stored = queries.read_logs(session, keys), queries.read_causes(session, keys)
        changes: list[Change] = []
        for key in keys:
            work.selected.popleft()
            row = rows.get(key)
            changed = _changed_causes(work, rules, row, stored[key]) if row is not None else None
            if row is not None and changed is not None:
                changes.append((row, stored[key], changed))
            if self.stop.is_set() or time.monotonic() >= deadline:
                break
        if changes:
            with write_scope(self.engine) as session:
                _write(session, changes)
        return len(changes)


def _start(session: Session, rule: CauseRule) -> _Work:
    """The jobs that the rule may affect: those that it names, and those whose log may match."""
    query = select(JobCause.repository_id, JobCause.job_id).where(
        JobCause.fingerprint == rule_fingerprint(rule.id or 0), JobCause.rule_id == rule.id
    )
    named = [(row[0], row[1]) for row in execute(session, query.order_by(JobCause.created_at.desc()))]
    work = _Work(rule, frozenset(named), [])
    work.add(named)
    if work.is_active:
        work.add(queries.stored_logs(session, rule, _ALL_TIME))
        first, last = execute(session, select(func.min(Run.created_at), func.max(Run.created_at))).one()
        if first is not None:
            work.windows.append(Window(first, last + timedelta(microseconds=1)))
    return work


def _changed_causes(work: _Work, rules: RuleSet, row: Row[Any], stored: Causes) -> Causes | None:
    """The causes of a job with the current rules; null if they are the stored ones."""
    job, causes = queries.failed_job(row), stored or queries.cause_of_log(row)
    others, end = without_rules(causes, row.excerpt or ()), time.thread_time() + RULES_CPU_SECONDS

    def check() -> None:
        if time.thread_time() > end:
            raise _TimeUp

    try:
        current = prepend(queries.match_stored(rules, job, row, causes, check), others, stored=causes)
    except _TimeUp:
        logger.warning(RULES_TOO_SLOW, job.repository, row.job_id, RULES_CPU_SECONDS)
        # Another rule still names the cause that it named before.
        current = others if (row.repository_id, row.job_id) in work.named else causes
    return None if current == causes else current


def _write(session: Session, changes: Sequence[Change]) -> None:
    """Skips jobs whose log or causes were stored again since they were read."""
    changes = sorted(changes, key=lambda change: _key(change[0]))
    fetched = _lock_logs(session, [_key(row) for row, _, _ in changes])
    stored = queries.read_causes(session, [_key(row) for row, _, _ in changes])
    unchanged = [
        (row, before, causes)
        for row, before, causes in changes
        if fetched.get(_key(row)) == row.fetched_at and stored[_key(row)] == before
    ]
    if not unchanged:
        return
    replace_causes(
        session,
        [JobCauses(row.repository_id, row.job_id, row.run_id, row.created_at, causes) for row, _, causes in unchanged],
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
            for row, _, causes in unchanged
        ],
    )
    incomplete = [_key(row) for row, before, causes in unchanged if needs_extraction(before, causes)]
    if incomplete:
        of_log = is_one_of((JobLog.repository_id, JobLog.job_id), incomplete)
        session.execute(update(JobLog).where(of_log).values(cause_version=None))


def _lock_logs(session: Session, keys: Sequence[Key]) -> dict[Key, datetime | None]:
    """When the logs were fetched, by key. `keys` are sorted: all writers lock in this order. One statement for each
    repository, because Citus locks rows of one shard only."""
    fetched: dict[Key, datetime | None] = {}
    for repository_id, of_repository in groupby(keys, key=lambda key: key[0]):
        query = (
            select(JobLog.job_id, JobLog.fetched_at)
            .where(JobLog.repository_id == repository_id, JobLog.job_id.in_([key[1] for key in of_repository]))
            .order_by(JobLog.job_id)
        )
        fetched |= {(repository_id, row[0]): row[1] for row in execute(session, query.with_for_update())}
    return fetched


def _key(row: Row[Any]) -> Key:
    return row.repository_id, row.job_id
